"""Sessions and bridges of every kind, guarded: guards hear each other, and a backdoor is closed at one end."""
import os
import time

from cables import SlowCable
from harness import Background, case, cases, check, contains, main
from lab import Lab, run, wait_until
from sites import find_program, interface_of
from switched import LOOPED, Pinger, SwitchedSites, guarded
from wire import FrameSocket, ping, tag

LONG = bool(os.environ.get("ISTHMUS_LONG"))
VERDICT = 3.0            # seconds
ROOM = 2.0               # the machine may be busy with other things
SITES = ("dc", "cloud")
SESSIONS = {
    "one VLAN, tagged on the wire": 'access_vlan = 10\npseudowire = "ethernet-vlan"\n',
    "several VLANs, always tagged, between bridges of somebody else": 'vlans = "10,20"\npseudowire = "ethernet-vlan"\n',
}
OTHER_NUMBER = {"VLAN 20": ("access_vlan = 20\n", 20), "the untagged frames": ("untagged = true\n", 0)}


def with_session(site, lines):
    return guarded(site).replace('vlans = "10,20"\nuntagged = true\n', lines)


def why(sites):
    return f"{sites.guard('dc')} {sites.guard('cloud')}"


def wait_until_they_met(sites):
    met = wait_until(lambda: all(peer["has_guard"] for site in SITES for peer in sites.guard(site)["peers"]), 10, 0.2)
    check(met, f"guards that do not know of each other: {why(sites)}")


@cases(SESSIONS, "Guards hear each other on a session of {}: a backdoor is closed at one end")
def narrow_session(kind):
    configs = {site: with_session(site, SESSIONS[kind]) for site in SITES}
    adopts = "somebody else" in kind
    if adopts:
        configs = {site: text.replace('ports = ["lan0"]', 'ownership = "adopt"') for site, text in configs.items()}
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs=configs)
        for site, gateway in sites.gateways.items() if adopts else ():
            gateway.ns.ip_batch([f"link add br-{site} type bridge", f"link set br-{site} up", f"link set lan0 master br-{site}"])
        sites.start()
        check(sites.wait_for_traffic(30, LOOPED), f"no traffic in VLAN {LOOPED}: {sites.dc.process.output()[-1500:]}")
        wait_until_they_met(sites)
        check(sites.wait_open(15) is not None, f"closed at rest: {why(sites)}")
        sites.backdoor(True)
        sites.broadcast()
        check(sites.wait_closed(VERDICT + ROOM) is not None, f"no verdict: {why(sites)}")
        check(wait_until(lambda: len(sites.closed()) == 1, 5, 0.2), f"closed at {sites.closed()} and not at one end")


@cases(OTHER_NUMBER if LONG else ["VLAN 20"], "VLAN 10 of one site is {} of the other: both open, and a backdoor between them is closed at one end")
def other_number(kind):
    lines, number = OTHER_NUMBER[kind]
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs={"dc": with_session("dc", "access_vlan = 10\n"), "cloud": with_session("cloud", lines)})
        for site, vlan, ip in (("dc", LOOPED, "10.99.0.1"), ("cloud", number, "10.99.0.2")):
            sites.hosts[site].ip("addr", "add", f"{ip}/24", "dev", interface_of(vlan))
        cable = Translator(lab, sites, LOOPED, number)
        sites.start()

        def closed():
            return sites.closed(LOOPED) + sites.closed(number)
        heard = wait_until(lambda: ping(sites.hosts["dc"], "10.99.0.2", patience=0.2)[0] == 1, 30)
        check(heard, f"no traffic: {why(sites)} {sites.dc.drops()} {sites.cloud.drops()}")
        wait_until_they_met(sites)
        check(wait_until(lambda: not closed(), 15, 0.2), f"closed at rest: {why(sites)}")
        with cable:
            sites.broadcast()
            check(wait_until(closed, VERDICT + ROOM, 0.05), f"no verdict: {why(sites)}")
            check(wait_until(lambda: len(closed()) == 1, 5, 0.2), f"closed at {closed()} and not at one end")
        check(not sites.events("vlan_leak"), f"a leak that is none: {sites.events('vlan_leak')}")


