#!/usr/bin/env python3
"""Runs in the guest: isthmusd and strongSwan agree on keys, and data crosses between our ESP and the kernel's.

    ike.py [--programs DIR] [PATTERN...]

Site B is strongSwan, the kernel's ESP and its L2TPv3 pseudowire. One PASS, FAIL or SKIP line for each case.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent

import driver
import lab
import netns
import traffic
from netns import ip
from variants import Variant

PSK = "a secret of the guest's own: 0f1e2d3c"
IDS = {"a": "a-gw.example.org", "b": "b-gw.example.org"}
CHARON, SWANCTL = "/usr/sbin/charon-systemd", "/usr/sbin/swanctl"
PLUGINS = "random nonce aes sha1 sha2 hmac kdf gcm pem pkcs1 pkcs8 x509 pubkey openssl kernel-netlink socket-default vici"

# What isthmusd's name for a suite is to strongSwan.
ESP = {"aes-256-gcm": "aes256gcm16-x25519-esn", "aes-128-gcm": "aes128gcm16-x25519",
       "aes-256-cbc-sha256": "aes256-sha256-x25519", "chacha20-poly1305": "chacha20poly1305-x25519"}

CASES = {
    "UDP 1701, protocol 50, we begin": (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "a"),
    "UDP 1701, protocol 50, strongSwan begins": (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "b"),
    "UDP 1701, UDP 4500, we begin": (Variant(suite="aes-128-gcm", carry="udp4500", mode="transport", sequence="32bit"), "a"),
    "UDP 1701, UDP 4500, strongSwan begins": (Variant(suite="chacha20-poly1305", carry="udp4500", mode="transport", sequence="32bit"), "b"),
    "protocol 115, protocol 50, we begin": (Variant(encap="ip", suite="aes-256-cbc-sha256", carry="raw", mode="transport", sequence="32bit"), "a"),
    "protocol 115, UDP 4500, strongSwan begins": (Variant(encap="ip", suite="aes-256-gcm", carry="udp4500", mode="transport", sequence="esn"), "b"),
}


class CharonSide(lab.KernelSide):
    """The kernel's pseudowire and ESP, with keys by strongSwan."""

    def __init__(self, lane, variant, plan, begins, folder):
        super().__init__(lane, "b", variant, plan)
        self.begins, self.folder, self.process = begins, pathlib.Path(folder), None

    def _protect(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        selector = "dynamic[udp/1701]" if self.variant.encap == "udp" else "dynamic[115]"
        (self.folder / "strongswan.conf").write_text(f"""charon-systemd {{
  load_modular = no
  load = {PLUGINS}
  install_routes = no
  install_virtual_ip = no
  syslog {{ identifier = guest
    daemon {{ default = -1 }}
    auth {{ default = -1 }} }}
  journal {{ default = -1 }}
  plugins {{ vici {{ socket = unix://{self.folder}/vici }} }}
  filelog {{ f {{ path = {self.folder}/charon.log
    default = 1
    flush_line = yes }} }}
}}
""")
        (self.folder / "swanctl.conf").write_text(f"""connections {{ l2 {{
  version = 2
  local_addrs = {lab.ADDRESS["v4"]["b"]}
  remote_addrs = {lab.ADDRESS["v4"]["a"]}
  proposals = aes256gcm16-prfsha256-x25519
  encap = {"yes" if self.variant.carry == "udp4500" else "no"}
  mobike = no
  rekey_time = 0
  local {{ auth = psk
    id = {IDS["b"]} }}
  remote {{ auth = psk
    id = {IDS["a"]} }}
  children {{ l2tp {{
    mode = transport
    local_ts = {selector}
    remote_ts = {selector}
    esp_proposals = {ESP[self.variant.suite]}
    rekey_time = 0 }} }}
}} }}
secrets {{ ike-1 {{
  id-a = {IDS["a"]}
  id-b = {IDS["b"]}
  secret = "{PSK}" }} }}
""")
        with open(self.folder / "out", "w") as out:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, CHARON], stdout=out, stderr=out,
                                            env=os.environ | {"STRONGSWAN_CONF": f"{self.folder}/strongswan.conf"})
        end = time.monotonic() + 60
        while not (self.folder / "vici").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise netns.CommandFailed("charon did not start: " + (self.folder / "out").read_text()[-400:])
            time.sleep(0.1)
        self.swanctl("--load-all", "--file", f"{self.folder}/swanctl.conf")

    def swanctl(self, verb, *options):
        done = subprocess.run(["ip", "netns", "exec", self.ns, SWANCTL, verb, "--uri", f"unix://{self.folder}/vici", *options],
                              env=os.environ | {"STRONGSWAN_CONF": f"{self.folder}/strongswan.conf",
                                                "SWANCTL_DIR": str(self.folder)}, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise netns.CommandFailed(f"swanctl {verb}: {(done.stdout + done.stderr)[-500:]}")
        return done.stdout

    def down(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
        super().down()


class IkeSide(lab.IsthmusSide):
    """isthmusd with [tunnel.ike]."""

    def __init__(self, lane, variant, plan, programs, folder, begins):
        self.begins = begins
        super().__init__(lane, "a", variant, plan, programs, folder)

    def up(self):
        ip(self.ns, "link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0", "link set lan0 master br0",
           "link set br0 up")
        netns.bridge_vlans(self.ns, *[f"vlan add dev lan0 {what}" for what in self.plan.lan[self.site]])
        self.start()

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
encapsulation = "{'always' if self.variant.carry == 'udp4500' else 'auto'}"
esp_suites = ["{self.variant.suite}"]
groups = ["x25519"]
'''

    def ask(self, request):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(f"{self.folder}/isthmus.sock")
            s.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                answer += s.recv(65536)
        return json.loads(answer)

    def problems(self):
        # The MTU budget is with what was agreed on, and the kernel counts what came before its SAs were there.
        now = self._drops()
        return [f"{name} {now[name] - self.before.get(name, 0)}" for name in now if now[name] != self.before.get(name, 0)]


def flood_while(lane, act):
    """Lost pings, of those sent every 20 ms while act() happens."""
    ping = subprocess.Popen(["ip", "netns", "exec", lane.ns["ha"], "ping", "-q", "-i", "0.02", "-w", "20", "10.10.0.2"],
                            stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    act()
    out = ping.communicate(timeout=60)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", out).groups())
    return sent, sent - received


def run_case(lane, name, variant, begins, options):
    plan = lab.plan_of(variant)
    folder = f"{options.work}/ike"
    a = IkeSide(lane, variant, plan, options.programs, folder, begins)
    b = CharonSide(lane, variant, plan, begins, f"{folder}/charon")
    start = time.monotonic()
    problem, frames, rekeyed = None, 0, ""
    try:
        lane.plug(plan)
        b.up()
        a.up()
        if begins == "b":
            time.sleep(1)
            b.swanctl("--initiate", "--child", "l2tp", "--timeout", "30")
        driver.settle(lane, plan, a)
        a.settled()
        b.settled()
        frames = driver.cross(lane, variant, plan)

        def rekey():
            for each in (lambda: a.ask({"request": "ike-rekey", "peer": "wan", "child": "wan"}),
                         lambda: b.swanctl("--rekey", "--child", "l2tp"), lambda: a.ask({"request": "ike-rekey", "peer": "wan"}),
                         lambda: b.swanctl("--rekey", "--ike", "l2")):
                each()
                time.sleep(2.5)

        sent, lost = flood_while(lane, rekey)
        rekeyed = f", {sent} pings over four rekeyings"
        problem = f"{lost} of {sent} pings lost over rekeyings" if lost else None
        problem = problem or "; ".join(b.problems() + a.problems()) or None
    except (traffic.Lost, netns.CommandFailed, OSError, subprocess.SubprocessError) as error:
        problem = str(error) + driver.explain(a, b)
    stopped = a.down()
    b.down()
    lane.unplug(plan)
    problem = problem or stopped
    if problem:
        os.makedirs(f"{options.out}/ike", exist_ok=True)
        for path in (f"{folder}/isthmusd.log", f"{folder}/charon/charon.log"):
            if os.path.exists(path):
                target = f"{options.out}/ike/{re.sub('[^a-z0-9]+', '-', name)}-{os.path.basename(path)}"
                pathlib.Path(target).write_bytes(pathlib.Path(path).read_bytes())
    driver.say("FAIL" if problem else "PASS", f"IKE: {name}", problem or f"{frames} frames{rekeyed}, {time.monotonic() - start:.0f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default="build/dev/appliance")
    parser.add_argument("--out", default=os.environ.get("VM_OUT", "/tmp/guest-out"))
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args()
    options.programs = os.path.abspath(options.programs)
    options.work = "/tmp/isthmus-guest"
    if not os.path.exists(CHARON):
        driver.say("SKIP", "IKE", "strongSwan is not installed")
        return 0
    subprocess.run(["modprobe", "-a", *driver.MODULES, "udp_tunnel", "xfrm_interface"], stderr=subprocess.DEVNULL)
    with open("/proc/sys/kernel/modprobe", "w") as f:
        f.write("\n")
    # One CPU: a task that moves between CPUs can overtake its own packets in the stack's per-CPU queues.
    os.sched_setaffinity(0, {0})
    lane = lab.Lane(0, options.work)
    lane.up()
    for name, (variant, begins) in CASES.items():
        if not options.patterns or any(fnmatch.fnmatch(name, p) for p in options.patterns):
            run_case(lane, name, variant, begins, options)
    lane.down()
    return any(word == "FAIL" for word, _ in driver.results)


if __name__ == "__main__":
    sys.exit(main())
