"""What a look at the running daemon from outside shows: no secret, no more privilege and no more doors than it needs."""
import json
import os
import pathlib
import re
import signal
import stat

from harness import case, check, contains, equal, main
from lab import Lab
from one_site import LOCAL, OneSite, base_config
from sites import TwoSites

NET_BIND_SERVICE, NET_ADMIN, NET_RAW = 10, 12, 13
INLINE_KEY = os.urandom(36)


def needles(key):
    """A secret as it might leak: hex in both cases and raw, whole or a part of it."""
    hexadecimal = key.hex()
    return [hexadecimal[:32].encode(), hexadecimal[:32].upper().encode(), hexadecimal[32:64].encode(), key[:12], key[16:28]]


def leaks(data, keys):
    return sum(needle in data for key in keys for needle in needles(key))


@case
def secrets_stay_inside():
    """Keys and cookies are in no log at the most talkative level, no status, no command line and no environment."""
    with Lab("secret") as lab:
        sites = TwoSites(lab)
        keys = [bytes.fromhex(p.read_text()) for p in sites.dc.keys.iterdir()]
        text = sites.dc.config.read_text().replace('name = "dc-gw"', 'name = "dc-gw"\nlog_level = "trace"')
        cookies = [bytes.fromhex(c) for c in re.findall(r'_cookie = "([0-9a-f]{16})"', text)]
        sites.dc.config.write_text(text)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        process = pathlib.Path("/proc") / str(sites.dc.process.pid)
        places = {"log": sites.dc.process.output().encode(), "status": sites.dc.status_text().encode(),
                  "status --json": json.dumps(sites.dc.status()).encode(),
                  "command line": (process / "cmdline").read_bytes(), "environment": (process / "environ").read_bytes()}
        sites.dc.stop()
        places["log of the stop"] = sites.dc.process.output().encode()
        for path in sites.dc.state_dir.rglob("*"):
            if path.is_file():
                places[f"state file {path.name}"] = path.read_bytes()
        for place, data in places.items():
            equal(leaks(data, keys), 0, f"parts of keys in the {place}")
            equal(sum(c.hex().encode() in data.lower() for c in cookies), 0, f"cookies in the {place}")
        check(len(places["log"]) > 0, "nothing was logged at all")


@case
def inline_key():
    """A key written into the configuration is warned about and appears in no log or status."""
    with Lab("secret") as lab:
        config = base_config()
        config["tunnel"][0]["esp"]["out"] = {"spi": 0xDC000001, "insecure_inline_key": INLINE_KEY.hex()}
        site = OneSite(lab, config)
        site.start()
        log = site.gateway.process.output()
        contains(log, ["insecure_inline_key", "warn"], "the log")
        seen = (log + site.gateway.status_text() + json.dumps(site.gateway.status())).encode()
        equal(leaks(seen, [INLINE_KEY]), 0, "parts of the key")


@case
def least_privilege():
    """It keeps CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE only, and can gain no other."""
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        for task in pathlib.Path(f"/proc/{site.gateway.process.pid}/task").iterdir():
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            allowed = 1 << NET_ADMIN | 1 << NET_RAW | 1 << NET_BIND_SERVICE
            for name in ("CapEff", "CapPrm", "CapBnd"):
                equal(int(fields[name], 16) & ~allowed, 0, f"{name} of thread {fields['Name']} beyond the three")
            equal(int(fields["CapInh"], 16) | int(fields["CapAmb"], 16), 0, f"inheritable in thread {fields['Name']}")
            equal(fields["NoNewPrivs"].strip(), "1", f"NoNewPrivs of thread {fields['Name']}")


@case
def no_core():
    """It dumps no core, whatever the limit that it was started with."""
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        limits = pathlib.Path(f"/proc/{site.gateway.process.pid}/limits").read_text()
        check(re.search(r"Max core file size\s+0\s+0", limits), "core files are not limited to 0")
        os.kill(site.gateway.process.pid, signal.SIGABRT)
        ended = os.waitid(os.P_PID, site.gateway.process.pid, os.WEXITED | os.WNOWAIT)
        equal((ended.si_code, ended.si_status), (os.CLD_KILLED, signal.SIGABRT), "way it ended (CLD_DUMPED is a core dump)")


@case
def files_are_private():
    """Control socket, state directory and state files are closed to others."""
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        mode = site.gateway.socket.stat().st_mode
        check(stat.S_ISSOCK(mode) and mode & 0o007 == 0, f"control socket has mode {mode & 0o777:o}")
        equal(site.gateway.state_dir.stat().st_mode & 0o077, 0, "state directory's mode for others")
        for path in site.gateway.state_dir.rglob("*"):
            equal(path.stat().st_mode & 0o077, 0, f"mode of {path.name} for others")


@case
def no_other_doors():
    """It listens on UDP 4500 of its own address and on its control socket, and on nothing else."""
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        rows = [line.split() for line in site.gw.run("ss", "-H", "-n", "-l", "-t", "-u", "-w", "-p").stdout.splitlines()]
        listening = sorted((r[0], r[4] if len(r) > 4 else r[3]) for r in rows)
        equal([(kind, where) for kind, where in listening if not where.startswith(LOCAL + ":4500")], [], "other sockets")
        check(listening, "not even UDP 4500 is open")
        pid = f"pid={site.gateway.process.pid},"
        unix = [line.split()[4] for line in site.gw.run("ss", "-H", "-l", "-x", "-p").stdout.splitlines() if pid in line]
        equal(unix, [str(site.gateway.socket)], "Unix sockets")


@case
def no_addresses():
    """Bridge and ports get no address: no link-local one, none from router advertisements."""
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        for link in json.loads(site.gw.ip("-j", "addr", "show").stdout):
            if link["ifname"] in ("br-dc", "lan0", "ist-vlans"):
                equal([a["local"] for a in link["addr_info"]], [], f"addresses of {link['ifname']}")


@case
def damaged_requests():
    """Damaged requests to the control socket are answered or closed, and the daemon lives on."""
    import socket
    with Lab("secret") as lab:
        site = OneSite(lab)
        site.start()
        for request in (b"\n", b"{\n", b"[]\n", b'{"request": 5}\n', b'{"request": "no such thing"}\n', b"\xff\xfe\0\n",
                        b"x" * 200_000 + b"\n", b'{"a":' * 20_000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(3)
                client.connect(str(site.gateway.socket))
                try:
                    client.sendall(request)
                    reply = client.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    reply = b""
            check(reply == b"" or json.loads(reply)["ok"] is False, f"{request[:20]!r}: {reply[:100]!r}")
        check(site.gateway.up(), "it is not up any more")


if __name__ == "__main__":
    main()
