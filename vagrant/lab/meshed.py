"""Three sites, each with a switch of the customer's, joined by tunnels between every two of them.

    a-host ── [ a-sw ] ── lan0 [ a-gw ] ══ WAN ══ [ b-gw ] lan0 ── [ b-sw ] ── b-host
                  └──────────────── backdoor ───────────────────────┘
                                    ║
                            [ c-gw ] lan0 ── [ c-sw ] ── c-host
"""
import json
import os
import socket
import struct

from lab import LabError, run, wait_until
from sites import START_LIMIT, WIRE, Gateway, find_program
from switched import LOOPED, ONE_VLAN
from wire import BROADCAST, FrameSocket, ethernet, mac, tag

SITES = ("a", "b", "c")
NUMBER = {site: number for number, site in enumerate(SITES, 1)}
PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))
TAGGED = 20              # the other VLAN that crosses
CONFIG = """schema = 1
[gateway]
name = "{site}-gw"
[guard]
key_file = "/etc/isthmus/keys/guard.key"
[[bridge]]
name = "br-{site}"
ports = ["lan0"]
"""
TUNNEL = """[[tunnel]]
name = "to-{other}"
local = "198.51.100.{here}"
remote = "198.51.100.{there}"
protection = "none"
[[session]]
name = "to-{other}"
tunnel = "to-{other}"
bridge = "br-{site}"
local_id = {local}
remote_id = {remote}
local_cookie = "{cookie}"
remote_cookie = "{cookie}"
vlans = "{looped},{tagged}"
{group}
"""


def address(site, vlan):
    return f"10.0.{vlan}.{NUMBER[site]}"


