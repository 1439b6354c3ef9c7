"""Frames: making them, sending them, watching for them, and reading captures."""
import collections
import ctypes
import os
import socket
import struct
import threading
import time

from lab import inside, wait_until

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
SO_ATTACH_FILTER = 26
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6

BROADCAST = "ff:ff:ff:ff:ff:ff"
TEST_TYPE = 0x88B6  # IEEE 802 local experimental EtherType 2: nobody acts on it


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def tag(vid, tpid=0x8100, pcp=0):
    return struct.pack("!HH", tpid, pcp << 13 | vid)


def ethernet(destination, source, ethertype, payload, tags=b""):
    """A frame without FCS, padded to 60 bytes."""
    frame = mac(destination) + mac(source) + tags + struct.pack("!H", ethertype) + payload
    return frame.ljust(60 + len(tags), b"\0")


def llc(destination, source, body, tags=b""):
    """An 802.3 frame: the length in place of a type, the padding not counted."""
    return ethernet(destination, source, len(body), body, tags)


def link_local_frames(source, marker):
    """What must never cross, by name. The marker is where each protocol has room for bytes of ours."""
    bridge_id = b"\x80\x00" + mac(source)
    config = struct.pack("!HBBB", 0, 0, 0, 0) + bridge_id + bytes(4) + bridge_id + struct.pack(
        "!HHHHH", 0x8001, 0, 20 << 8, 2 << 8, 15 << 8)
    rapid = struct.pack("!HBBB", 0, 2, 2, 0x3C) + config[5:] + b"\0"
    multiple = (struct.pack("!HBBB", 0, 3, 2, 0x7C) + config[5:] + b"\0" + struct.pack("!H", 64) + b"\0" +
                marker.ljust(32, b"\0")[:32] + bytes(18) + bytes(4) + bridge_id + b"\x14")
    snap = b"\xaa\xaa\x03\x00\x00\x0c"
    stp, cisco = b"\x42\x42\x03", "01:00:0c:cc:cc:cc"
    pvst_to = "01:00:0c:cc:cc:cd"

    def pvst(vid):
        return snap + b"\x01\x0b" + config + struct.pack("!HHH", 0, 2, vid)

    return {
        "STP": llc("01:80:c2:00:00:00", source, stp + config + marker),
        "RSTP": llc("01:80:c2:00:00:00", source, stp + rapid + marker),
        "MSTP": llc("01:80:c2:00:00:00", source, stp + multiple),
        "STP in VLAN 10": llc("01:80:c2:00:00:00", source, stp + config + marker, tag(10)),
        "PVST+": llc(pvst_to, source, pvst(1) + marker),
        "PVST+ in VLAN 10": llc(pvst_to, source, pvst(10) + marker, tag(10)),
        "CDP": llc(cisco, source, snap + b"\x20\x00\x02\xb4\x00\x00\x00\x01" + struct.pack("!H", 4 + len(marker)) + marker),
        "VTP": llc(cisco, source, snap + b"\x20\x03\x01\x01" + bytes([len(marker)]) + marker),
        "UDLD": llc(cisco, source, snap + b"\x01\x11\x21\x00\x00\x00\x00\x01" + struct.pack("!H", 4 + len(marker)) + marker),
        "LLDP": ethernet("01:80:c2:00:00:0e", source, 0x88CC, b"\x02\x07\x04" + mac(source) + b"\x04" +
                         bytes([1 + len(marker)]) + b"\x05" + marker + b"\x06\x02\x00\x78\x00\x00"),
        "LACP": ethernet("01:80:c2:00:00:02", source, 0x8809, b"\x01\x01\x01\x14" + marker.ljust(106, b"\0")),
        "pause": ethernet("01:80:c2:00:00:01", source, 0x8808, b"\x00\x01\xff\xff" + marker),
        "EAPOL": ethernet("01:80:c2:00:00:03", source, 0x888E, b"\x01\x01\x00\x00" + marker),
    }


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp4(source, destination, sport, dport, payload):
    """An IPv4 packet with UDP (checksum left out, as RFC 768 allows)."""
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp


