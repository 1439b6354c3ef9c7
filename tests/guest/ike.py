"""isthmusd and strongSwan agree on keys; data crosses between isthmusd's ESP and this kernel's, whose L2TPv3 is inside.

Site A is isthmusd. Site B is charon, the kernel's ESP and its pseudowire. Keys change four times under a flood of pings.
With libreswan in place of strongSwan only when asked for: its cases need a folder that it was unpacked into.
"""
import fnmatch
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import lab
import netns
import pluto
import traffic
from checks import cross, explain, say, settle
from variants import Variant

PSK = "a secret of the guest's own: 0f1e2d3c"
IDS = {"a": "a-gw.example.org", "b": "b-gw.example.org"}
CHARON, SWANCTL = "/usr/sbin/charon-systemd", "/usr/sbin/swanctl"
PLUGINS = ("random nonce aes sha1 sha2 hmac kdf gcm chapoly curve25519 pem pkcs1 pkcs8 x509 pubkey openssl kernel-netlink "
           "socket-default vici")
PATIENCE = 60  # seconds: emulated machines are slow

# What isthmusd's name for a suite is to strongSwan.
ESP = {"aes-256-gcm": "aes256gcm16", "aes-128-gcm": "aes128gcm16", "aes-256-cbc-sha256": "aes256-sha256",
       "chacha20-poly1305": "chacha20poly1305"}

# What it is, and who begins.
CASES = {
    "IKE/l2tp-udp/raw-transport-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "a"),
    "IKE/l2tp-udp/raw-transport-esn/aes-256-gcm/strongswan-begins":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "b"),
    "IKE/l2tp-udp/udp4500-transport-32bit/aes-128-gcm/we-begin":
        (Variant(suite="aes-128-gcm", carry="udp4500", mode="transport", sequence="32bit"), "a"),
    "IKE/l2tp-udp/udp4500-transport-32bit/chacha20-poly1305/strongswan-begins":
        (Variant(suite="chacha20-poly1305", carry="udp4500", mode="transport", sequence="32bit"), "b"),
    "IKE/l2tp-ip/raw-transport-32bit/aes-256-cbc-sha256/we-begin":
        (Variant(encap="ip", suite="aes-256-cbc-sha256", carry="raw", mode="transport", sequence="32bit"), "a"),
    "IKE/l2tp-ip/udp4500-transport-esn/aes-256-gcm/strongswan-begins":
        (Variant(encap="ip", suite="aes-256-gcm", carry="udp4500", mode="transport", sequence="esn"), "b"),
    "IKE/l2tp-udp/raw-tunnel-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="tunnel", sequence="esn"), "a"),
}

LIBRESWAN = {
    "IKE/libreswan/l2tp-udp/raw-transport-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "a"),
    "IKE/libreswan/l2tp-udp/raw-transport-32bit/chacha20-poly1305/libreswan-begins":
        (Variant(suite="chacha20-poly1305", carry="raw", mode="transport", sequence="32bit"), "b"),
    "IKE/libreswan/l2tp-ip/udp4500-transport-32bit/aes-128-gcm/we-begin":
        (Variant(encap="ip", suite="aes-128-gcm", carry="udp4500", mode="transport", sequence="32bit"), "a"),
    "IKE/libreswan/l2tp-udp/raw-tunnel-32bit/aes-256-cbc-sha256/libreswan-begins":
        (Variant(suite="aes-256-cbc-sha256", carry="raw", mode="tunnel", sequence="32bit"), "b"),
}


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise traffic.Lost(f"not within {PATIENCE} s: {what}")
        time.sleep(0.1)
    return value


