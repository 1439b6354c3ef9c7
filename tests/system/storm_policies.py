"""What storms make of other things: a flood that a spanning tree's change explains, a kernel without nftables, and storms that suspend
their VLAN where that is asked for."""
import itertools
import os
import struct
import time

from harness import Background, case, check, contains, main
from lab import Lab, find_program, wait_until
from one_site import LAN_MAC, OneSite, clear_config
from sites import HOST_MAC, TwoSites, lab_config
from storm_traffic import CLASSES, LONG, REMOTE, VLAN, Peer, Storm, host, is_limited, rate_of
from wire import BROADCAST, TEST_TYPE, FrameSocket, ethernet, llc, mac, marker, tag

EXPECTED = 10            # seconds for which a flood is, after a change of the tree


def pvst_change(vid):
    """PVST+ of that VLAN, from a switch whose topology just changed."""
    bridge = b"\x80\x00" + mac("02:00:00:00:00:51")
    body = struct.pack("!HBBB", 0, 0, 0, 1) + bridge + bytes(4) + bridge + struct.pack("!HHHHH", 0x8001, 0, 20 << 8, 2 << 8, 15 << 8)
    return llc("01:00:0c:cc:cc:cd", "02:00:00:00:00:51", b"\xaa\xaa\x03\x00\x00\x0c\x01\x0b" + body + struct.pack("!HHH", 0, 2, vid), tag(vid))


class Every(Background):
    """with Every(seconds, act): acts again and again."""

    def __init__(self, seconds, act):
        super().__init__()
        self.seconds, self.act = seconds, act

    def run(self):
        while not self.stop.wait(self.seconds):
            self.act()


def unknown_unicast(vid):
    return ethernet("02:0b:00:00:00:01", HOST_MAC["dc"], TEST_TYPE, bytes(60), tag(vid))


def storms_of(gateway):
    """VLANs of the storms that were told."""
    return {event["vlan"] for event in gateway.status()["storms"]["events"] if event["id"] == "storm"}


@case
def expected_flood():
    """A flood of unknown unicast after a topology change at the other site is no storm, though it is limited; in another VLAN it is one"""
    with Lab("policies") as lab:
        sites = TwoSites(lab, configs={site: lab_config(site) for site in ("dc", "cloud")})
        sites.start()
        check(sites.wait_for_traffic(15, VLAN), "no traffic")
        check(wait_until(lambda: all(peer["has_guard"] for peer in sites.dc.status()["guard"]["bridges"][0]["peers"]), 15, 0.2),
              "the guards have not met")
        far, near = FrameSocket(sites.hosts["cloud"], "eth0", receive=False), FrameSocket(sites.hosts["dc"], "eth0", receive=False)
        frames = [unknown_unicast(vid) for vid in (VLAN, 20) for _ in range(10)]

        def cut(vid):
            classes = sites.dc.status()["storms"]["sessions"][0]["classes"]
            return next((c["dropped_pps"] for c in classes if (c["vlan"], c["class"], c["direction"]) == (vid, "unknown_unicast", "out")), 0)

        for _ in range(3):
            far.send(pvst_change(VLAN))
        time.sleep(1)
        with Every(0.004, lambda: [near.send(frame) for frame in frames]):
            with Every(1.0, lambda: far.send(pvst_change(VLAN))):
                check(wait_until(lambda: 20 in storms_of(sites.dc), 30, 0.3), f"no storm is told in VLAN 20: {sites.dc.status()['storms']}")
                check(wait_until(lambda: cut(VLAN) > 0, 10, 0.3), f"the flood is not limited in VLAN {VLAN}")
                check(storms_of(sites.dc) == {20}, f"storms are told in VLANs {storms_of(sites.dc)}")
            if LONG:
                came = wait_until(lambda: VLAN in storms_of(sites.dc), EXPECTED + 30, 0.3)
                check(came, f"a flood that goes on after {EXPECTED} s is no storm either")


