#!/usr/bin/env python3
"""tshark.py L2TP-MESSAGES: has our control messages written to captures and decoded by tshark, which knows nothing of us:
nothing may be malformed, every digest must verify, and the values must be the ones that tests/tunnel/control_samples.h
means. What is hidden tshark does not reveal: that is done here, with hashlib, and compared with the capture in clear.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

SECRET = b"tshark-secret"
NAMES = ["SCCRQ", "SCCRP", "SCCCN", "ack", "ICRQ", "ICRP", "ICCN", "OCRQ", "OCRP", "OCCN", "SLI", "WEN", "HELLO", "ACK",
         "CDN", "StopCCN"]
TYPES = ["1", "2", "3", None, "10", "11", "12", "7", "8", "9", "16", "15", "6", "20", "14", "4"]
OFFER = {
    "l2tp.avp.layer2_specific_sublayer": "1",
    "l2tp.avp.data_sequencing": "2",
    "l2tp.avp.circuit_status": "1",
    "l2tp.avp.circuit_type": "1",
    "l2tp.avp.tx_connect_speed_v3": "10000000000",
    "l2tp.avp.rx_connect_speed_v3": "1000000000",
}
COOKIE = {"l2tp.avp.assigned_cookie": "a0:a1:a2:a3:a4:a5:a6:a7"}
REQUEST = {
    **OFFER,
    **COOKIE,
    "l2tp.avp.local_session_id": str(0xA1B2C3D4),
    "l2tp.avp.remote_session_id": "0",
    "l2tp.avp.call_serial_number": "42",
    "l2tp.avp.pseudowire_type": "4",
    "l2tp.avp.remote_end_id": "vlan-10 and a name longer than one block of MD5",
    "l2tp.tie_breaker": "0x0102030405060708",
}
IDS = {"l2tp.avp.local_session_id": str(0xA1B2C3D4), "l2tp.avp.remote_session_id": str(0x51627384)}
ANSWER = {**OFFER, "l2tp.avp.local_session_id": str(0x51627384), "l2tp.avp.remote_session_id": str(0xA1B2C3D4)}
# What tshark must read of each message; a dash where the value may not be there.
VALUES = {
    "SCCRQ": {
        "l2tp.ccid": "0x00000000",
        "l2tp.avp.host_name": "left.example",
        "l2tp.avp.router_id": str(0xC0000201),
        "l2tp.avp.assigned_control_conn_id": str(0x11223344),
        "l2tp.avp.pw_type": ["5", "4", "7"],
        "l2tp.avp.vendor_name": "Isthmus",
        "l2tp.avp.receive_window_size": "32",
        "l2tp.avp.preferred_language": "en",
        "l2tp.avp.nonce": "40:41:42:43:44:45:46:47:48:49:4a:4b:4c:4d:4e:4f",
        "l2tp.tie_breaker": "0x1122334455667788",
    },
    "SCCRP": {
        "l2tp.ccid": "0x11223344",
        "l2tp.avp.host_name": "right.example",
        "l2tp.avp.router_id": str(0xC0000202),
        "l2tp.avp.assigned_control_conn_id": str(0x55667788),
    },
    "SCCCN": {"l2tp.ccid": "0x55667788", "l2tp.Ns": "1", "l2tp.Nr": "1"},
    "ICRQ": REQUEST,
    "OCRQ": REQUEST,
    "ICRP": {**ANSWER, **COOKIE, "l2tp.avp.physical_channel": "7"},
    "OCRP": {**ANSWER, **COOKIE, "l2tp.avp.physical_channel": "7"},
    "ICCN": {**OFFER, **IDS},
    "OCCN": ANSWER,
    "SLI": {**IDS, "l2tp.avp.circuit_status": "0", "l2tp.avp.circuit_type": "1"},
    "WEN": {
        **IDS,
        "l2tp.avp.crc_errors": "1",
        "l2tp.avp.framing_errors": "2",
        "l2tp.avp.hardware_overruns": "3",
        "l2tp.avp.buffer_overruns": "4",
        "l2tp.avp.time_out_errors": "5",
        "l2tp.avp.alignment_errors": "6",
    },
    "CDN": {**IDS, "l2tp.result_code": "2", "l2tp.avp.error_code": "4", "l2tp.avp.error_message": "no TAP left"},
    "StopCCN": {"l2tp.result_code": "6", "l2tp.avp.assigned_control_conn_id": str(0x11223344)},
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        folder = pathlib.Path(folder)
        clear = None
        for name in ("clear", "ip", "md5", "sha1", "ip-sha1", "hidden"):
            frames = decode(folder / f"{name}.pcap", SECRET)
            verdict(f"tshark reads every message of {name}", check_frames(frames, name))
            bodies = [avps(payload) for payload in payloads(folder / f"{name}.pcap")]
            clear = clear or bodies
            if name == "hidden":
                verdict("hidden values, revealed with hashlib, are those in clear", check_hidden(bodies, clear))
        verdict("tshark reads BFD in the channel of a pseudowire (RFC 5085, RFC 5885)", check_channel(folder))
        verdict("VCCV Capability is CC types and CV types of one byte each (RFC 5085)", check_vccv_capability(clear))
        wrong = decode(folder / "md5.pcap", b"another secret")
        verdict("tshark sees that digests do not fit another secret",
                [] if any("l2tp.incorrect_digest" in fields(f) for f in wrong) else ["it took any digest"])


def verdict(name, problems):
    print(f"FAIL {name}: {'; '.join(problems[:5])}" if problems else f"PASS {name}")


def decode(path, secret, *options):
    command = ["tshark", "-n", "-r", path, "-T", "json", "--no-duplicate-keys", "-o",
               f"l2tp.shared_secret:{secret.decode()}", *options]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return json.loads(out)


def fields(frame):
    """Every field at any depth: name to list of values."""
    found = {}

    def walk(node):
        if isinstance(node, list):
            for item in node:
                walk(item)
        if not isinstance(node, dict):
            return
        for key, value in node.items():
            values = value if isinstance(value, list) else [value]
            found.setdefault(key, []).extend(v for v in values if isinstance(v, str))
            walk(value)

    walk(frame["_source"]["layers"])
    return found


def check_frames(frames, variant):
    problems = []
    if len(frames) != len(NAMES):
        return [f"{len(frames)} frames instead of {len(NAMES)}"]
    for name, kind, frame in zip(NAMES, TYPES, frames):
        got = fields(frame)
        layers = frame["_source"]["layers"]
        if "l2tp" not in layers:
            problems.append(f"{name} is not taken for L2TP")
        for bad in ("_ws.malformed", "l2tp.incorrect_digest", "l2tp.avp_length.bad"):
            if bad in got or bad in layers:
                problems.append(f"{name}: {bad}")
        # It says so of AVPs that it does not know: ours, and two of later RFCs.
        experts = set(got.get("_ws.expert.message", [])) - {"Vendor-Specific AVP data"}
        if experts:
            problems.append(f"{name}: {experts}")
        if kind is not None and got.get("l2tp.avp.message_type") != [kind]:
            problems.append(f"{name}: message type {got.get('l2tp.avp.message_type')}")
        if variant == "hidden":
            continue
        for key, want in VALUES.get(name, {}).items():
            want = want if isinstance(want, list) else [want]
            if got.get(key) != want:
                problems.append(f"{name}: {key} is {got.get(key)}, not {want}")
    return problems


# RFC 5880: state, diagnostic, P, F, discriminator of the peer, interval to send with.
BFD = [("0x01", "0x00", "0", "0", "0x00000000", "1000000"), ("0x03", "0x00", "1", "0", "0x55667788", "300000"),
       ("0x03", "0x00", "0", "1", "0x55667788", "300000"), ("0x01", "0x01", "0", "0", "0x55667788", "1000000"),
       ("0x00", "0x07", "0", "0", "0x55667788", "1000000")]
BFD_KEYS = ("bfd.sta", "bfd.diag", "bfd.flags.p", "bfd.flags.f", "bfd.your_discriminator", "bfd.desired_min_tx_interval")
BFD_SAME = {"pwach.ver": "0", "pwach.res": "0x00", "pwach.channel_type": "0x0007", "bfd.version": "1",
            "bfd.detect_time_multiplier": "3", "bfd.message_length": "24", "bfd.my_discriminator": "0x11223344",
            "bfd.required_min_rx_interval": "300000", "bfd.required_min_echo_interval": "0"}
SESSION = ("-o", "l2tp.cookie_size:8 Byte Cookie", "-o", "l2tp.l2_specific:Default L2-Specific")


def check_channel(folder):
    """tshark reads the channel's word only behind MPLS, so that its bytes are compared: there, and in the session."""
    problems = []
    behind_mpls = decode(folder / "channel-mpls.pcap", SECRET)
    in_session = decode(folder / "channel.pcap", SECRET, *SESSION)
    if (len(behind_mpls), len(in_session)) != (len(BFD), 2 * len(BFD)):
        return [f"{len(behind_mpls)} and {len(in_session)} frames"]
    for number, (values, frame) in enumerate(zip(BFD, behind_mpls)):
        got = fields(frame)
        for key, want in {**BFD_SAME, **dict(zip(BFD_KEYS, values))}.items():
            if got.get(key) != [want]:
                problems.append(f"BFD {number}: {key} is {got.get(key)}, not {want}")
        problems += [f"BFD {number}: {bad}" for bad in ("_ws.malformed", "_ws.expert.message") if bad in got]
    words = [packet[18:] for packet in packets(folder / "channel-mpls.pcap")]
    for number, (frame, packet) in enumerate(zip(in_session, packets(folder / "channel.pcap"))):
        got = fields(frame)
        word = words[number // 2]
        if got.get("l2tp.sid") != ["0xa1b2c3d4"] or got.get("l2tp.cookie") != ["a0:a1:a2:a3:a4:a5:a6:a7"]:
            problems.append(f"message {number}: session {got.get('l2tp.sid')}, cookie {got.get('l2tp.cookie')}")
        if got.get("l2tp.l2_spec_s") != ["0"]:
            problems.append(f"message {number}: it seems to have a sequence number: {got.get('l2tp.l2_spec_s')}")
        # V and three zeros in place of MPLS's 0001 (RFC 5085 section 6.1).
        if packet[-len(word):] != bytes([0x80 | word[0] & 0x0F]) + word[1:]:
            problems.append(f"message {number}: {packet.hex()} does not end in {word.hex()}")
    return problems


def check_vccv_capability(clear):
    """tshark does not know AVP 96: the bytes, then. CC type 1 (sublayer with V), CV type 0x10 (BFD in the channel)."""
    found = [(name, value) for name, body in zip(NAMES, clear) for _, vendor, kind, value in body
             if (vendor, kind) == (0, 96)]
    wrong = [f"{name}: {value.hex()}" for name, value in found if value != b"\x01\x10"]
    return wrong if found else ["no message has it"]


def packets(path):
    """Each packet of a capture in network byte order."""
    data = path.read_bytes()
    at = 24
    while at < len(data):
        size = struct.unpack_from(">I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + size]
        at += 16 + size


def payloads(path):
    """What is behind the headers of IP and UDP, of each packet of a capture in network byte order, raw IP."""
    for packet in packets(path):
        yield packet[28:] if packet[9] == 17 else packet[24:]


def avps(message):
    out = []
    at = 12
    while at < len(message):
        word, vendor, kind = struct.unpack_from(">HHH", message, at)
        out.append((word, vendor, kind, message[at + 6 : at + (word & 0x3FF)]))
        at += word & 0x3FF
    return out


def reveal(kind, value, vector):
    key = hmac.new(SECRET, b"\x01", hashlib.md5).digest()
    mask = hashlib.md5(struct.pack(">H", kind) + key + vector).digest()
    out = b""
    for at in range(0, len(value), 16):
        block = value[at : at + 16]
        out += bytes(a ^ b for a, b in zip(block, mask))
        mask = hashlib.md5(key + block).digest()
    size = struct.unpack_from(">H", out)[0]
    return out[2 : 2 + size]


def check_hidden(hidden, clear):
    problems = []
    count = 0
    for name, h, c in zip(NAMES, hidden, clear):
        vector = b""
        shown = []
        for word, vendor, kind, value in h:
            if kind == 36 and vendor == 0:
                vector = value
            elif kind != 59 or vendor != 0:
                is_hidden = bool(word & 0x4000)
                count += is_hidden
                shown.append((vendor, kind, reveal(kind, value, vector) if is_hidden else value))
        want = [(vendor, kind, value) for _, vendor, kind, value in c]
        if name != "ack" and shown != want:
            problems.append(f"{name}: {[s for s in shown if s not in want]}")
    if count < 50:
        problems.append(f"only {count} values are hidden")
    return problems


if __name__ == "__main__":
    main()
