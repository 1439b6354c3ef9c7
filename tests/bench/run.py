#!/usr/bin/env python3
"""Measures isthmusd beside plain bridging, kernel VXLAN and other tunnels, on one machine in network namespaces.

Groups:
  base    ours against plain bridging: TCP, small and large UDP, IMIX, ping, CPU, memory; hosts of MTU 1500, WAN of 1700
  speed   ours against kernel VXLAN and, with --peers, OpenVPN, fastd, tinc and SoftEther; hosts of MTU 1380 that fit all of them
  scale   packets per second and memory as sessions, tunnels, VLANs and MAC addresses grow
  profile where our CPU time goes: shares, system calls per GB, a flame graph
  guard   storm control, probes and all: on against off; rounds of probes and memory as VLANs grow
  l2tp    the control plane alone: 10,000 sessions on one and on 1,000 control connections
  ike     IKE SAs set up a second beside strongSwan's charon; idle ones
  smoke   a second of each: does the harness work (nothing is asserted about speed)
Entries of one round are visited one after the other, each in a fresh lab, so that drift of the machine falls on all alike.
docs/performance.md has the method. Raw results and Markdown stay in build/bench/.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import entries                                  # noqa: E402
import flame                                    # noqa: E402
import guard                                    # noqa: E402
import l2tp                                     # noqa: E402
import scale                                    # noqa: E402
from lab import PROFILES, Lab, LabFailed        # noqa: E402
from measure import Visit                       # noqa: E402
from report import Results, bars_markdown       # noqa: E402

ROOT = HERE.parent.parent
BASE = ["machine", "ping", "tcp1", "tcp4", "udp64", "udp64_loss", "imix", "large", "ping_load"]
SPEED = ["machine", "ping", "tcp1", "tcp4", "udp64", "ping_load"]


def main():
    options = parse()
    if os.geteuid() != 0:
        sys.exit("bench: needs root: it makes network namespaces (./dev bench asks for it)")
    options.out.mkdir(parents=True, exist_ok=True)
    options.tool = build_blast(options.out)
    lines, texts = [], []
    for group in options.groups:
        for profile in options.profile:
            found, text = GROUPS[group](group, profile, options)
            lines += found
            texts.append(text)
            if options.json:
                for x in found:
                    print(json.dumps(x), flush=True)
    text = "\n".join(texts) + "\n" + bars_markdown(lines)
    (options.out / "report.md").write_text(conditions(options) + text)
    (options.out / "report.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    if not options.json:
        print(conditions(options) + text)
    log(f"results: {options.out}")
    missing = [x for x in lines if x["ours"] is None]
    if options.gate and any(x["pass"] is False for x in lines):
        return 1
    return 1 if missing or not lines else 0


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="default: base speed")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure on standard output, nothing else")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default=",".join(PROFILES), help="wire, nic, local, or several with commas (all)")
    parser.add_argument("--peers", action="store_true", help="install and measure OpenVPN, fastd, tinc and SoftEther too (group speed)")
    parser.add_argument("--variants", action="store_true", help="ours also with each cipher library, and polling (group speed)")
    parser.add_argument("--entries", help="only these entries, with commas")
    parser.add_argument("--suite", default="aes-256-gcm", help="our ESP suite")
    parser.add_argument("--gate", action="store_true", help="exit code 1 if a bar is not reached")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--programs", help="folder of isthmusd (default: the build's)")
    options = parser.parse_args()
    options.groups = options.groups or ["base", "speed"]
    if unknown := [g for g in options.groups if g not in GROUPS]:
        parser.error(f"no such group: {', '.join(unknown)}; groups: {', '.join(GROUPS)}")
    options.profile = options.profile.split(",")
    if unknown := [p for p in options.profile if p not in PROFILES]:
        parser.error(f"no such profile: {', '.join(unknown)}; profiles: {', '.join(PROFILES)}")
    build = os.environ.get("ISTHMUS_BUILD_DIR", str(ROOT / "build" / "release"))
    options.programs = options.programs or f"{build}/appliance"
    options.out = options.out.resolve()
    return options


def build_blast(folder):
    tool, source = folder / "blast", HERE / "blast.cpp"
    if not tool.exists() or tool.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O2", str(source), "-o", str(tool)], check=True)
    return str(tool)


def run_compare(group, profile, options, contestants, what, lab_options, rounds, quick=False):
    results = Results(group, profile)
    if options.entries:
        wanted = options.entries.split(",")
        contestants = [e for e in contestants if e.name in wanted]
    versions = {e.name: e.version() for e in contestants}
    raw = open(options.out / f"{group}-{profile}.jsonl", "w")
    for number in range(1, rounds + 1):
        for entry in contestants:
            began = time.monotonic()
            visit = one_visit(entry, profile, options, what, lab_options, quick)
            if isinstance(visit, str):
                results.failed(entry, visit)
                log(f"{group} {profile} round {number}: {entry.name}: {visit}")
                continue
            results.add(entry, versions[entry.name], visit)
            raw.write(json.dumps({"entry": entry.name, "round": number, **visit.values, "detail": visit.detail, "errors": visit.errors}) + "\n")
            raw.flush()
            log(f"{group} {profile} round {number}: {entry.name} in {time.monotonic() - began:.0f} s"
                + "".join(f"; {n}: {w}" for n, w in visit.errors.items()))
    raw.close()
    return results


def one_visit(entry, profile, options, what, lab_options, quick):
    """A Visit, or why there is none."""
    try:
        with Lab(profile, **lab_options) as lab:
            try:
                entry.up(lab)
                lab.wait_ping(15)
                if not quick:
                    entry.settle(lab)
                return Visit(lab, options.tool, quick).take(what)
            finally:
                entry.down(lab)
    except (LabFailed, OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"[:600]


def group_base(group, profile, options):
    ours = entries.Isthmus(options.programs, options.suite)
    results = run_compare(group, profile, options, [entries.Plain(), ours], BASE, {"host_mtu": 1500, "wan_mtu": 1700}, options.rounds)
    return results.lines(bars=[]), f"## {group}\n\n" + results.markdown()


def group_speed(group, profile, options):
    contestants = [entries.Plain(), entries.Vxlan(), entries.Isthmus(options.programs, options.suite)]
    if options.variants:
        contestants += entries.variants(options.programs, options.suite)
    if options.peers:
        install(sorted({p for rival in entries.RIVALS for p in rival.packages}))
        contestants += [rival() for rival in entries.RIVALS]
    results = run_compare(group, profile, options, contestants, SPEED, {}, options.rounds)
    return results.lines(), f"## {group}\n\n" + results.markdown()


def group_smoke(group, profile, options):
    """Two entries, a second each; all figures must come out, none is judged."""
    ours = entries.Isthmus(options.programs, options.suite)
    results = run_compare(group, profile, options, [entries.Plain(), ours], BASE, {"host_mtu": 1500, "wan_mtu": 1700}, 1, quick=True)
    return results.lines(bars=[]), f"## {group}\n\n" + results.markdown()


def group_scale(group, profile, options):
    lines = scale.run(group, profile, options, log)
    return lines, f"## {group}\n\n" + scale.markdown(lines)


def group_profile(group, profile, options):
    lines, text = flame.run(group, profile, options, entries.Isthmus(options.programs, options.suite), log)
    return lines, f"## {group}\n\n" + text


def group_l2tp(group, profile, options):
    if profile != options.profile[0]:
        return [], ""  # no network is involved
    lines = l2tp.run(group, profile, os.environ.get("ISTHMUS_BUILD", str(ROOT / "build" / "release")), log)
    return lines, f"## {group}\n\n" + l2tp.markdown(lines)


def group_ike(group, profile, options):
    # No frame crosses: the profiles do not matter.
    if profile != options.profile[0]:
        return [], ""
    build = pathlib.Path(options.programs).parent
    subprocess.run([str(ROOT / "dev"), "build", build.name, "micro_ike"], check=True, stdout=sys.stderr)
    done = subprocess.run([sys.executable, str(HERE / "ike.py"), str(build)], stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(text) for text in done.stdout.splitlines()]
    rows = ["| figure | ours | charon | ratio |", "|---|---|---|---|"]
    for x in lines:
        theirs, ratio = ("" if x[key] is None else f"{x[key]:.4g}" for key in ("theirs", "ratio"))
        rows.append(f"| {x['figure']} ({x['unit']}) | {x['ours']:.4g} | {theirs} | {ratio} |")
    return lines, f"## {group}\n\n" + "\n".join(rows) + "\n"


def group_guard(group, profile, options):
    results = run_compare(group, profile, options, guard.contestants(options.programs, options.suite), guard.WHAT, {}, options.rounds)
    lines = results.lines(ours="guard-on", bars=guard.BARS)
    text = f"## {group}\n\n" + results.markdown()
    if profile == options.profile[0]:       # engines know no profile
        more, table = guard.engines(group, profile, os.environ.get("ISTHMUS_BUILD", str(ROOT / "build" / "release")), log)
        lines, text = lines + more, text + "\n" + table
    return lines, text


GROUPS = {"base": group_base, "speed": group_speed, "scale": group_scale, "profile": group_profile, "l2tp": group_l2tp,
          "ike": group_ike, "guard": group_guard,
          "smoke": group_smoke}


def install(packages):
    """The rivals, without letting their packages start services here."""
    missing = [p for p in packages if subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", p], capture_output=True,
                                                     text=True).stdout != "installed"]
    if not missing:
        return
    log(f"installing {' '.join(missing)}")
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run([str(ROOT / "dev"), "setup", "peers"], check=True, stdout=sys.stderr)
    finally:
        if ours:
            policy.unlink()


def conditions(options):
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "?")
    return (f"Linux {os.uname().release}, {os.cpu_count()} CPUs ({model}), {time.strftime('%Y-%m-%d')}; "
            f"rounds {options.rounds}; hosts and gateways share the CPUs.\n\n")


def log(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
