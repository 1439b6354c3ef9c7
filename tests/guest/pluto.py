"""Site B with keys by libreswan, unpacked into a folder of its own ($ISTHMUS_LIBRESWAN)."""
import os
import re

import keyed
import lab
import netns
from keyed import IDS, PSK, wait_until

ROOT = os.environ.get("ISTHMUS_LIBRESWAN", "")
ESP = {"aes-256-gcm": "aes_gcm256", "aes-128-gcm": "aes_gcm128", "aes-256-cbc-sha256": "aes256-sha2_256",
       "chacha20-poly1305": "chacha20_poly1305"}


class PlutoSide(keyed.KeyedSide):
    daemon = "pluto"

    def _protect(self):
        for name in ("run", "nss", "ipsec.d"):
            (self.folder / name).mkdir(exist_ok=True)
        secrets = self.folder / "ipsec.secrets"
        secrets.touch(mode=0o600)
        secrets.write_text(f'@{IDS["b"]} @{IDS["a"]} : PSK "{PSK}"\n')
        (self.folder / "ipsec.conf").write_text(self._connection())
        self.program(f"{ROOT}/usr/bin/certutil", "-N", "-d", f"sql:{self.folder}/nss", "--empty-password")
        # pluto looks for its helpers in /usr/libexec: this mount is nobody else's.
        script = (f"mount --bind {ROOT}/usr/libexec /usr/libexec && exec /usr/libexec/ipsec/pluto --nofork --use-xfrm --no-dnssec "
                  f"--logfile {self.folder}/pluto.log --config {self.folder}/ipsec.conf --secretsfile {secrets} "
                  f"--rundir {self.folder}/run --nssdir {self.folder}/nss --ipsecdir {self.folder}/ipsec.d")
        self.start("unshare", "-m", "sh", "-c", script)
        wait_until(lambda: self._whack("--status", check=False) or not self.running(), "pluto's start")
        self.program(f"{ROOT}/usr/libexec/ipsec/addconn", "--config", f"{self.folder}/ipsec.conf", "--ctlsocket",
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

    def environment(self):
        return os.environ | {"LD_LIBRARY_PATH": f"{ROOT}/usr/lib/x86_64-linux-gnu"}

    def _whack(self, *options, check=True):
        return self.program(f"{ROOT}/usr/libexec/ipsec/whack", "--ctlsocket", f"{self.folder}/run/pluto.ctl", *options, check=check)

    def _connection(self):
        v = self.variant
        port = "17/1701" if v.encap == "udp" else "115/0"
        lines = ["auto=add", f"type={v.mode}", "authby=secret", f"left={lab.ADDRESS['v4']['b']}", f"right={lab.ADDRESS['v4']['a']}",
                 f"leftid=@{IDS['b']}", f"rightid=@{IDS['a']}", f"leftprotoport={port}", f"rightprotoport={port}",
                 "leftupdown=%disabled", f"encapsulation={'yes' if v.carry == 'udp4500' else 'no'}", "ike=aes_gcm256-sha2_256-dh31",
                 f"esp={ESP[v.suite]};dh31", f"esn={'yes' if v.sequence == 'esn' else 'no'}"]
        return "conn l2tp\n" + "".join(f"    {line}\n" for line in lines)
