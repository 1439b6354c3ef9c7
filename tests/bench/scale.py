"""Group scale: packets per second and memory as sessions, tunnels, VLANs and MAC addresses grow from one to many.

Frames leave through the TAPs of site A in turn (AF_PACKET out of a TAP is what a bridge would hand it) and are counted as they
come out of the TAPs of site B, so that neither hosts nor bridges limit what is measured. The MAC case goes through the bridges, whose own
tables grow as well: what plain bridging loses from one to as many is beside it.
"""
import json
import time

import entries
from lab import Lab, LabFailed
from report import line

BAR = 0.8           # packets per second at the largest against the smallest
FRAME = 64
FLOODS = 3          # the best counts: the first one teaches the bridges
STEPS = {"sessions": (1, 10, 100, 1000), "tunnels": (1, 10, 100, 250), "vlans": (1, 64, 4094), "macs": (1, 1000, 100_000)}


class Many(entries.Isthmus):
    """Many sessions or tunnels; each session on a bridge of its own, because one VLAN has one session on a bridge."""

    def __init__(self, programs, suite, sessions=1, tunnels=1, vlans="untagged = true", shared_bridge=False):
        super().__init__(programs, suite)
        self.sessions, self.tunnels, self.vlans, self.shared_bridge = sessions, tunnels, vlans, shared_bridge

    def configuration(self, folder, site):
        text = self.gateway(folder, site)
        for i in range(self.tunnels):
            text += self.tunnel(folder, site, f"t{i}", i)
        for i in range(max(self.sessions, self.tunnels)):
            text += self.bridge_of(i) + self.session(site, i, f"t{i % self.tunnels}", self.bridge_name(i), self.vlans)
        return text

    def bridge_name(self, i):
        return "br0" if self.shared_bridge else f"brs{i}"

    def bridge_of(self, i):
        if self.shared_bridge:
            return self.bridge()
        return f'\n[[bridge]]\nname = "brs{i}"\nownership = "create"\nvlan_filtering = "off"\n'

    @property
    def taps(self):
        return [f"tap{i}" for i in range(max(self.sessions, self.tunnels))]


def run(group, profile, options, log):
    lines = []
    for what, steps in STEPS.items():
        rates, memory = {}, {}
        for n in steps:
            try:
                rates[n], memory[n] = measure(what, n, profile, options)
                log(f"scale {profile}: {what} {n}: {rates[n]:.0f} packets/s, {memory[n]:.1f} MB")
            except (LabFailed, OSError) as error:
                log(f"scale {profile}: {what} {n}: {error}")
                rates[n] = memory[n] = None
        lines += rate_lines(group, profile, what, rates, BAR)
        if what == "macs":
            lines += rate_lines(group, profile, "macs, plain bridging", plain_rates(steps, profile, options, log), None)
        first, last = steps[0], steps[-1]
        if memory[first] is not None and memory[last] is not None:
            each = (memory[last] - memory[first]) * 1024 / (last - first)
            lines.append(line(group, f"scale_memory per one of {what}", profile, each, unit="kB"))
    return lines


def rate_lines(group, profile, what, rates, bar):
    first, last = min(rates), max(rates)
    return [line(group, f"scale_pps {what} {n}", profile, rate, f"{what} {first}", rates[first], bar if n == last else None, "packets/s")
            for n, rate in rates.items()]


def plain_rates(steps, profile, options, log):
    """The same frames through both bridges, with no tunnel between them."""
    rates = dict.fromkeys(steps)
    for n in steps:
        try:
            with Lab(profile) as lab:
                entries.Plain().up(lab)
                lab.wait_ping(15)
                rates[n] = max(flood(lab, options.tool, ["wan0"], 0, n, through_bridge=True) for _ in range(FLOODS))
                log(f"scale {profile}: macs {n}, plain bridging: {rates[n]:.0f} packets/s")
        except (LabFailed, OSError) as error:
            log(f"scale {profile}: macs {n}, plain bridging: {error}")
    return rates


def measure(what, n, profile, options):
    """(packets received per second, resident memory of both daemons in MB)."""
    entry = {"sessions": lambda: Many(options.programs, options.suite, sessions=n),
             "tunnels": lambda: Many(options.programs, options.suite, tunnels=n),
             "vlans": lambda: Many(options.programs, options.suite, vlans=f'vlans = "1-{n}"'),
             "macs": lambda: Many(options.programs, options.suite, shared_bridge=True)}[what]()
    with Lab(profile) as lab:
        entry.up(lab)
        wait_until_up(lab, entry, 40 + n / 2)
        macs = what == "macs"
        best = max(flood(lab, options.tool, entry.taps, n if what == "vlans" else 0, n if macs else 1, macs) for _ in range(FLOODS))
        return best, lab.peak_memory_mb()


def flood(lab, tool, taps, vids, macs, through_bridge, seconds=2):
    where, out = ("ha", ["eth0"]) if through_bridge else ("a", taps)
    before = received(lab, taps)
    sent = json.loads(lab.run(where, tool, "frames", FRAME, 0, seconds, vids, macs, *out, timeout=seconds + 30))
    time.sleep(0.3)
    return (received(lab, taps) - before) / sent["secs"]


def received(lab, taps):
    """Frames that came out of site B's TAPs: from the kernel's view they are received by it."""
    wanted, total = set(taps), 0
    for text in lab.run("b", "cat", "/proc/net/dev").splitlines():
        name, _, counters = text.partition(":")
        if name.strip() in wanted:
            total += int(counters.split()[1])
    return total


def wait_until_up(lab, entry, seconds):
    """Every session and VLAN of both sites, by their own status: many take a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(entry.has_settled(lab, site) for site in "ab"):
            return
        time.sleep(0.5)
    raise LabFailed(f"not all sessions are up after {seconds:.0f} s: {lab.logs()}")


def markdown(lines):
    out = ["| figure | ours | ratio to the smallest |", "|---|---|---|"]
    out += [f"| {x['figure']} | {x['ours']} {x['unit']} | {x['ratio'] if x['ratio'] is not None else ''} |" for x in lines]
    return "\n".join(out) + "\n"
