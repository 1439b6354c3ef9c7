"""isthmusd and strongSwan agree on keys; data crosses between isthmusd's ESP and this kernel's, whose L2TPv3 is inside.

Site A is isthmusd. Site B is charon, the kernel's ESP and its pseudowire. Keys change four times under a flood of pings.
With libreswan in place of strongSwan only when asked for: its cases need a folder that it was unpacked into. What crossed
the WAN and isthmusd's key log are left for decode.py.
"""
import fnmatch
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import charon
import lab
import netns
import pluto
import traffic
from checks import cross, explain, say, settle
from ike_cases import CASES, LIBRESWAN, file_name
from keyed import IDS, PSK, wait_until

# Last: modules of the same name here go first.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "vagrant/lab"))
from background import Background  # noqa: E402


class IkeSide(lab.IsthmusSide):
    """isthmusd with [tunnel.ike]."""

    def __init__(self, lane, variant, plan, programs, folder, begins):
        self.begins = begins
        self.key_log = f"{folder}/keys"
        super().__init__(lane, "a", variant, plan, programs, folder)
        os.mkdir(self.key_log, 0o700)
        self.options = ["--key-log", self.key_log]

    def _init_state(self):
        """None: these keys die with the process."""

    def _configuration(self):
        return super()._configuration().replace("[gateway]\n", "[gateway]\nallow_key_log = true\n", 1)

    def _esp(self):
        with open(os.open(f"{self.folder}/psk", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(PSK + "\n")
        return f'''
[tunnel.ike]
auth = "psk"
psk_file = "{self.folder}/psk"
local_identity = "{IDS["a"]}"
remote_identity = "{IDS["b"]}"
role = "{'initiator' if self.begins == "a" else 'responder'}"
mode = "{self.variant.mode}"
encapsulation = "{'always' if self.variant.carry == 'udp4500' else 'auto'}"
esp_suites = ["{self.variant.suite}"]
groups = ["x25519"]
'''

    def answers(self):
        try:
            return self.status()
        except OSError:
            return False

    def rekey_child(self):
        self.ask({"request": "ike-rekey", "peer": "wan", "child": "wan"})

    def rekey_ike(self):
        self.ask({"request": "ike-rekey", "peer": "wan"})

    def keys(self):
        """The IKE SA's first SPI, and the ESP pair's SPIs as the peer would say it; None while there is not one of each."""
        sas = self.ask({"request": "ike"})["peers"][0]["ike_sas"]
        if len(sas) != 1 or len(sas[0]["children"]) != 1:
            return None
        pair = sas[0]["children"][0]
        return sas[0]["spi_initiator"], (pair["spi_out"][2:], pair["spi_in"][2:])


class Flood(Background):
    """Echo requests from a host every 20 ms as long as it lives; stragglers are waited for."""

    def __init__(self, ns, address):
        super().__init__()
        self.address, self.sent, self.answered = address, 0, set()
        self.socket = netns.make_socket(ns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.settimeout(0.02)

    def __exit__(self, *what):
        super().__exit__(*what)
        self.socket.close()

    def lost(self):
        return self.sent - len(self.answered)

    def run(self):
        while not self.stop.is_set():
            self.socket.sendto(traffic.echo_request(0x1CE, self.sent, b"keys change"), (self.address, 0))
            self.sent += 1
            again = time.monotonic() + 0.02
            while time.monotonic() < again:
                self._receive()
        end = time.monotonic() + traffic.TIMEOUT
        while self.lost() and time.monotonic() < end:
            self._receive()

    def _receive(self):
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        icmp = data[(data[0] & 15) * 4:]
        if icmp[0] == 0 and icmp[4:6] == b"\x01\xce":
            self.answered.add(int.from_bytes(icmp[6:8], "big"))


def change_keys(a, b):
    """Child and IKE SA, from either side; each time until both have the same, and nothing of the old."""
    for name, act, changed in (("our child", a.rekey_child, 1), ("its child", b.rekey_child, 1), ("our IKE SA", a.rekey_ike, 0),
                               ("its IKE SA", b.rekey_ike, 0)):
        before = wait_until(a.keys, "one IKE SA with one child")
        act()
        wait_until(lambda: (now := a.keys()) and now[changed] != before[changed] and b.pairs() == [now[1]],
                   lambda: f"new keys for {name}: {before}, {a.keys()}, {b.pairs()}")
        time.sleep(0.5)


def run_case(lane, name, variant, begins, options):
    plan = lab.plan_of(variant)
    folder = f"{options.work}/ike{lane.number}"
    a = IkeSide(lane, variant, plan, options.programs, folder, begins)
    peer = pluto.PlutoSide if name in LIBRESWAN else charon.CharonSide
    b = peer(lane, variant, plan, f"{folder}/peer")
    wan = netns.Capture(lane.ns["a"], "wan0")
    start, problem, told = time.monotonic(), None, ""
    try:
        lane.plug(plan)
        b.up()
        a.up()
        wait_until(lambda: a.answers() or not a.alive(), "isthmusd's start")
        if begins == "b":
            b.initiate()
        settle(lane, plan, a)
        a.settled()
        b.settled()
        frames = cross(lane, variant, plan)
        with Flood(lane.ns["ha"], f"{plan.subnets[0][0]}.2") as flood:
            change_keys(a, b)
        told = f"{frames} frames, {flood.sent} pings over four changes of keys"
        problem = f"{flood.lost()} of {flood.sent} pings were lost over four changes of keys" if flood.lost() else None
        problem = "; ".join(filter(None, [problem, *b.problems(), *a.problems()])) or None
    except (traffic.Lost, netns.CommandFailed, OSError, subprocess.SubprocessError) as error:
        problem = str(error) + explain(a, b)
    stopped = a.down()
    b.down()
    lane.unplug(plan)
    wan.stop()
    problem = problem or stopped
    keep(name, options, a, b, wan, problem)
    say("FAIL" if problem else "PASS", name, problem or f"{told}, {time.monotonic() - start:.1f} s")


def keep(name, options, a, b, wan, problem):
    """The capture and the keys that read it; of a failure the logs too."""
    folder = pathlib.Path(options.out) / ("" if problem else "decode") / file_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    wan.save(folder / "wan.pcap")
    for path in [*pathlib.Path(a.key_log).iterdir(), *([pathlib.Path(a.folder) / "isthmusd.log", *b.logs] if problem else [])]:
        if path.exists():
            shutil.copyfile(path, folder / path.name)


def cases(options):
    """Functions of a lane, one for each case that is asked for."""
    wanted = {name: case for name, case in CASES.items()
              if not options.patterns or any(fnmatch.fnmatch(name, p) for p in options.patterns)}
    if wanted and charon.missing():
        say("SKIP", "IKE with strongSwan", "it is not installed")
        wanted = {}
    wanted |= {name: case for name, case in LIBRESWAN.items() if any(fnmatch.fnmatch(name, p) for p in options.patterns)}
    return [lambda lane, name=name, case=case: run_case(lane, name, *case, options) for name, case in wanted.items()]
