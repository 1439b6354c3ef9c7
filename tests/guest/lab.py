"""Two sites in network namespaces, and who plays each: the kernel, or isthmusd from a configuration file.

    host A ── lan0 [ site A: bridge, gateway ] wan0 ── wan0 [ site B: bridge, gateway ] lan0 ── host B

"Me" and "peer" are sites "a" and "b". Host ports are untagged in VLAN 10 and tagged in 20 unless a shape says otherwise.
"""
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import netns
from netns import ip
from variants import SUITES, WAN_MTU

ADDRESS = {"v4": {"a": "192.0.2.1", "b": "192.0.2.2"}, "v6": {"a": "2001:db8::1", "b": "2001:db8::2"}}
TUNNEL_ID = {"a": 11, "b": 22}
SESSION_ID = {"a": 0xA1B2C3D4, "b": 0x51627384}     # what each site receives with; a second session has the next one
COOKIE = {"a": "f1f2f3f4f5f6f7f8", "b": "0102030405060708"}     # what each site expects
SPI = {"a": 0xC0000001, "b": 0xC0000002}            # of what each site SENDS
HOST_MAC = {"a": "02:00:00:00:01:0a", "b": "02:00:00:00:02:0b"}
HOST_IP = {"a": 1, "b": 2}


def other(site):
    return "b" if site == "a" else "a"


