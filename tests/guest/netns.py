"""Network namespaces, sockets inside them, and a capture: what lab.py and traffic.py stand on."""
import contextlib
import ctypes
import mmap
import os
import select
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40
_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):
    pass


def run(*command, stdin=None, check=True):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[:400]}")
    return done.stdout


def ip(ns, *lines, check=True):
    """A batch of `ip` commands in a namespace: one process for all."""
    return run("ip", "-n", ns, *([] if check else ["-force"]), "-batch", "-", stdin="\n".join(lines) + "\n", check=check)


def bridge_vlans(ns, *lines):
    return run("bridge", "-n", ns, "-batch", "-", stdin="\n".join(lines) + "\n")


@contextlib.contextmanager
def inside(ns):
    """The calling thread alone enters the namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(home)
        os.close(home)
        os.close(there)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def proc_net(ns, name):
    """The text of /proc/net/NAME of that namespace."""
    with inside(ns), open(f"/proc/thread-self/net/{name}") as f:
        return f.read()


def make_socket(ns, *kind):
    with inside(ns):
        return socket.socket(*kind)


def packet_socket(ns, interface):
    """AF_PACKET on one interface; read it with read_frame()."""
    with inside(ns):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)        # SO_RCVBUFFORCE
        s.bind((interface, ETH_P_ALL))
    return s


def read_frame(s, outgoing=False):
    """One frame with its VLAN tag put back where the kernel keeps it apart; None if it is our own and not wanted."""
    data, control, _, address = s.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING and not outgoing:
        return None
    for level, kind, value in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack_from("IIIHHHH", value)
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


class Capture:
    """Everything that crosses an interface, both ways, in memory; save() writes a pcap.

    Through a ring (PACKET_RX_RING, TPACKET_V2), which copies at once: a packet that merely waits in a socket's queue shares its
    pages with the receiver, and the kernel decrypts ESP in UDP in place, in our copy too.
    """
    FRAME, FRAMES = 2048, 4096
    HEADER = "IIIHHIIHH"    # tpacket2_hdr: status, len, snaplen, mac, net, sec, nsec, vlan_tci, vlan_tpid

    def __init__(self, ns, interface):
        with inside(ns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.socket.setsockopt(SOL_PACKET, 10, 1)       # PACKET_VERSION, TPACKET_V2
            size, count = self.FRAME, self.FRAMES
            block = 64 * size
            self.socket.setsockopt(SOL_PACKET, 5, struct.pack("IIII", block, size * count // block, size, count))  # PACKET_RX_RING
            self.ring = mmap.mmap(self.socket.fileno(), size * count)
            self.socket.bind((interface, ETH_P_ALL))
        self.next = 0
        self.packets = []
        self.running = True
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self):
        while self.running:
            select.select([self.socket], [], [], 0.2)
            self._take()

    def _take(self):
        while True:
            at = self.next * self.FRAME
            status, _, length, mac, _, sec, nsec, *_ = struct.unpack_from(self.HEADER, self.ring, at)
            if not status & 1:      # TP_STATUS_USER
                return
            self.packets.append((sec + nsec / 1e9, self.ring[at + mac:at + mac + length]))
            struct.pack_into("I", self.ring, at, 0)
            self.next = (self.next + 1) % self.FRAMES

    def stop(self):
        self.running = False
        self.thread.join(5)
        self._take()
        self.ring.close()
        self.socket.close()
        return self

    def save(self, path):
        with open(path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
            for when, data in self.packets:
                f.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(data), len(data)) + data)
