#!/usr/bin/env python3
"""Two sites in network namespaces share VLANs through two isthmusd gateways; each claim is measured.

  demo.py [--keep] [--json]    build the sites, prove, take them down
  demo.py loop                 a cable too many between the sites, without the guard and with it
  demo.py storm                a host floods its VLAN
  demo.py down                 take down what --keep left up

Needs root and the built programs; `./dev demo` sees to both.
"""
import argparse
import json
import os
import shutil
import sys
import time

import guard_demo
import lab as lab_module
from lab import Lab, LabError, find_program, labs, require_root, stop_on_signals
from proofs import Proof, Proofs
from sites import LAN_MTU, TwoSites

PICTURE = """\
      data center                          WAN                           cloud
  ┌─────────┐  ┌──────────────┐      ┌─────────────┐      ┌──────────────┐  ┌────────────┐
  │ dc-host ├──┤ dc-gw        ├──────┤   router    ├──────┤     cloud-gw ├──┤ cloud-host │
  │ .1      │  │ br-dc        │      │  MTU {mtu:>5}  │      │     br-cloud │  │ .2         │
  └─────────┘  │ 198.51.100.1 │      └─────────────┘      │  203.0.113.1 │  └────────────┘
               └──────┬───────┘                           └───────┬──────┘
                      └══ L2TPv3 in ESP in UDP 4500, keys by IKEv2 ══┘

  Each host: untagged 10.0.0.x, VLAN 10 10.0.10.x, VLAN 20 10.0.20.x, VLAN 30 10.0.30.x.
  Untagged frames, VLAN 10 and VLAN 20 are to cross; VLAN 30 is not.
"""
NEEDED = ("ip", "bridge", "ethtool", "ping", "iperf3", "tcpdump", "nft", "sysctl")


class Screen:
    """What a person sees: lines as they come, colour on a terminal only. Silent with --json."""

    def __init__(self, silent):
        self.silent, self.terminal = silent, sys.stdout.isatty() and not silent
        self.colour = self.terminal and os.environ.get("NO_COLOR") is None and os.environ.get("TERM") != "dumb"

    def line(self, text=""):
        if not self.silent:
            print(self._wipe() + text, flush=True)

    def busy(self, text):
        """A passing line on a terminal, until the next line replaces it."""
        if self.terminal:
            print(self._wipe() + self.paint(f"  … {text}", "2"), end="", flush=True)

    def paint(self, text, code):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def title(self, text):
        self.line()
        self.line(self.paint(text, "1"))

    def proof(self, proof):
        sign = self.paint("✔", "32") if proof.passed else self.paint("✘", "31;1")
        value = f"{proof.value:,.10g}" if isinstance(proof.value, float) else f"{proof.value:,}"
        unit = {"%": " %"}.get(proof.unit, f" {proof.unit}")
        note = f"  {self.paint(proof.note, '2')}" if proof.note else ""
        name = proof.name if proof.passed else self.paint(proof.name, "31")
        padding = " " * max(0, 46 - len(proof.name))
        self.line(f"  {sign} {name}{padding} {value:>8}{unit:<8}{note}")

    def _wipe(self):
        return "\r\x1b[K" if self.terminal else ""


def check_tools(build):
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        raise LabError(f"missing: {', '.join(missing)}: run `./dev setup`")
    for name in ("isthmusd", "isthmus"):
        find_program(name, build)


def prove(sites, screen):
    """Runs every section and returns the proofs."""
    made = []
    proofs = Proofs(sites)
    screen.busy("starting the gateways")
    proofs.before_start()
    sites.start()
    begin = time.monotonic()
    up = sites.wait_for_traffic(10)
    made.append(Proof("first ping after both gateways are up", round(time.monotonic() - begin, 2), "s", up))
    show_budget(sites.dc.status(), screen)
    status = ""
    for title, method in proofs.SECTIONS:
        if method == "restarts":
            status = sites.dc.status_text()
        screen.title(title)
        if method == "traffic":
            screen.proof(made[0])
        screen.busy("measuring")
        for proof in getattr(proofs, method)():
            screen.proof(proof)
            made.append(proof)
            screen.busy("measuring")
    return made, status


