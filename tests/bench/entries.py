"""What is measured: nothing at all, kernel VXLAN, isthmusd, and what users would pick instead. One class each.

up(lab) sets both sites up so that the hosts reach each other; `counted` daemons make its CPU time and memory.
"""
import hashlib
import json
import os
import subprocess
import time

from lab import HOST, WAN, LabFailed, run

SPI = {"a": 0xC0000001, "b": 0xC0000002}        # of what each site sends
SESSION = {"a": 0xA1B2C3D4, "b": 0x51627384}    # what each site receives with
COOKIE = {"a": "f1f2f3f4f5f6f7f8", "b": "0102030405060708"}
STEADY_PROBES = 250                             # a second, and a little more: the budget of the rounds that go on for ever


def other(site):
    return "b" if site == "a" else "a"


def package_version(*names):
    return ", ".join(run("dpkg-query", "-W", "-f", "${Version}", n, check=False) or "?" for n in names)


class Entry:
    name = ""
    what = ""
    packages = ()

    def version(self):
        return package_version(*self.packages)

    def up(self, lab):
        raise NotImplementedError

    def settle(self, lab):
        """After up(): waits until nothing that belongs to starting goes on any more."""

    def down(self, lab):
        """Only what stopping the daemons and removing the namespaces does not clean up."""


class Plain(Entry):
    name = "plain"
    what = "no tunnel: the WAN link is itself a bridge port; the limit of hosts and lab"

    def version(self):
        return os.uname().release

    def up(self, lab):
        for site in "ab":
            lab.ip(site, "addr flush dev wan0")
            lab.attach(site, "wan0")


class Vxlan(Entry):
    name = "vxlan"
    what = "kernel VXLAN without encryption"

    def version(self):
        return os.uname().release

    def up(self, lab):
        for site in "ab":
            lab.ip(site, f"link add vx0 mtu 1500 type vxlan id 42 local {WAN[site]} remote {WAN[other(site)]} dstport 4789")
            lab.attach(site, "vx0")


