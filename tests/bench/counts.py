#!/usr/bin/env python3
"""What may be asserted of a TCP stream through two gateways, however slow the machine: system calls per GB, checksums.

Part of group datapath: prints a verdict a case.
"""
import argparse
import os
import pathlib
import re
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import measure                                  # noqa: E402
from entries import Isthmus                     # noqa: E402
from lab import Lab, LabFailed, run             # noqa: E402

NAMES = ["read", "readv", "write", "writev", "recvmsg", "recvmmsg", "sendmsg", "sendmmsg", "sendto", "epoll_wait"]
MOST_CALLS_PER_GB = 60_000
# How many frames wait for a worker's turn is up to whom else the machine serves: the best of some streams says what we need.
ROUNDS = 8


class Counted(Isthmus):
    """isthmusd whose system calls are counted into a file for each site."""

    def __init__(self, programs, library):
        super().__init__(programs)
        self.library = library

    def environment(self, folder):
        return {"LD_PRELOAD": self.library, "COUNT_CALLS_FILE": f"{folder}/calls"}

    def configuration(self, folder, site):
        # Loop probes come by the second, not by the GB.
        return super().configuration(folder, site) + 'bpdu = "transparent"\n\n[guard]\nprobes = false\n'

    @staticmethod
    def calls(lab, site):
        with open(f"{lab.folder}/isthmus-{site}/calls", "rb") as f:
            return dict(zip(NAMES, struct.unpack(f"={len(NAMES)}Q", f.read()[: 8 * len(NAMES)])))


def system_calls_per_gb(programs, library):
    """One gateway makes at most 60,000 I/O system calls for a GB of TCP between hosts with 64 KiB units"""
    with Lab("local") as lab:
        entry = Counted(programs, library)
        entry.up(lab)
        lab.wait_ping(15)
        least = float("inf")
        for _ in range(ROUNDS):
            least = min(least, one_stream(lab, entry))
            if least <= MOST_CALLS_PER_GB:
                break
        if sum(entry.calls(lab, "a").values()) == 0:
            raise LabFailed("nothing was counted: the library was not loaded")
        if least > MOST_CALLS_PER_GB:
            raise LabFailed(f"{least:.0f} system calls per GB")


def one_stream(lab, entry):
    """System calls per GB of the gateway that made more of them."""
    before = {site: entry.calls(lab, site) for site in "ab"}
    gigabytes = measure.tcp(lab, 1, 2)["gigabytes"]
    worst = 0.0
    for site in "ab":
        made = {name: n - before[site][name] for name, n in entry.calls(lab, site).items()}
        per_gb = sum(made.values()) / gigabytes
        worst = max(worst, per_gb)
        print(f"site {site}: {per_gb:.0f} calls per GB over {gigabytes:.2f} GB:",
              ", ".join(f"{name} {n / gigabytes:.0f}" for name, n in made.items() if n))
    return worst


def no_bad_checksum(programs, _library):
    """A capture on the far host during a TCP run shows no bad checksum"""
    with Lab("wire") as lab:
        Isthmus(programs).up(lab)
        lab.wait_ping(15)
        capture = f"{lab.folder}/far.pcap"
        tcpdump = subprocess.Popen(lab.inside("hb", "tcpdump", "-i", "eth0", "-Q", "in", "-w", capture, "-B", "65536", "-c", "8000", "tcp"),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            measure.tcp(lab, 1, 2)
        finally:
            tcpdump.terminate()
            tcpdump.wait(10)
        checked = ["tshark", "-r", capture, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e",
                   "tcp.checksum.status", "-e", "ip.checksum.status"]
        rows = run(*checked, timeout=120).split("\n")
        good = sum(bool(re.fullmatch(r"1\t1", r)) for r in rows)
        bad = [r for r in rows if r and not re.fullmatch(r"1\t1", r)]
        print(f"{good} packets with good checksums, {len(bad)} with bad ones")
        if good < 1000:
            raise LabFailed(f"only {good} packets were captured")
        if bad:
            raise LabFailed(f"{len(bad)} bad checksums (TCP, IP status): {sorted(set(bad))[:3]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build folder")
    build = parser.parse_args().build
    failed = 0
    for test in (system_calls_per_gb, no_bad_checksum):
        try:
            test(f"{build}/appliance", f"{build}/tests/bench/libcount-calls.so")
            print(f"PASS {test.__doc__}", flush=True)
        except (LabFailed, OSError, subprocess.SubprocessError, KeyError) as error:
            failed += 1
            print(f"FAIL {test.__doc__}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