def key(variant, site):
    """Keying material of what `site` sends, as hex: any bytes, but always the same."""
    return hashlib.shake_256(f"{variant.suite} {site}".encode()).hexdigest(SUITES[variant.suite][1])


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a shape means: tags at each host, VLANs at each bridge, sessions."""
    streams: list           # (tags at host A, tags at host B)
    subnets: list           # (address prefix, VLAN interface at host A or 0, at host B or 0)
    lan: dict               # site -> list of "vid N ..." for lan0; None: no VLAN filtering
    sessions: list          # per session: (what isthmusd is told, list of "vid N ..." for the kernel's port)


def plan_of(variant):
    from traffic import tag
    host = ["vid 10 pvid untagged", "vid 20"]
    trunk = [(10, 'vlans = "10"'), (20, 'vlans = "20"')]
    both = [('vlans = "10,20"', ["vid 10", "vid 20"])]
    if variant.shape == "one-vlan":
        return Plan([((tag(100),), (tag(200),))], [("10.10.0", 100, 200)], {"a": ["vid 100"], "b": ["vid 200"]},
                    [("access_vlan = 100", ["vid 200 pvid untagged"])])
    if variant.shape == "vlan-pw":
        return Plan([((tag(100),), (tag(100),))], [], {"a": ["vid 100"], "b": ["vid 100"]},
                    [('access_vlan = 100\npseudowire = "ethernet-vlan"', ["vid 100"])])
    if variant.shape == "port":
        streams = [((), ()), ((tag(20, 5),),) * 2, ((tag(300, 1, 0x88A8), tag(4094, 7)),) * 2, ((tag(0, 6),),) * 2]
        return Plan(streams, [("10.10.0", 0, 0), ("10.20.0", 20, 20)], {"a": None, "b": None}, [('vlans = "any"', None)])
    if variant.shape == "two-sessions":
        return Plan([((), ()), ((tag(20),),) * 2], [("10.10.0", 0, 0), ("10.20.0", 20, 20)], {"a": host, "b": host},
                    [(told, [f"vid {vid}"]) for vid, told in trunk])
    if variant.bridge == "create":      # isthmusd's own bridge: its host tags both VLANs itself
        return Plan([((tag(10),), ()), ((tag(20, 3),),) * 2], [("10.10.0", 10, 0), ("10.20.0", 20, 20)],
                    {"a": ["vid 10", "vid 20"], "b": host}, both)
    return Plan([((), ()), ((tag(20, 3),),) * 2], [("10.10.0", 0, 0), ("10.20.0", 20, 20)], {"a": host, "b": host}, both)


class Lane:
    """One pair of sites with their hosts; variants run in it one after the other."""

    def __init__(self, number, folder):
        self.number = number
        self.folder = folder
        self.ns = {x: f"guest{number}-{x}" for x in ("ha", "a", "b", "hb")}
        self.hosts = {}

    def up(self):
        self.down()
        for name in self.ns.values():
            netns.run("ip", "netns", "add", name)
            netns.run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ping_group_range=0 0",
                      "net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.accept_dad=0")
        for site in "ab":
            netns.run("ip", "netns", "exec", self.ns["h" + site], "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                      "net.ipv6.conf.default.disable_ipv6=1")
        for site in "ab":
            ip(self.ns["h" + site], "link set lo up",
               f"link add eth0 address {HOST_MAC[site]} type veth peer name lan0 netns {self.ns[site]}", "link set eth0 up")
            ip(self.ns[site], "link set lo up", "link set lan0 up")
            # hosts have no addresses of IPv6: what crosses is what we send
            netns.run("ip", "netns", "exec", self.ns[site], "sysctl", "-qw", "net.ipv6.conf.lan0.disable_ipv6=1")
        ip(self.ns["a"], f"link add wan0 mtu {WAN_MTU} type veth peer name wan0 mtu {WAN_MTU} netns {self.ns['b']}")
        for site in "ab":
            ip(self.ns[site], "link set wan0 up", f"addr add {ADDRESS['v4'][site]}/24 dev wan0",
               f"addr add {ADDRESS['v6'][site]}/64 dev wan0 nodad")
            # a capture shows packets, not what the stack would still cut up
            netns.run("ip", "netns", "exec", self.ns[site], "ethtool", "-K", "wan0", "tso", "off", "gso", "off",
                      "tx-udp-segmentation", "off", check=False)
            self.hosts[site] = netns.packet_socket(self.ns["h" + site], "eth0")

    def down(self):
        for s in self.hosts.values():
            s.close()
        self.hosts = {}
        for name in self.ns.values():
            if os.path.exists(f"/run/netns/{name}"):
                netns.run("ip", "netns", "del", name)

    def plug(self, plan):
        """The hosts' addresses and 802.1Q interfaces for this plan."""
        for site in "ab":
            lines = ["addr flush dev eth0"]
            for prefix, *vids in plan.subnets:
                vid = vids[0 if site == "a" else 1]
                device = f"eth0.{vid}" if vid else "eth0"
                if vid:
                    lines += [f"link add link eth0 name {device} type vlan id {vid}", f"link set {device} up"]
                lines += [f"addr add {prefix}.{HOST_IP[site]}/24 dev {device}"]
            ip(self.ns["h" + site], *lines)

    def unplug(self, plan):
        for site in "ab":
            vids = {s[1 if site == "a" else 2] for s in plan.subnets} - {0}
            # A neighbour that was just used would be probed for by ARP seconds later, untagged, into the next variant.
            ip(self.ns["h" + site], "addr flush dev eth0", "neigh flush dev eth0", *[f"link del eth0.{vid}" for vid in vids], check=False)


