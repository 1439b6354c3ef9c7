"""Two sites, their gateways and the WAN between them, in network namespaces.

    dc-host ── lan0 [ dc-gw ] wan0 ── dc [ wan ] cloud ── wan0 [ cloud-gw ] lan0 ── cloud-host

The cables behave like wires: no frame on them is larger than the MTU, as with network cards between machines.
"""
import json
import os
import pathlib
import re
import signal

from lab import LabError, find_program, run, wait_until
from wire import ping

HERE = pathlib.Path(__file__).resolve().parent
VLANS = (10, 20, 30)  # the hosts have all three; the gateways let 10 and 20 cross
HOST_MAC = {"dc": "02:00:00:00:dc:0a", "cloud": "02:00:00:00:c1:0a"}
HOST_NUMBER = {"dc": 1, "cloud": 2}
WAN_ADDRESS = {"dc": "198.51.100.1", "cloud": "203.0.113.1"}
ROUTER_ADDRESS = {"dc": "198.51.100.254", "cloud": "203.0.113.254"}
OTHER = {"dc": "cloud", "cloud": "dc"}
LAN_MTU = 1500
START_LIMIT = 30  # seconds
WIRE = ("tso", "off", "gso", "off", "tx-udp-segmentation", "off", "gro", "off")


def address(site, vlan=0, family=4):
    """Of a site's host, in a VLAN or untagged (0)."""
    return f"10.0.{vlan}.{HOST_NUMBER[site]}" if family == 4 else f"fd00:{vlan:x}::{HOST_NUMBER[site]}"


