"""One gateway between a LAN host and a WAN peer that the test plays itself, and configurations as dictionaries."""
import copy
import os
import pathlib
import socket
import tomllib

from harness import ROOT  # first: it makes the lab's modules visible
from lab import inside
from sites import WIRE, Gateway

LOCAL, PEER, ROUTER = "198.51.100.1", "203.0.113.1", "198.51.100.254"
LAN_MAC = "02:00:00:00:00:0a"


def base_config(site="dc"):
    """The lab's own configuration of a site, with manual keys, to be changed by a test."""
    config = tomllib.loads((ROOT / "vagrant/lab" / f"{site}-gw-manual.toml").read_text())
    config["guard"] = {"open_at_once": True}  # what opens when is the guard's own tests' business
    return config


def clear_config(**session):
    """The data center's gateway without protection: L2TPv3 over UDP 1701."""
    config = base_config()
    del config["tunnel"][0]["esp"]
    config["tunnel"][0]["protection"] = "none"
    config["session"][0].update(session)
    return config


def toml(config):
    """A dictionary as TOML: tables and lists of tables at the top, all below them inline."""
    lines = [f"{key} = {_value(value)}" for key, value in config.items() if not _is_table(value)]
    for key, value in config.items():
        if not _is_table(value):
            continue
        for table in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{key}]]" if isinstance(value, list) else f"[{key}]"]
            lines += [f"{k} = {_value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


def _is_table(value):
    return isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"


class OneSite:
    """lan -- lan0 [ gw ] wan0 -- wan. The test sends frames in `lan` and datagrams in `wan`."""

    def __init__(self, lab, config=None, wan_mtu=1500):
        self.lab = lab
        self.gw, self.lan, self.wan = (lab.namespace(role) for role in ("gw", "lan", "wan"))
        self.gw.sysctl(net__ipv6__conf__default__accept_dad=0)
        lab.veth(self.gw, "lan0", self.lan, "eth0", b_mac=LAN_MAC)
        lab.veth(self.gw, "wan0", self.wan, "gw", wan_mtu)
        for ns, interface in ((self.gw, "wan0"), (self.wan, "gw")):
            ns.run("ethtool", "-K", interface, *WIRE, check=False)
        for ns, interface in ((self.gw, "lan0"), (self.lan, "eth0")):
            ns.run("ethtool", "-K", interface, *WIRE, "tx", "off", check=False)
        for ns in (self.lan, self.wan):
            ns.sysctl(net__ipv6__conf__all__disable_ipv6=1)
        self.gw.sysctl(net__ipv6__conf__wan0__disable_ipv6=1)
        self.gw.ip_batch([f"addr add {LOCAL}/24 dev wan0", f"route add default via {ROUTER}"])
        self.wan.ip_batch([f"addr add {ROUTER}/24 dev gw", f"addr add {PEER}/32 dev lo"])
        self.gateway = Gateway(lab, self.gw, "dc", toml(config or base_config()))
        for name in ("dc-to-cloud.key", "cloud-to-dc.key"):
            self.gateway.put_key(name, os.urandom(36))

    def configure(self, config):
        self.gateway.configure(toml(copy.deepcopy(config)))

    def start(self):
        if "manual" in self.gateway.config.read_text():
            self.gateway.init_sas()
        self.gateway.start()

    def peer_socket(self, port, address=PEER):
        """A UDP socket of the far gateway's address, connected to nobody."""
        with inside(self.wan.name):
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind((address, port))
        peer.settimeout(1.0)
        return peer


def vectors(*parts):
    return ROOT / "tests" / "vectors" / pathlib.Path(*parts)
