"""Forged requests for control connections, a hundred thousand a second if the machine can: memory stays bounded, sessions
stay up, and a peer that was restarted meanwhile connects. With ISTHMUS_LONG set the flood lasts ten seconds instead of two.
"""
import ctypes
import json
import os
import pathlib
import random
import socket
import struct
import threading
import time

from harness import case, check, main
from lab import Lab, inside, wait_until
from negotiated_sites import SITES, Pings, ask, negotiated, session_of, start, tunnel_of
from sites import WAN_ADDRESS
from wire import checksum

SECONDS = 10 if os.environ.get("ISTHMUS_LONG") else 2
PER_SECOND = 100_000
BURST = 500
KINDS = 2000  # different packets, sent in turn
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20


def avp(kind, value, mandatory=True):
    return struct.pack("!HHH", (0x8000 if mandatory else 0) | (6 + len(value)), 0, kind) + value


def forged_sccrq(numbers):
    """With a tie breaker that wins."""
    body = (avp(0, struct.pack("!H", 1)) + avp(7, b"forged.example") + avp(60, numbers.randbytes(4)) +
            avp(61, numbers.randbytes(4)) + avp(62, struct.pack("!H", 5)) + avp(5, bytes(8), False))
    return struct.pack("!HHIHH", 0xC803, 12 + len(body), 0, 0, 0) + body


def udp(source, destination, payload):
    datagram = struct.pack("!HHHH", 1701, 1701, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + datagram


class MessageHeader(ctypes.Structure):
    """struct mmsghdr of one iovec."""
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("length", ctypes.c_uint64)]


class Flood(threading.Thread):
    """From the WAN's router to one gateway: half of it as its peer, half as strangers. Goes on until stopped."""

    def __init__(self, sites, victim, as_whom):
        super().__init__(daemon=True)
        link = json.loads(sites.gateways[victim].ns.ip("-j", "link", "show", "wan0").stdout)[0]
        router = json.loads(sites.wan.ip("-j", "link", "show", victim).stdout)[0]
        ethernet = bytes.fromhex((link["address"] + router["address"]).replace(":", "")) + b"\x08\x00"
        numbers = random.Random(1)
        packets = []
        for i in range(KINDS):
            source = WAN_ADDRESS[as_whom] if i % 2 else f"198.18.{numbers.randrange(256)}.{numbers.randrange(256)}"
            packets.append(ethernet + udp(source, WAN_ADDRESS[victim], forged_sccrq(numbers)))
        self.buffers = [ctypes.create_string_buffer(p, len(p)) for p in packets]
        vector = (ctypes.c_size_t * (2 * KINDS))()
        self.headers = (MessageHeader * KINDS)()
        for i, buffer in enumerate(self.buffers):
            vector[2 * i], vector[2 * i + 1] = ctypes.addressof(buffer), len(packets[i])
            self.headers[i].iov = ctypes.addressof(vector) + 2 * i * ctypes.sizeof(ctypes.c_size_t)
            self.headers[i].iovlen = 1
        self.vector = vector
        with inside(sites.wan.name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((victim, 0))
        self.socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self.sent, self.seconds, self.ends = 0, 0.0, threading.Event()

    def run(self):
        send = ctypes.CDLL(None, use_errno=True).sendmmsg
        began, at = time.monotonic(), 0
        while not self.ends.is_set():
            due = (time.monotonic() - began) * PER_SECOND
            if self.sent >= due:
                time.sleep(BURST / PER_SECOND / 2)
                continue
            first = ctypes.byref(self.headers, at * ctypes.sizeof(MessageHeader))
            done = max(send(self.socket.fileno(), first, min(BURST, KINDS - at), 0), 0)
            self.sent += done
            at = (at + done) % KINDS
        self.seconds = time.monotonic() - began
        self.socket.close()

    def stop(self):
        self.ends.set()
        self.join()


def resident_kib(gateway):
    status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def set_up_again(gateway):
    """The live connection carries a session's set-up (ICRQ, ICRP, ICCN) through the flood; none of its messages was lost."""
    before = session_of(gateway)["local_id"]
    ask(gateway, "rotate", session="vlans")
    check(wait_until(lambda: session_of(gateway)["local_id"] != before, 20, 0.1), f"no other id: {session_of(gateway)}")
    up = gateway.status()["gateway"]["control_packets"]["up"]
    print("handed to the control thread: " + ", ".join(f"{name} {n['received']}" for name, n in up.items()))
    check(up["l2tp_control"]["overflows"] == 0, f"messages of the live connection were lost: {up}")
    limited = {name: up[name]["overflows"] for name in ("l2tp_request", "l2tp_stranger")}
    print(f"forged requests that were dropped before the control thread: {limited}")
    check(all(limited.values()), f"the flood was not limited: {up}")


@case
def flooded():
    """Under a flood of forged SCCRQs memory is bounded, sessions stay up, and a peer that was restarted connects"""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site, protected=False) for site in SITES}, protected=False)
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        cloud = sites.cloud
        session, resident = session_of(cloud), resident_kib(cloud)
        flood = Flood(sites, "cloud", as_whom="dc")
        flood.start()
        try:
            with Pings(sites, SECONDS * 100, interval=0.01) as pings:
                pass
            grown = resident_kib(cloud) - resident
            print(f"{pings.answers} of {SECONDS * 100} pings answered under the flood; resident memory grew by {grown} KiB")
            check(cloud.process.running(), "the daemon ended: " + cloud.process.output()[-500:])
            check(grown < 32 << 10, f"resident memory grew by {grown} KiB")
            check(pings.answers > 0, "no ping was answered")
            after = session_of(cloud)
            for what in ("local_id", "times_up", "phase"):
                check(after[what] == session[what], f"{what} of the session: {session[what]} before, {after[what]} after")
            check(tunnel_of(cloud)["times_connected"] == 1, "the control connection did not last")
            set_up_again(cloud)

            sites.dc.kill()
            sites.dc.start(wait=False)
            began = time.monotonic()
            check(wait_until(lambda: tunnel_of(cloud)["times_connected"] > 1 and
                             session_of(cloud)["phase"] == "established" and sites.ping(10)[0] == 0, 180, 0.2),
                  f"a restarted peer does not connect: {tunnel_of(cloud)}")
            print(f"a peer that was killed carries traffic again {time.monotonic() - began:.1f} s after it was started")
        finally:
            flood.stop()
        print(f"{flood.sent / flood.seconds:,.0f} forged requests a second for {flood.seconds:.1f} s")
        refused, of_peer = ask(cloud, "tunnels")["refused"], tunnel_of(cloud)["refused"]["rate_limited"]
        print(f"refused: {refused}; in the peer's name: {of_peer}")
        check(refused["not_a_peer"] > 0 and of_peer > 0, f"refused: {refused}; in the peer's name: {of_peer}")
        check(refused["refusals_sent"] < 100 * flood.seconds, f"each forged request is answered: {refused}")
        grown = resident_kib(cloud) - resident
        check(grown < 32 << 10, f"resident memory grew by {grown} KiB in the end")


if __name__ == "__main__":
    main()