class Translator(Background):
    """A cable between the sites' switches that gives frames of one VLAN another number, or no tag, on their way."""

    def __init__(self, lab, sites, dc_vlan, cloud_vlan):
        super().__init__()
        patch = lab.namespace("patch")
        patch.sysctl(net__ipv6__conf__all__disable_ipv6=1)
        self.ends = []
        for site, vlan in (("dc", dc_vlan), ("cloud", cloud_vlan)):
            lab.veth(sites.switches[site], "patch", patch, site)
            sites.switches[site].ip_batch(["link set patch master br0", "link set patch up"])
            self.ends.append((FrameSocket(patch, site), tag(vlan) if vlan else b""))

    def run(self):
        ways = [(self.ends[0], self.ends[1]), (self.ends[1], self.ends[0])]
        for end, _ in self.ends:  # what came before it was plugged
            while end.receive() is not None:
                pass
        while not self.stop.is_set():
            for (source, inner), (target, outer) in ways:
                for _ in range(20):
                    got = source.receive()
                    if got is None:
                        break
                    frame = self.translated(got[0], inner, outer)
                    if frame is not None:
                        target.send(frame)
            time.sleep(0.0005)

    @staticmethod
    def translated(frame, inner, outer):
        tagged = frame[12:14] == b"\x81\x00"
        if not inner:
            return None if tagged else frame[:12] + outer + frame[12:]
        same = tagged and int.from_bytes(frame[14:16], "big") & 0xFFF == int.from_bytes(inner[2:], "big")
        return frame[:12] + outer + frame[16:] if same else None


@case
def one_end_only():
    """A VLAN that only one end carries stays closed and is told once; the others open; a reload that adds it opens it at both"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs={"dc": with_session("dc", 'vlans = "any"\n'), "cloud": with_session("cloud", 'vlans = "10"\n')})
        sites.start()
        check(sites.wait_for_traffic(30, LOOPED), f"no traffic in VLAN {LOOPED}: {why(sites)}")
        absent = [{"session": "vlans", "vlans": "1-9,11-4094,untagged"}]
        told = wait_until(lambda: sites.guard("dc")["not_at_peer"] == absent, 20, 0.5)
        check(told, f"not at the peer: {sites.guard('dc')['not_at_peer']}")
        check(sites.guard("dc")["closed_vlans"] == 0, f"closed: {sites.guard('dc')['closed_vlans']}")
        sites.cloud.configure(with_session("cloud", 'vlans = "10,20"\n'))
        done = run(find_program("isthmus"), "reload", "--socket", sites.cloud.socket, check=False)
        check(done.returncode == 0, f"reload: {done.stdout} {done.stderr}")
        check(sites.wait_for_traffic(20, 20), f"no traffic in VLAN 20, which both have now: {why(sites)}")


def tree_at_the_lan():
    """Two LAN ports to one switch in a bridge whose spanning tree keeps one of them closed: the guard sees no loop in that"""
    configs = {"dc": guarded("dc").replace('ports = ["lan0"]', 'ownership = "adopt"'), "cloud": guarded("cloud")}
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs=configs)
        lab.veth(sites.dc.ns, "lan1", sites.switches["dc"], "gw1")
        sites.switches["dc"].ip_batch(["link set gw1 master br0", "link set gw1 up"])
        sites.dc.ns.ip_batch(["link add br-dc type bridge stp_state 1 forward_delay 200 hello_time 100", "link set br-dc up",
                              "link set lan0 master br-dc", "link set lan1 master br-dc", "link set lan1 up"])

        def settled():
            states = [sites.dc.ns.run("cat", f"/sys/class/net/{port}/brport/state").stdout.strip() for port in ("lan0", "lan1")]
            return sorted(states) == ["3", "4"]
        check(wait_until(settled, 20, 0.2), "the spanning tree blocks neither of the two ports")
        sites.start()
        check(sites.wait_for_traffic(30, LOOPED), f"no traffic in VLAN {LOOPED}: {why(sites)}")
        check(sites.wait_open(15) is not None, f"closed at rest: {why(sites)}")
        sites.broadcast()
        time.sleep(6)
        check(not sites.guard("dc")["lan_blocks"] and not sites.events("lan_port_blocked"), f"blocked on a LAN port: {why(sites)}")
        check(sites.ping(LOOPED, count=5)[0] == 0, "pings lost")


def one_end_observes():
    """Where the session observes at the end that would block, the other end does"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        sites.start()
        check(sites.wait_for_traffic(30, LOOPED) and sites.wait_open(15) is not None, f"closed at rest: {why(sites)}")
        sites.backdoor(True)
        sites.broadcast()
        check(sites.wait_closed(VERDICT + ROOM) is not None, f"no verdict: {why(sites)}")
        check(wait_until(lambda: len(sites.closed()) == 1, 5, 0.2), f"closed at {sites.closed()} and not at one end")
        owner = sites.closed()[0]
        other = next(site for site in SITES if site != owner)
        sites.gateways[owner].configure(guarded(owner).replace("untagged = true\n", "untagged = true\nobserve = true\n"))
        done = run(find_program("isthmus"), "reload", "--socket", sites.gateways[owner].socket, check=False)
        check(done.returncode == 0, f"reload: {done.stdout} {done.stderr}")
        check(wait_until(lambda: sites.closed() == [other], 10, 0.2), f"closed at {sites.closed()}, expected {other}: {why(sites)}")


