"""The fast path on kernels that do less, on bad links, and what it does to TCP's MSS: through two real gateways."""
import errno
import os
import re
import socket
import struct

from harness import ROOT, case, cases, check, contains, equal, main  # first: it makes the lab's modules visible
from impairment import BadLink
from lab import Lab, find_program, wait_until
from sites import HOST_MAC, OTHER, TwoSites, address
from transfer import tcp
from wire import FrameSocket, Watch, checksum, ethernet, marker, tag, udp_stream

SIZE = 4 << 20
PATIENCE = 20

# What the kernel does without, and what isthmusd then says of its TAPs and its sockets; None: nothing.
KERNELS = {
    "does all": ("", None, None),
    "has no USO": ("uso", "uso4 uso6", None),
    "segments no TCP over IPv4": ("tso4", "tso4", None),
    "segments no TCP over IPv6": ("tso6 tso_ecn", "tso6 tso-ecn", None),
    "completes no checksums": ("checksum", "checksum tso4 tso6 tso-ecn uso4 uso6", None),
    "has no UDP_GRO": ("udp_gro", None, "UDP_GRO"),
    "refuses runs of packets": (f"udp_segment={errno.EIO}", None, "UDP_SEGMENT: Input/output error"),
}


def big_units(sites):
    """Hosts hand over 64 KiB at a time, and leave checksums to their cards, as guests of one machine do."""
    for site, host in sites.hosts.items():
        host.run("ethtool", "-K", "eth0", "tx", "on", "tso", "on", "gso", "on", check=False)
        sites.gateways[site].ns.run("ethtool", "-K", "lan0", "gro", "on", check=False)


@cases(KERNELS, "Where the kernel {}, TCP and UDP are carried bit for bit, and isthmusd says what it does without, if anything")
def kernel_that(name):
    lacks, of_taps, of_sockets = KERNELS[name]
    with Lab("fast") as lab:
        sites = TwoSites(lab)
        big_units(sites)
        for gateway in sites.gateways.values():
            gateway.environment = {"LD_PRELOAD": str(find_library()), "OLD_KERNEL": lacks}
        sites.start()
        check(sites.wait_for_traffic(PATIENCE), "no traffic")
        for site in OTHER:
            for family in (4, 6):
                there = OTHER[site]
                equal(tcp(sites.hosts[site], sites.hosts[there], address(there, 0, family), SIZE), (True, SIZE),
                      f"TCP from {site} over IPv{family}: as sent, and how much of it")
        sent, came = udp_stream(sites.hosts["dc"], sites.hosts["cloud"], address("cloud"), 50e6, seconds=0.3)
        check(came >= 0.9 * sent, f"UDP: {came} of {sent} datagrams")
        for gateway in sites.gateways.values():
            status = gateway.status()
            for said, notes in ((of_taps, status["sessions"][0].get("notes", [])), (of_sockets, status["tunnels"][0].get("notes", []))):
                equal(bool(notes), bool(said), f"whether {gateway.site} has notes: {notes}")
                check(wait_until(lambda: (said or "") in gateway.process.output(), PATIENCE), f"the log does not say {said}")
                contains(" ".join(notes), [said or ""], "the notes")
                contains(gateway.status_text(), [said or ""], "isthmus status")


def find_library():
    return find_program("libold-kernel.so", f"{os.environ.get('ISTHMUS_BUILD_DIR', ROOT / 'build/dev')}/tests/system")


@case
def bad_link():
    """Lost, repeated and late packets on the WAN neither harm nor stall TCP, and when the link is good again nothing is lost."""
    with Lab("fast") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(PATIENCE), "no traffic")
        with BadLink(sites, loss=0.01, twice=0.02, late=0.03) as link:
            for site in OTHER:
                there = OTHER[site]
                equal(tcp(sites.hosts[site], sites.hosts[there], address(there), SIZE), (True, SIZE), f"TCP from {site}")
            print(f"  {link.passed} packets passed, {link.lost} lost, {link.repeated} twice, {link.delayed} late")
            check(min(link.lost, link.repeated, link.delayed) > 20, "the link was too good")
        for site, gateway in sites.gateways.items():
            drops = gateway.drops()
            check(drops.get("esp_replayed", 0) > 0, f"{site} has seen no packet twice: {drops}")
            check(not drops.get("esp_bad_icv"), f"{site}: packets were harmed: {drops}")
        check(sites.wait_for_traffic(PATIENCE), "no traffic when the link is good again")
        equal(sites.ping(count=100, patience=5.0)[0], 0.0, "loss on a good link")