def show_budget(status, screen):
    """What is left of a WAN packet for the hosts; the gateway's status has it byte by byte."""
    mtu = status["tunnels"][0]["mtu"]
    headers = sum(line["bytes"] for line in mtu["lines"])
    screen.line(f"  Of {mtu['path_mtu']} bytes on the WAN, headers take {headers}: IP packets of hosts may have {mtu['ip_mtu']}.")
    screen.line(f"  The hosts' MTU is {LAN_MTU} all the same: the gateways clamp their TCP MSS.")


def show_next(lab, sites, status, screen):
    screen.title("What dc-gw said of itself before the restarts (`isthmus status`)")
    for line in status.rstrip().splitlines():
        screen.line("  " + line)
    screen.title("Where to look next")
    if not lab.keep:
        screen.line("  ./dev demo --keep     the same, left up for you to look around")
        screen.line("  vagrant/lab/*.toml    the two configurations; docs/configuration.md explains each key")
        return
    screen.line("  The sites are still up. To enter one of them:")
    for role, what in (("dc-host", "ping 10.0.10.2"), ("cloud-host", "tcpdump -eni eth0"), ("dc-gw", "bridge link"),
                       ("wan", "tcpdump -ni cloud")):
        screen.line(f"    sudo ip netns exec {sites.lab.namespaces[role].name} bash" + f"      # for example: {what}")
    screen.line("  To ask a gateway:")
    for gateway in sites.gateways.values():
        screen.line("    sudo " + " ".join(gateway.status_command()))
    screen.line(f"  Logs and configurations: {lab.directory}")
    screen.line("  To take it down:  ./dev demo down")


def demo(arguments):
    screen = Screen(arguments.json)
    begin = time.monotonic()
    with Lab("demo", keep=arguments.keep) as lab:
        check_tools(arguments.build)
        screen.line(screen.paint("Isthmus: one Ethernet over two sites", "1") + "\n")
        screen.line(PICTURE.format(mtu=arguments.wan_mtu).rstrip())
        screen.busy("building five namespaces")
        sites = TwoSites(lab, wan_mtu=arguments.wan_mtu, build=arguments.build, certified=True, checked=True)
        proofs, status = prove(sites, screen)
        if lab.keep:
            sites.start()
        show_next(lab, sites, status, screen)
    failed = [p for p in proofs if not p.passed]
    if arguments.json:
        print(json.dumps({"pass": not failed, "proofs": [p.as_json() for p in proofs]}))
    screen.line()
    summary = f"{len(proofs) - len(failed)} of {len(proofs)} proofs hold ({time.monotonic() - begin:.0f} s)"
    screen.line(screen.paint(("✔ " if not failed else "✘ ") + summary, "32;1" if not failed else "31;1"))
    for proof in failed:
        screen.line(f"  ✘ {proof.name}: {proof.value} {proof.unit} {proof.note}")
    return 1 if failed else 0


def take_down():
    require_root()
    ours = [state for state in labs() if state["id"].startswith("ist-demo-") and state["keep"]]
    for state in ours:
        lab_module.down(state)
        print(f"{state['id']} is gone.")
    if not ours:
        print("No demo is up.")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("command", nargs="?", choices=["loop", "storm", "down"],
                        help="loop, storm: what the guard does about one; down: take down what --keep left up")
    parser.add_argument("--keep", action="store_true", help="leave the sites up and say how to enter them")
    parser.add_argument("--json", action="store_true", help="print one JSON object: pass, and each proof")
    parser.add_argument("--wan-mtu", type=int, default=1500, metavar="BYTES", help="default: %(default)s")
    parser.add_argument("--build", metavar="DIR", help="where the programs were built (default: the newest build/*)")
    arguments = parser.parse_args()
    stop_on_signals()
    try:
        if arguments.command in ("loop", "storm"):
            check_tools(arguments.build)
            return getattr(guard_demo, arguments.command)(arguments, Screen(arguments.json))
        return take_down() if arguments.command == "down" else demo(arguments)
    except KeyboardInterrupt:
        print("\nInterrupted; everything was taken down.", file=sys.stderr)
        return 130
    except LabError as error:
        if arguments.json:
            print(json.dumps({"pass": False, "proofs": []}))
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
