"""Group scale: packets per second and memory as sessions, tunnels, VLANs and MAC addresses grow from one to many.

Frames leave through the TAPs of site A in turn (AF_PACKET out of a TAP is what a bridge would hand it) and are counted as they
come out of the TAPs of site B, so that neither hosts nor bridges limit what is measured; the MAC case goes through the bridges.
"""
import json
import time

import entries
from lab import Lab, LabFailed
from report import line

BAR = 0.8           # packets per second at the largest against the smallest
FRAME = 64
STEPS = {"sessions": (1, 10, 100, 1000), "tunnels": (1, 10, 100, 250), "vlans": (1, 64, 4094), "macs": (1, 1000, 100_000)}


class Many(entries.Isthmus):
    """Many sessions or tunnels; each session on a bridge of its own, because one VLAN has one session on a bridge."""

    def __init__(self, programs, suite, sessions=1, tunnels=1, vlans='vlans = "any"', shared_bridge=False):
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
        first, last = steps[0], steps[-1]
        for n in steps:
            bar = BAR if n == last else None
            lines.append(line(group, f"scale_pps {what} {n}", profile, rates[n], f"{what} {first}", rates[first], bar, "packets/s"))
        if memory[first] is not None and memory[last] is not None:
            each = (memory[last] - memory[first]) * 1024 / (last - first)
            lines.append(line(group, f"scale_memory per one of {what}", profile, each, unit="kB"))
    return lines


def measure(what, n, profile, options):
    """(packets received per second, resident memory of both daemons in MB)."""
    entry = {"sessions": lambda: Many(options.programs, options.suite, sessions=n),
             "tunnels": lambda: Many(options.programs, options.suite, tunnels=n),
             "vlans": lambda: Many(options.programs, options.suite, vlans=f'vlans = "1-{n}"'),
             "macs": lambda: Many(options.programs, options.suite, shared_bridge=True)}[what]()
    with Lab(profile) as lab:
        entry.up(lab)
        wait_until_up(lab, options.programs, 30 + n / 2)
        best = max(flood(lab, options.tool, entry.taps, n if what == "vlans" else 0, n if what == "macs" else 1) for _ in range(3))
        return best, lab.peak_memory_mb()


def flood(lab, tool, taps, vids, macs, seconds=2):
    through_bridge = macs > 1
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


def wait_until_up(lab, programs, seconds):
    """Every session of both sites, by their own status: many tunnels take a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(all_up(lab, programs, site) for site in "ab"):
            return
        time.sleep(0.5)
    raise LabFailed(f"not all sessions are up after {seconds:.0f} s: {lab.logs()}")


def all_up(lab, programs, site):
    out = lab.run(site, f"{programs}/isthmus", "status", "--json", "--socket", f"{lab.folder}/isthmus-{site}/isthmus.sock", check=False)
    return bool(out.strip()) and all(session["state"] == "up" for session in json.loads(out)["sessions"])


def markdown(lines):
    out = ["| figure | ours | ratio to the smallest |", "|---|---|---|"]
    out += [f"| {x['figure']} | {x['ours']} {x['unit']} | {x['ratio'] if x['ratio'] is not None else ''} |" for x in lines]
    return "\n".join(out) + "\n"
