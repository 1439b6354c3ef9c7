"""What is sent through a pair of gateways: frames of every kind of size that must arrive byte for byte and in order, pings, TCP."""
import os
import random
import select
import socket
import struct
import time

import netns

MAGIC = b"ISTH"
ETHERTYPE = 0x88B5      # IEEE 802 local experimental
TIMEOUT = 20.0          # emulated machines are slow; a frame that is not there by then is lost


class Lost(Exception):
    pass


def tag(vid, pcp=0, tpid=0x8100):
    return struct.pack("!HH", tpid, pcp << 13 | vid)


def sizes(largest, seed):
    """Frame sizes without tags: each residue of 16 (CBC's padding), the smallest, the largest, some between."""
    rng = random.Random(seed)
    some = set(range(60, 78)) | {127, 128, 255, 256, 576, 1024, 1280} | {rng.randint(78, largest) for _ in range(8)}
    return sorted(n for n in some | set(range(largest - 3, largest + 1)) | {1500} if 60 <= n <= largest)


def frame(dst, src, tags, stream, number, size, seed):
    """An untagged frame would be `size` bytes; each tag adds four. Every seventh is LLC, every ninth a broadcast."""
    body = MAGIC + struct.pack("!BI", stream, number)
    payload = size - 14
    if number % 7 == 3:
        head = struct.pack("!H", payload) + b"\xe0\xe0\x03"      # 802.3 with LLC: no EtherType at all
    else:
        head = struct.pack("!H", ETHERTYPE)
    dst = b"\xff" * 6 if number % 9 == 4 else dst
    fill = random.Random(f"{seed}/{stream}/{number}").randbytes(max(0, size - 12 - len(head) - len(body)))
    return dst + src + b"".join(tags) + head + body + fill


def exchange(a, b, mac_a, mac_b, streams, largest, seed):
    """streams: (tags at host A, tags at host B). Both ways at once; every frame arrives once, unchanged, in its stream's order."""
    expected = {"a": [], "b": []}
    todo = []
    for index, (tags_a, tags_b) in enumerate(streams):
        room = largest - _beyond(tags_a, tags_b)
        for number, size in enumerate(sizes(room, seed + index)):
            for to, dst, src, there, here in (("b", mac_b, mac_a, tags_b, tags_a), ("a", mac_a, mac_b, tags_a, tags_b)):
                todo.append((a if to == "b" else b, frame(dst, src, here, index, number, size, seed)))
                expected[to].append(frame(dst, src, there, index, number, size, seed))
    _drain(a, b, {"a": [], "b": []}, 0)      # what an earlier exchange left behind
    got = {"a": [], "b": []}
    for i, (via, data) in enumerate(todo):
        via.send(data)
        if i % 16 == 15:
            _drain(a, b, got, 0.002)
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end and any(len(got[x]) < len(expected[x]) for x in got):
        _drain(a, b, got, 0.1)
    _drain(a, b, got, 0.05)     # duplicates would come now
    for x in got:
        _compare(expected[x], got[x], f"towards host {x.upper()}")
    return sum(map(len, got.values()))


def _beyond(*stacks):
    """Packet sockets allow one 802.1Q tag beyond the MTU, and no tag of another kind."""
    return max(4 * len(tags) - (4 if tags and tags[0][:2] == b"\x81\x00" else 0) for tags in stacks)


def _drain(a, b, got, wait):
    while ready := select.select([a, b], [], [], wait)[0]:
        wait = 0
        for s in ready:
            data = netns.read_frame(s)
            if data and MAGIC in data[:34]:
                got["a" if s is a else "b"].append(data)


def _stream(data):
    at = data.index(MAGIC) + 4
    return struct.unpack_from("!BI", data, at)