@case
def without_nftables():
    """Where the kernel has no nftables, a storm is cut to its rate all the same, known unicast passes, and it is said what is missing"""
    frames, limit = CLASSES["broadcast"]
    config = clear_config()
    config["bridge"][0]["ports"] = ["lan0", "lan1"]
    with Lab("policies") as lab:
        site = OneSite(lab, config)
        other = lab.namespace("lan2")
        lab.veth(site.gw, "lan1", other, "eth0")
        site.gateway.environment = {"LD_PRELOAD": str(find_library()), "OLD_KERNEL": "nftables"}
        site.start()
        peer, lan = Peer(site), FrameSocket(site.lan, "eth0", receive=False)
        stray = ethernet("02:0b:00:00:00:09", host(1), TEST_TYPE, marker() + bytes(44), tag(VLAN))
        check(wait_until(lambda: peer.count() > 0 or not lan.send(stray), 10, 0.2), "nothing passes")
        with Storm(lan.socket.send, frames):
            is_limited(rate_of(peer.count, 3), limit, "without nftables")
        contains(site.gateway.process.output(),
                 ["Protocol not supported", "storms that come in at LAN ports reach the bridge", "a storm may fill the queues",
                  "cannot be blocked on one of two LAN ports"], "the log")
        status = site.gateway.status()
        check(status["guard"]["nftables_problem"] and status["storms"]["ports_problem"], f"status does not say it: {status['guard']}")
        check("netdev isthmus" not in site.gw.run("nft", "list", "tables").stdout, "there are rules: nftables was not missing")
        peer.close()


def find_library():
    return find_program("libold-kernel.so", f"{os.environ.get('ISTHMUS_BUILD_DIR', 'build/dev')}/tests/system")


class Flapping(Background):
    """Thirty hosts that are now in the LAN and now behind the tunnel, without end."""

    def __init__(self, lan, peer):
        super().__init__()
        self.lan, self.peer = lan, peer

    def run(self):
        for turn in itertools.count():
            for number in range(30):
                source = host(8000 + number)
                if turn % 2:
                    self.peer.send(ethernet(LAN_MAC, source, TEST_TYPE, bytes(60), tag(VLAN)))
                else:
                    self.lan.send(ethernet(REMOTE, source, TEST_TYPE, bytes(60), tag(VLAN)))
                time.sleep(0.002)
            if self.stop.wait(0.3):
                return


def suspension():
    """With suspend_storms a VLAN whose storm is ten times over its limit, while hosts flap, is suspended, and no other; it opens again"""
    frames, _ = CLASSES["broadcast"]
    config = clear_config()
    config["guard"]["suspend_storms"] = True
    with Lab("policies") as lab:
        site = OneSite(lab, config)
        site.start()
        peer, lan, quiet = Peer(site), FrameSocket(site.lan, "eth0", receive=False), FrameSocket(site.lan, "eth0", receive=False)

        def guard():
            status = wait_until(site.gateway.status, 20, 0.2)  # in a storm on a busy machine the answer may be late
            check(status, "isthmus status does not answer")
            return status["guard"]["bridges"][0]

        def vlan(number):
            return next((v for v in guard()["vlans"] if v["vlan"] == number), {"state": "open"})

        peer.send(ethernet(BROADCAST, REMOTE, TEST_TYPE, bytes(60), tag(VLAN)))
        elsewhere = ethernet(BROADCAST, host(7001), TEST_TYPE, bytes(60), tag(20))
        kinds = {mac(host(7001)): "elsewhere", mac(host(1)): "storm"}
        peer.kind_of = lambda frame: kinds.get(frame[6:12], "other")  # probes go on
        with Storm(lan.socket.send, frames), Flapping(quiet, peer):
            begin = time.monotonic()
            check(wait_until(lambda: vlan(VLAN)["state"] == "suspended", 90, 0.5), f"not suspended: {site.gateway.status()['storms']['events']}")
            took = time.monotonic() - begin
            check(took >= 30, f"suspended after {took:.0f} s already")
            check(vlan(VLAN)["cause"] == "storm", f"suspended because of {vlan(VLAN)['cause']}")
            check(vlan(20)["state"] == "open", "VLAN 20 is suspended too")
            event = next(e for e in guard()["events"] if e["id"] == "suspended")
            contains(event["sentence"], [f"VLAN {VLAN}", "ten times", "signs of a loop", "suspended", "tried again in 30 s"], "the event")
            time.sleep(1)
            storm, other = peer.count("storm"), peer.count("elsewhere")
            for _ in range(20):
                quiet.send(elsewhere)
                time.sleep(0.05)
            check(wait_until(lambda: peer.count("elsewhere") - other == 20, 5), f"{peer.count('elsewhere') - other} of 20 frames of VLAN 20 pass")
            check(peer.count("storm") == storm, f"{peer.count('storm') - storm} frames of the suspended VLAN pass")
            print(f"     suspended after {took:.0f} s", flush=True)
        check(wait_until(lambda: vlan(VLAN)["state"] == "open", 90, 0.5), f"not open again: {vlan(VLAN)}")
        peer.close()


if LONG:
    case(suspension)

if __name__ == "__main__":
    main()
