"""isthmusd opens a control connection and a session with SoftEther's vpnserver (raw L2TPv3 over UDP 1701, without IPsec).

SoftEther answers only, and carries no data without IKEv1; it spins with a second control connection in one instance. So
each case has a server of its own, in a namespace of its own. With ISTHMUS_LONG set the connection is watched for two minutes.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

from harness import Skip, case, check, contains, equal, main
from lab import Lab, run, wait_until
from sites import Gateway

SERVER = pathlib.Path("/usr/libexec/softether/vpnserver")
CLIENT = pathlib.Path("/usr/libexec/softether/vpncmd")
US, THEM = "198.51.100.1", "198.51.100.2"
HELLO = 6  # message type
STOPCCN = 4
LONG = bool(os.environ.get("ISTHMUS_LONG"))

# Settings it would otherwise use to call home; written before its first start.
QUIET = """declare root
{
	declare DDnsClient
	{
		bool Disabled true
	}
	declare ListenerList
	{
		declare Listener0
		{
			bool DisableDos false
			bool Enabled true
			uint Port 5555
		}
	}
	declare ServerConfiguration
	{
		bool DisableNatTraversal true
		bool NoSendSignature true
		bool DisableUpdateCheck true
	}
}
"""

CONFIG = f"""schema = 1
[gateway]
name = "dc-gw"
log_level = "debug"
[[bridge]]
name = "br-dc"
ports = []
[[tunnel]]
name = "softether"
local = "{US}"
remote = "{THEM}"
protection = "none"
[tunnel.control]
role = "initiator"
hello = 5
[[session]]
name = "pw1"
tunnel = "softether"
bridge = "br-dc"
vlans = "any"
"""


class SoftEther:
    """A vpnserver in a namespace: a copy of its programs, since it writes next to them, and a /run of its own."""

    def __init__(self, lab, ns):
        if not SERVER.is_dir() or not CLIENT.is_dir():
            raise Skip("softether-vpnserver and softether-vpncmd are not installed")
        self.ns = ns
        self.folder = lab.directory / "softether"
        self.folder.mkdir()
        for source in [*SERVER.iterdir(), CLIENT / "vpncmd"]:
            shutil.copy(source.resolve(), self.folder / source.name)
        (self.folder / "vpn_server.config").write_text(QUIET)
        # With a process namespace of its own nothing of it outlives what was spawned.
        self.server = ns.spawn("vpnserver", "unshare", "-m", "-p", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                               f"mount -t tmpfs run /run && mkdir /run/softether && cd {self.folder} && exec ./vpnserver execsvc")
        check(wait_until(lambda: self._command("About"), 60, 0.25), "vpnserver does not answer its own vpncmd")
        self._command("HubCreate", "DEFAULT", "/PASSWORD:none")
        enabled = self._command("IPsecEnable", "/L2TP:no", "/L2TPRAW:yes", "/ETHERIP:no", "/PSK:unused", "/DEFAULTHUB:DEFAULT")
        check(enabled, "vpnserver does not turn raw L2TP on")
        check(wait_until(lambda: "1701" in ns.run("ss", "-Hlun", "sport = :1701").stdout, 20, 0.1),
              "vpnserver does not listen on UDP 1701")

    def kill(self):
        """The server and the child that does its work, without a word to anybody."""
        self.server.signal(9)
        check(wait_until(self._all_gone, 20, 0.1), "vpnserver does not die")
        shutil.rmtree(self.folder)

    def _all_gone(self):
        alive = False
        for pid in run("ip", "netns", "pids", self.ns.name).stdout.split():
            try:
                if "vpnserver" in pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                    alive = True
                    os.kill(int(pid), 9)
            except (FileNotFoundError, ProcessLookupError):
                pass
        return not alive

    def _command(self, *words):
        command = ["./vpncmd", "localhost:5555", "/SERVER", "/CMD", *words]
        try:
            done = self.ns.run(*command, cwd=self.folder, check=False, timeout=20)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


class Pair:
    def __init__(self, lab):
        self.gw, self.peer = lab.namespace("gw"), lab.namespace("softether-peer")
        for ns in (self.gw, self.peer):
            ns.sysctl(net__ipv6__conf__all__disable_ipv6=1)
        lab.veth(self.gw, "wan0", self.peer, "wan0")
        self.gw.ip("addr", "add", f"{US}/24", "dev", "wan0")
        self.peer.ip("addr", "add", f"{THEM}/24", "dev", "wan0")
        self.softether = SoftEther(lab, self.peer)
        self.capture = lab.directory / "wan.pcap"
        self.tcpdump = self.gw.spawn("tcpdump", "tcpdump", "-i", "wan0", "-U", "-Z", "root", "-w", str(self.capture),
                                     "udp port 1701")
        wait_until(lambda: self.capture.exists() and self.capture.stat().st_size >= 24, 20)
        self.gateway = Gateway(lab, self.gw, "dc", CONFIG)

    def ask(self, what):
        """`isthmus tunnels|sessions --json`: the only entry."""
        program = self.gateway.status_command()[0]
        done = run(program, what, "--json", "--socket", str(self.gateway.socket), check=False)
        return json.loads(done.stdout)[what][0] if done.returncode == 0 else None

    def messages(self):
        """(from us, message type or None for a ZLB) of each control message so far."""
        fields = ["ip.src", "l2tp.avp.message_type"]
        command = ["tshark", "-n", "-r", self.capture, "-Y", "l2tp.type == 1", "-T", "fields"]
        out = run(*command, *(w for f in fields for w in ("-e", f)), check=False).stdout
        rows = [line.split("\t") for line in out.splitlines()]
        return [(row[0] == US, int(row[1]) if len(row) > 1 and row[1] else None) for row in rows if row[0]]

    def hellos(self):
        seen = self.messages()
        return seen.count((True, HELLO)), seen.count((False, HELLO))


@case
def a_life_with_softether():
    """With SoftEther a connection and a session come up, HELLO goes both ways, StopCCN ends them."""
    with Lab("softether") as lab:
        pair = Pair(lab)
        pair.gateway.start(wait=False)
        check(wait_until(lambda: (pair.ask("sessions") or {}).get("state") == "up", 60, 0.2),
              f"no session within 60 s; isthmusd says {pair.ask('tunnels')} {pair.ask('sessions')}")
        tunnel, session = pair.ask("tunnels"), pair.ask("sessions")
        equal(tunnel["peer"]["vendor"], "YAMAHA Corporation", "the peer's vendor")
        contains(json.dumps(tunnel["peer"]["quirks"]), ["router-id-zero"], "quirks")
        equal(session["out"]["cookie_bytes"], 0, "the cookie that SoftEther asks for")
        equal(session["out"]["sublayer"], "none", "the sublayer that SoftEther asks for")
        check(session["liveness"] is None, "SoftEther knows no BFD")

        watched = 120 if LONG else 20
        end = time.monotonic() + watched
        while time.monotonic() < end:
            equal((pair.ask("sessions") or {}).get("state"), "up", "the session's state")
            time.sleep(1)
        ours, theirs = pair.hellos()
        # SoftEther says HELLO every 8.8 s, which breaks the silence that ours waits for, but not always.
        check(theirs >= watched // 10 - 1, f"SoftEther said HELLO {theirs} times in {watched} s")
        check(ours >= 1, f"we said HELLO {ours} times in {watched} s")
        equal(pair.ask("tunnels")["times_connected"], 1, "connections")

        pair.gateway.stop()
        check(wait_until(lambda: (False, STOPCCN) in pair.messages() or (False, None) in pair.messages()[-1:], 20),
              "nobody acknowledged StopCCN")
        check((True, STOPCCN) in pair.messages(), "no StopCCN from us")
        problems = run("tshark", "-n", "-r", pair.capture, "-Y", "_ws.malformed && ip.src == " + US, check=False).stdout
        equal(problems, "", "what tshark finds malformed in our messages")


@case
def softether_comes_back():
    """When SoftEther dies and comes back, connection and session come back by themselves."""
    with Lab("softether") as lab:
        pair = Pair(lab)
        pair.gateway.start(wait=False)
        check(wait_until(lambda: (pair.ask("sessions") or {}).get("state") == "up", 60, 0.2), "no session within 60 s")
        pair.softether.kill()
        pair.softether = SoftEther(lab, pair.peer)
        check(wait_until(lambda: (pair.ask("tunnels") or {}).get("times_connected") == 2
                         and pair.ask("sessions")["state"] == "up", 120, 0.5),
              f"not back within 120 s: {pair.ask('tunnels')}")


if __name__ == "__main__":
    main()
