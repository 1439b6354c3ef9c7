"""Whether neighbours' own protocols leak through a gateway: each kind, tagged and untagged, by policy, both ways."""
import shutil
import struct
import time

from harness import case, cases, check, main
from lab import Lab, run, wait_until
from one_site import LAN_MAC, LOCAL, OneSite, clear_config, vectors
from wire import FrameSocket, Watch, ethernet, link_local_frames, marker, read_capture, tag, BROADCAST, TEST_TYPE

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


@cases(["filter", "transparent"], "With bpdu = \"{}\" frames of real switches, all of which tshark names STP, are kept in or cross, both ways, tagged too")
def real_switches(policy):
    files = [vectors("pcap-tcpdump", "valid", name) for name in
             ("802.1D_spanning_tree.pcap", "802.1w_rapid_STP.pcap", "MSTP_Intra-Region_BPDUs.pcap")]
    frames = {f"{file.stem} {n}": packet.data for file in files for n, packet in enumerate(read_capture(file))}
    if shutil.which("tshark"):
        names = [run("tshark", "-r", file, "-T", "fields", "-e", "_ws.col.Protocol").stdout.split() for file in files]
        check([name for of_file in names for name in of_file] == ["STP"] * len(frames), f"tshark names them {names}")
    frames |= {f"{name}, tagged": frame[:12] + tag(10) + frame[12:] for name, frame in frames.items()}
    to_bridges = bytes.fromhex("0180c2000000")
    with Lab("leaks") as lab:
        bench = Bench(lab, bpdu=policy)
        for frame in frames.values():
            bench.lan.send(frame)
            time.sleep(0.005)
        out = 0
        try:
            while True:
                out += bench.peer.recv(2048)[16:22] == to_bridges
        except TimeoutError:
            pass
        with Watch(bench.site.lan, "eth0", to_bridges) as watch:
            for frame in frames.values():
                bench.peer.sendto(L2TP + frame, (LOCAL, 1701))
                time.sleep(0.005)
            watch.settle(len(frames), 0.5 if policy == "filter" else 5)
        expected = len(frames) if policy == "transparent" else 0
        check(out == expected, f"{out} of {len(frames)} cross towards the tunnel, expected {expected}")
        check(watch.count == expected, f"{watch.count} of {len(frames)} cross from the tunnel, expected {expected}")


if __name__ == "__main__":
    main()
