"""Whether neighbours' own protocols leak through a gateway: each kind, tagged and untagged, by policy, both ways."""
import struct

from harness import case, cases, check, main
from lab import Lab, wait_until
from one_site import LAN_MAC, LOCAL, OneSite, clear_config
from wire import FrameSocket, Watch, ethernet, link_local_frames, marker, tag, BROADCAST, TEST_TYPE

SESSION, COOKIE = 0xA1B2C3D4, bytes.fromhex("f1f2f3f4f5f6f7f8")
L2TP = struct.pack("!HHI", 3, 0, SESSION) + COOKIE
TREES = ("STP", "RSTP", "MSTP", "STP in VLAN 10", "PVST+", "PVST+ in VLAN 10")


def with_tags(frames):
    """Each untagged one in VLAN 10 too."""
    out = dict(frames)
    for name, frame in frames.items():
        if "VLAN" not in name:
            out[f"{name}, tagged"] = frame[:12] + tag(10) + frame[12:]
    return out


def is_tree(name):
    return name.split(",")[0] in TREES


class Bench:
    """What crosses one gateway, both ways."""

    def __init__(self, lab, **session):
        self.site = OneSite(lab, clear_config(**session))
        self.site.start()
        self.peer = self.site.peer_socket(1701)
        self.peer.settimeout(0.3)
        self.lan = FrameSocket(self.site.lan, "eth0", receive=False)
        mark = marker()
        probe = ethernet(BROADCAST, LAN_MAC, TEST_TYPE, mark + bytes(40), tag(10))
        check(wait_until(lambda: self.lan.send(probe) and self.leaves(mark), 15), "nothing crosses at all")

    def leaves(self, mark):
        """Whether a frame with the mark comes out of the tunnel."""
        try:
            while True:
                if mark in self.peer.recv(2048):
                    return True
        except TimeoutError:
            return False

    def outwards(self, frames, mark):
        crossed = set()
        for name, frame in frames.items():
            self.lan.send(frame)
            if self.leaves(mark):
                crossed.add(name)
        return crossed

    def inwards(self, frames, mark):
        crossed = set()
        for name, frame in frames.items():
            with Watch(self.site.lan, "eth0", mark) as watch:
                self.peer.sendto(L2TP + frame, (LOCAL, 1701))
                watch.settle(1, 0.3)
            if watch.count:
                crossed.add(name)
        return crossed


def crossing(bench):
    mark = marker()
    frames = with_tags(link_local_frames(LAN_MAC, mark))
    return frames, bench.outwards(frames, mark), bench.inwards(frames, mark)


@cases(["filter", "guard"], "With bpdu = \"{}\" no frame of any neighbours' protocol crosses, tagged or not, either way")
def kept_in(policy):
    with Lab("leaks") as lab:
        frames, out, inside = crossing(Bench(lab, bpdu=policy))
        check(len(frames) >= 24, f"only {len(frames)} kinds were tried")
        check(not out, f"leak towards the tunnel: {sorted(out)}")
        check(not inside, f"leak from the tunnel: {sorted(inside)}")


@case
def transparent():
    """With bpdu = "transparent" spanning trees cross as they are, and nothing else does"""
    with Lab("leaks") as lab:
        frames, out, inside = crossing(Bench(lab, bpdu="transparent"))
        trees = {name for name in frames if is_tree(name)}
        # A Linux bridge hands untagged and tagged BPDUs on; what it keeps itself never reaches the gateway.
        check(out == trees, f"towards the tunnel {sorted(out)}, expected {sorted(trees)}")
        check(inside == trees, f"from the tunnel {sorted(inside)}, expected {sorted(trees)}")


@case
def allowed():
    """Protocols of the allow list cross where the bridge hands them over, and no others"""
    with Lab("leaks") as lab:
        frames, out, inside = crossing(Bench(lab, link_local=["cdp", "udld"]))
        wanted = {"CDP", "CDP, tagged", "UDLD", "UDLD, tagged"}
        check(out == wanted, f"towards the tunnel {sorted(out)}")
        check(inside == wanted, f"from the tunnel {sorted(inside)}")


if __name__ == "__main__":
    main()