class FrameSocket:
    """A raw socket on one interface of a namespace."""

    def __init__(self, ns, interface, receive=True):
        with inside(ns.name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
        self.socket.bind((interface, ETH_P_ALL if receive else 0))

    def filter(self, program):
        """program: (code, jt, jf, k) of classic BPF, as `tcpdump -ddd` prints them."""
        code = b"".join(struct.pack("HBBI", *line) for line in program)
        buffer = ctypes.create_string_buffer(code)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                               struct.pack("HL", len(program), ctypes.addressof(buffer)))

    def send(self, frame):
        """False if the kernel refused it."""
        try:
            self.socket.send(frame)
            return True
        except OSError:
            return False

    def receive(self):
        """(frame with its tag put back, True if it came in), None if nothing is there."""
        try:
            data, control, _, address = self.socket.recvmsg(65600, 256, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        for level, kind, aux in control:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", aux[:20])
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data, address[2] != socket.PACKET_OUTGOING

    def lost(self):
        """Frames that the kernel had no room for, since the last call."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def close(self):
        self.socket.close()


class Watch:
    """Counts the frames with a marker in them that arrive on an interface, and keeps the first ones whole.

    with Watch(ns, "eth0", marker) as watch: ...; watch.frames
    """

    def __init__(self, ns, interface, marker, keep=4096):
        self.marker, self.keep = marker, keep
        self.count, self.frames = 0, []
        self._raw = FrameSocket(ns, interface)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._drain()
        self.lost = self._raw.lost()
        self._raw.close()

    def settle(self, expected, timeout=1.0):
        """Waits until `expected` frames came, or the time is over."""
        wait_until(lambda: self.count >= expected, timeout, 0.005)
        return self.count

    def _loop(self):
        while not self._stop.is_set():
            self._drain()
            time.sleep(0.002)

    def _drain(self):
        while (got := self._raw.receive()) is not None:
            if self.marker in got[0]:
                self.count += 1
                if len(self.frames) < self.keep:
                    self.frames.append(got[0])


class Capture:
    """tcpdump into a file. `only`: a pcap filter expression."""

    def __init__(self, ns, interface, path, only="", snaplen=0):
        self.path = path
        self.program = ns.spawn(f"tcpdump-{path.stem}", "tcpdump", "-i", interface, "-U", "--immediate-mode", "-n", "-B", "32768", "-s", snaplen,
                                "-Z", "root", "-w", path, *([only] if only else []))
        if not wait_until(lambda: "listening on" in self.program.output() or not self.program.running(), 5):
            raise RuntimeError("tcpdump did not start: " + self.program.output())

    def stop(self):
        """Returns how many packets tcpdump says that it missed."""
        time.sleep(0.05)  # what is in its buffer
        self.program.stop()
        for line in self.program.output().splitlines():
            if line.endswith("dropped by kernel"):
                return int(line.split()[0])
        return 0

    def packets(self):
        return read_capture(self.path)


CapturedPacket = collections.namedtuple("CapturedPacket", "link data")


def read_capture(path):
    """Packets of a pcap or pcapng file; a file cut short gives what is whole."""
    data = path.read_bytes()
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return list(_read_pcapng(data))
    return list(_read_pcap(data))


def _read_pcap(data):
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(data[:4])
    if order is None or len(data) < 24:
        return
    link = struct.unpack(order + "I", data[20:24])[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        if at + 16 + size > len(data):
            return
        yield CapturedPacket(link, data[at + 16:at + 16 + size])
        at += 16 + size


def _read_pcapng(data):
    order = "<" if data[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    links, at = [], 0
    while at + 12 <= len(data):
        kind, size = struct.unpack(order + "II", data[at:at + 8])
        if size < 12 or at + size > len(data):
            return
        body = data[at + 8:at + size - 4]
        if kind == 1 and len(body) >= 2:
            links.append(struct.unpack(order + "H", body[:2])[0])
        elif kind == 6 and len(body) >= 20:
            interface, _, _, captured, _ = struct.unpack(order + "IIIII", body[:20])
            if interface < len(links) and 20 + captured <= len(body):
                yield CapturedPacket(links[interface], body[20:20 + captured])
        elif kind == 3 and len(body) >= 4 and links:
            yield CapturedPacket(links[0], body[4:4 + struct.unpack(order + "I", body[:4])[0]])
        at += size


def udp_stream(sender, receiver, destination, rate, size=1200, seconds=1.0, port=5002):
    """Datagrams at `rate` bits per second from a namespace to another. Returns how many were sent and how many came.

    The receiver has room for all of them, so that what is lost was lost on the way.
    """
    with inside(receiver.name):
        there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    there.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20)
    there.bind((destination, port))
    with inside(sender.name):
        here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.connect((destination, port))
    total, payload, begin = int(rate * seconds / 8 / size), bytes(size), time.monotonic()
    with here, there:
        for number in range(total):
            time.sleep(max(0.0, begin + number * seconds / total - time.monotonic()) if number % 8 == 0 else 0)
            here.send(payload)
        there.settimeout(0.5)
        came = 0
        try:
            while came < total:
                there.recv(65536)
                came += 1
        except TimeoutError:
            pass
    return total, came


def ping(ns, destination, count=1, interval=0.01, size=56, patience=1.0):
    """Echo requests from a namespace. Returns (answers, mean round trip in ms or None).

    Unlike ping(8), which ends two round trips after its last request, it waits `patience` seconds for each answer.
    """
    v6 = ":" in destination
    with inside(ns.name):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) if v6 else socket.socket(
            socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
    request, reply = (128, 129) if v6 else (8, 0)
    name = os.urandom(2)
    sent, trips = {}, {}

    def receive(until):
        while len(trips) < len(sent) and (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                data = sock.recv(65536)
            except TimeoutError:
                return
            data = data if v6 else data[(data[0] & 15) * 4:]
            number = int.from_bytes(data[6:8], "big")
            if data[0] == reply and data[4:6] == name and number in sent:
                trips.setdefault(number, time.monotonic() - sent[number])

    with sock:
        for number in range(count):
            body = name + number.to_bytes(2, "big") + (bytes(range(256)) * (size // 256 + 1))[:size]
            head = bytes([request, 0])
            message = head + (bytes(2) if v6 else checksum(head + bytes(2) + body).to_bytes(2, "big")) + body
            sent[number] = time.monotonic()
            try:
                sock.sendto(message, (destination, 0))
            except OSError:
                pass  # no route, no neighbour: no answer either
            if number + 1 < count:
                pause = time.monotonic() + interval
                receive(pause)
                time.sleep(max(0.0, pause - time.monotonic()))
        receive(time.monotonic() + patience)
    return len(trips), 1000 * sum(trips.values()) / len(trips) if trips else None


Datagram = collections.namedtuple("Datagram", "source destination sport dport payload")


def datagrams(packets):
    """The UDP datagrams (IPv4, Ethernet) among captured packets."""
    found = []
    for _, frame in packets:
        if frame[12:14] != b"\x08\x00" or len(frame) < 42 or frame[23] != 17:
            continue
        at = 14 + (frame[14] & 15) * 4
        sport, dport, size = struct.unpack("!HHH", frame[at:at + 6])
        found.append(Datagram(socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), sport, dport,
                              frame[at + 8:at + size]))
    return found


def esp_numbers(packets):
    """(destination, SPI, sequence number) of each ESP packet in UDP 4500 (RFC 3948)."""
    return [(d.destination, *struct.unpack("!II", d.payload[:8])) for d in datagrams(packets)
            if 4500 in (d.sport, d.dport) and len(d.payload) > 8 and d.payload[:4] != bytes(4)]


def marker():
    """Sixteen bytes that nothing else has."""
    return os.urandom(16)