TAGS = {"no tag": b"", "one tag": tag(10), "two tags": tag(10) + tag(77)}


def syn(site, tags, family, mark, flags):
    """A SYN that announces 1,460, or 1,440 over IPv6, as hosts with an MTU of 1,500 do; the mark is its payload."""
    mss = 1460 if family == 4 else 1440
    tcp_header = struct.pack("!HHIIBBHHH", 40000, 80, 1000, 0, 0x80, flags, 65535, 0, 0) + b"\x01\x01\x04\x02\x02\x04" + \
        struct.pack("!H", mss) + b"\x01\x01\x01\x01"
    segment = tcp_header + mark
    ours, theirs = (address(s, 10, family) for s in (site, OTHER[site]))
    if family == 4:
        pseudo = socket.inet_aton(ours) + socket.inet_aton(theirs) + struct.pack("!BBH", 0, 6, len(segment))
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 7, 0x4000, 64, 6, 0, socket.inet_aton(ours),
                             socket.inet_aton(theirs))
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    else:
        ends = socket.inet_pton(socket.AF_INET6, ours) + socket.inet_pton(socket.AF_INET6, theirs)
        pseudo = ends + struct.pack("!IHBB", len(segment), 0, 0, 6)
        header = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + ends
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    check(checksum(pseudo + segment) == 0, "the test's own checksum")
    return ethernet(HOST_MAC[OTHER[site]], HOST_MAC[site], 0x0800 if family == 4 else 0x86DD, header + segment, tags), pseudo, len(segment)


@case
def mss():
    """The MSS of SYN and SYN-ACK is lowered to what status says, both ways, over IPv4 and IPv6, behind no tag, one and two"""
    with Lab("fast") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(PATIENCE), "no traffic")
        told = sites.dc.status()["tunnels"][0]["mtu"]["mss_clamp"]
        limit = {int(family): int(size) for size, family in re.findall(r"(\d+) \(IPv(\d)\)", told)}
        contains(sites.dc.status_text(), [f"TCP MSS clamped to {told}"], "isthmus status")
        before, count = sites.dc.status()["gateway"]["mss_clamped"], 0
        for site in OTHER:
            lan = FrameSocket(sites.hosts[site], "eth0", receive=False)
            for name, tags in TAGS.items():
                for family in (4, 6):
                    for flags in (0x02, 0x12):
                        mark, count = marker(), count + 1
                        frame, pseudo, size = syn(site, tags, family, mark, flags)
                        with Watch(sites.hosts[OTHER[site]], "eth0", mark) as watch:
                            check(wait_until(lambda: lan.send(frame) and watch.settle(1, 0.5), PATIENCE), f"{site}, {name}: lost")
                        came = watch.frames[0]
                        at = len(frame) - size
                        equal(struct.unpack("!H", came[at + 26:at + 28])[0], limit[family], f"MSS from {site}, IPv{family}, {name}")
                        equal(checksum(pseudo + came[at:]), 0, f"TCP checksum from {site}, IPv{family}, {name}")
                        changed = {n for n in range(len(frame)) if frame[n] != came[n]} - {at + 16, at + 17, at + 26, at + 27}
                        equal((len(came), changed), (len(frame), set()), "size, and other bytes that were changed")
        # Each was clamped by the first gateway that it met: the second one has nothing to do.
        after = [g.status()["gateway"]["mss_clamped"] for g in sites.gateways.values()]
        check(sum(after) - before >= count, f"{after} clamped of {count}")


if __name__ == "__main__":
    main()
