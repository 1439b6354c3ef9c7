"""Every hostile capture of the corpus into every door of a gateway: it lives, and accounts for each packet.

Doors: frames into the LAN port, datagrams into UDP 4500 and UDP 1701, packets into IP protocols 50 and 115, and frames
that come in well-formed L2TPv3. Each capture goes in whole and cut short, and is accounted for by itself.
"""
import json
import os
import socket
import struct
import sys

from harness import case, check, equal, main
from lab import Lab, inside, wait_until
from one_site import LAN_MAC, LOCAL, PEER, OneSite, base_config, clear_config, vectors
from sites import drops_in
from wire import FrameSocket, ethernet, read_capture

SESSION, COOKIE = 0xA1B2C3D4, bytes.fromhex("f1f2f3f4f5f6f7f8")
ETHERNET, IPV4_RAW = 1, (101, 12, 14, 228)
CUTS = 6           # shorter copies of each packet
LARGEST = 1472     # UDP payload that fits the WAN
FLOOD = {"every": "none", "per_source": "none"}  # no limit in the way of counting


def captures():
    """(name, packets) of each hostile capture."""
    files = sorted(p for p in vectors().glob("*/hostile/*") if p.suffix in (".pcap", ".pcapng"))
    check(len(files) >= 70, f"only {len(files)} hostile captures in tests/vectors")
    for path in files:
        yield f"{path.parts[-3]}/{path.name}", read_capture(path)


