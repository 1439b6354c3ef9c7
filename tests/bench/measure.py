"""One visit to a lab that is up: each measurement once. Values by name of figure; None if it could not be taken."""
import contextlib
import json
import re
import statistics
import subprocess
import time

import lab as labs
from lab import HOST, LabFailed

CONGESTION = "cubic"


def tcp(lab, streams, seconds):
    """Host A to host B. Mbit/s, and what the daemons of both sites used for it."""
    before, fragments, clock = lab.cpu_seconds(), lab.fragments(), time.monotonic()
    busy = labs.machine_cpu()
    with server(lab):
        out = lab.run("ha", "iperf3", "-c", HOST["b"], "-t", seconds, "-P", streams, "-C", CONGESTION, "-J", "--connect-timeout", 3000,
                      check=False, timeout=seconds + 20)
    after, took, busy_after = lab.cpu_seconds(), time.monotonic() - clock, labs.machine_cpu()
    result = json.loads(out)
    if "error" in result:
        raise LabFailed(f"iperf3: {result['error']}")
    end = result["end"]
    gigabytes = end["sum_received"]["bytes"] / 1e9
    user, system = after[0] - before[0], after[1] - before[1]
    return {"mbps": end["sum_received"]["bits_per_second"] / 1e6, "gigabytes": gigabytes,
            "retransmits": end["sum_sent"].get("retransmits"), "daemon_user_s": user, "daemon_system_s": system,
            "daemon_s_per_gb": (user + system) / gigabytes, "machine_s_per_gb": (busy_after[0] - busy[0]) / gigabytes,
            "stolen_s": busy_after[1] - busy[1], "seconds": took, "fragments": lab.fragments() - fragments}


