"""IKEv2: what setting an IKE SA and its child up costs, ours beside strongSwan's charon, both sides on one machine.

Each of the two is measured as a pair of daemons on real sockets: processor time of both, less what they take for being asked
and for being there. Our engine is measured alone as well, and with many idle IKE SAs.
"""
import json
import pathlib
import subprocess
import sys
import time

from report import line

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In place of this folder, whose module `lab` is another one.
sys.path[:1] = [str(ROOT / folder) for folder in ("tests/system", "tests/ike", "vagrant/lab")]

import harness  # noqa: E402, F401  (it makes the lab's modules visible)
from charon import Charon  # noqa: E402
from ike_sites import NAMES, WAN_ADDRESS, IkeSites, ike, ike_sa  # noqa: E402
from lab import Lab, wait_until  # noqa: E402

TIMES = 40
SUITE = {"ike": "aes256gcm16-prfsha256-ecp256", "esp": "aes256gcm16-ecp256-esn"}
OURS = {"groups": ["ecp256"], "ike_suites": ["aes-256-gcm"], "esp_suites": ["aes-256-gcm"], "prfs": ["sha256"]}
AUTHS = {"psk": "psk", "certificate": "ecdsa"}


def processor_time(process):
    """Seconds that all threads of a process have run."""
    folder = pathlib.Path(f"/proc/{process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in folder.iterdir()) / 1e9


class Stopwatch:
    """Processor time of some processes."""

    def __init__(self, processes):
        self.processes = processes
        self.start = [processor_time(p) for p in processes]

    def seconds(self):
        return sum(processor_time(p) - s for p, s in zip(self.processes, self.start))


def charon_setups(lab, auth):
    """Set-ups for each second of processor time."""
    sites = IkeSites(lab, auth)
    charons = []
    for me, other in (("cloud", "dc"), ("dc", "cloud")):
        charon = Charon(lab, sites.gateways[me].ns, WAN_ADDRESS[me], WAN_ADDRESS[other], (NAMES[me], NAMES[other]),
                        secret="a secret that both of them have", quiet=True, directory=f"charon-{me}", **SUITE)
        if auth != "psk":
            charon.certify(sites.authority, me)
        charon.start()
        charons.append(charon)
    initiator = charons[1]
    initiator.initiate()
    initiator.swanctl("--terminate", "--ike", "l2")
    processes = [c.process.popen for c in charons]
    watch = Stopwatch(processes)
    for _ in range(TIMES):
        if initiator.initiate().returncode:
            raise RuntimeError("charon: " + initiator.sas())
        initiator.swanctl("--terminate", "--ike", "l2")
    whole = watch.seconds()
    watch = Stopwatch(processes)
    for _ in range(2 * TIMES):
        initiator.sas()
    return TIMES / (whole - watch.seconds())


def isthmusd_setups(lab, auth, build):
    sites = IkeSites(lab, auth, build=build, dc={"role": "initiator"}, cloud={"role": "responder"}, **OURS)
    sites.start()
    processes = [g.process.popen for g in (sites.dc, sites.cloud)]
    asked, began, watch = 0, time.monotonic(), Stopwatch(processes)
    for _ in range(TIMES):
        before = ike_sa(sites.dc)["spi_initiator"]
        ike(sites.dc, "terminate", "cloud")

        def again():
            nonlocal asked
            asked += 1
            sa = ike_sa(sites.dc)
            return sa and sa["children"] and sa["spi_initiator"] != before
        if not wait_until(again, 5, 0.05):
            raise RuntimeError("isthmusd did not come back")
    whole, took = watch.seconds(), time.monotonic() - began
    # The same questions, in the same time, without set-ups.
    began, watch = time.monotonic(), Stopwatch(processes)
    for number in range(asked + 2 * TIMES):
        ike_sa(sites.dc)
        time.sleep(max(0, began + took * number / (asked + 2 * TIMES) - time.monotonic()))
    return TIMES / max(whole - watch.seconds(), 1e-6)


def engine(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=True)
    return dict(text.split() for text in done.stdout.splitlines())


def main(build):
    """Lines as ./dev bench has them, one JSON object each."""
    group, micro = "ike", build / "tests/bench/micro_ike"
    lines = []
    for auth, name in AUTHS.items():
        with Lab("ike-bench") as lab:
            theirs = charon_setups(lab, auth)
        with Lab("ike-bench") as lab:
            ours = isthmusd_setups(lab, auth, build)
        lines.append(line(group, f"ike_setups_{name}", "local", ours, "charon", theirs, bar=1.0, unit="1/s"))
        alone = float(engine(micro, "setups", "psk" if name == "psk" else "ecdsa", "3")["setups_per_second"])
        lines.append(line(group, f"ike_engine_setups_{name}", "local", alone, unit="1/s"))
    idle = engine(micro, "idle", "1000", "60")
    lines.append(line(group, "ike_bytes_per_idle_sa", "local", float(idle["bytes_per_sa"]), unit="bytes"))
    lines.append(line(group, "ike_cpu_of_1000_idle", "local", float(idle["cpu_percent_of_a_core"]), unit="% of a core"))
    for each in lines:
        print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