def with_cuts(data, least=0):
    """The packet, and copies of it cut short: at fixed places, and in the middle."""
    yield data
    places = {1, 4, 8, 13, 17, len(data) // 2, len(data) - 1}
    for size in sorted(places)[:CUTS]:
        if least <= size < len(data):
            yield data[:size]


def as_frame(packet):
    if packet.link == ETHERNET and len(packet.data) >= 14:
        return packet.data
    ethertype = 0x86DD if packet.data[:1] and packet.data[0] >> 4 == 6 else 0x0800
    return ethernet("ff:ff:ff:ff:ff:ff", LAN_MAC, ethertype, packet.data)


def contents(packet):
    """What a receiver might find in a datagram: what is behind the UDP or IP header, and the packet from its first byte."""
    data = packet.data
    yield data
    at = 14 if packet.link == ETHERNET else 0
    if data[12:14] == b"\x08\x00" and len(data) > at + 20:
        header = (data[at] & 15) * 4
        behind = data[at + header:]
        yield behind
        if data[at + 9] == 17:
            yield behind[8:]
    elif data[12:14] == b"\x86\xdd" and len(data) > at + 40:
        yield data[at + 40:]
        yield data[at + 48:]


# Drops of packets that their session has received and counted by then.
AFTER_RECEIPT = {"link_local_protocol", "vlan_not_allowed", "untagged_not_allowed", "malformed_frame", "storm_limit",
                 "port_blocked", "session_down", "tap_refused"}


class Account:
    """How many packets a gateway says it has seen: passed, dropped under a name, or handed to the control thread."""

    def __init__(self, site):
        self.site = site

    def status(self):
        status = self.site.gateway.status()
        check(status is not None, "the daemon does not answer any more: " + self.site.gateway.process.output()[-500:])
        return status

    def inbound(self):
        """All that came in from the WAN."""
        status = self.status()
        before = sum(count for reason, count in drops_in(status).items() if reason not in AFTER_RECEIPT)
        up = status["gateway"]["control_packets"].get("up", {})
        handed_over = sum(up.get(c, {}).get("received", 0)
                          for c in ("ike", "l2tp_control", "l2tp_request", "l2tp_stranger"))
        return sum(s["in"]["packets"] for s in status["sessions"]) + before + handed_over

    def outbound(self):
        status = self.status()
        return sum(s["out"]["packets"] for s in status["sessions"]) + sum(drops_in(status).values())

    def tap(self):
        """Frames that the daemon took from its TAP, and those that the kernel had no room for."""
        counters = json.loads(self.site.gw.ip("-s", "-j", "link", "show", "ist-vlans").stdout)[0]["stats64"]["tx"]
        return counters["packets"], counters["dropped"]


def each_capture(site, packets_of, send, seen):
    """Sends every capture's packets, and wants `seen` to grow by exactly as many after each capture."""
    wrong, total, before = [], 0, seen()
    for name, packets in captures():
        sent = 0
        for number, packet in enumerate(packets_of(packets), 1):
            sent += send(packet)
            # A socket's buffer holds some hundred datagrams: the daemon catches up before there are more.
            if number % 100 == 0:
                wait_until(lambda: seen() - before >= sent, 1.0)
        if not wait_until(lambda: seen() - before >= sent, 1.0):
            wrong.append(f"{name}: {sent} sent, {seen() - before} accounted for")
        elif seen() - before > sent:
            wrong.append(f"{name}: {sent} sent, {seen() - before} accounted for")
        total, before = total + sent, seen()
    equal(wrong, [], "captures")
    check(site.gateway.process.running(), "the daemon ended: " + site.gateway.process.output()[-500:])
    check(total > 500, f"only {total} packets were sent")
    print(f"{total} packets sent; drops: {site.gateway.drops()}")


def datagrams_of(packets):
    for packet in packets:
        for content in contents(packet):
            yield from with_cuts(content[:LARGEST], 1)


def udp_door(config, port):
    with Lab("hostile") as lab:
        site = OneSite(lab, config)
        site.start()
        peer = site.peer_socket(port)
        account = Account(site)

        def send(data):
            peer.sendto(data, (LOCAL, port))
            return 1

        each_capture(site, datagrams_of, send, lambda: account.inbound())


@case
def into_udp_4500():
    """Hostile captures into UDP 4500 of a protected tunnel: each datagram accounted for"""
    udp_door(base_config(), 4500)


@case
def into_udp_1701():
    """Hostile captures into UDP 1701 of an unprotected tunnel: each datagram accounted for"""
    udp_door(clear_config(), 1701)


def protocol_door(config, protocol):
    with Lab("hostile") as lab:
        site = OneSite(lab, config)
        site.start()
        account = Account(site)
        with inside(site.wan.name):
            peer = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        peer.bind((PEER, 0))

        def send(data):
            peer.sendto(data, (LOCAL, 0))
            return 1

        each_capture(site, datagrams_of, send, lambda: account.inbound())


@case
def into_protocol_50():
    """Hostile captures into IP protocol 50 of a protected tunnel: each packet accounted for"""
    config = base_config()
    config["tunnel"][0]["esp"]["encapsulation"] = "raw"
    protocol_door(config, 50)


@case
def into_protocol_115():
    """Hostile captures into IP protocol 115 of an unprotected tunnel: each packet accounted for"""
    config = clear_config()
    config["tunnel"][0]["encapsulation"] = "ip"
    protocol_door(config, 115)


@case
def inside_l2tp():
    """Hostile captures as frames in well-formed L2TPv3: each one accounted for"""
    with Lab("hostile") as lab:
        site = OneSite(lab, clear_config(storm=FLOOD, mac_limit=0, mac_limit_session=0))
        site.start()
        peer, account = site.peer_socket(1701), Account(site)

        def send(frame):
            peer.sendto(struct.pack("!HHI", 3, 0, SESSION) + COOKIE + frame[: LARGEST - 16], (LOCAL, 1701))
            return 1

        def frames(packets):
            for packet in packets:
                yield from with_cuts(as_frame(packet))

        each_capture(site, frames, send, lambda: account.inbound())


@case
def into_the_lan_port():
    """Hostile captures as frames into the LAN port: each frame that the bridge hands over is accounted for"""
    with Lab("hostile") as lab:
        config = clear_config(storm=FLOOD, mac_limit=0, mac_limit_session=0, bpdu="transparent")
        config["guard"]["probes"] = False  # frames of our own would be counted too
        site = OneSite(lab, config)
        site.start()
        sink = site.peer_socket(1701)  # so that no ICMP error comes back
        out, account = FrameSocket(site.lan, "eth0", receive=False), Account(site)
        wrong, sent, (taken, lost) = [], 0, account.tap()
        base, number = account.outbound() - taken, 0
        for name, packets in captures():
            for packet in packets:
                for frame in with_cuts(as_frame(packet)[:1514], 14):
                    sent, number = sent + out.send(frame), number + 1
                    # A TAP holds 256 frames: the daemon catches up before there are more.
                    if number % 100 == 0:
                        wait_until(lambda: account.outbound() - account.tap()[0] == base, 2)
            wait_until(lambda: account.outbound() - account.tap()[0] == base, 0.5)
            if account.outbound() - account.tap()[0] != base:
                wrong.append(f"{name}: {account.outbound() - account.tap()[0] - base:+} frames")
                base = account.outbound() - account.tap()[0]
        equal(wrong, [], "captures with frames not accounted for")
        check(account.tap()[0] - taken > 300, f"only {account.tap()[0] - taken} of {sent} frames reached the daemon")
        equal(account.tap()[1], lost, "frames that the TAP had no room for")
        sink.close()


@case
def random_datagrams():
    """Twenty thousand random datagrams into UDP 4500, from nothing to full size: each accounted for"""
    seed = int(os.environ.get("ISTHMUS_SEED", "1"))
    import random
    numbers = random.Random(seed)
    with Lab("hostile") as lab:
        site = OneSite(lab)
        site.start()
        peer, account = site.peer_socket(4500), Account(site)
        before, sent = account.inbound(), 0
        for _ in range(200):
            for _ in range(100):
                body = numbers.randbytes(numbers.choice((0, 1, 3, 4, 5, 8, 20, 36, 60, 200, LARGEST)))
                prefix = numbers.choice((b"", bytes(4), struct.pack("!I", 0xC1000001), b"\xff"))
                peer.sendto((prefix + body)[:LARGEST], (LOCAL, 4500))
                sent += 1
            wait_until(lambda: account.inbound() - before >= sent, 1.0)
        equal(account.inbound() - before, sent, f"datagrams accounted for (ISTHMUS_SEED={seed})")
        check(site.gateway.up(), "not up")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main()