def without_nftables():
    """A loop between two LAN ports where the kernel has no nftables: told, and while it storms the VLAN is blocked on the tunnel; then open again"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs={"dc": guarded("dc").replace('ports = ["lan0"]', 'ports = ["lan0", "lan1"]'), "cloud": guarded("cloud")})
        switch, library = sites.switches["dc"], find_program("libold-kernel.so", f"{os.environ.get('ISTHMUS_BUILD_DIR', 'build/dev')}/tests/system")
        sites.dc.environment = {"LD_PRELOAD": str(library), "OLD_KERNEL": "nftables"}
        cable = SlowCable(lab, [(switch, "gw1"), (sites.dc.ns, "lan1")], LOOPED)
        cable.plug(False)
        switch.ip("link", "set", "gw1", "master", "br0")
        sites.start()
        check(sites.wait_for_traffic(30, LOOPED) and sites.wait_for_traffic(30, 20), "no traffic")
        check(sites.wait_open(15) is not None, f"closed at rest: {why(sites)}")
        other = Pinger(sites, 20, 12)
        cable.plug(True)

        def storming():
            for _ in range(5):
                sites.broadcast()
            return sites.closed()

        check(wait_until(storming, 30, 0.1), f"not blocked although there is a storm: {sites.dc.status()['storms']} {why(sites)}")
        lost = other.seconds_lost()
        check(sites.closed() == ["dc"] and not sites.closed(20), f"closed at {sites.closed()}, VLAN 20 at {sites.closed(20)}")
        contains(sites.events("outside_loop")[0]["sentence"], ["lan0", "lan1", "without nftables neither can be blocked"], "the event")
        check(not sites.guard("dc")["lan_blocks"], "a port is said to be blocked")
        print(f"     {lost:.2f} s of pings lost in VLAN 20", flush=True)
        check(lost <= 5 * Pinger.INTERVAL, f"{lost:.2f} s of pings lost in VLAN 20")
        cable.plug(False)
        check(sites.wait_open(90) is not None and sites.wait_for_traffic(10, LOOPED), f"not open again: {why(sites)}")
        cable.close()


if LONG:
    case(tree_at_the_lan)
    case(without_nftables)
    case(one_end_observes)

if __name__ == "__main__":
    main()
