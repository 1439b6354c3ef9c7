"""strongSwan's charon as the peer, in a gateway's namespace."""
import pathlib
import re
import shutil
import signal
import subprocess

from lab import LabError, run, wait_until

HERE = pathlib.Path(__file__).resolve().parent
CHARON = shutil.which("charon-systemd") or "/usr/sbin/charon-systemd"
SWANCTL = shutil.which("swanctl") or "/usr/sbin/swanctl"
PLUGINS = ("random nonce aes sha1 sha2 hmac kdf gcm pem pkcs1 pkcs8 x509 pubkey constraints revocation openssl chapoly "
           "curve25519 kernel-netlink socket-default vici")


def missing():
    """What the machine lacks for these tests; empty: nothing."""
    return [tool for tool in (CHARON, SWANCTL) if not pathlib.Path(tool).exists()]


def build_stub(directory):
    """For kernels with XFRM's netlink but no ESP: see xfrm_stub.c."""
    stub = pathlib.Path(directory) / "xfrm-stub.so"
    if not stub.exists():
        run("cc", "-shared", "-fPIC", "-O2", "-o", stub, HERE / "xfrm_stub.c", "-ldl")
    return stub


class Charon:
    """`me` and `peer` are addresses, `ids` the two identities: ours, the peer's."""

    def __init__(self, lab, ns, me, peer, ids, **wishes):
        self.lab, self.ns = lab, ns
        self.directory = lab.directory / wishes.get("directory", "charon")
        for folder in ("x509", "x509ca", "private"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self.stub = build_stub(lab.directory)
        self.wishes = {"me": me, "peer": peer, "id": ids[0], "peer_id": ids[1], "auth": "psk", "secret": "",
                       "ike": "aes256gcm16-prfsha256-x25519", "esp": "aes256gcm16-x25519-esn", "encap": "no",
                       "fragmentation": "yes", "ts": "dynamic[udp/1701]", "dpd": "0s", "charon": "", "remote_any": False,
                       "childless": "allow", "ppk": "", "quiet": False} | wishes
        self.process, self.starts = None, 0

    def certify(self, authority, site):
        """Takes the certificate and key that `isthmus pki` made, and whose certificates stand behind it."""
        for name, folder in ((f"{site}-gw.pem", "x509"), (f"{site}-gw.key", "private"), ("ca.pem", "x509ca")):
            shutil.copy(authority.directory / name, self.directory / folder / name)
        # It reads the first certificate of a file only.
        chain = (authority.directory / f"{site}-gw.pem").read_text().split("-----BEGIN CERTIFICATE-----")[2:]
        for number, body in enumerate(chain):
            (self.directory / "x509ca" / f"between-{number}.pem").write_text("-----BEGIN CERTIFICATE-----" + body)
        self.wishes |= {"auth": "pubkey", "certificate": f"{site}-gw.pem"}

    def start(self):
        (self.directory / "strongswan.conf").write_text(self._daemon())
        (self.directory / "swanctl.conf").write_text(self._connection())
        (self.directory / "vici").unlink(missing_ok=True)
        self.starts += 1
        self.process = self.ns.spawn(f"charon-{self.starts}", "env", f"LD_PRELOAD={self.stub}",
                                     f"STRONGSWAN_CONF={self.directory}/strongswan.conf", CHARON,
                                     log=self.directory / f"out-{self.starts}")
        if not wait_until(lambda: (self.directory / "vici").exists() or not self.process.running(), 30):
            raise LabError("charon did not start: " + self.process.output())
        done = self.swanctl("--load-all", "--file", self.directory / "swanctl.conf")
        if done.returncode:
            raise LabError(f"swanctl --load-all: {done.stdout}{done.stderr}")

    def kill(self):
        """charon runs under `env`, which it has replaced."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)

    def swanctl(self, verb, *options, timeout=90):
        return run("ip", "netns", "exec", self.ns.name, "env", f"SWANCTL_DIR={self.directory}",
                   f"STRONGSWAN_CONF={self.directory}/strongswan.conf", SWANCTL, verb, "--uri",
                   f"unix://{self.directory}/vici", *options, check=False, timeout=timeout)

    def initiate(self):
        return self.swanctl("--initiate", "--child", "l2tp", "--timeout", "60")

    def sas(self):
        return self.swanctl("--list-sas").stdout

    def child_spis(self):
        """(in, out) of each installed child, as hex."""
        return re.findall(r"INSTALLED.*?\n(?:.*\n)*?\s+in\s+([0-9a-f]+),.*\n\s+out\s+([0-9a-f]+),", self.sas())

    def log(self):
        path = self.directory / "charon.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _daemon(self):
        return f"""charon-systemd {{
  load_modular = no
  load = {PLUGINS}
  install_routes = no
  install_virtual_ip = no
  retransmit_tries = 3
  retransmit_timeout = 1.0
  {self.wishes["charon"]}
  syslog {{ identifier = isthmus-test
    daemon {{ default = -1 }}
    auth {{ default = -1 }} }}
  journal {{ default = -1 }}
  plugins {{ vici {{ socket = unix://{self.directory}/vici }} }}
  {self._filelog()}
}}
"""

    def _filelog(self):
        if self.wishes["quiet"]:
            return ""
        return f"""filelog {{ f {{ path = {self.directory}/charon.log
    default = 1
    ike = 2
    cfg = 2
    flush_line = yes }} }}"""

    def _connection(self):
        w = self.wishes
        certs = f"certs = {w['certificate']}" if w["auth"] == "pubkey" else ""
        secrets = "" if w["auth"] == "pubkey" else f"""secrets {{ ike-1 {{
  id-a = {w["id"]}
  id-b = {w["peer_id"]}
  secret = "{w["secret"]}" }} }}
"""
        if w["ppk"]:
            secrets += f"""secrets {{ ppk-1 {{
  id-1 = ppk-1
  secret = "{w["ppk"]}" }} }}
"""
        return f"""connections {{ l2 {{
  version = 2
  local_addrs = {w["me"]}
  remote_addrs = {"%any" if w["remote_any"] else w["peer"]}
  proposals = {w["ike"]}
  encap = {w["encap"]}
  mobike = no
  fragmentation = {w["fragmentation"]}
  childless = {w["childless"]}
  {"ppk_id = ppk-1" if w["ppk"] else ""}
  {"ppk_required = yes" if w["ppk"] else ""}
  rekey_time = 0
  dpd_delay = {w["dpd"]}
  local {{ auth = {w["auth"]}
    id = {w["id"]}
    {certs} }}
  remote {{ auth = {w["auth"]}
    id = {w["peer_id"]} }}
  children {{ l2tp {{
    mode = transport
    local_ts = {w["ts"]}
    remote_ts = {w["ts"]}
    esp_proposals = {w["esp"]}
    rekey_time = 0
    start_action = none }} }}
}} }}
{secrets}"""


def version():
    done = subprocess.run([SWANCTL, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