class Isthmus(Entry):
    """Static keys, L2TPv3 over UDP inside ESP-in-UDP; the session carries the port as it is."""
    name = "isthmus"

    def __init__(self, programs, suite="aes-256-gcm", extra_gateway="", extra_tunnel="", variant="", datapath=""):
        self.programs, self.suite = programs, suite
        self.extra_gateway, self.extra_tunnel, self.datapath = extra_gateway, extra_tunnel, datapath
        self.name = "isthmus" + (f"-{variant}" if variant else "")
        self.what = f"isthmusd, L2TPv3 over UDP in ESP in UDP, {suite}" + (f", {datapath}" if datapath else "")

    def version(self):
        out = subprocess.run([f"{self.programs}/isthmusd", "--version"], capture_output=True, text=True)
        return (out.stdout.strip() or out.stderr.strip()).splitlines()[0] if out.returncode == 0 else "?"

    def up(self, lab):
        for site in "ba":
            self.start(lab, site)

    def start(self, lab, site):
        folder = f"{lab.folder}/isthmus-{site}"
        os.makedirs(f"{folder}/state", exist_ok=True)
        with open(f"{folder}/isthmus.toml", "w") as f:
            f.write(self.configuration(folder, site))
        run(f"{self.programs}/isthmus", "sa", "init", "--config", f"{folder}/isthmus.toml")
        return lab.daemon(site, "isthmusd", f"{self.programs}/isthmusd", "--config", f"{folder}/isthmus.toml", env=self.environment(folder))

    def settle(self, lab, seconds=90):
        """Each VLAN is probed for loops before it opens, thousands of them one after the other."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(self.has_settled(lab, site) for site in "ab"):
            time.sleep(0.5)
        while time.monotonic() < end:
            before = [self.probes_sent(lab, site) for site in "ab"]
            time.sleep(2)
            if all(self.probes_sent(lab, site) - n <= 2 * STEADY_PROBES for site, n in zip("ab", before)):
                return

    def status(self, lab, site):
        out = lab.run(site, f"{self.programs}/isthmus", "status", "--json", "--socket", f"{lab.folder}/isthmus-{site}/isthmus.sock", check=False)
        return json.loads(out) if out.strip() else None

    def probes_sent(self, lab, site):
        status = self.status(lab, site)
        return sum(bridge["probes"]["sent"] for bridge in status["guard"]["bridges"]) if status else 0

    def has_settled(self, lab, site):
        status = self.status(lab, site)
        return (status is not None and all(session["state"] == "up" for session in status["sessions"])
                and all(bridge["closed_vlans"] == 0 for bridge in status["guard"]["bridges"]))

    def environment(self, folder):
        """What the daemon's environment has more than ours."""
        return {}

    def configuration(self, folder, site):
        return self.gateway(folder, site) + self.bridge() + self.tunnel(folder, site) + self.session(site)

    def gateway(self, folder, site):
        return f'''schema = 1
[gateway]
name = "bench-{site}"
state_dir = "{folder}/state"
control_socket = "{folder}/isthmus.sock"
{self.extra_gateway}
[datapath]
{self.datapath}
'''

    def bridge(self):
        return '''
[[bridge]]
name = "br0"
ownership = "adopt"
vlan_filtering = "off"
'''

    def tunnel(self, folder, site, name="wan", number=0):
        for way, sender in (("out", site), ("in", other(site))):
            with open(os.open(f"{folder}/{way}{number}.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                f.write(key(self.suite, sender, number) + "\n")
        ports = f"local_port = {1701 + number}\nremote_port = {1701 + number}\n"
        esp_ports = f"local_port = {4500 + number}\nremote_port = {4500 + number}\n"
        return f'''
[[tunnel]]
name = "{name}"
local = "{WAN[site]}"
remote = "{WAN[other(site)]}"
encapsulation = "udp"
{ports if number else ""}protection = "esp"
{self.extra_tunnel}
[tunnel.esp]
keys = "manual"
encapsulation = "udp"
suite = "{self.suite}"
{esp_ports if number else ""}out = {{ spi = {SPI[site] + 2 * number:#x}, key_file = "{folder}/out{number}.key" }}
in = {{ spi = {SPI[other(site)] + 2 * number:#x}, key_file = "{folder}/in{number}.key" }}
'''

    def session(self, site, number=0, tunnel="wan", bridge="br0", vlans='vlans = "any"'):
        return f'''
[[session]]
name = "s{number}"
tunnel = "{tunnel}"
bridge = "{bridge}"
interface = "tap{number}"
local_id = {SESSION[site] + number:#x}
remote_id = {SESSION[other(site)] + number:#x}
local_cookie = "{COOKIE[site]}"
remote_cookie = "{COOKIE[other(site)]}"
storm = {{ every = "none", per_source = "none" }}
mac_limit = 0
mac_limit_session = 0
{vlans}
'''


def variants(programs, suite):
    """Ours with the other settings of [datapath]."""
    return [Isthmus(programs, suite, variant=v, datapath=d) for v, d in (
        ("openssl", 'crypto = "openssl"'), ("ipsec-mb", 'crypto = "ipsec-mb"'), ("poll", "poll = 50"))]


KEY_BYTES = {"aes-128-gcm": 20, "aes-256-gcm": 36, "chacha20-poly1305": 36, "aes-128-cbc-sha256": 48, "aes-256-cbc-sha256": 64,
             "aes-256-cbc-sha384": 80, "aes-256-cbc-sha512": 96}


def key(suite, sender, number):
    """Each SA has its own: any bytes, but the same at both sites."""
    return hashlib.shake_256(f"{sender} {number}".encode()).hexdigest(KEY_BYTES[suite])


class OpenVpn(Entry):
    name = "openvpn"
    what = "OpenVPN tap, UDP, TLS point to point, AES-256-GCM, --fast-io"
    packages = ("openvpn",)

    def up(self, lab):
        d = f"{lab.folder}/openvpn"
        os.makedirs(d)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run("openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=lab-ca", "-keyout", f"{d}/ca.key", "-out", f"{d}/ca.crt")
        for site in "ab":
            run("openssl", "req", *curve, "-subj", f"/CN=site{site}", "-keyout", f"{d}/{site}.key", "-out", f"{d}/{site}.csr")
            run("openssl", "x509", "-req", "-in", f"{d}/{site}.csr", "-CA", f"{d}/ca.crt", "-CAkey", f"{d}/ca.key", "-CAcreateserial",
                "-days", "2", "-out", f"{d}/{site}.crt")
        for site in "ba":
            lab.daemon(site, "openvpn", "openvpn", "--tls-server" if site == "b" else "--tls-client", "--local", WAN[site],
                       "--remote", WAN[other(site)], "--cert", f"{d}/{site}.crt", "--key", f"{d}/{site}.key", "--ca", f"{d}/ca.crt",
                       *"--dev tap0 --dev-type tap --proto udp4 --port 1194 --dh none --tun-mtu 1500 --mssfix 0".split(),
                       *"--data-ciphers AES-256-GCM --cipher AES-256-GCM --allow-compression no --ping 10 --reneg-sec 0".split(),
                       "--verb", "3", "--fast-io")
        for site in "ab":
            lab.attach(site, "tap0")


class Fastd(Entry):
    name = "fastd"
    packages = ("fastd",)

    def __init__(self, method="aes128-ctr+umac"):
        self.method = method
        self.what = f"fastd tap, {method}"

    def up(self, lab):
        secret, public = {}, {}
        for site in "ab":
            secret[site] = run("fastd", "--generate-key", "--machine-readable").strip()
            with open(f"{lab.folder}/{site}.key", "w") as f:
                f.write(f'secret "{secret[site]}";\n')
            public[site] = run("fastd", "--config", f"{lab.folder}/{site}.key", "--show-key", "--machine-readable").strip()
        for site in "ba":
            with open(f"{lab.folder}/{site}.conf", "w") as f:
                f.write(f'mode tap; interface "tap0"; method "{self.method}"; mtu 1500; log level info; bind {WAN[site]}:10000;\n'
                        f'secret "{secret[site]}"; peer "other" {{ key "{public[other(site)]}"; remote {WAN[other(site)]} port 10000; }}\n')
            lab.daemon(site, "fastd", "fastd", "--config", f"{lab.folder}/{site}.conf")
        for site in "ab":
            lab.attach(site, "tap0")


class Tinc(Entry):
    name = "tinc"
    what = "tinc 1.0 switch, AES-256-CBC and HMAC-SHA-256/16 (1.0 has no AEAD)"
    packages = ("tinc",)

    def up(self, lab):
        d = f"{lab.folder}/tinc"
        for site in "ab":
            os.makedirs(f"{d}/{site}/hosts")
            run("openssl", "genrsa", "-traditional", "-out", f"{d}/{site}/rsa_key.priv", "2048")
            os.chmod(f"{d}/{site}/rsa_key.priv", 0o600)
            with open(f"{d}/{site}/tinc.conf", "w") as f:
                f.write(f"Name = site{site}\nMode = switch\nDeviceType = tap\nInterface = tap0\nAddressFamily = ipv4\n"
                        + ("ConnectTo = siteb\n" if site == "a" else ""))
        for site in "ab":
            public = run("openssl", "rsa", "-in", f"{d}/{site}/rsa_key.priv", "-RSAPublicKey_out")
            for at in "ab":
                with open(f"{d}/{at}/hosts/site{site}", "w") as f:
                    f.write(f"Address = {WAN[site]}\nCipher = aes-256-cbc\nDigest = sha256\nMACLength = 16\nCompression = 0\n{public}")
        for site in "ba":
            lab.daemon(site, "tinc", "tincd", "-D", "-c", f"{d}/{site}", "--pidfile", f"{d}/{site}.pid", "-d1")
        for site in "ab":
            lab.attach(site, "tap0")
        lab.wait_ping(10)
        # until the path MTU is found tinc carries frames over its TCP connection
        lab.run("ha", "ping", "-q", "-i", "0.1", "-c", "40", "-s", "1300", HOST["b"], check=False)
        time.sleep(2)


class SoftEther(Entry):
    """Two servers, a cascade between them over TCP; its UDP acceleration was slower on machines like this."""
    name = "softether"
    what = "SoftEther cascade, TLS AES-256-GCM over 8 TCP connections"
    packages = ("softether-vpnserver",)

    def up(self, lab):
        for site in "ba":       # its state is in fixed places: each instance gets private, empty ones
            lab.daemon(site, "softether", "unshare", "-m", "bash", "-c", """mount -t tmpfs none /run && mkdir -p /run/softether
                mount -t tmpfs none /var/lib && mkdir -p /var/lib/softether; mount -t tmpfs none /var/log && mkdir -p /var/log/softether
                exec /usr/libexec/softether/vpnserver/vpnserver execsvc""")
        for site in "ab":
            self._wait_port(lab, site)
            self._command(lab, site, "HubCreate", "lab", "/PASSWORD:labadmin")
            self._command(lab, site, "KeepDisable")
            self._command(lab, site, "BridgeCreate", "lab", f"/DEVICE:lab{site}", "/TAP:yes")
            lab.run(site, "nft", "add table inet noudp; add chain inet noudp in { type filter hook input priority 0; };"
                    " add rule inet noudp in iifname wan0 meta l4proto udp drop")
        hub = "/ADMINHUB:lab"
        self._command(lab, "b", "UserCreate", "bridge", "/GROUP:none", "/REALNAME:none", "/NOTE:none", hub=hub)
        self._command(lab, "b", "UserPasswordSet", "bridge", "/PASSWORD:labpw", hub=hub)
        self._command(lab, "a", "CascadeCreate", "tob", f"/SERVER:{WAN['b']}:5555", "/HUB:lab", "/USERNAME:bridge", hub=hub)
        self._command(lab, "a", "CascadePasswordSet", "tob", "/PASSWORD:labpw", "/TYPE:standard", hub=hub)
        self._command(lab, "a", "CascadeEncryptEnable", "tob", hub=hub)
        self._command(lab, "a", "CascadeCompressDisable", "tob", hub=hub)
        self._command(lab, "a", "CascadeDetailSet", "tob", "/MAXTCP:8", "/INTERVAL:1", "/TTL:0", "/HALF:no", "/NOQOS:yes", hub=hub)
        self._command(lab, "a", "CascadeOnline", "tob", hub=hub)
        for site in "ab":
            lab.attach(site, f"tap_lab{site}")
        self._until_it_carries(lab, hub)

    def _until_it_carries(self, lab, hub):
        for attempt in range(3):    # one cascade in three comes up without carrying data: down and up again
            try:
                lab.wait_ping(12)
                break
            except LabFailed:
                if attempt == 2:
                    raise
                self._command(lab, "a", "CascadeOffline", "tob", hub=hub)
                time.sleep(1)
                self._command(lab, "a", "CascadeOnline", "tob", hub=hub)
        for _ in range(3):          # its further TCP connections take a while
            lab.run("ha", "ping", "-q", "-i", "0.1", "-c", "30", HOST["b"], check=False)

    def _wait_port(self, lab, site):
        for _ in range(100):
            if ":5555 " in lab.run(site, "ss", "-Hlnt"):
                return
            time.sleep(0.2)
        raise LabFailed("softether does not listen")

    def _command(self, lab, site, *words, hub=None):
        run("timeout", "20", *lab.inside(site, "vpncmd", "127.0.0.1:5555", "/SERVER", *([hub] if hub else []), "/CMD", *words), stdin="")

    def down(self, lab):
        """execsvc watches a worker that is its child: the worker is stopped too."""
        for pid in lab._family() - set(lab.counted):
            try:
                os.kill(pid, 15)
            except OSError:
                pass
        time.sleep(1)


RIVALS = (OpenVpn, Fastd, Tinc, SoftEther)
