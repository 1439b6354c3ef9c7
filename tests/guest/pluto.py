"""Site B with keys by libreswan, unpacked into a folder of its own ($ISTHMUS_LIBRESWAN); ESP and the pseudowire are the kernel's."""
import os
import pathlib
import re
import subprocess

import lab
import netns
import traffic

ROOT = os.environ.get("ISTHMUS_LIBRESWAN", "")
ESP = {"aes-256-gcm": "aes_gcm256", "aes-128-gcm": "aes_gcm128", "aes-256-cbc-sha256": "aes256-sha2_256",
       "chacha20-poly1305": "chacha20_poly1305"}


class PlutoSide(lab.KernelSide):
    def __init__(self, lane, variant, plan, folder, secret, ids, wait_until):
        super().__init__(lane, "b", variant, plan)
        self.folder, self.secret, self.ids, self.wait_until = pathlib.Path(folder), secret, ids, wait_until
        self.process = None
        self.logs = [self.folder / "pluto.log", self.folder / "out"]

    def _protect(self):
        """In place of manual keys."""
        for name in ("run", "nss", "ipsec.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        secrets = self.folder / "ipsec.secrets"
        secrets.touch(mode=0o600)
        secrets.write_text(f'@{self.ids["b"]} @{self.ids["a"]} : PSK "{self.secret}"\n')
        (self.folder / "ipsec.conf").write_text(self._connection())
        self._program("usr/bin/certutil", "-N", "-d", f"sql:{self.folder}/nss", "--empty-password")
        # pluto looks for its helpers in /usr/libexec: this mount is nobody else's.
        script = (f"mount --bind {ROOT}/usr/libexec /usr/libexec && exec /usr/libexec/ipsec/pluto --nofork --use-xfrm --no-dnssec "
                  f"--logfile {self.folder}/pluto.log --config {self.folder}/ipsec.conf --secretsfile {secrets} "
                  f"--rundir {self.folder}/run --nssdir {self.folder}/nss --ipsecdir {self.folder}/ipsec.d")
        with open(self.folder / "out", "w") as out:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, "unshare", "-m", "sh", "-c", script], stdout=out, stderr=out,
                                            env=self._environment())
        self.wait_until(lambda: self._whack("--status", check=False) or self.process.poll() is not None, "pluto's start")
        self._program("usr/libexec/ipsec/addconn", "--config", f"{self.folder}/ipsec.conf", "--ctlsocket",
                      f"{self.folder}/run/pluto.ctl", "l2tp", check=False)
        self._whack("--listen")
        if '"l2tp"' not in self._whack("--status"):
            raise netns.CommandFailed("pluto does not have the connection")

    def initiate(self):
        self._whack("--name", "l2tp", "--initiate")

    def rekey_child(self):
        self._whack("--name", "l2tp", "--rekey-ipsec")

    def rekey_ike(self):
        self._whack("--name", "l2tp", "--rekey-ike")

    def pairs(self):
        """(in, out) of the newest child."""
        status = self._whack("--status")
        newest = re.search(r"newest IPsec SA: #(\d+)", status)
        found = re.findall(rf'#{newest[1]}: "l2tp"\S* esp\.([0-9a-f]+)@\S+ esp\.([0-9a-f]+)@', status) if newest else []
        return [(mine.zfill(8), theirs.zfill(8)) for theirs, mine in found]  # libreswan leaves leading zeros out

    def down(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        super().down()

    def _whack(self, *options, check=True):
        return self._program("usr/libexec/ipsec/whack", "--ctlsocket", f"{self.folder}/run/pluto.ctl", *options, check=check)

    def _program(self, path, *options, check=True):
        done = subprocess.run(["ip", "netns", "exec", self.ns, f"{ROOT}/{path}", *options], env=self._environment(), capture_output=True,
                              text=True, timeout=120)
        if done.returncode and check:
            raise traffic.Lost(f"{path} {' '.join(options)}: {(done.stdout + done.stderr)[-400:]}")
        return "" if done.returncode else done.stdout

    def _environment(self):
        return os.environ | {"LD_LIBRARY_PATH": f"{ROOT}/usr/lib/x86_64-linux-gnu"}

    def _connection(self):
        v = self.variant
        port = "17/1701" if v.encap == "udp" else "115"
        lines = ["auto=add", f"type={v.mode}", "authby=secret", f"left={lab.ADDRESS['v4']['b']}", f"right={lab.ADDRESS['v4']['a']}",
                 f"leftid=@{self.ids['b']}", f"rightid=@{self.ids['a']}", f"leftprotoport={port}", f"rightprotoport={port}",
                 "leftupdown=%disabled", f"encapsulation={'yes' if v.carry == 'udp4500' else 'no'}", "ike=aes_gcm256-sha2_256-dh31",
                 f"esp={ESP[v.suite]};dh31", f"esn={'yes' if v.sequence == 'esn' else 'no'}"]
        return "conn l2tp\n" + "".join(f"    {line}\n" for line in lines)