def _compare(expected, got, where):
    if len(got) != len(expected):
        seen = {_stream(x) for x in got}
        missing = [f"stream {s} frame {n} of {len(x)} bytes" for x in expected for s, n in [_stream(x)] if (s, n) not in seen]
        raise Lost(f"{where}: {len(got)} of {len(expected)} frames arrived; missing: {', '.join(missing[:6]) or 'none, some came twice'}")
    for stream in {_stream(x)[0] for x in expected}:
        want = [x for x in expected if _stream(x)[0] == stream]
        have = [x for x in got if _stream(x)[0] == stream]
        for w, h in zip(want, have):
            if w != h:
                what = "out of order" if _stream(w) != _stream(h) else "changed on the way"
                raise Lost(f"{where}: frame {_stream(w)} of {len(w)} bytes: {what}: {w[:40].hex()} became {h[:40].hex()}")


def ping(ns, address, size=56, count=1, timeout=TIMEOUT):
    """ICMP echoes between the hosts' own stacks; seconds until the last answer, or Lost."""
    start = time.monotonic()
    with netns.make_socket(ns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.setsockopt(socket.IPPROTO_IP, 10, 2)      # IP_MTU_DISCOVER, IP_PMTUDISC_DO: do not fragment
        ident = random.randrange(1, 65536)
        for seq in range(count):
            _echo(s, address, echo_request(ident, seq, os.urandom(size)), ident, seq, timeout)
    return time.monotonic() - start


def echo_request(ident, seq, body):
    """An ICMP message."""
    head = struct.pack("!BBHHH", 8, 0, 0, ident, seq)
    return struct.pack("!BBHHH", 8, 0, _checksum(head + body), ident, seq) + body


def _echo(s, address, message, ident, seq, timeout):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            s.sendto(message, (address, 0))
        except OSError:
            time.sleep(0.1)
            continue
        again = min(end, time.monotonic() + 1.0)        # ARP and bridge ports need a moment: ask once a second
        while (left := again - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                data = s.recv(65536)
            except TimeoutError:
                break
            except OSError:
                time.sleep(0.1)     # host unreachable, while ARP fails
                break
            icmp = data[(data[0] & 15) * 4:]
            if icmp[0] == 0 and struct.unpack_from("!HH", icmp, 4) == (ident, seq):
                if icmp[8:] != message[8:]:
                    raise Lost(f"the echo of {address} came back changed")
                return
    raise Lost(f"no echo from {address} within {timeout:.0f} s ({len(message)} bytes)")


def _checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def tcp(ns_a, ns_b, address_b, amount, seed):
    """`amount` bytes each way at once over one connection between the hosts' own stacks, compared."""
    there, back = (random.Random(seed + i).randbytes(amount) for i in range(2))
    with netns.make_socket(ns_b, socket.AF_INET, socket.SOCK_STREAM) as listener, \
            netns.make_socket(ns_a, socket.AF_INET, socket.SOCK_STREAM) as client:
        listener.bind((address_b, 0))
        listener.listen(1)
        listener.settimeout(TIMEOUT)
        client.settimeout(TIMEOUT)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            _both_ways(client, server, there, back)


def _both_ways(client, server, there, back):
    out = {client: there, server: back}
    want = {client: back, server: there}
    sent, got = {client: 0, server: 0}, {client: bytearray(), server: bytearray()}
    for s in out:
        s.setblocking(False)
    last = time.monotonic()
    while any(len(got[s]) < len(want[s]) for s in got):
        readable, writable, _ = select.select(list(got), [s for s in out if sent[s] < len(out[s])], [], 0.5)
        for s in readable:
            data = s.recv(65536)
            got[s] += data
            last = time.monotonic() if data else last
        for s in writable:
            sent[s] += s.send(out[s][sent[s]:sent[s] + 65536])
        if time.monotonic() - last > TIMEOUT:
            raise Lost(f"TCP stalled after {len(got[server])} and {len(got[client])} bytes")
    if any(got[s] != want[s] for s in got):
        raise Lost("TCP delivered other bytes than were sent")
