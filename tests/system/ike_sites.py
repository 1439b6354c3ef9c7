"""Two sites whose gateways get their keys from IKEv2, and what `isthmus ike` says of them."""
import json
import os

from harness import ROOT  # first: it makes the lab's modules visible
from lab import LabError, find_program, run
from one_site import base_config, toml
from sites import WAN_ADDRESS, TwoSites

NAMES = {"dc": "dc-gw.example.org", "cloud": "cloud-gw.example.org"}
OTHER = {"dc": "cloud", "cloud": "dc"}
PATIENCE = 30  # seconds until a test gives up: machines may be busy. Nobody waits longer than it takes.


def ike_config(site, auth="psk", **ike):
    """The lab's configuration of a site, with [tunnel.ike] in place of manual keys."""
    config = base_config(site)
    tunnel = config["tunnel"][0]
    del tunnel["esp"]
    table = {"auth": auth, "local_identity": NAMES[site], "remote_identity": NAMES[OTHER[site]]}
    if auth == "psk":
        table["psk_file"] = "/etc/isthmus/keys/psk"
    else:
        table |= {"certificate": f"/etc/isthmus/keys/{site}-gw.pem", "key": f"/etc/isthmus/keys/{site}-gw.key",
                  "ca": ["/etc/isthmus/keys/ca.pem"]}
    tunnel["ike"] = table | ike
    return config


class IkeSites(TwoSites):
    """`dc` and `cloud` are keywords for each gateway's [tunnel.ike]; those in `both` for both. `checked`: VLANs open after the
    guard's checks, as by default."""

    def __init__(self, lab, auth="psk", dc=None, cloud=None, gateway=None, build=None, checked=False, **both):
        configs = {site: ike_config(site, auth, **(both | (own or {})))
                   for site, own in (("dc", dc), ("cloud", cloud))}
        for config in configs.values():
            config["gateway"] |= gateway or {}
            if checked:
                config["guard"] = {"key_file": "/etc/isthmus/keys/guard.key"}
        super().__init__(lab, configs={site: toml(config) for site, config in configs.items()}, build=build,
                         protected=False)
        if auth == "psk":
            secret = os.urandom(24).hex()
            for each in self.gateways.values():
                put_secret(each, "psk", secret)
        else:
            self.certify()


def put_secret(gateway, name, text):
    path = gateway.keys / name
    path.touch(mode=0o600)
    path.write_text(text + "\n")


def ike(gateway, *arguments):
    """`isthmus ike ...`; without arguments its JSON, parsed."""
    program = find_program("isthmus", gateway.build)
    if arguments:
        return run(program, "ike", *arguments, "--socket", gateway.socket, check=False)
    return json.loads(run(program, "ike", "--json", "--socket", gateway.socket).stdout)


def peer(gateway):
    return ike(gateway)["peers"][0]


def ike_sa(gateway):
    """The one IKE SA that is up; None: none, or more than one."""
    up = [sa for sa in peer(gateway)["ike_sas"] if sa["state"] in ("established", "rekeying")]
    return up[0] if len(up) == 1 else None


def child(gateway):
    """The one child of the one IKE SA; None: none, or more than one."""
    sa = ike_sa(gateway)
    return sa["children"][0] if sa and len(sa["children"]) == 1 and sa["children"][0]["state"] == "installed" else None


def is_up(gateway):
    return answers(gateway) and peer(gateway)["state"] == "up"


def answers(gateway):
    return gateway.status() is not None


def last_error(gateway):
    """Why it last did not work out with the peer; empty also while the gateway does not answer."""
    try:
        return (peer(gateway)["last_error"] or {"text": ""})["text"]
    except LabError:
        return ""


def mismatch(gateway):
    """Both sides' proposals, ours and theirs, of a negotiation that failed; empty strings: nothing is known."""
    try:
        return peer(gateway)["mismatch"] or {"ours": "", "theirs": ""}
    except LabError:
        return {"ours": "", "theirs": ""}


def says(text, words):
    """Every one of the words is in the text, in any case."""
    return all(word.lower() in text.lower() for word in words)


__all__ = ["IkeSites", "NAMES", "PATIENCE", "ROOT", "WAN_ADDRESS", "answers", "child", "ike", "ike_config", "ike_sa", "is_up",
           "last_error", "mismatch", "peer", "put_secret", "says"]
