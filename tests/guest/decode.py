#!/usr/bin/env python3
"""decode.py FOLDER: tshark reads the guest's captures: every ESP packet must authenticate and hold L2TPv3 of a known session,
and with isthmusd's key log every message of IKE must be decrypted, with nothing malformed.

A third opinion beside isthmusd and the kernel. ESP with 32-bit sequence numbers only (this tshark does not know ESN), and not
with ChaCha20-Poly1305 (nor that).
"""
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from ike_cases import PEERS, file_name
from lab import ADDRESS, SESSION_ID, SPI, key, other
from variants import SUITES, variants

CIPHER = {"gcm": "AES-GCM with 16 octet ICV [RFC4106]", "cbc": "AES-CBC [RFC3602]"}
INTEGRITY = {"sha256": "HMAC-SHA-256-128 [RFC4868]", "sha384": "HMAC-SHA-384-192 [RFC4868]", "sha512": "HMAC-SHA-512-256 [RFC4868]"}
INTEGRITY_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}
IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = "34", "35", "36", "37"
TABLES = ("esp_sa", "ikev2_decryption_table")


def security_associations(variant):
    """Lines of Wireshark's esp_sa table, for manual keys."""
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


def tshark(capture, profile, wanted, fields, *options):
    """Rows of fields, the first of each kind in a packet, and what tshark complains about."""
    columns = [argument for field in fields for argument in ("-e", field)]
    home = pathlib.Path(profile).parent
    out = subprocess.run(["tshark", "-r", capture, "-Y", wanted, *options, "-T", "fields", "-E", "occurrence=f", *columns],
                         capture_output=True, text=True, timeout=240, env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)})
    # a last field that is empty leaves a tab, or nothing
    return [(line.split("\t") + [""] * len(fields))[:len(fields)] for line in out.stdout.splitlines()], out.stderr.strip()[-200:]


def decode(path, variant, profile):
    """What tshark says of the ESP in a capture: (packets, problem or None)."""
    cookie = {0: "None", 4: "4 Byte Cookie", 8: "8 Byte Cookie"}[variant.cookie]
    sublayer = "None" if variant.sublayer == "none" else "Default L2-Specific"
    rows, complaint = tshark(path, profile, "esp", ["esp.icv_good", "esp.icv_bad", "l2tp.sid", "_ws.malformed"],
                             "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
                             "-o", f"l2tp.cookie_size:{cookie}", "-o", f"l2tp.l2_specific:{sublayer}", "-d", "l2tp.pw_type==0,eth")
    bad = sum(1 for r in rows if r[0] not in ("1", "True"))
    known = {f"{SESSION_ID[s]:#010x}" for s in "ab"} | {f"{SESSION_ID[s] + 1:#010x}" for s in "ab"}
    sessions = collections.Counter(r[2] for r in rows)
    strange = {s: n for s, n in sessions.items() if s not in known}
    malformed = sum(1 for r in rows if r[3])
    if not rows:
        return 0, f"no ESP found: {complaint}"
    if bad or strange or malformed:
        return len(rows), f"{bad} of {len(rows)} ICVs not good, sessions {dict(sessions)}, {malformed} malformed"
    return len(rows), None


def decode_ike(path, profile):
    """The same of its IKE messages."""
    rows, complaint = tshark(path, profile, "isakmp",
                             ["isakmp.exchangetype", "isakmp.enc.decrypted", "isakmp.ikev2.integrity_checksum", "_ws.malformed"])
    kinds = collections.Counter(r[0] for r in rows)
    sealed = sum(1 for r in rows if r[0] != IKE_SA_INIT and not r[1])
    wrong, malformed = (sum(1 for r in rows if r[column]) for column in (2, 3))
    missing = {IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL} - set(kinds)
    if not rows:
        return 0, f"no IKE found: {complaint}"
    if sealed or wrong or malformed or missing:
        return len(rows), (f"of {len(rows)} IKE messages {sealed} are not decrypted, {wrong} have a wrong checksum, {malformed} are "
                           f"malformed; exchanges {dict(kinds)}")
    return len(rows), None


def readable(variant):
    return variant.sequence == "32bit" and not variant.suite.startswith("chacha")


def read_variant(path, variant, profile):
    (profile / "esp_sa").write_text("\n".join(security_associations(variant)) + "\n")
    packets, problem = decode(path, variant, profile)
    return problem, f"{packets} ESP packets authenticate and hold L2TPv3"


def read_case(folder, variant, profile):
    for table in TABLES:
        if (folder / table).exists():
            shutil.copyfile(folder / table, profile / table)
    messages, problem = decode_ike(folder / "wan.pcap", profile)
    told = f"{messages} IKE messages are decrypted"
    if not problem and readable(variant):
        packets, problem = decode(folder / "wan.pcap", variant, profile)
        told += f", {packets} ESP packets authenticate and hold L2TPv3"
    return problem, told


def main(folder):
    by_file = {file_name(v.name) + ".pcap": (v.name, v, read_variant) for v in variants()}
    by_file |= {file_name(name): (name, variant, read_case) for cases in PEERS.values() for name, (variant, _) in cases.items()}
    failed = False
    for path in sorted(pathlib.Path(folder).iterdir()) if os.path.isdir(folder) else []:
        name, variant, read = by_file[path.name]
        if read is read_variant and not readable(variant):
            continue
        with tempfile.TemporaryDirectory() as home:
            profile = pathlib.Path(home) / "wireshark"
            profile.mkdir()
            problem, told = read(path, variant, profile)
        print(f"FAIL tshark reads {name}: {problem}" if problem else f"PASS tshark reads {name}: {told}", flush=True)
        failed |= problem is not None
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
