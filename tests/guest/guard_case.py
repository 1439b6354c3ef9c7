"""The guard where bridges filter VLANs: untagged frames have the number that their port gives them, and what is done in one VLAN
leaves the others alone. The gateway's bridge is somebody else's; lan1 and lan2 are access ports that one switch joins.

    host A ── lan0 ┐                    ┌─ lan1 ── s1 ┐
                   [ br0, site A: isthmusd ]            [ switch: VLAN filtering, spanning tree at first ]
                                        └─ lan2 ── s2 ┘
"""
import fnmatch
import json
import os
import shutil
import time
import traceback

import lab
import netns
import traffic
from checks import explain, say, settle
from keyed import wait_until
from lab import ip
from variants import Variant

NAME = "guard/vlan-filtering"
PORTS = {"lan1": ["vid 10 pvid untagged"], "lan2": ["vid 10 pvid untagged", "vid 20"]}
STAYS, GOES = "02:00:00:00:20:01", "02:00:00:00:10:01"  # hosts that the bridge learns at lan2, in VLAN 20 and in VLAN 10
BRIDGES = bytes.fromhex("0180c2000000")
CALM = 500  # frames a second: probes, and no loop


class GuardedSide(lab.IsthmusSide):
    """isthmusd on a bridge with two more LAN ports."""

    def _init_state(self):
        ip(self.ns, *[f"link set {port} master br0" for port in PORTS])
        netns.bridge_vlans(self.ns, *[f"vlan add dev {port} {what}" for port, table in PORTS.items() for what in table])

    def _configuration(self):
        return super()._configuration().replace('ownership = "adopt"\n', 'ownership = "adopt"\nports = ["lan0", "lan1", "lan2"]\n')

    def restart_without_nftables(self):
        self.process.terminate()
        self.process.wait(20)
        with open(self.config) as f:
            text = f.read()
        with open(self.config, "w") as f:
            f.write(text.replace("[guard]\n", "[guard]\nnftables = false\n", 1))
        self.start()

    def lan_blocks(self):
        try:
            return {(block["port"], block["vlan"]) for block in self.ask({"request": "guard"})["bridges"][0]["lan_blocks"]}
        except OSError:
            return None

    def bpdus_kept(self):
        return self.status()["gateway"]["link_local"]["bpdus_kept_from_tunnel"]

    def vlan_state(self, port, vid):
        shown = json.loads(netns.run("bridge", "-n", self.ns, "-j", "-d", "vlan", "show", "dev", port))
        return next((v.get("state") for v in shown[0]["vlans"] if v["vlan"] == vid), None)

    def hosts_at(self, port):
        return {(entry["mac"], entry.get("vlan")) for entry in json.loads(netns.run("bridge", "-n", self.ns, "-j", "fdb", "show", "dev", port))}


