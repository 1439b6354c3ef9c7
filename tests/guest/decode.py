#!/usr/bin/env python3
"""decode.py FOLDER: tshark reads the guest's captures: every ESP packet must authenticate and hold L2TPv3 of a known session.

A third opinion beside isthmusd and the kernel. Only 32-bit sequence numbers (this tshark does not know ESN), and not
ChaCha20-Poly1305 (nor that).
"""
import collections
import os
import subprocess
import sys
import tempfile

from lab import ADDRESS, SESSION_ID, SPI, key, other
from variants import SUITES, variants

CIPHER = {"gcm": "AES-GCM with 16 octet ICV [RFC4106]", "cbc": "AES-CBC [RFC3602]"}
INTEGRITY = {"sha256": "HMAC-SHA-256-128 [RFC4868]", "sha384": "HMAC-SHA-384-192 [RFC4868]", "sha512": "HMAC-SHA-512-256 [RFC4868]"}
INTEGRITY_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}


def security_associations(variant):
    """Lines of Wireshark's esp_sa table."""
    family = "IPv4" if variant.family == "v4" else "IPv6"
    for site in "ab":
        material = key(variant, site)
        ends = [family, ADDRESS[variant.family][site], ADDRESS[variant.family][other(site)], f"{SPI[site]:#x}"]
        if "gcm" in variant.suite:
            fields = ends + [CIPHER["gcm"], f"0x{material}", "NULL", ""]
        else:
            digest = variant.suite.rsplit("-", 1)[1]
            cut = 2 * (SUITES[variant.suite][1] - INTEGRITY_BYTES[digest])
            fields = ends + [CIPHER["cbc"], f"0x{material[:cut]}", INTEGRITY[digest], f"0x{material[cut:]}"]
        yield ",".join(f'"{x}"' for x in fields)


def decode(path, variant):
    """What tshark says of the capture, or None if all is well: (ESP packets, problem)."""
    cookie = {0: "None", 4: "4 Byte Cookie", 8: "8 Byte Cookie"}[variant.cookie]
    sublayer = "None" if variant.sublayer == "none" else "Default L2-Specific"
    with tempfile.TemporaryDirectory() as home:
        os.mkdir(f"{home}/wireshark")
        with open(f"{home}/wireshark/esp_sa", "w") as f:
            f.write("\n".join(security_associations(variant)) + "\n")
        out = subprocess.run(
            ["tshark", "-r", path, "-Y", "esp", "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
             "-o", f"l2tp.cookie_size:{cookie}", "-o", f"l2tp.l2_specific:{sublayer}", "-d", "l2tp.pw_type==0,eth",
             "-T", "fields", "-E", "occurrence=f", "-e", "esp.icv_good", "-e", "esp.icv_bad", "-e", "l2tp.sid", "-e", "_ws.malformed"],
            capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home})
    rows = [line.split("\t") for line in out.stdout.splitlines()]
    bad = sum(1 for r in rows if r[0] not in ("1", "True"))
    known = {f"{SESSION_ID[s]:#010x}" for s in "ab"} | {f"{SESSION_ID[s] + 1:#010x}" for s in "ab"}
    sessions = collections.Counter(r[2] for r in rows)
    strange = {s: n for s, n in sessions.items() if s not in known}
    malformed = sum(1 for r in rows if len(r) > 3 and r[3])
    if not rows:
        return 0, f"no ESP found: {out.stderr.strip()[-200:]}"
    if bad or strange or malformed:
        return len(rows), f"{bad} of {len(rows)} ICVs not good, sessions {dict(sessions)}, {malformed} malformed"
    return len(rows), None


def main(folder):
    by_file = {v.name.replace("/", "_") + ".pcap": v for v in variants()}
    failed = False
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        variant = by_file[name]
        if variant.suite.startswith("chacha"):
            continue
        packets, problem = decode(f"{folder}/{name}", variant)
        print(f"FAIL tshark reads {variant.name}: {problem}" if problem else
              f"PASS tshark reads {variant.name}: {packets} ESP packets authenticate and hold L2TPv3", flush=True)
        failed |= problem is not None
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
