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
FAR_MAC, LAST = "02:00:00:00:00:99", marker()
OTHER_VLAN = 20  # where no frame of theirs is: `bpdu = "guard"` suspends a VLAN in which one comes from the tunnel
PAUSE = 0.005  # between frames: none of them is to meet a full queue, or a limit
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
        self.peer.settimeout(0.1)
        self.lan = FrameSocket(self.site.lan, "eth0", receive=False)
        check(self.passed_outwards(15), "nothing crosses at all")

    def passed_outwards(self, patience=10):
        """Sends what crosses whatever the policy is until it has; what crossed before it. A frame that was sent before it and has not
        come by then does not come: they take the same way, one after the other."""
        mark, came, end = marker(), [], time.monotonic() + patience
        while time.monotonic() < end:
            self.lan.send(ethernet(BROADCAST, LAN_MAC, TEST_TYPE, mark + bytes(40), tag(OTHER_VLAN)))
            try:
                while not (came and mark in came[-1]):
                    came.append(self.peer.recv(2048)[len(L2TP):])
                return came
            except TimeoutError:
                pass  # the first ones may find a bridge that does not forward yet
        return None

    def outwards(self, frames):
        """Of {frame: mark}, the frames whose mark comes out of the tunnel."""
        for frame in frames:
            self.lan.send(frame)
            time.sleep(PAUSE)
        came = self.passed_outwards()
        check(came, "nothing crosses towards the tunnel any more")
        return {frame for frame, mark in frames.items() if any(mark in data for data in came)}

    def inwards(self, frames):
        """Of {frame: mark}, the frames whose mark comes out of the LAN port."""
        with Watch(self.site.lan, "eth0", LAST) as end, Watch(self.site.lan, "eth0", b"") as all_frames:
            for frame in [*frames, ethernet(BROADCAST, FAR_MAC, TEST_TYPE, LAST, tag(OTHER_VLAN))]:
                self.peer.sendto(L2TP + frame, (LOCAL, 1701))
                time.sleep(PAUSE)
            check(end.settle(1, 10), "nothing crosses from the tunnel any more")
        return {frame for frame, mark in frames.items() if any(mark in data for data in all_frames.frames)}


def crossing(bench):
    """Names of all kinds, of those that cross towards the tunnel, and of those that cross from it. Each frame has a mark of its own."""
    frames, names = {}, {}
    # Trees last: they may suspend a VLAN, and what comes then would be kept in for that.
    for name in sorted(with_tags(link_local_frames(LAN_MAC, marker())), key=is_tree):
        mark = marker()
        frame = with_tags(link_local_frames(LAN_MAC, mark))[name]
        frames[frame], names[frame] = mark, name
    return names.values(), {names[f] for f in bench.outwards(frames)}, {names[f] for f in bench.inwards(frames)}


@cases(["filter", "guard"], "With bpdu = \"{}\" no frame of any neighbours' protocol crosses, tagged or not, either way")
def kept_in(policy):
    with Lab("leaks") as lab:
        bench = Bench(lab, bpdu=policy)
        frames, out, inside = crossing(bench)
        check(len(frames) >= 24, f"only {len(frames)} kinds were tried")
        check(not out, f"leak towards the tunnel: {sorted(out)}")
        check(not inside, f"leak from the tunnel: {sorted(inside)}")
        closed = {0, 10} if policy == "guard" else set()
        check(wait_until(lambda: suspended(bench) == closed, 10, 0.1), f"suspended: {suspended(bench)}, expected {closed}")


def suspended(bench):
    """VLANs in which the guard saw a spanning tree come out of the tunnel, and suspended them."""
    vlans = bench.site.gateway.status()["guard"]["bridges"][0]["vlans"]
    return {vlan["vlan"] for vlan in vlans if vlan["state"] == "suspended" and vlan["cause"] == "bpdu_guard"}


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
            time.sleep(PAUSE)
        out = sum(data[:6] == to_bridges for data in bench.passed_outwards() or [])
        with Watch(bench.site.lan, "eth0", LAST) as end, Watch(bench.site.lan, "eth0", to_bridges) as watch:
            for frame in [*frames.values(), ethernet(BROADCAST, FAR_MAC, TEST_TYPE, LAST, tag(OTHER_VLAN))]:
                bench.peer.sendto(L2TP + frame, (LOCAL, 1701))
                time.sleep(PAUSE)
            check(end.settle(1, 10), "nothing crosses from the tunnel any more")
        expected = len(frames) if policy == "transparent" else 0
        check(out == expected, f"{out} of {len(frames)} cross towards the tunnel, expected {expected}")
        check(watch.count == expected, f"{watch.count} of {len(frames)} cross from the tunnel, expected {expected}")


if __name__ == "__main__":
    main()
