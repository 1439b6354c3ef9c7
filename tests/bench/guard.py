"""Group guard: what the guard costs, on beside off in the same rounds; how long a round of probes is, and what meters weigh, as VLANs
grow (engines alone, time simulated)."""
import json
import pathlib
import subprocess
import time

import entries
from report import line

PROFILES = ("wire", "nic", "local")
BARS = [
    ("tcp1_mbps", ("guard-off",), dict.fromkeys(PROFILES, 0.97)),
    ("udp64_flood_pps", ("guard-off",), dict.fromkeys(PROFILES, 0.93)),
]
WHAT = ["machine", "tcp1", "udp64"]
UNLIMITED = 'storm = { every = "none", per_source = "none" }\nmac_limit = 0\nmac_limit_session = 0\n'


class On(entries.Isthmus):
    """All of the guard as it is by default."""

    def __init__(self, programs, suite):
        super().__init__(programs, suite)
        self.name, self.what = "guard-on", "isthmusd with the guard as it is by default"
        self.settled = 0.0

    def session(self, *args, **kwargs):
        return without_limits(super().session(*args, **kwargs), "")

    def settle(self, lab):
        began = time.monotonic()
        super().settle(lab)
        self.settled = time.monotonic() - began


class Off(entries.Isthmus):
    """Nothing is limited, probed or watched. Spanning trees have to cross then."""

    def __init__(self, programs, suite, beside):
        super().__init__(programs, suite)
        self.name, self.what = "guard-off", "isthmusd with guard.enabled = false"
        self.beside = beside

    def settle(self, lab):
        # A machine that did nothing for a minute is slower at first than one that comes from the round before.
        super().settle(lab)
        time.sleep(self.beside.settled)

    def gateway(self, folder, site):
        return super().gateway(folder, site) + "\n[guard]\nenabled = false\n"

    def session(self, *args, **kwargs):
        return without_limits(super().session(*args, **kwargs), 'bpdu = "transparent"\n')


def without_limits(text, instead):
    if UNLIMITED not in text:
        raise ValueError("the bench's own limits are not where they were")
    return text.replace(UNLIMITED, instead)


def contestants(programs, suite):
    on = On(programs, suite)
    return [on, Off(programs, suite, on)]


def engines(group, profile, build, log):
    """Lines, and Markdown."""
    program = pathlib.Path(build) / "tests" / "bench" / "guard-scale-bench"
    subprocess.run(["cmake", "--build", build, "--target", "guard-scale-bench"], check=True, stdout=subprocess.DEVNULL)
    log(f"{group}: rounds of probes and meters of up to 4,094 VLANs")
    found = json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    lines = [line(group, f"guard_meters_bytes_{m['vlans']}_vlans", profile, m["bytes"], unit="B") for m in found["meters"]]
    text = ("| VLANs | places | round, as told (s) | longest gap between two probes of a place (s) | probes/s | CPU for a probe (µs) | engine (kB) |\n"
            "|---|---|---|---|---|---|---|\n")
    for r in found["rounds"]:
        vlans = r["vlans"]
        if r["open"] < vlans:
            raise RuntimeError(f"of {vlans} VLANs only {r['open']} are open")
        lines += [line(group, f"guard_probe_round_{vlans}_vlans", profile, r["told_round_s"], unit="s"),
                  line(group, f"guard_probe_gap_{vlans}_vlans", profile, r["longest_gap_s"], unit="s"),
                  line(group, f"guard_probe_cpu_{vlans}_vlans", profile, r["cpu_us_per_probe"], unit="us"),
                  line(group, f"guard_engine_bytes_{vlans}_vlans", profile, r["bytes"], unit="B")]
        text += (f"| {vlans:,} | {r['places']:,} | {r['told_round_s']:.1f} | {r['longest_gap_s']:.1f} | {r['probes_per_s']:.0f} |"
                 f" {r['cpu_us_per_probe']:.1f} | {r['bytes'] / 1000:.0f} |\n")
    text += (f"\nMeters of {found['classes']} classes, both directions, all used: " +
             ", ".join(f"{m['vlans']:,} VLANs {m['bytes'] / 1e6:.2f} MB" for m in found["meters"]) + ".\n")
    return lines, text
