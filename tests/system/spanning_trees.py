"""Spanning trees of real switches against one gateway: the Linux kernel's STP and Open vSwitch's RSTP. What they send does not reach the
other site, and a better root from there does not reach them, unless `bpdu = "transparent"` says so."""
import os
import pathlib
import shutil
import struct
import threading
import time

from harness import Skip, cases, check, main
from lab import Lab, wait_until
from one_site import LAN_MAC, LOCAL, OneSite, clear_config
from wire import BROADCAST, TEST_TYPE, FrameSocket, ethernet, llc, mac, marker

L2TP = struct.pack("!HHI", 3, 0, 0xA1B2C3D4) + bytes.fromhex("f1f2f3f4f5f6f7f8")
BRIDGES = "01:80:c2:00:00:00"
BETTER = "02:00:00:00:00:01"        # with priority 0: nobody's root is better


class KernelStp:
    """A Linux bridge with STP on."""
    rapid = False

    def __init__(self, site):
        self.ns = site.lan
        self.ns.ip_batch(["link add sw0 type bridge stp_state 1", "link set eth0 master sw0", "link set sw0 up"])
        state = self.ns.run("cat", "/sys/class/net/sw0/bridge/stp_state").stdout.strip()
        if state != "1":
            raise Skip(f"this kernel's bridge runs no STP here (stp_state {state})")

    def root(self):
        return self.ns.run("cat", "/sys/class/net/sw0/bridge/root_id").stdout.strip().replace(":", "")

    def close(self):
        pass


class OpenVswitch:
    """ovs-vswitchd with its userspace datapath and RSTP on, all of it in the namespace and in the lab's directory."""
    rapid = True

    def __init__(self, site):
        if not shutil.which("ovs-vswitchd") or not shutil.which("ovsdb-server") or not pathlib.Path("/dev/net/tun").exists():
            raise Skip("openvswitch-switch is not installed (./dev setup switches)")
        self.ns, self.folder = site.lan, site.lab.directory / "ovs"
        self.folder.mkdir()
        self.env = {**os.environ, "OVS_RUNDIR": str(self.folder), "OVS_LOGDIR": str(self.folder), "OVS_DBDIR": str(self.folder)}
        database, socket = self.folder / "conf.db", f"unix:{self.folder}/db.sock"
        self.command("ovsdb-tool", "create", database, "/usr/share/openvswitch/vswitch.ovsschema")
        self.programs = [self.ns.spawn("ovsdb-server", "ovsdb-server", database, f"--remote=p{socket}", env=self.env)]
        check(wait_until((self.folder / "db.sock").exists, 10), "ovsdb-server does not start: " + self.programs[0].output())
        self.vsctl = ["ovs-vsctl", f"--db={socket}", "--timeout=15"]
        self.command(*self.vsctl, "--no-wait", "init")
        self.programs.append(self.ns.spawn("ovs-vswitchd", "ovs-vswitchd", socket, "--disable-system", env=self.env))
        self.command(*self.vsctl, "add-br", "sw0", "--", "set", "bridge", "sw0", "datapath_type=netdev", "rstp_enable=true", "--",
                     "add-port", "sw0", "eth0")

    def command(self, *words):
        done = self.ns.run(*words, env=self.env, check=False)
        check(done.returncode == 0, f"{words[0]}: {done.stderr.strip()}")
        return done.stdout

    def root(self):
        return self.command(*self.vsctl, "get", "bridge", "sw0", "rstp_status").replace(":", "").replace(".", "")

    def close(self):
        for program in reversed(self.programs):
            program.stop()


SWITCHES = {"the kernel's STP": KernelStp, "Open vSwitch's RSTP": OpenVswitch}
# Open vSwitch takes its time: one policy of each sort, and the other one in the long run.
MATRIX = [(switch, policy) for switch in SWITCHES for policy in ("filter", "guard", "transparent")
          if switch == "the kernel's STP" or policy != "guard" or os.environ.get("ISTHMUS_LONG")]


def better_bpdu(rapid):
    """From a switch that is the root and wants to be everybody's."""
    bridge = b"\x00\x00" + mac(BETTER)
    head = struct.pack("!HBBB", 0, 2, 2, 0x3C) if rapid else struct.pack("!HBBB", 0, 0, 0, 0)
    body = head + bridge + bytes(4) + bridge + struct.pack("!HHHHH", 0x8001, 0, 20 << 8, 2 << 8, 15 << 8) + (b"\0" if rapid else b"")
    return llc(BRIDGES, BETTER, b"\x42\x42\x03" + body)


class Peer:
    """The far gateway: counts the BPDUs that come out of the tunnel, by version."""

    def __init__(self, site):
        self.socket = site.peer_socket(1701)
        self.socket.settimeout(0.1)
        self.versions, self.frames, self.stop = [], 0, threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self):
        while not self.stop.is_set():
            try:
                frame = self.socket.recv(2048)[16:]
            except TimeoutError:
                continue
            self.frames += 1
            if frame[:6] == mac(BRIDGES) and len(frame) > 19:
                self.versions.append(frame[19])

    def send(self, frame):
        self.socket.sendto(L2TP + frame, (LOCAL, 1701))

    def close(self):
        self.stop.set()
        self.thread.join()
        self.socket.close()


@cases(MATRIX, "{0[0]} with bpdu = \"{0[1]}\": neither its BPDUs nor the other site's root pass, unless transparent")
def tree(combination):
    switch_name, policy = combination
    crosses = policy == "transparent"
    with Lab("trees") as lab:
        site = OneSite(lab, clear_config(bpdu=policy))
        site.start()
        peer = Peer(site)
        hello = ethernet(BROADCAST, LAN_MAC, TEST_TYPE, marker() + bytes(40))
        first = FrameSocket(site.lan, "eth0", receive=False)
        check(wait_until(lambda: first.send(hello) and peer.frames > 0, 15, 0.2), "nothing crosses at all")
        switch = SWITCHES[switch_name](site)
        try:
            wanted = 2 if switch.rapid else 0

            def kept():
                return site.gateway.status()["gateway"]["link_local"]["bpdus_kept_from_tunnel"]

            if crosses:
                check(wait_until(lambda: wanted in peer.versions, 30), f"no BPDU of version {wanted} crosses: {peer.versions}")
            else:
                check(wait_until(lambda: kept() >= 2, 30), f"only {kept()} BPDUs came to the gateway")
                check(not peer.versions, f"{len(peer.versions)} BPDUs leak, of versions {set(peer.versions)}")
            better, end = mac(BETTER).hex(), time.monotonic() + (20 if crosses else 5)
            while time.monotonic() < end and better not in switch.root():
                peer.send(better_bpdu(switch.rapid))
                time.sleep(0.5)
            check((better in switch.root()) == crosses, f"the switch's root is {switch.root()}")
        finally:
            switch.close()
        peer.close()


if __name__ == "__main__":
    main()
