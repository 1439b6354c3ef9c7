"""libreswan's pluto as the peer, in a gateway's namespace. Its packages conflict with strongSwan's, so they are unpacked into
a folder of their own and nothing is installed."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from charon import build_stub
from lab import LabError, run, wait_until

PACKAGES = ("libreswan", "libldns3", "libevent-pthreads-2.1-7", "libnss3-tools")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "isthmus"


def unpacked():
    """The folder with libreswan in it; None: it is not to be had."""
    root = CACHE / "libreswan"
    if (root / "usr/libexec/ipsec/pluto").exists():
        return root
    fresh = CACHE / f"libreswan.{os.getpid()}"
    fresh.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=fresh, capture_output=True, check=True, timeout=120)
        for package in sorted(fresh.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, fresh], check=True, timeout=60)
        fresh.rename(root)
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(fresh, ignore_errors=True)
    return root if (root / "usr/libexec/ipsec/pluto").exists() else None


class Pluto:
    """`me` and `peer` are addresses, `ids` the two identities: ours, the peer's."""

    def __init__(self, lab, ns, me, peer, ids, **wishes):
        self.lab, self.ns, self.root = lab, ns, unpacked()
        self.directory = lab.directory / "pluto"
        for folder in ("run", "nss", "ipsec.d"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        self.stub = build_stub(lab.directory)
        self.wishes = {"me": me, "peer": peer, "id": ids[0], "peer_id": ids[1], "authby": "secret", "secret": "",
                       "protoport": "17/1701", "ike": "", "esp": "", "encapsulation": "auto", "more": "",
                       "certificate": "", "ppk": ""} | wishes
        self.process, self.starts = None, 0
        self._program("usr/bin/certutil", "-N", "-d", f"sql:{self.directory}/nss", "--empty-password")

    def certify(self, authority, site, authby):
        """Takes the certificate and key that `isthmus pki` made."""
        bundle, nss = self.directory / "bundle.p12", f"sql:{self.directory}/nss"
        run("openssl", "pkcs12", "-export", "-in", authority.directory / f"{site}-gw.pem", "-inkey",
            authority.directory / f"{site}-gw.key", "-name", site, "-passout", "pass:", "-out", bundle)
        self._program("usr/bin/pk12util", "-i", bundle, "-d", nss, "-W", "")
        self._program("usr/bin/certutil", "-A", "-n", "ca", "-t", "CT,,", "-i", authority.directory / "ca.pem", "-d", nss)
        self.wishes |= {"authby": authby, "certificate": site}

    def start(self):
        (self.directory / "ipsec.conf").write_text(self._connection())
        secrets = self.directory / "ipsec.secrets"
        w = self.wishes
        text = f'@{w["id"]} @{w["peer_id"]} : PSK "{w["secret"]}"\n' if w["authby"] == "secret" else ""
        if w["ppk"]:
            text += f'@{w["id"]} @{w["peer_id"]} : PPKS "ppk-1" "{w["ppk"]}"\n'
        secrets.write_text(text)
        secrets.chmod(0o600)
        self.starts += 1
        # pluto looks for its helpers in /usr/libexec: this mount is nobody else's.
        script = (f"mount --bind {self.root}/usr/libexec /usr/libexec && export LD_PRELOAD={self.stub} "
                  f"LD_LIBRARY_PATH={self.root}/usr/lib/x86_64-linux-gnu && exec /usr/libexec/ipsec/pluto --nofork "
                  f"--logfile {self.directory}/pluto.log --config {self.directory}/ipsec.conf --secretsfile {secrets} "
                  f"--rundir {self.directory}/run --nssdir {self.directory}/nss --ipsecdir {self.directory}/ipsec.d "
                  f"--no-dnssec --use-xfrm")
        self.process = self.ns.spawn(f"pluto-{self.starts}", "unshare", "-m", "sh", "-c", script,
                                     log=self.directory / f"out-{self.starts}")
        ready = wait_until(lambda: self.whack("--status").returncode == 0 or not self.process.running(), 30)
        if not ready or not self.process.running():
            raise LabError("pluto did not start: " + self.process.output() + self.log()[-1500:])
        done = self._program("usr/libexec/ipsec/addconn", "--config", self.directory / "ipsec.conf", "--ctlsocket",
                             self.directory / "run/pluto.ctl", "l2tp", check=False)
        self.whack("--listen")
        if '"l2tp"' not in self.whack("--status").stdout:
            raise LabError(f"addconn: {done.stdout}{done.stderr}")

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait(5)

    def whack(self, *options, timeout=90):
        return self._program("usr/libexec/ipsec/whack", "--ctlsocket", self.directory / "run/pluto.ctl", *options,
                             check=False, timeout=timeout)

    def initiate(self):
        return self.whack("--name", "l2tp", "--initiate")

    def child_spis(self):
        """(in, out) of each installed child, as hex, the newest only."""
        status = self.whack("--status").stdout
        newest = re.search(r"newest IPsec SA: #(\d+)", status)
        found = re.findall(rf'#{newest[1]}: "l2tp"\S* esp\.([0-9a-f]+)@\S+ esp\.([0-9a-f]+)@', status) if newest else []
        return [(mine.zfill(8), theirs.zfill(8)) for theirs, mine in found]  # libreswan leaves leading zeros out

    def log(self):
        path = self.directory / "pluto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _program(self, path, *options, check=True, timeout=90):
        return run("ip", "netns", "exec", self.ns.name, "env", f"LD_LIBRARY_PATH={self.root}/usr/lib/x86_64-linux-gnu",
                   self.root / path, *options, check=check, timeout=timeout)

    def _connection(self):
        w = self.wishes
        lines = ["auto=add", "type=transport", f"authby={w['authby']}", f"left={w['me']}", f"right={w['peer']}",
                 f"leftid=@{w['id']}", f"rightid=@{w['peer_id']}", f"leftprotoport={w['protoport']}",
                 f"rightprotoport={w['protoport']}", "leftupdown=%disabled", f"encapsulation={w['encapsulation']}"]
        lines += [f"{key}={w[key]}" for key in ("ike", "esp") if w[key]]
        lines += ["ppk=insist"] if w["ppk"] else []
        lines += [f"leftcert={w['certificate']}", "rightca=%same", "leftsendcert=always"] if w["certificate"] else []
        lines += w["more"].split("\n") if w["more"] else []
        return "conn l2tp\n" + "".join(f"    {line}\n" for line in lines)
