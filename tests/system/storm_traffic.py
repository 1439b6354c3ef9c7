"""What storms are made of: frames of each class, who sends them as fast as they go, and the far gateway that counts what comes through."""
import multiprocessing
import os
import socket
import struct
import threading
import time

from harness import check
from one_site import LOCAL
from wire import BROADCAST, TEST_TYPE, ethernet, mac, tag, udp4

SESSION, COOKIE, PEER_SESSION = 0xA1B2C3D4, bytes.fromhex("f1f2f3f4f5f6f7f8"), 0x51627384
PEER_COOKIE = bytes.fromhex("0102030405060708")
L2TP = struct.pack("!HHI", 3, 0, SESSION) + COOKIE
VLAN = 10
LONG = bool(os.environ.get("ISTHMUS_LONG"))
SECONDS = 60 if LONG else 6
SETTLE = 2.5            # the burst of the first second, and hosts that are not known yet
TOLERANCE = 0.05
REMOTE = "02:00:00:00:00:99"


def host(number):
    return f"02:0a:00:00:{number >> 8:02x}:{number & 255:02x}"


def arp(source, target="192.0.2.200", operation=1):
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac(source) + socket.inet_aton("192.0.2.7") + bytes(6) + \
        socket.inet_aton(target)
    return ethernet(BROADCAST, source, 0x0806, body, tag(VLAN))


def ip_to(destination_mac, group):
    return [ethernet(destination_mac, host(1), 0x0800, udp4("192.0.2.7", group, 1, 2, bytes(60)), tag(VLAN))]


CLASSES = {
    "address resolution": ([arp(host(n)) for n in range(1, 61)], 300),
    "broadcast": ([ethernet(BROADCAST, host(1), TEST_TYPE, bytes(60), tag(VLAN))], 500),
    "link-local multicast": (ip_to("01:00:5e:00:00:05", "224.0.0.5"), 500),
    "multicast": (ip_to("01:00:5e:01:02:03", "239.1.2.3"), 2000),
    "unknown unicast": ([ethernet("02:0b:00:00:00:01", host(1), TEST_TYPE, bytes(60), tag(VLAN))], 500),
}


def flood(send, frames, go_on):
    """In a process of its own: as many as go."""
    while go_on.is_set():
        for _ in range(100):
            for frame in frames() if callable(frames) else frames:
                try:
                    send(frame)
                except OSError:
                    pass


class Storm:
    """with Storm(send, frames): ... `frames`: a list, or a function that makes new ones."""

    def __init__(self, send, frames):
        self.go_on = multiprocessing.Event()
        self.go_on.set()
        self.process = multiprocessing.Process(target=flood, args=(send, frames, self.go_on), daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.go_on.clear()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()


class Peer:
    """The far gateway: counts what comes out of the tunnel, by a function of the frame."""

    def __init__(self, site):
        self.socket = site.peer_socket(1701)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)      # SO_RCVBUFFORCE
        self.socket.settimeout(0.1)
        self.counts, self.kind_of, self.stop = {}, lambda frame: "any", threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self):
        while not self.stop.is_set():
            try:
                data = self.socket.recv(2048)
            except TimeoutError:
                continue
            if len(data) > 30:
                kind = self.kind_of(data[16:])
                self.counts[kind] = self.counts.get(kind, 0) + 1

    def send(self, frame):
        self.socket.sendto(L2TP + frame, (LOCAL, 1701))

    def count(self, kind="any"):
        return self.counts.get(kind, 0)

    def close(self):
        self.stop.set()
        self.thread.join()
        self.socket.close()


def rates_of(counts, seconds=SECONDS):
    """Of what each of these functions counts, after the first burst, in the same seconds."""
    time.sleep(SETTLE)
    begin, first = time.monotonic(), {name: count() for name, count in counts.items()}
    time.sleep(seconds)
    last, took = {name: count() for name, count in counts.items()}, time.monotonic() - begin
    return {name: (last[name] - first[name]) / took for name in counts}


def rate_of(count, seconds=SECONDS):
    return rates_of({"it": count}, seconds)["it"]


class Processor:
    """How much of a processor a gateway's daemon takes, from here on: cores()."""

    def __init__(self, gateway):
        self.pid, self.begin, self.used = gateway.process.pid, time.monotonic(), 0.0
        self.used = self._seconds()

    def _seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cores(self):
        return (self._seconds() - self.used) / (time.monotonic() - self.begin)


def is_limited(rate, limit, what):
    print(f"     {what}: {rate:.1f} a second, limit {limit}", flush=True)
    check(abs(rate - limit) <= limit * TOLERANCE, f"{what}: {rate:.0f} a second pass, the limit is {limit}")
