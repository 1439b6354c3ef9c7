"""Figures: their units, which way is better, the bars, and how results become JSON lines and Markdown."""
import statistics

# figure: (unit, better, how to print)
FIGURES = {
    "tcp1_mbps": ("Mbit/s", "more", "{:.0f}"),
    "tcp4_mbps": ("Mbit/s", "more", "{:.0f}"),
    "udp64_flood_pps": ("packets/s", "more", "{:.0f}"),
    "udp64_half_percent_pps": ("packets/s", "more", "{:.0f}"),
    "udp64_no_loss_pps": ("packets/s", "more", "{:.0f}"),
    "imix_flood_pps": ("packets/s", "more", "{:.0f}"),
    "imix_flood_mbps": ("Mbit/s", "more", "{:.0f}"),
    "udp1518_flood_pps": ("packets/s", "more", "{:.0f}"),
    "udp1518_flood_mbps": ("Mbit/s", "more", "{:.0f}"),
    "ping_idle_p50_ms": ("ms", "less", "{:.3f}"),
    "ping_idle_p99_ms": ("ms", "less", "{:.3f}"),
    "ping_load_p50_ms": ("ms", "less", "{:.2f}"),
    "ping_load_p99_ms": ("ms", "less", "{:.2f}"),
    "daemon_cpu_s_per_gb": ("s/GB", "less", "{:.2f}"),
    "machine_cpu_s_per_gb": ("s/GB", "less", "{:.2f}"),
    "idle_cpu": ("CPU", "less", "{:.3f}"),
    "peak_memory_mb": ("MB", "less", "{:.1f}"),
    "scale_pps": ("packets/s", "more", "{:.0f}"),
    "scale_memory_kb": ("kB", "less", "{:.1f}"),
}

# What the speed group has to reach: (figure, against which of the entries the best, bar by profile).
BEST = ("openvpn", "fastd")
BARS = [
    ("tcp1_mbps", BEST, {"wire": 2.2, "nic": 4.5, "local": 10}),
    ("tcp1_mbps", ("vxlan",), {"wire": 0.7, "nic": 0.95, "local": 0.3}),
    ("udp64_flood_pps", BEST, {"wire": 2.0, "nic": 2.0, "local": 2.0}),
    ("daemon_cpu_s_per_gb", BEST, {"wire": 0.5, "nic": 0.22, "local": 0.12}),
    ("ping_idle_p50_ms", BEST, {"wire": 1.0, "nic": 1.0, "local": 1.0}),
    ("ping_load_p99_ms", BEST, {"wire": 1.0, "nic": 1.0, "local": 1.0}),
]


def line(group, figure, profile, ours, against=None, theirs=None, bar=None, unit=None):
    """One figure. ratio is ours / theirs; the bar is a floor where more is better, a ceiling where less is."""
    known_unit, better, _ = FIGURES.get(figure, (unit, "more", "{}"))
    ratio = ours / theirs if ours is not None and theirs else None
    passed = None
    if bar is not None:
        passed = ratio is not None and (ratio >= bar if better == "more" else ratio <= bar)
    return {"group": group, "figure": figure, "profile": profile, "unit": unit or known_unit, "ours": rounded(ours),
            "against": against, "theirs": rounded(theirs), "ratio": rounded(ratio), "bar": bar, "pass": passed}


def rounded(value):
    return None if value is None else float(f"{value:.5g}")


class Results:
    """Values of every entry in every round of one profile."""

    def __init__(self, group, profile):
        self.group, self.profile = group, profile
        self.rounds, self.about, self.errors = {}, {}, []

    def add(self, entry, version, visit):
        self.about[entry.name] = (entry.what, version)
        self.rounds.setdefault(entry.name, []).append(visit.values)
        self.errors += [f"{entry.name}: {name}: {why}" for name, why in visit.errors.items()]

    def failed(self, entry, why):
        self.about.setdefault(entry.name, (entry.what, "?"))
        self.rounds.setdefault(entry.name, [])
        self.errors.append(f"{entry.name}: {why}")

    def values(self, entry, figure):
        return [r[figure] for r in self.rounds.get(entry, []) if r.get(figure) is not None]

    def median(self, entry, figure):
        values = self.values(entry, figure)
        return statistics.median(values) if values else None

    def best(self, entries, figure):
        better = max if FIGURES[figure][1] == "more" else min
        known = [(self.median(e, figure), e) for e in entries if self.median(e, figure) is not None]
        return better(known) if known else (None, "/".join(entries))

    def lines(self, ours="isthmus", bars=BARS):
        """Each figure against every other entry, and against the bars."""
        out = []
        figures = [f for f in FIGURES if any(self.median(e, f) is not None for e in self.rounds)]
        for figure in figures:
            for entry in self.rounds:
                if entry != ours and (theirs := self.median(entry, figure)) is not None:
                    out.append(line(self.group, figure, self.profile, self.median(ours, figure), entry, theirs))
            if all(self.median(e, figure) is None for e in self.rounds if e != ours):
                out.append(line(self.group, figure, self.profile, self.median(ours, figure)))
        for figure, entries, by_profile in bars:
            if any(e in self.rounds for e in entries):
                theirs, who = self.best(entries, figure)
                name = f"best of {' and '.join(entries)}: {who}" if len(entries) > 1 else who
                out.append(line(self.group, figure, self.profile, self.median(ours, figure), name, theirs, by_profile[self.profile]))
        return out

    def markdown(self):
        figures = [f for f in FIGURES if any(self.median(e, f) is not None for e in self.rounds)]
        order = sorted(self.rounds, key=lambda e: -(self.median(e, figures[0]) or 0)) if figures else list(self.rounds)
        out = [f"### Profile {self.profile}", "", "| figure | " + " | ".join(order) + " |", "|---|" + "---|" * len(order)]
        for figure in figures:
            unit, _, _ = FIGURES[figure]
            out.append(f"| {figure} ({unit}) | " + " | ".join(self.cell(e, figure) for e in order) + " |")
        out += ["", "Median (lowest to highest) of the rounds.", ""]
        out += [f"- **{e}**: {what}; {version}" for e, (what, version) in self.about.items()]
        out += [f"- failed: {why}" for why in self.errors]
        return "\n".join(out) + "\n"

    def cell(self, entry, figure):
        values = self.values(entry, figure)
        if not values:
            return "-"
        show = FIGURES[figure][2].format
        middle = show(statistics.median(values))
        return middle if len(values) < 2 else f"{middle} ({show(min(values))} to {show(max(values))})"


def bars_markdown(lines):
    out = ["### Bars", "", "| profile | figure | against | ours | theirs | ratio | bar | reached |", "|---|---|---|---|---|---|---|---|"]
    for x in lines:
        if x["bar"] is not None:
            sign = "≥" if FIGURES.get(x["figure"], ("", "more"))[1] == "more" else "≤"
            out.append(f"| {x['profile']} | {x['figure']} | {x['against']} | {x['ours']} | {x['theirs']} | {x['ratio']} | {sign} {x['bar']} |"
                       f" {'yes' if x['pass'] else 'no'} |")
    return "\n".join(out) + "\n" if len(out) > 4 else ""