class KernelSide:
    """`ip l2tp`, `ip xfrm` and a VLAN-filtering bridge."""
    what = "kernel"

    def __init__(self, lane, site, variant, plan):
        self.lane, self.site, self.variant, self.plan = lane, site, variant, plan
        self.ns = lane.ns[site]
        self.encap_socket = None
        self.before = {}

    def up(self):
        # A pseudowire of the kernel's is an interface of IPv6 too: up, it would solicit routers, untagged, into the tunnel.
        netns.run("ip", "netns", "exec", self.ns, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        if self.variant.suite:
            self._protect()
        v, me, peer = self.variant, self.site, other(self.site)
        ports = "udp_sport 1701 udp_dport 1701" if v.encap == "udp" else ""
        lines = [f"l2tp add tunnel tunnel_id {TUNNEL_ID[me]} peer_tunnel_id {TUNNEL_ID[peer]} encap {v.encap}"
                 f" local {ADDRESS[v.family][me]} remote {ADDRESS[v.family][peer]} {ports}"]
        for i, _ in enumerate(self.plan.sessions):
            # the kernel's "cookie" is what it sends, "peer_cookie" what it expects
            cookies = f"cookie {COOKIE[peer][:2 * v.cookie]} peer_cookie {COOKIE[me][:2 * v.cookie]}" if v.cookie else ""
            lines += [f"l2tp add session name pw{i} tunnel_id {TUNNEL_ID[me]} session_id {SESSION_ID[me] + i}"
                      f" peer_session_id {SESSION_ID[peer] + i} {cookies} l2spec_type {v.sublayer.split('-')[0]} seq {self._seq()}"]
        filtering = self.plan.lan[self.site] is not None
        lines += [f"link add br0 type bridge vlan_filtering {int(filtering)} {'vlan_default_pvid 0' if filtering else ''} mcast_snooping 0",
                  "link set lan0 master br0"]
        for i, _ in enumerate(self.plan.sessions):
            lines += [f"link set pw{i} mtu 1500", f"link set pw{i} master br0", f"link set pw{i} up"]
        ip(self.ns, *lines, "link set br0 up")
        self._vlans(filtering)

    def _vlans(self, filtering):
        if filtering:
            lines = [f"vlan add dev lan0 {what}" for what in self.plan.lan[self.site]]
            for i, (_, vids) in enumerate(self.plan.sessions):
                lines += [f"vlan add dev pw{i} {what}" for what in vids]
            netns.bridge_vlans(self.ns, *lines)

    def _seq(self):
        if self.variant.shape == "seq-send":
            return "recv"
        return "both" if self.variant.sublayer == "default-seq" else "none"

    def _protect(self):
        v, me, peer = self.variant, self.site, other(self.site)
        selector = "proto udp sport 1701 dport 1701" if v.encap == "udp" else "proto 115"
        encap = f"encap espinudp 4500 4500 {'0.0.0.0' if v.family == 'v4' else '::'}" if v.carry == "udp4500" else ""
        window = "replay-window 64 flag esn" if v.sequence == "esn" else "replay-window 32"
        lines = []
        for src, dst in ((me, peer), (peer, me)):
            ends = f"src {ADDRESS[v.family][src]} dst {ADDRESS[v.family][dst]}"
            lines += [f"xfrm state add {ends} proto esp spi {SPI[src]:#x} reqid 1 mode {v.mode} {window} {self._algorithm(src)} {encap}",
                      f"xfrm policy add {ends} {selector} dir {'out' if src == me else 'in'}"
                      f" tmpl {ends} proto esp reqid 1 mode {v.mode}"]
        ip(self.ns, *lines)
        if encap:       # a socket that takes ESP out of UDP for the kernel: UDP_ENCAP, UDP_ENCAP_ESPINUDP
            family = socket.AF_INET if v.family == "v4" else socket.AF_INET6
            self.encap_socket = netns.make_socket(self.ns, family, socket.SOCK_DGRAM)
            self.encap_socket.setsockopt(socket.IPPROTO_UDP, 100, 2)
            self.encap_socket.bind((ADDRESS[v.family][me], 4500))

    def _algorithm(self, src):
        material = key(self.variant, src)
        name, size, *_ = SUITES[self.variant.suite]
        if name.startswith("aead"):
            return f"{name} 0x{material} 128"
        integrity = {"hmac(sha256)": 32, "hmac(sha384)": 48, "hmac(sha512)": 64}[name]
        cut = 2 * (size - integrity)
        return f"enc cbc(aes) 0x{material[:cut]} auth-trunc {name} 0x{material[cut:]} {integrity * 4}"

    def down(self):
        if self.encap_socket:
            self.encap_socket.close()
        ip(self.ns, "link del br0", f"l2tp del tunnel tunnel_id {TUNNEL_ID[self.site]}", "xfrm state flush", "xfrm policy flush", check=False)

    def ready(self):
        return True

    def settled(self):
        """From here on an error counts: what came while the other side was not up yet does not."""
        self.before = self._errors()

    def problems(self):
        """What the kernel counted that should not be: ESP errors, receive errors of pseudowires."""
        now = self._errors()
        return [f"{name} {now[name] - self.before.get(name, 0)}" for name in now if now[name] != self.before.get(name, 0)]

    def _errors(self):
        out = {}
        for line in netns.proc_net(self.ns, "xfrm_stat").splitlines():
            name, value = line.split()
            out[name] = int(value)
        for line in netns.proc_net(self.ns, "dev").splitlines():
            name, _, counters = line.partition(":")
            if name.strip().startswith("pw"):
                out[f"{name.strip()} receive errors"] = int(counters.split()[2])
        return out


class IsthmusSide:
    """isthmusd with a configuration written for the variant."""
    what = "isthmusd"

    def __init__(self, lane, site, variant, plan, programs, folder):
        self.lane, self.site, self.variant, self.plan = lane, site, variant, plan
        self.ns, self.programs, self.folder = lane.ns[site], programs, folder
        self.process = None
        self.options = []       # of isthmusd's command line
        self.before = {}
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(f"{folder}/state")
        self.config = f"{folder}/isthmus.toml"
        with open(self.config, "w") as f:
            f.write(self._configuration())

    def up(self):
        # The bridge and its ports are interfaces of IPv6 too: up, they would solicit routers, untagged, into the tunnel.
        netns.run("ip", "netns", "exec", self.ns, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        if self.variant.bridge == "adopt":
            filtering = self.plan.lan[self.site] is not None
            ip(self.ns, f"link add br0 type bridge vlan_filtering {int(filtering)} {'vlan_default_pvid 0' if filtering else ''}"
               " mcast_snooping 0", "link set lan0 master br0", "link set br0 up")
            if filtering:
                netns.bridge_vlans(self.ns, *[f"vlan add dev lan0 {what}" for what in self.plan.lan[self.site]])
        self._init_state()
        self.start()

    def _init_state(self):
        if self.variant.suite:
            netns.run(f"{self.programs}/isthmus", "sa", "init", "--config", self.config)

    def start(self):
        with open(f"{self.folder}/isthmusd.log", "a") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, f"{self.programs}/isthmusd", "--config", self.config,
                                             *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def down(self):
        problem = None
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                if code := self.process.wait(20):
                    problem = f"isthmusd ended with {code} after SIGTERM"
            except subprocess.TimeoutExpired:
                self.kill()
                problem = "isthmusd did not stop within 20 s of SIGTERM"
        if self.variant.bridge == "create" and os.path.exists(f"/run/netns/{self.ns}"):
            if "br0" in netns.run("ip", "-n", self.ns, "-br", "link"):
                problem = problem or "isthmusd left its bridge behind"
        ip(self.ns, "link del br0", check=False)
        return problem

    def settled(self):
        self.before = self._drops()

    def alive(self):
        return self.process.poll() is None

    def ready(self):
        """All sessions up, by its own status; False also while it does not answer yet."""
        try:
            return all(session["state"] == "up" for session in self.status()["sessions"])
        except OSError:
            return False

    def status(self):
        """What `isthmus status --json` shows, from the same socket: a program less to start."""
        return self.ask({"request": "status"})

    def ask(self, request):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(60)    # emulated machines are slow
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

    def problems(self):
        """Drops are not expected in a lab without loss, and the MTU budget is what the formula says."""
        now = self._drops()
        out = [f"{name} {now[name] - self.before.get(name, 0)}" for name in now if now[name] != self.before.get(name, 0)]
        for tunnel in self.status()["tunnels"]:
            frame_mtu = tunnel["mtu"]["frame_mtu"]
            if frame_mtu != self.variant.frame_mtu():
                out.append(f"frame_mtu {frame_mtu} in status, {self.variant.frame_mtu()} by the formula")
        return out

    def _drops(self):
        status = self.status()
        out = {}
        for tunnel in status["tunnels"]:
            out |= {f"tunnel drop {reason}": n for reason, n in tunnel.get("drops", {}).items()}
        for session in status["sessions"]:
            for way in ("out", "in"):
                out |= {f"session {session['name']} {way} drop {reason}": n for reason, n in session[way].get("drops", {}).items()}
        return out

    def _configuration(self):
        v, me, peer = self.variant, self.site, other(self.site)
        filtering = '"auto"' if self.plan.lan[self.site] is not None else '"off"'
        text = f'''schema = 1
[gateway]
name = "guest-{me}"
state_dir = "{self.folder}/state"
control_socket = "{self.folder}/isthmus.sock"
log_level = "debug"

[guard]
open_at_once = true

[[bridge]]
name = "br0"
ownership = "{v.bridge}"
{'ports = ["lan0"]' if v.bridge == "create" else ""}
vlan_filtering = {filtering}

[[tunnel]]
name = "wan"
local = "{ADDRESS[v.family][me]}"
remote = "{ADDRESS[v.family][peer]}"
encapsulation = "{v.encap}"
local_id = {TUNNEL_ID[me]}
remote_id = {TUNNEL_ID[peer]}
protection = "{'esp' if v.suite else 'none'}"
'''
        if v.suite:
            text += self._esp()
        for i, (told, _) in enumerate(self.plan.sessions):
            text += self._session(i, told)
        return text

    def _esp(self):
        v = self.variant
        for way, site in (("out", self.site), ("in", other(self.site))):
            with open(os.open(f"{self.folder}/{way}.key", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(key(v, site) + "\n")
        return f'''
[tunnel.esp]
keys = "manual"
encapsulation = "{'udp' if v.carry == 'udp4500' else 'raw'}"
mode = "{v.mode}"
suite = "{v.suite}"
extended_sequence = {'true' if v.sequence == 'esn' else 'false'}
out = {{ spi = {SPI[self.site]:#x}, key_file = "{self.folder}/out.key" }}
in = {{ spi = {SPI[other(self.site)]:#x}, key_file = "{self.folder}/in.key" }}
'''

    def _session(self, i, told):
        v, me, peer = self.variant, self.site, other(self.site)
        sublayer = "none" if v.sublayer == "none" else "default"
        send = v.sublayer == "default-seq" or v.shape == "seq-send"
        receive = v.sublayer == "default-seq"
        return f'''
[[session]]
name = "s{i}"
tunnel = "wan"
bridge = "br0"
interface = "pw{i}"
local_id = {SESSION_ID[me] + i:#x}
remote_id = {SESSION_ID[peer] + i:#x}
local_cookie = "{COOKIE[me][:2 * v.cookie]}"
remote_cookie = "{COOKIE[peer][:2 * v.cookie]}"
receive_sublayer = "{sublayer}"
send_sublayer = "{sublayer}"
send_sequence = {'true' if send else 'false'}
receive_sequencing = "{'drop-out-of-order' if receive else 'ignore'}"
{told}
'''


def outer(data):
    """(EtherType, IP protocol, what follows the IP header) of a packet on the WAN."""
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0800:
        return kind, data[23], data[14 + 4 * (data[14] & 15):]
    return (kind, data[20], data[54:]) if kind == 0x86DD else (kind, None, b"")


def is_esp(data, variant):
    _, protocol, payload = outer(data)
    if variant.carry == "raw":
        return protocol == 50
    return protocol == 17 and payload[:4] == b"\x11\x94\x11\x94" and len(payload) > 16 and payload[8:12] != b"\0\0\0\0"


def find_clear(packets, variant):
    """How many packets on the WAN were ESP; and those that are neither that nor keepalives, ARP, ICMP or neighbour discovery."""
    esp, clear = 0, []
    for _, data in packets:
        kind, protocol, payload = outer(data)
        if is_esp(data, variant):
            esp += 1
            continue
        keepalive = variant.carry == "udp4500" and protocol == 17 and payload[8:] == b"\xff"
        # ICMP: "port unreachable" until both sides are up; protocol 0: MLD, behind a hop-by-hop header
        expected = kind == 0x0806 or protocol in ((1,) if kind == 0x0800 else (0, 58))
        if not keepalive and not expected:
            clear.append(data)
    return esp, clear
