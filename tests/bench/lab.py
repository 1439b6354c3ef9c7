"""The bench's two sites, in network namespaces of their own.

    host A eth0 ── lan0 [ site A: br0 + tunnel ] wan0 ── wan0 [ site B: br0 + tunnel ] lan0 ── eth0 host B

veth is made to behave like wires. Profiles:
    wire    hosts send complete frames, nobody merges: every frame is one unit of work
    nic     the same wires, but the gateways' ports merge on receive (GRO), as every network card does by default
    local   veth's own defaults: 64 KiB units everywhere, as between guests of the gateway's own machine
"""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

PROFILES = ("wire", "nic", "local")
HOST = {"a": "10.99.0.1", "b": "10.99.0.2"}
WAN = {"a": "192.0.2.1", "b": "192.0.2.2"}
TICK = os.sysconf("SC_CLK_TCK")


class LabFailed(Exception):
    pass


def run(*command, stdin=None, check=True, timeout=60, env=None):
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, timeout=timeout, env=env)
    if check and done.returncode:
        raise LabFailed(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()[:400]}")
    return done.stdout


class Lab:
    """Use as a context: namespaces exist inside it, and nothing is left after."""

    def __init__(self, profile, host_mtu=1380, wan_mtu=1500, name=None):
        self.profile, self.host_mtu, self.wan_mtu = profile, host_mtu, wan_mtu
        self.id = name or f"bench{os.getpid()}"
        self.ns = {x: f"{self.id}-{x}" for x in ("ha", "a", "b", "hb")}
        self.processes, self.counted = [], []
        self.folder = None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="isthmus-bench.")
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop_all()
        existing = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
        for name in self.ns.values():
            if name in existing:
                run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _up(self):
        for name in self.ns.values():
            run("ip", "netns", "add", name)
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                "net.ipv6.conf.default.disable_ipv6=1", check=False)
            self.ip(name, "link set lo up")
        for site in "ab":
            self.ip(self.ns["h" + site], f"link add eth0 mtu {self.host_mtu} type veth peer name lan0 netns {self.ns[site]}")
        self.ip(self.ns["a"], f"link add wan0 mtu {self.wan_mtu} type veth peer name wan0 mtu {self.wan_mtu} netns {self.ns['b']}")
        for site in "ab":
            self.ip(self.ns[site], "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 mtu 1500 up",
                    "link set lan0 mtu 1500 master br0 up", f"addr add {WAN[site]}/30 dev wan0")
            if self.profile != "local":
                self.ethtool(site, "wan0", "tso", "off", "gso", "off", "tx-udp-segmentation", "off")
                self.ethtool(site, "lan0", "tso", "off", "gso", "off", "tx", "off")
                self.ethtool("h" + site, "eth0", "tso", "off", "gso", "off", "tx", "off")
            if self.profile != "wire":
                self.ethtool(site, "lan0", "gro", "on")
                self.ethtool(site, "wan0", "gro", "on")
            self.ip(self.ns[site], "link set wan0 up")
            self.ip(self.ns["h" + site], "link set eth0 up", f"addr add {HOST[site]}/24 dev eth0")

    def ethtool(self, where, device, *settings):
        run("ip", "netns", "exec", self.ns[where], "ethtool", "-K", device, *settings, check=False)

    def ip(self, ns, *lines, check=True):
        return run("ip", "-n", self.ns.get(ns, ns), *([] if check else ["-force"]), "-batch", "-", stdin="\n".join(lines) + "\n", check=check)

    def inside(self, where, *command):
        return ["ip", "netns", "exec", self.ns[where], *map(str, command)]

    def run(self, where, *command, **options):
        return run(*self.inside(where, *command), **options)

    def attach(self, site, device):
        """Waits for the tunnel's Ethernet device and makes it a port of that site's bridge."""
        end = time.monotonic() + 10
        while device not in self.run(site, "ls", "/sys/class/net").split():
            if time.monotonic() > end:
                raise LabFailed(f"{device} does not appear in site {site}: {self.logs()}")
            time.sleep(0.1)
        self.ip(site, f"link set {device} master br0", f"link set {device} up")

    def daemon(self, site, name, *command, counted=True, env=None):
        """A program that stays in the foreground; stopped at the end. `counted`: its CPU time and memory are the entry's."""
        with open(f"{self.folder}/{name}-{site}.log", "a") as log:
            # `ip netns exec` replaces itself, so the process id is the daemon's own
            process = subprocess.Popen(self.inside(site, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**os.environ, **(env or {})})
        self.processes.append(process)
        if counted:
            self.counted.append(process.pid)
        time.sleep(0.1)
        if process.poll() is not None:
            raise LabFailed(f"{name} ended at once: {self.logs()}")
        return process

    def logs(self):
        out = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(f"{self.folder}/{name}", errors="replace") as f:
                    out.append(f"{name}: " + " | ".join(f.read().splitlines()[-4:]))
        return "; ".join(out)[:1500]

    def wait_ping(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if subprocess.run(self.inside("ha", "ping", "-q", "-c", "1", "-W", "1", HOST["b"]), capture_output=True).returncode == 0:
                return
            time.sleep(0.2)
        raise LabFailed(f"no ping through it within {seconds} s: {self.logs()}")

    def stop_all(self):
        for process in self.processes:
            with contextlib.suppress(OSError):
                process.terminate()
        end = time.monotonic() + 4
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.05, end - time.monotonic()))
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.processes, self.counted = [], []

    # what the entry's daemons used

    def _family(self):
        out, todo = set(), list(self.counted)
        while todo:
            pid = todo.pop()
            out.add(pid)
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        todo += [int(c) for c in f.read().split() if int(c) not in out]
        return out

    def cpu_seconds(self):
        """User and system seconds of the daemons and their children so far."""
        user = system = 0
        for pid in self._family():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
                user, system = user + int(fields[11]), system + int(fields[12])
        return user / TICK, system / TICK

    def peak_memory_mb(self):
        """Sum of the daemons' peak resident sets (VmHWM)."""
        total = 0
        for pid in self._family():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
        return total / 1024

    def fragments(self):
        lines = [line.split() for line in self.run("a", "cat", "/proc/net/snmp").splitlines() if line.startswith("Ip:")]
        return int(dict(zip(*lines))["FragCreates"])


def machine_cpu():
    """(busy, stolen) CPU seconds of the whole machine."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = [int(x) for x in f.readline().split()[1:9]]
    return (user + nice + system + irq + softirq) / TICK, steal / TICK
