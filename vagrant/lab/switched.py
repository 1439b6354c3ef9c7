"""The two sites with a customer's switch at each, and a cable between the switches that should not be there.

    dc-host ── [ dc-sw ] ── lan0 [ dc-gw ] ══ WAN ══ [ cloud-gw ] lan0 ── [ cloud-sw ] ── cloud-host
                   └────────────────────── backdoor ──────────────────────────┘
"""
import json
import threading
import time

from lab import run, wait_until
from sites import HERE, HOST_MAC, HOST_NUMBER, OTHER, VLANS, TwoSites, address, find_program, interface_of
from wire import BROADCAST, TEST_TYPE, FrameSocket, ethernet, marker, ping, tag

LOOPED = 10              # the VLAN that the backdoor connects
BACKDOOR = {"dc": "to-cloud", "cloud": "to-dc"}
ONE_VLAN = """table netdev backdoor {{
    chain in {{
        type filter hook ingress device "{device}" priority 0; policy drop;
        vlan id {vlan} accept
    }}
}}
"""


def host_mac(site, vlan):
    return f"02:00:00:00:{vlan:02x}:0{HOST_NUMBER[site]}"


def guarded(site, **guard):
    """The lab's own configuration of a site, with more keys in its [guard]."""
    text = (HERE / f"{site}-gw-manual.toml").read_text()
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in guard.items())
    return text.replace("[guard]\n", "[guard]\n" + lines, 1)


def unguarded(site):
    """Without the guard. It refuses to filter BPDUs then, so they cross."""
    text = (HERE / f"{site}-gw-manual.toml").read_text().replace('key_file = "/etc/isthmus/keys/guard.key"\n', "enabled = false\n", 1)
    return text.replace("untagged = true\n", 'untagged = true\nbpdu = "transparent"\n', 1)


class SwitchedSites(TwoSites):
    """Each host and gateway hangs on a switch of the customer's: a kernel bridge of its own. The backdoor is unplugged at first."""

    def __init__(self, lab, configs=None, build=None, vlan=LOOPED):
        self.switches = {site: lab.namespace(f"{site}-sw") for site in OTHER}
        for switch in self.switches.values():
            switch.ip_batch(["link add br0 type bridge", "link set br0 up"])
            switch.sysctl(net__ipv6__conf__all__disable_ipv6=1)
        super().__init__(lab, configs=configs, build=build, checked=True)
        lab.veth(self.switches["dc"], BACKDOOR["dc"], self.switches["cloud"], BACKDOOR["cloud"])
        for site, switch in self.switches.items():
            switch.ip("link", "set", BACKDOOR[site], "down")
            switch.ip("link", "set", BACKDOOR[site], "master", "br0")
            if vlan is not None:  # else whatever comes
                switch.run("nft", "-f", "-", input=ONE_VLAN.format(device=BACKDOOR[site], vlan=vlan))
        # A switch without VLAN filtering learns one port a MAC address, whatever the VLAN: hosts need one for each.
        for site, host in self.hosts.items():
            host.ip_batch([f"link set {interface_of(vlan)} address {host_mac(site, vlan)}" for vlan in VLANS])

    def _lan_cable(self, site, gateway):
        switch = self.switches[site]
        self.lab.veth(gateway, "lan0", switch, "gw", self.lan_mtu)
        self.lab.veth(self.hosts[site], "eth0", switch, "host", self.lan_mtu, a_mac=HOST_MAC[site])
        switch.ip_batch(["link set gw master br0", "link set host master br0"])

    def backdoor(self, plugged):
        for site, switch in self.switches.items():
            switch.ip("link", "set", BACKDOOR[site], "up" if plugged else "down")

    def broadcast(self, vlan=LOOPED, site="dc", source=None):
        """One frame that goes everywhere in its VLAN."""
        host = FrameSocket(self.hosts[site], "eth0", receive=False)
        host.send(ethernet(BROADCAST, source or HOST_MAC[site], TEST_TYPE, marker() + bytes(40), tag(vlan) if vlan else b""))
        host.close()

    def announce(self, vlan=LOOPED):
        """Each host says something, so that every switch learns anew where it is."""
        for site in OTHER:
            self.broadcast(vlan, site, host_mac(site, vlan))

    def tunnel(self, passes):
        """The WAN between the gateways, cut or mended."""
        self.wan.ip("link", "set", "cloud", "up" if passes else "down")

    def guard(self, site):
        """Parsed `isthmus guard --json` of a gateway's only bridge; None if it does not answer."""
        done = run(find_program("isthmus", self.build), "guard", "--json", "--socket", self.gateways[site].socket, check=False)
        bridges = json.loads(done.stdout)["bridges"] if done.returncode == 0 else []
        return bridges[0] if bridges else None

    def order(self, site, *words):
        return run(find_program("isthmus", self.build), "guard", *words, "--socket", self.gateways[site].socket, check=False)

    def closed(self, vlan=LOOPED):
        """Sites whose gateway has the VLAN's BUM closed."""
        return [site for site in OTHER
                if any(v["vlan"] == vlan and v["state"] != "open" for v in (self.guard(site) or {"vlans": []})["vlans"])]

    def events(self, name):
        return [event for site in OTHER for event in (self.guard(site) or {"events": []})["events"] if event["id"] == name]

    def wait_closed(self, timeout, vlan=LOOPED):
        """Seconds until some gateway has closed it; None: none did."""
        begin = time.monotonic()
        return time.monotonic() - begin if wait_until(lambda: self.closed(vlan), timeout, 0.05) else None

    def wait_open(self, timeout, vlan=LOOPED):
        begin = time.monotonic()
        return time.monotonic() - begin if wait_until(lambda: not self.closed(vlan), timeout, 0.2) else None


class Pinger:
    """Pings from the data center's host to the cloud's all the while, or from another namespace to another address."""

    INTERVAL = 0.02

    def __init__(self, sites, vlan, seconds, source=None, destination=None):
        self.vlan, self.answers, self.count = vlan, 0, int(seconds / self.INTERVAL)
        way = source or sites.hosts["dc"], destination or address("cloud", vlan)
        self.thread = threading.Thread(target=self._run, args=way, daemon=True)
        self.thread.start()

    def _run(self, source, destination):
        self.answers, _ = ping(source, destination, self.count, interval=self.INTERVAL, patience=2)

    def seconds_lost(self):
        """Waits for the end."""
        self.thread.join()
        return (self.count - self.answers) * self.INTERVAL


class Rates:
    """Packets per second on an interface of a namespace, ten times a second. peak(): most within one second."""

    def __init__(self, ns, interface):
        self.ns, self.interface, self.samples = ns, interface, []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopped.is_set():
            stats = json.loads(self.ns.ip("-j", "-s", "link", "show", "dev", self.interface).stdout)[0]["stats64"]
            self.samples.append((time.monotonic(), stats["rx"]["packets"], stats["tx"]["packets"]))
            self.stopped.wait(0.1)

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self

    def peak(self):
        """The larger of both directions."""
        most = 0.0
        for i, (begin, rx, tx) in enumerate(self.samples):
            end = next((s for s in self.samples[i + 1:] if s[0] - begin >= 1.0), None)
            if end:
                most = max(most, (end[1] - rx) / (end[0] - begin), (end[2] - tx) / (end[0] - begin))
        return most