class Gateway:
    """isthmusd in the namespace of one site's gateway, with directories of its own in place of the system's."""

    def __init__(self, lab, ns, site, config_text, build=None):
        self.lab, self.ns, self.site, self.build = lab, ns, site, build
        self.directory = lab.directory / ns.role
        self.config = self.directory / "isthmus.toml"
        self.keys = self.directory / "etc/keys"
        self.state_dir = self.directory / "state"
        self.socket = self.directory / "run/isthmus.sock"
        for path in (self.directory, self.keys.parent, self.keys, self.state_dir, self.socket.parent):
            path.mkdir(mode=0o700)
        self.process, self.starts, self.environment = None, 0, {}
        self.put_key("guard.key", lab.guard_key)
        self.configure(config_text)

    def relocated(self, text):
        """A configuration with the system's directories replaced by this gateway's."""
        text = re.sub(r"/etc/isthmus\b", str(self.keys.parent), text)
        if "state_dir" not in text:
            text = text.replace("[gateway]\n", '[gateway]\nstate_dir = "/var/lib/isthmus"\n'
                                               'control_socket = "/run/isthmus/isthmus.sock"\n', 1)
        text = text.replace("/var/lib/isthmus", str(self.state_dir))
        return re.sub(r"/run/isthmus\b", str(self.socket.parent), text)

    def configure(self, text):
        self.config.write_text(self.relocated(text))
        self.config.chmod(0o600)

    def put_key(self, name, key):
        path = self.keys / name
        path.touch(mode=0o600)
        path.write_text(key.hex() + "\n")

    def init_sas(self):
        """Manual keys: the SAs' state files, without which they refuse to start."""
        return self.ns.run(find_program("isthmus", self.build), "sa", "init", "--config", self.config)

    def start(self, wait=True):
        self.starts += 1
        log = self.directory / f"isthmusd-{self.starts}.log"
        self.process = self.ns.spawn(f"isthmusd-{self.site}", find_program("isthmusd", self.build), "--config",
                                     self.config, log=log, env=os.environ | self.environment)
        if wait and not wait_until(lambda: self.up() or not self.process.running(), START_LIMIT):
            raise LabError(f"{self.ns.role} did not come up within {START_LIMIT} s; its log:\n{self.process.output()}")
        if wait and not self.process.running():
            raise LabError(f"isthmusd of {self.ns.role} ended at once; its log:\n{self.process.output()}")
        return self.process

    def stop(self):
        return self.process.stop()

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)

    def up(self):
        """All sessions are, and the guard has opened their VLANs."""
        status = self.status()
        return status is not None and all(s["state"] == "up" for s in status["sessions"]) and not opening(status)

    def status(self):
        """Parsed `isthmus status --json`; None if the daemon does not answer."""
        done = run(*self.status_command("--json"), check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status_text(self):
        return run(*self.status_command()).stdout

    def status_command(self, *options):
        return [str(find_program("isthmus", self.build)), "status", *options, "--socket", str(self.socket)]

    def drops(self):
        """Every drop by reason, summed."""
        return drops_in(self.status())


    def snapshot(self, *commands):
        """Everything of the namespace that a daemon might leave changed: links, addresses, routes, rules, settings."""
        commands = commands or (("ip", "-j", "-d", "link", "show"), ("ip", "-j", "addr", "show"),
            ("ip", "-j", "route", "show", "table", "all"), ("ip", "-j", "-6", "route", "show", "table", "all"),
                    ("bridge", "-j", "link", "show"), ("nft", "-s", "list", "ruleset"), ("ip", "xfrm", "state"),
                    ("ip", "xfrm", "policy"), ("sysctl", "-a", "--pattern", r"^net\.(ipv4|ipv6|bridge)\."))
        return {" ".join(c): _settled(self.ns.run(*c, check=False).stdout) for c in commands}

    def differences(self, before, timeout=3.0):
        """What is not as in an earlier snapshot; link states get a moment to settle."""
        found = []

        def same():
            now = self.snapshot()
            found[:] = [line for key in before for line in _differ(before[key], now[key])]
            return not found

        wait_until(same, timeout, 0.1)
        return found


VOLATILE = {"hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "timer", "tentative", "optimistic", "dadfailed",
            "fdb_n_learned", "expires", "cacheinfo", "valid_life_time", "preferred_life_time", "hold_timer",
            "message_age_timer", "forward_delay_timer", "flags_extra"}


def _settled(text):
    """Lines of a listing, without what changes by itself."""
    try:
        items = json.loads(text or "[]")
    except ValueError:
        return [line for line in text.splitlines() if "random" not in line and "stable_secret" not in line]

    def clean(node):
        if isinstance(node, dict):
            return {k: clean(v) for k, v in sorted(node.items()) if k not in VOLATILE}
        return [clean(v) for v in node] if isinstance(node, list) else node

    return [json.dumps(clean(item), sort_keys=True) for item in items]


def _differ(before, now):
    return ([f"gone: {line}" for line in before if line not in now] +
            [f"left: {line}" for line in now if line not in before])


def opening(status):
    """VLANs that the guard has not looked at for long enough yet."""
    return [v for bridge in status.get("guard", {}).get("bridges", []) for v in bridge["vlans"] if v["cause"] == "starting"]


def drops_in(status):
    """Every drop of a status object by reason: of the gateway as a whole, of its tunnels and of its sessions."""
    total = {}
    scopes = [status["gateway"].get("drops", {}), *(t["drops"] for t in status["tunnels"]),
              *(s[way]["drops"] for s in status["sessions"] for way in ("in", "out"))]
    for drops in scopes:
        for reason, count in drops.items():
            total[reason] = total.get(reason, 0) + count
    return total


class Authority:
    """A certificate authority of this lab's own, made with `isthmus pki`; `levels` of others may stand below it."""

    def __init__(self, directory, build=None, levels=0):
        self.directory, self.program = directory, find_program("isthmus", build)
        self.directory.mkdir(mode=0o700)
        self.run("ca", "--subject", "CN=Isthmus lab CA", "--levels", levels)

    def run(self, verb, *options):
        run(self.program, "pki", verb, "--dir", self.directory, *options)

    def issue(self, name, dns, *options):
        """NAME.pem and NAME.key in the authority's folder."""
        self.run("cert", name, "--dns", dns, *options)

    def give(self, gateway, *names):
        """Files of the folder to a gateway, with the permissions that a secret needs."""
        for name in names:
            target = gateway.keys / name
            target.touch(mode=0o600)
            target.write_bytes((self.directory / name).read_bytes())


class TwoSites:
    """The whole lab. `configs`: text of each gateway's configuration, by default the lab's own files: with `certified` those
    with IKEv2 and certificates, otherwise those with manual keys. `checked`: in these the guard looks for loops before it
    opens, which takes some seconds."""

    def __init__(self, lab, wan_mtu=1500, lan_mtu=LAN_MTU, configs=None, build=None, protected=True, certified=False,
                 checked=False):
        self.lab, self.build, self.wan_mtu, self.lan_mtu = lab, build, wan_mtu, lan_mtu
        configs = configs or {site: lab_config(site, checked, certified) for site in OTHER}
        self.wan = lab.namespace("wan")
        self.hosts, self.gateways, gateway_ns = {}, {}, {}
        for site in ("dc", "cloud"):
            gateway_ns[site] = lab.namespace(f"{site}-gw")
            gateway_ns[site].sysctl(net__ipv6__conf__default__accept_dad=0)  # addresses are there at once
            self.hosts[site] = lab.namespace(f"{site}-host")
        self.wan.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__disable_ipv6=1,
                        net__ipv6__conf__default__disable_ipv6=1)
        for site in OTHER:
            self._cable(site, gateway_ns[site])
        for site in OTHER:
            self.gateways[site] = Gateway(lab, gateway_ns[site], site, configs[site], build)
        if certified:
            self.certify()
        elif protected:
            self.fresh_keys()

    @property
    def dc(self):
        return self.gateways["dc"]

    @property
    def cloud(self):
        return self.gateways["cloud"]

    def fresh_keys(self, size=36, names=("dc-to-cloud.key", "cloud-to-dc.key")):
        """A key for each direction, known to this run only. AES-256-GCM takes 32 bytes and 4 of salt."""
        for name in names:
            key = os.urandom(size)
            for gateway in self.gateways.values():
                gateway.put_key(name, key)
        for gateway in self.gateways.values():
            gateway.init_sas()

    def certify(self, *options):
        """A certificate for each gateway, of an authority known to this run only."""
        self.authority = Authority(self.lab.directory / "pki", self.build)
        for site, gateway in self.gateways.items():
            name = f"{site}-gw"
            self.authority.issue(name, f"{name}.example.org", *options)
            self.authority.give(gateway, f"{name}.pem", f"{name}.key", "ca.pem")

    def start(self):
        for gateway in self.gateways.values():
            gateway.start(wait=False)
        for gateway in self.gateways.values():
            if not wait_until(lambda: gateway.up() or not gateway.process.running(), START_LIMIT):
                raise LabError(f"{gateway.ns.role} did not come up within {START_LIMIT} s; its log:\n{gateway.process.output()}")
            if not gateway.process.running():
                raise LabError(f"isthmusd of {gateway.ns.role} ended; its log:\n{gateway.process.output()}")

    def ping(self, vlan=0, count=1, site="dc", size=56, family=4, patience=1.0):
        """Loss in percent and mean round trip in ms (None without an answer), towards the other site's host."""
        answers, mean = ping(self.hosts[site], address(OTHER[site], vlan, family), count, size=size, patience=patience)
        return 100.0 * (count - answers) / count, mean

    def wait_for_traffic(self, timeout=10, vlan=0):
        """Until the hosts of the two sites answer each other."""
        return wait_until(lambda: self.ping(vlan, patience=0.2)[0] == 0, timeout)

    def _cable(self, site, gateway):
        host, lab = self.hosts[site], self.lab
        self._lan_cable(site, gateway)
        lab.veth(gateway, "wan0", self.wan, site, self.wan_mtu)
        for ns, interface in ((gateway, "wan0"), (self.wan, site)):
            ns.run("ethtool", "-K", interface, *WIRE, check=False)
        for ns, interface in ((gateway, "lan0"), (host, "eth0")):
            ns.run("ethtool", "-K", interface, *WIRE, "tx", "off", check=False)
        gateway.sysctl(net__ipv6__conf__wan0__disable_ipv6=1)
        gateway.ip_batch([f"addr add {WAN_ADDRESS[site]}/24 dev wan0", f"route add default via {ROUTER_ADDRESS[site]}"])
        self.wan.ip("addr", "add", f"{ROUTER_ADDRESS[site]}/24", "dev", site)
        self._vlans(host)
        host.ip_batch([line for vlan in (0, *VLANS) for line in (
            f"addr add {address(site, vlan)}/24 dev {interface_of(vlan)}",
            f"addr add {address(site, vlan, 6)}/64 dev {interface_of(vlan)} nodad")])

    def _lan_cable(self, site, gateway):
        self.lab.veth(gateway, "lan0", self.hosts[site], "eth0", self.lan_mtu, b_mac=HOST_MAC[site])

    def _vlans(self, host):
        """VLAN interfaces: the kernel's own where it has them, else a helper that tags in user space."""
        names = [interface_of(vlan) for vlan in VLANS]
        made = host.ip("link", "add", "link", "eth0", "name", names[0], "type", "vlan", "id", VLANS[0], check=False)
        if made.returncode == 0:
            host.ip_batch([f"link add link eth0 name {n} type vlan id {v}" for n, v in zip(names[1:], VLANS[1:])] +
                          [f"link set {n} up" for n in names])
            return
        options = [o for name, vlan in zip(names, VLANS) for o in ("--vlan", f"{vlan}:{name}")]
        helper = host.spawn(f"vlan-{host.role}", find_program("vlan-host", self.build), "--port", "eth0", *options)
        if not wait_until(lambda: "ready" in helper.output() or not helper.running(), 5) or not helper.running():
            raise LabError("VLANs on the host: " + helper.output())


def lab_config(site, checked=False, certified=False):
    text = (HERE / f"{site}-gw{'' if certified else '-manual'}.toml").read_text()
    return text if checked else text.replace("[guard]\n", "[guard]\nopen_at_once = true\n", 1)


def interface_of(vlan):
    return f"eth0.{vlan}" if vlan else "eth0"


def ipv6_wan(sites):
    """IPv6 on the WAN: 2001:db8:1::1 at the data center, 2001:db8:2::1 at the cloud."""
    sites.wan.sysctl(net__ipv6__conf__all__disable_ipv6=0, net__ipv6__conf__dc__disable_ipv6=0,
                     net__ipv6__conf__cloud__disable_ipv6=0, net__ipv6__conf__all__forwarding=1)
    for number, gateway in enumerate((sites.dc, sites.cloud), 1):
        gateway.ns.sysctl(net__ipv6__conf__wan0__disable_ipv6=0)
        gateway.ns.ip("addr", "add", f"2001:db8:{number}::1/64", "dev", "wan0", "nodad")
        sites.wan.ip("addr", "add", f"2001:db8:{number}::ff/64", "dev", gateway.site, "nodad")
        gateway.ns.ip("route", "add", "default", "via", f"2001:db8:{number}::ff")
