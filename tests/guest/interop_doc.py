#!/usr/bin/env python3
"""interop_doc.py --check FILE | --write FILE: the matrix in docs/interop.md is made from what the guest test runs.

A cell is the number of variants that `./dev guest` runs with both values; it fails if one of them does, so a cell cannot go stale.
"""
import itertools
import sys

from ike_cases import PEERS
from variants import ESP, KERNEL_LIMITS, L2TP, SHAPES, SUITES, holes, variants

BEGIN, END = "<!-- made by tests/guest/interop_doc.py: begin -->", "<!-- end -->"
LABELS = {"udp": "UDP 1701", "ip": "IP 115", "v4": "IPv4", "v6": "IPv6", "raw": "protocol 50", "udp4500": "UDP 4500", "esn": "ESN",
          "32bit": "32-bit", 0: "no cookie", 4: "cookie 4", 8: "cookie 8", "none": "no sublayer", "default": "sublayer",
          "default-seq": "sublayer, sequenced", "adopt": "adopted bridge", "create": "own bridge"}


def label(value):
    return LABELS.get(value, value)


def table(rows, columns, chosen):
    """rows, columns: (axis, values). Counts of variants; 0 would be a hole."""
    (row_axis, row_values), column_pairs = rows, [(axis, v) for axis, values in columns for v in values]
    out = ["| | " + " | ".join(label(v) for _, v in column_pairs) + " |", "|---|" + "---|" * len(column_pairs)]
    for r in row_values:
        cells = [sum(getattr(v, row_axis) == r and getattr(v, axis) == c for v in chosen) for axis, c in column_pairs]
        out.append(f"| {label(r)} | " + " | ".join(map(str, cells)) + " |")
    return out


def keyed_table():
    """One row for each case with IKEv2: it is run as it stands there."""
    out = ["| keys by | begins | ESP | mode | suite | sequence numbers | L2TPv3 |", "|---|---|---|---|---|---|---|"]
    for peer, cases in PEERS.items():
        for v, begins in cases.values():
            out.append(f"| {peer} | {'isthmusd' if begins == 'a' else peer} | {label(v.carry)} | {v.mode} | {v.suite} | "
                       f"{label(v.sequence)} | {label(v.encap)} |")
    return out


def text():
    every = [v for v in variants() if v.shape == "trunk"]
    plain, esp = [v for v in every if not v.suite], [v for v in every if v.suite]
    l2tp = [("encap", ESP["encap"]), ("family", ESP["family"]), ("cookie", ESP["cookie"]), ("sublayer", ESP["sublayer"])]
    out = [BEGIN, "", f"{len(variants())} variants, a pairwise cover: every value meets every value of every other axis. A cell is how many"
           " variants have both.", "", "#### L2TPv3 without ESP", ""]
    combos = list(itertools.product(ESP["encap"], ESP["family"]))
    out += ["| | " + " | ".join(f"{label(e)}, {label(f)}" for e, f in combos) + " |", "|---|" + "---|" * len(combos)]
    for axis in ("cookie", "sublayer"):
        for value in ESP[axis]:
            cells = [sum(v.encap == e and v.family == f and getattr(v, axis) == value for v in plain + esp) for e, f in combos]
            out.append(f"| {label(value)} | " + " | ".join(map(str, cells)) + " |")
    out[out.index("#### L2TPv3 without ESP")] = "#### L2TPv3, with and without ESP"
    out += ["", "#### ESP around it", ""]
    out += table(("suite", list(SUITES)), [("carry", ESP["carry"]), ("mode", ESP["mode"]), ("sequence", ESP["sequence"])] + l2tp[:2], esp)
    out += ["", "#### Shapes", "", "Each in ESP, AES-256-GCM, UDP 4500, transport mode, ESN.", "", "| shape | what |", "|---|---|"]
    out += [f"| `{name}` | {what} |" for name, what in SHAPES.items()]
    out += ["", "#### Keys by IKEv2", "", "The peer's ESP and L2TPv3 are the kernel's. In each, child and IKE SA get new keys from either side"
            " under a flood of", "pings, none of which may be lost.", ""] + keyed_table()
    out += ["", "#### What the peer cannot do", "", "| what | why |", "|---|---|"]
    out += [f"| {what} | {why} |" for what, why in KERNEL_LIMITS]
    return "\n".join(out + ["", END])


def main(action, path):
    trunks = [v for v in variants() if v.shape == "trunk"]
    if missing := [*holes(L2TP, [v for v in trunks if not v.suite]), *holes(ESP, [v for v in trunks if v.suite])]:
        print("not a cover: " + "; ".join(missing))
        return 1
    with open(path) as f:
        old = f.read()
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    new = head + text() + tail
    if action == "--write":
        with open(path, "w") as f:
            f.write(new)
    elif new != old:
        print(f"{path} is not what the test runs: python3 tests/guest/interop_doc.py --write {path}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