class MeshedSites:
    """`group`: `split_horizon` joins each two sites by their own tunnel only; `transit` makes a ring of the three. The backdoor
    between the switches of a and b is unplugged at first, and carries VLAN 10 only."""

    def __init__(self, lab, group, build=None):
        self.lab, self.build = lab, build
        self.wan = lab.namespace("wan")
        self.wan.ip_batch(["link add br0 type bridge", "link set br0 up"])
        self.hosts, self.switches, self.gateways = {}, {}, {}
        for site in SITES:
            self._site(site)
        cookies = {pair: os.urandom(8).hex() for pair in PAIRS}
        for site in SITES:
            text = CONFIG.format(site=site) + "".join(
                TUNNEL.format(site=site, other=other, here=NUMBER[site], there=NUMBER[other], local=100 * NUMBER[site] + NUMBER[other],
                              remote=100 * NUMBER[other] + NUMBER[site], cookie=cookies[min((site, other), (other, site))],
                              looped=LOOPED, tagged=TAGGED, group=f'{group} = "all"')
                for other in SITES if other != site)
            self.gateways[site] = Gateway(lab, lab.namespaces[f"{site}-gw"], site, text, build)
        lab.veth(self.switches["a"], "to-b", self.switches["b"], "to-a")
        for site, port in (("a", "to-b"), ("b", "to-a")):
            switch = self.switches[site]
            switch.ip_batch([f"link set dev {port} down", f"link set dev {port} master br0"])
            switch.run("nft", "-f", "-", input=ONE_VLAN.format(device=port, vlan=LOOPED))

    def _site(self, site):
        lab = self.lab
        gateway, switch, host = (lab.namespace(f"{site}-{role}") for role in ("gw", "sw", "host"))
        self.switches[site], self.hosts[site] = switch, host
        gateway.sysctl(net__ipv6__conf__default__accept_dad=0)
        for ns in (switch, host):
            ns.sysctl(net__ipv6__conf__all__disable_ipv6=1, net__ipv6__conf__default__disable_ipv6=1)
        switch.ip_batch(["link add br0 type bridge", "link set br0 up"])
        lab.veth(gateway, "lan0", switch, "gw")
        lab.veth(host, "eth0", switch, "host")
        switch.ip_batch(["link set gw master br0", "link set host master br0"])
        lab.veth(gateway, "wan0", self.wan, f"to-{site}")
        self.wan.ip("link", "set", f"to-{site}", "master", "br0")
        for ns, interface in ((gateway, "lan0"), (host, "eth0")):
            ns.run("ethtool", "-K", interface, *WIRE, "tx", "off", check=False)
        gateway.ip("addr", "add", f"198.51.100.{NUMBER[site]}/24", "dev", "wan0")
        self._vlans(host, site)

    def _vlans(self, host, site):
        names = {vlan: f"eth0.{vlan}" for vlan in (LOOPED, TAGGED)}
        made = host.ip("link", "add", "link", "eth0", "name", names[LOOPED], "type", "vlan", "id", LOOPED, check=False)
        if made.returncode == 0:
            host.ip("link", "add", "link", "eth0", "name", names[TAGGED], "type", "vlan", "id", TAGGED)
        else:
            options = [o for vlan, name in names.items() for o in ("--vlan", f"{vlan}:{name}")]
            helper = host.spawn(f"vlan-{site}", find_program("vlan-host", self.build), "--port", "eth0", *options)
            if not wait_until(lambda: "ready" in helper.output() or not helper.running(), 5) or not helper.running():
                raise LabError("VLANs on the host: " + helper.output())
        # One MAC address for each VLAN, since the switches filter none.
        host.ip_batch([line for vlan, name in names.items() for line in (
            f"link set {name} address {self.mac(site, vlan)}", f"link set {name} up", f"addr add {address(site, vlan)}/24 dev {name}")])

    @staticmethod
    def mac(site, vlan):
        return f"02:00:00:00:{vlan:02x}:{NUMBER[site]:02x}"

    def start(self):
        for gateway in self.gateways.values():
            gateway.start(wait=False)
        for gateway in self.gateways.values():
            if not wait_until(lambda: self.settled(gateway) or not gateway.process.running(), START_LIMIT):
                raise LabError(f"{gateway.ns.role} did not come up within {START_LIMIT} s: {self.guard(gateway.site)}\n"
                               f"{gateway.process.output()}")

    @staticmethod
    def settled(gateway):
        """Its sessions are up, and whatever the guard keeps closed it keeps closed for a reason."""
        status = gateway.status()
        if status is None or any(s["state"] != "up" for s in status["sessions"]):
            return False
        vlans = [v for bridge in status["guard"]["bridges"] for v in bridge["vlans"]]
        return all(v["cause"] != "starting" or "came back" in v["waiting_for"] or "another way" in v["waiting_for"] for v in vlans)

    def backdoor(self, plugged):
        for site, port in (("a", "to-b"), ("b", "to-a")):
            self.switches[site].ip("link", "set", port, "up" if plugged else "down")

    def broadcast(self, site, vlan=LOOPED):
        """The site's host asks everybody for an address that nobody has, as hosts do that talk to others."""
        source = self.mac(site, vlan)
        who = mac(source) + socket.inet_aton(address(site, vlan))
        host = FrameSocket(self.hosts[site], "eth0", receive=False)
        host.send(ethernet(BROADCAST, source, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + who + bytes(6) +
                           socket.inet_aton(f"10.0.{vlan}.250") + bytes(18), tag(vlan)))
        host.close()

    def guard(self, site):
        done = run(find_program("isthmus", self.build), "guard", "--json", "--socket", self.gateways[site].socket, check=False)
        bridges = json.loads(done.stdout)["bridges"] if done.returncode == 0 else []
        return bridges[0] if bridges else None

    def closed(self, vlan=LOOPED):
        """(site, session) whose BUM is closed."""
        return [(site, v["session"]) for site in SITES for v in (self.guard(site) or {"vlans": []})["vlans"]
                if v["vlan"] == vlan and v["state"] != "open"]

    def events(self, name):
        return [event for site in SITES for event in (self.guard(site) or {"events": []})["events"] if event["id"] == name]
