"""Site B with keys by strongSwan."""
import os
import re

import keyed
import lab
from keyed import IDS, PATIENCE, PSK, wait_until

CHARON, SWANCTL = "/usr/sbin/charon-systemd", "/usr/sbin/swanctl"
PLUGINS = ("random nonce aes sha1 sha2 hmac kdf gcm chapoly curve25519 pem pkcs1 pkcs8 x509 pubkey openssl kernel-netlink "
           "socket-default vici")
# What isthmusd's name for a suite is to strongSwan.
ESP = {"aes-256-gcm": "aes256gcm16", "aes-128-gcm": "aes128gcm16", "aes-256-cbc-sha256": "aes256-sha256",
       "chacha20-poly1305": "chacha20poly1305"}


def missing():
    return not os.path.exists(CHARON)


class CharonSide(keyed.KeyedSide):
    daemon = "charon"

    def _protect(self):
        (self.folder / "vici").unlink(missing_ok=True)
        (self.folder / "strongswan.conf").write_text(self._daemon())
        (self.folder / "swanctl.conf").write_text(self._connection())
        self.start(CHARON)
        wait_until(lambda: (self.folder / "vici").exists() or not self.running(), "charon's start")
        self.swanctl("--load-all", "--file", f"{self.folder}/swanctl.conf")

    def swanctl(self, verb, *options):
        return self.program(SWANCTL, verb, "--uri", f"unix://{self.folder}/vici", *options)

    def initiate(self):
        self.swanctl("--initiate", "--child", "l2tp", "--timeout", str(PATIENCE))

    def rekey_child(self):
        self.swanctl("--rekey", "--child", "l2tp")

    def rekey_ike(self):
        self.swanctl("--rekey", "--ike", "l2")

    def pairs(self):
        """(in, out) of each child that is installed."""
        return re.findall(r"INSTALLED.*?\n(?:.*\n)*?\s+in\s+([0-9a-f]+),.*\n\s+out\s+([0-9a-f]+),", self.swanctl("--list-sas"))

    def environment(self):
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