class Switch:
    """The customer's: its access ports are in a VLAN of a number of its own."""

    def __init__(self, lane):
        self.ns, self.gateway = f"guest{lane.number}-sw", lane.ns["a"]
        netns.run("ip", "netns", "add", self.ns)
        netns.run("ip", "netns", "exec", self.ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        ip(self.ns, "link add br0 type bridge vlan_filtering 1 vlan_default_pvid 7 stp_state 1 forward_delay 200 hello_time 100 mcast_snooping 0",
           "link set br0 up")
        for n in (1, 2):
            ip(self.ns, f"link add s{n} type veth peer name lan{n} netns {self.gateway}", f"link set s{n} master br0", f"link set s{n} up")
            netns.run("ip", "netns", "exec", self.gateway, "sysctl", "-qw", f"net.ipv6.conf.lan{n}.disable_ipv6=1")
            ip(self.gateway, f"link set lan{n} up")
        self.wire = netns.packet_socket(self.ns, "s2")

    def say(self, source, *tags):
        """Out of s2, past the switch."""
        self.wire.send(traffic.frame(b"\xff" * 6, bytes.fromhex(source.replace(":", "")), tags, 0, 0, 60, 1))

    def end_tree(self):
        """Nothing keeps s2 closed any more."""
        # A port that the tree closed waits for the tree's max age; one that joins anew does not.
        ip(self.ns, "link set br0 type bridge stp_state 0", "link set s2 nomaster", "link set s2 master br0")

    def per_second(self):
        """Frames out of s1 and into it."""
        def count():
            line = next(line for line in netns.proc_net(self.ns, "dev").splitlines() if line.strip().startswith("s1:"))
            numbers = line.partition(":")[2].split()
            return int(numbers[1]) + int(numbers[9])
        before, begin = count(), time.monotonic()
        time.sleep(0.5)
        return (count() - before) / (time.monotonic() - begin)

    def close(self):
        self.wire.close()
        netns.run("ip", "netns", "del", self.ns)


def check(condition, what):
    if not condition:
        raise traffic.Lost(what() if callable(what) else what)


def port_state(ns, port):
    return json.loads(netns.run("bridge", "-n", ns, "-j", "link", "show", "dev", port))[0]["state"]


def tree_keeps_it_closed(a, switch):
    """(d) The customer's spanning tree cuts the loop; its BPDUs, which are VLAN 10's in our bridge, stay here, and the guard blocks nothing."""
    wait_until(lambda: a.bpdus_kept() >= 2, "BPDUs that come to the gateway")
    wait_until(lambda: port_state(switch.ns, "s2") == "blocking", "a spanning tree that blocks s2")
    time.sleep(1)
    check(a.lan_blocks() == set(), lambda: f"blocked although the spanning tree cuts the loop: {a.lan_blocks()}")


def one_vlan_is_blocked(lane, a, switch):
    """(a) The untagged loop is VLAN 10's: that is blocked. (b) Hosts that were learned at the port are forgotten in that VLAN alone."""
    switch.say(STAYS, traffic.tag(20))
    switch.say(GOES)
    wait_until(lambda: a.hosts_at("lan2") >= {(STAYS, 20), (GOES, 10)}, lambda: f"hosts learned at lan2: {a.hosts_at('lan2')}")
    switch.end_tree()
    broadcast(lane, a)
    wait_until(lambda: a.lan_blocks() == {("lan2", 10)}, lambda: f"VLAN 10 blocked on lan2, and nothing else: {a.lan_blocks()}")
    wait_until(lambda: (GOES, 10) not in a.hosts_at("lan2"), "the hosts of VLAN 10 at lan2 to be forgotten")
    check((STAYS, 20) in a.hosts_at("lan2"), "a host of VLAN 20 was forgotten too")
    all_is_calm(lane, a, switch, "after the block")


def broadcast(lane, a, *tags):
    """From host A into VLAN 10, or where the tags say."""
    lane.hosts["a"].send(traffic.frame(b"\xff" * 6, bytes.fromhex(lab.HOST_MAC["a"].replace(":", "")), tags, 0, 0, 60, 1))


def all_is_calm(lane, a, switch, when, *blocks):
    """Nothing goes round, and hosts of both VLANs hear each other."""
    for tags in ((), (traffic.tag(20),)):
        broadcast(lane, a, *tags)
    rate = wait_until(lambda: (n := switch.per_second()) < CALM and (n or 1), lambda: f"calm {when}: {switch.per_second():.0f} frames a second")
    check(set(blocks or [("lan2", 10)]) <= a.lan_blocks(), lambda: f"{when}: blocked is {a.lan_blocks()}")
    for prefix in ("10.10.0", "10.20.0"):
        traffic.ping(lane.ns["ha"], f"{prefix}.2")
    return rate


def somebody_interferes(lane, a, switch):
    """(c) A block outlives a VLAN that is taken from its port and given back, and a link that goes and comes."""
    netns.bridge_vlans(a.ns, "vlan del dev lan2 vid 10")
    time.sleep(0.4)     # long enough for isthmusd to see it
    netns.bridge_vlans(a.ns, "vlan add dev lan2 vid 10 pvid untagged")
    all_is_calm(lane, a, switch, "after the VLAN came back")
    ip(a.ns, "link set lan2 down")
    time.sleep(0.4)
    ip(a.ns, "link set lan2 up")
    all_is_calm(lane, a, switch, "after the link came back")


def renumbered(lane, a, switch):
    """(a) The same cable is VLAN 20's from now on."""
    netns.bridge_vlans(a.ns, *[f"vlan add dev {port} vid 20 pvid untagged" for port in PORTS])
    broadcast(lane, a, traffic.tag(20))
    wait_until(lambda: ("lan2", 20) in a.lan_blocks(), lambda: f"VLAN 20 blocked on lan2: {a.lan_blocks()}")
    all_is_calm(lane, a, switch, "after the ports are VLAN 20's", ("lan2", 20))


def by_the_bridge(lane, a, switch):
    """(c) Without nftables the VLAN's state on the port is what blocks it, and is put right when somebody changes it."""
    ip(switch.ns, "link set s2 down")
    a.restart_without_nftables()
    wait_until(lambda: a.vlan_state("lan2", 20) == "blocking", lambda: f"VLAN 20 blocked by its state: {a.vlan_state('lan2', 20)}")
    wait_until(a.ready, "isthmusd's start")
    ip(switch.ns, "link set s2 up")
    all_is_calm(lane, a, switch, "without nftables", ("lan2", 20))
    netns.run("bridge", "-n", a.ns, "vlan", "set", "dev", "lan2", "vid", "20", "state", "forwarding")
    wait_until(lambda: a.vlan_state("lan2", 20) == "blocking", "the state that somebody changed to be put right")
    all_is_calm(lane, a, switch, "after somebody changed the state", ("lan2", 20))
    check(a.vlan_state("lan0", 20) == a.vlan_state("lan1", 20) == "forwarding", "another port's VLAN is not forwarding")


def own_tree(lane, a, switch):
    """(d) A spanning tree of the gateway's bridge itself: its BPDUs stay here too, and what it closes the guard does not block again."""
    kept, blocks = a.bpdus_kept(), a.lan_blocks()
    ip(a.ns, "link set br0 type bridge stp_state 1 forward_delay 200 hello_time 100")
    wait_until(lambda: port_state(a.ns, "lan2") == "blocking", lambda: f"a spanning tree that blocks lan2: {port_state(a.ns, 'lan2')}")
    wait_until(lambda: a.bpdus_kept() >= kept + 2, "BPDUs of our own bridge to be kept from the tunnel")
    all_is_calm(lane, a, switch, "with a spanning tree of our own", *blocks)
    check(a.lan_blocks() <= blocks, lambda: f"blocked beside the spanning tree: {a.lan_blocks()}, before {blocks}")


def run_case(lane, options):
    variant = Variant()
    plan = lab.plan_of(variant)
    switch, start, problem = Switch(lane), time.monotonic(), None
    a = GuardedSide(lane, "a", variant, plan, options.programs, f"{options.work}/guard{lane.number}")
    b = lab.KernelSide(lane, "b", variant, plan)
    far, took = None, []
    try:
        lane.plug(plan)
        b.up()
        far = netns.Capture(lane.ns["b"], "pw0")
        a.up()
        settle(lane, plan, a)
        tree_keeps_it_closed(a, switch)
        for act in (one_vlan_is_blocked, somebody_interferes, renumbered, by_the_bridge, own_tree):
            begin = time.monotonic()
            act(lane, a, switch)
            took.append(f"{act.__name__} {time.monotonic() - begin:.1f} s")
    except (traffic.Lost, netns.CommandFailed, OSError) as error:
        problem = str(error) + explain(a, b)
    except Exception:
        problem = traceback.format_exc()
    problem = a.down() or problem
    if far:
        leaked = sum(data[:6] == BRIDGES for _, data in far.stop().packets)
        problem = problem or (f"{leaked} BPDUs came to the other site" if leaked else None)
    b.down()
    switch.close()
    lane.unplug(plan)
    if problem:
        os.makedirs(f"{options.out}/guard", exist_ok=True)
        shutil.copy(f"{a.folder}/isthmusd.log", f"{options.out}/guard/isthmusd.log")
    say("FAIL" if problem else "PASS", NAME, problem or f"{', '.join(took)}, {time.monotonic() - start:.1f} s")


def cases(options):
    wanted = not options.patterns or any(fnmatch.fnmatch(NAME, p) for p in options.patterns)
    return [lambda lane: run_case(lane, options)] if wanted else []