@contextlib.contextmanager
def server(lab):
    process = subprocess.Popen(lab.inside("hb", "iperf3", "-s", "-1", "-B", HOST["b"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        yield
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if process.poll() is None:
            process.kill()
            process.wait()


def blast(lab, tool, sizes, rate, seconds):
    """UDP from host A to host B at `rate` packets a second (0: flood)."""
    receiver = subprocess.Popen(lab.inside("hb", tool, "recv", HOST["b"], 9999, seconds + 6), stdout=subprocess.PIPE, text=True)
    try:
        receiver.stdout.readline()
        sent = json.loads(lab.run("ha", tool, "send", HOST["b"], 9999, sizes, rate, seconds, timeout=seconds + 10))
        out, _ = receiver.communicate(timeout=seconds + 10)
    finally:
        if receiver.poll() is None:
            receiver.kill()
            receiver.wait()
    got = json.loads(out)
    return {"offered": sent["sent"] / sent["secs"], "pps": got["received"] / sent["secs"], "mbps": got["bytes"] * 8 / sent["secs"] / 1e6,
            "loss": 1 - got["received"] / max(1, sent["sent"]), "behind": got["behind"]}


def highest_rate(lab, tool, sizes, ceiling, allowed, steps, seconds):
    """The highest rate received with at most `allowed` loss, by bisection; a sender that cannot make its rate does not pass."""
    low, high, best = 0.0, max(ceiling, 2000.0), 0.0
    for _ in range(steps):
        rate = (low + high) / 2
        trial = blast(lab, tool, sizes, round(rate), seconds)
        if trial["loss"] <= allowed and trial["offered"] >= 0.97 * rate:
            low, best = rate, trial["pps"]
        else:
            high = rate
    return best


def ping(lab, count=1000):
    out = lab.run("ha", "ping", "-i", "0.002", "-c", count, "-W", "1", HOST["b"], check=False, timeout=60)
    times = sorted(float(t) for t in re.findall(r"time=([\d.]+) ms", out))
    if not times:
        raise LabFailed("no reply to pings")
    return {"n": len(times), "p50": statistics.median(times), "p99": times[min(len(times) - 1, int(len(times) * 0.99))], "max": times[-1]}


def ping_under_tcp(lab, seconds=4, count=1000):
    with server(lab):
        client = subprocess.Popen(lab.inside("ha", "iperf3", "-c", HOST["b"], "-t", seconds, "-C", CONGESTION, "-J"),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            return ping(lab, count)
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(seconds + 10)
            if client.poll() is None:
                client.kill()
                client.wait()


def idle_cpu(lab, seconds=1):
    before = sum(lab.cpu_seconds())
    time.sleep(seconds)
    return (sum(lab.cpu_seconds()) - before) / seconds


def calibration():
    """How fast the machine is just now: AES-256-GCM on one core, MB/s. Says what a drift between visits is worth."""
    out = labs.run("openssl", "speed", "-evp", "aes-256-gcm", "-bytes", "1400", "-seconds", "1", "-mr", check=False)
    found = re.findall(r"^\+F:.*?:([\d.]+)$", out, re.M)
    return float(found[-1]) / 1e6 if found else None


class Visit:
    """Takes the measurements asked for; one that fails costs itself, not the others."""

    def __init__(self, lab, tool, quick=False):
        self.lab, self.tool = lab, tool
        self.tcp_seconds = 1 if quick else 6
        self.udp_seconds = 0.4 if quick else 2
        self.trial_seconds = 0.4 if quick else 1
        self.steps = 2 if quick else 6
        self.pings = 50 if quick else 1000
        self.values, self.errors, self.detail = {}, {}, {}

    def take(self, groups):
        for name in groups:
            try:
                getattr(self, "take_" + name)()
            except Exception as error:
                self.errors[name] = f"{type(error).__name__}: {error}"[:300]
        if self.lab.counted:
            self.values["peak_memory_mb"] = self.lab.peak_memory_mb()
        return self

    def take_machine(self):
        self.detail["calibration_mb_s"] = calibration()
        if self.lab.counted:
            self.values["idle_cpu"] = idle_cpu(self.lab)

    def take_tcp1(self):
        self.detail["tcp1"] = r = tcp(self.lab, 1, self.tcp_seconds)
        self.values |= {"tcp1_mbps": r["mbps"], "machine_cpu_s_per_gb": r["machine_s_per_gb"]}
        if self.lab.counted:
            self.values["daemon_cpu_s_per_gb"] = r["daemon_s_per_gb"]

    def take_tcp4(self):
        self.detail["tcp4"] = r = tcp(self.lab, 4, self.tcp_seconds)
        self.values["tcp4_mbps"] = r["mbps"]

    def take_udp64(self):
        flood = blast(self.lab, self.tool, "64", 0, self.udp_seconds)
        self.detail["udp64_flood"] = flood
        self.values["udp64_flood_pps"] = flood["pps"]

    def take_udp64_loss(self):
        ceiling = 1.5 * (self.values.get("udp64_flood_pps") or 100_000)
        for name, allowed in (("udp64_half_percent_pps", 0.005), ("udp64_no_loss_pps", 0.0)):
            self.values[name] = highest_rate(self.lab, self.tool, "64", ceiling, allowed, self.steps, self.trial_seconds)

    def take_imix(self):
        # simple IMIX: 7 x 64, 4 x 594, 1 x 1518 bytes of frame with FCS, so 46 less of UDP payload
        r = blast(self.lab, self.tool, "18x7,548x4,1472x1", 0, self.udp_seconds)
        self.values |= {"imix_flood_pps": r["pps"], "imix_flood_mbps": r["mbps"]}

    def take_large(self):
        r = blast(self.lab, self.tool, "1472", 0, self.udp_seconds)
        self.values |= {"udp1518_flood_pps": r["pps"], "udp1518_flood_mbps": r["mbps"]}

    def take_ping(self):
        r = ping(self.lab, self.pings)
        self.values |= {"ping_idle_p50_ms": r["p50"], "ping_idle_p99_ms": r["p99"]}

    def take_ping_load(self):
        r = ping_under_tcp(self.lab, 2 if self.pings < 100 else 4, self.pings)
        self.values |= {"ping_load_p50_ms": r["p50"], "ping_load_p99_ms": r["p99"]}