class CharonSide(lab.KernelSide):
    """The kernel's pseudowire and ESP, with keys by strongSwan."""

    def __init__(self, lane, variant, plan, folder):
        super().__init__(lane, "b", variant, plan)
        self.folder, self.process = pathlib.Path(folder), None
        self.logs = [self.folder / "charon.log", self.folder / "out"]

    def _protect(self):
        """In place of manual keys."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "vici").unlink(missing_ok=True)
        (self.folder / "strongswan.conf").write_text(self._daemon())
        (self.folder / "swanctl.conf").write_text(self._connection())
        with open(self.folder / "out", "w") as out:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, CHARON], stdout=out, stderr=out, env=self._environment())
        wait_until(lambda: (self.folder / "vici").exists() or self.process.poll() is not None, "charon's start")
        self.swanctl("--load-all", "--file", f"{self.folder}/swanctl.conf")

    def swanctl(self, verb, *options):
        done = subprocess.run(["ip", "netns", "exec", self.ns, SWANCTL, verb, "--uri", f"unix://{self.folder}/vici", *options],
                              env=self._environment(), capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise netns.CommandFailed(f"swanctl {verb}: {(done.stdout + done.stderr)[-500:]}")
        return done.stdout

    def initiate(self):
        self.swanctl("--initiate", "--child", "l2tp", "--timeout", str(PATIENCE))

    def rekey_child(self):
        self.swanctl("--rekey", "--child", "l2tp")

    def rekey_ike(self):
        self.swanctl("--rekey", "--ike", "l2")

    def pairs(self):
        """(in, out) of each child that is installed."""
        return re.findall(r"INSTALLED.*?\n(?:.*\n)*?\s+in\s+([0-9a-f]+),.*\n\s+out\s+([0-9a-f]+),", self.swanctl("--list-sas"))

    def down(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        super().down()

    def _environment(self):
        return os.environ | {"STRONGSWAN_CONF": f"{self.folder}/strongswan.conf", "SWANCTL_DIR": str(self.folder)}

    def _daemon(self):
        return f"""charon-systemd {{
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
"""

    def _connection(self):
        v, (ours, theirs) = self.variant, (lab.ADDRESS["v4"][site] for site in "ba")
        what = "[udp/1701]" if v.encap == "udp" else "[115]"
        selectors = ["dynamic"] * 2 if v.mode == "transport" else [f"{ours}/32", f"{theirs}/32"]
        return f"""connections {{ l2 {{
  version = 2
  local_addrs = {ours}
  remote_addrs = {theirs}
  proposals = aes256gcm16-prfsha256-x25519
  encap = {"yes" if v.carry == "udp4500" else "no"}
  mobike = no
  rekey_time = 0
  local {{ auth = psk
    id = {IDS["b"]} }}
  remote {{ auth = psk
    id = {IDS["a"]} }}
  children {{ l2tp {{
    mode = {v.mode}
    local_ts = {selectors[0]}{what}
    remote_ts = {selectors[1]}{what}
    esp_proposals = {ESP[v.suite]}-x25519{"-esn" if v.sequence == "esn" else ""}
    rekey_time = 0 }} }}
}} }}
secrets {{ ike-1 {{
  id-a = {IDS["a"]}
  id-b = {IDS["b"]}
  secret = "{PSK}" }} }}
"""


class IkeSide(lab.IsthmusSide):
    """isthmusd with [tunnel.ike]."""

    def __init__(self, lane, variant, plan, programs, folder, begins):
        self.begins = begins
        super().__init__(lane, "a", variant, plan, programs, folder)

    def _init_state(self):
        """None: these keys die with the process."""

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

    def ask(self, request):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(PATIENCE)
            s.connect(f"{self.folder}/isthmus.sock")
            s.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    raise OSError("isthmusd closed its control socket")
                answer += more
        answer = json.loads(answer)
        if "result" not in answer:
            raise netns.CommandFailed(f"isthmusd refused {request}: {answer}")
        return answer["result"]

    def answers(self):
        try:
            return self.ask({"request": "status"})
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


class Flood:
    """Echo requests from a host every 20 ms as long as it lives; stragglers are waited for."""

    def __init__(self, ns, address):
        self.address, self.sent, self.answered = address, 0, set()
        self.socket = netns.make_socket(ns, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.settimeout(0.02)
        self.stop, self.thread = threading.Event(), threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.socket.close()

    def lost(self):
        return self.sent - len(self.answered)

    def _run(self):
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
                   f"new keys for {name}: {before}, {a.keys()}, {b.pairs()}")
        time.sleep(0.5)


def run_case(lane, name, variant, begins, options):
    plan = lab.plan_of(variant)
    folder = f"{options.work}/ike{lane.number}"
    a = IkeSide(lane, variant, plan, options.programs, folder, begins)
    if name in LIBRESWAN:
        b = pluto.PlutoSide(lane, variant, plan, f"{folder}/pluto", PSK, IDS, wait_until)
    else:
        b = CharonSide(lane, variant, plan, f"{folder}/charon")
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
    problem = problem or stopped
    if problem:
        keep(name, options, [pathlib.Path(folder) / "isthmusd.log", *b.logs])
    say("FAIL" if problem else "PASS", name, problem or f"{told}, {time.monotonic() - start:.1f} s")


def keep(name, options, logs):
    folder = pathlib.Path(options.out) / name.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    for log in logs:
        if log.exists():
            (folder / log.name).write_bytes(log.read_bytes())


def cases(options):
    """Functions of a lane, one for each case that is asked for."""
    wanted = {name: case for name, case in CASES.items()
              if not options.patterns or any(fnmatch.fnmatch(name, p) for p in options.patterns)}
    if wanted and not os.path.exists(CHARON):
        say("SKIP", "IKE with strongSwan", "it is not installed")
        wanted = {}
    wanted |= {name: case for name, case in LIBRESWAN.items() if any(fnmatch.fnmatch(name, p) for p in options.patterns)}
    return [lambda lane, name=name, case=case: run_case(lane, name, *case, options) for name, case in wanted.items()]
