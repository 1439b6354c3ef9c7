"""Network namespaces and the programs in them, cleaned up whatever happens.

A Lab writes down everything it makes in /run/isthmus-lab/ID.json before it makes it, so that an interrupted or even
killed run can be taken down later: `down()` for one lab, `sweep()` for labs whose owner is gone.
Needs root, iproute2, Python 3.9; nothing else. Nothing outside its own namespaces and directory is touched.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

STATE_DIR = pathlib.Path("/run/isthmus-lab")
NETNS_DIR = pathlib.Path("/run/netns")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something that the lab itself could not do, in one sentence."""


def run(*argv, check=True, timeout=60, **kwargs):
    """Runs a command to its end and returns it with stdout and stderr as text."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise LabError(f"`{' '.join(argv)}` failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_until(condition, timeout, interval=0.02):
    """The first true value of condition(), or its last value when the time (seconds) is over."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(interval)


def start_time(pid):
    """When the process started (clock ticks since boot), None if there is none: tells a pid from its next user."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


@contextlib.contextmanager
def inside(netns):
    """This thread in a network namespace: a socket that is opened here stays there."""
    with open("/proc/thread-self/ns/net") as home, open(NETNS_DIR / netns) as there:
        if _libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise LabError(f"cannot enter {netns}: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            if _libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os._exit(3)  # never go on in the wrong namespace


class Program:
    """A program that a lab started. Its output goes to a log file."""

    def __init__(self, name, popen, log):
        self.name, self.popen, self.log = name, popen, pathlib.Path(log)
        self.pid, self.born = popen.pid, start_time(popen.pid)

    def running(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout):
        """Its exit status; None if it still runs after `timeout` seconds."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout=5.0):
        """SIGTERM, then SIGKILL. Returns seconds until it ended by itself, None if it had to be killed."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        if self.wait(timeout) is not None:
            return time.monotonic() - begin
        self.signal(signal.SIGKILL)
        self.wait(5)
        return None


class Namespace:
    """A network namespace with a name of its own (`ip netns`)."""

    def __init__(self, lab, role):
        self.lab, self.role, self.name = lab, role, f"{lab.id}-{role}"

    def run(self, *argv, **kwargs):
        return run("ip", "netns", "exec", self.name, *argv, **kwargs)

    def ip(self, *args, **kwargs):
        return run("ip", "-n", self.name, *args, **kwargs)

    def ip_batch(self, lines):
        """Several ip commands in one process."""
        return run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def sysctl(self, **values):
        """key with __ for each dot: net__ipv4__ip_forward=1"""
        with inside(self.name):
            for key, value in values.items():
                path = pathlib.Path("/proc/sys") / key.replace("__", "/")
                if path.exists():
                    path.write_text(f"{value}\n")

    def spawn(self, name, *argv, **kwargs):
        return self.lab.spawn(name, "ip", "netns", "exec", self.name, *argv, **kwargs)

    def links(self):
        """Names of the interfaces."""
        return [link["ifname"] for link in json.loads(self.ip("-j", "link", "show").stdout)]


class Lab:
    """with Lab("demo") as lab: ...   Everything made in it is gone afterwards, unless lab.keep is set."""

    def __init__(self, kind, keep=False):
        require_root()
        sweep()
        self.id = f"ist-{kind}-{os.getpid()}"
        self.keep = keep
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.id}-"))
        self.directory.chmod(0o700)
        self.namespaces, self.programs, self.info = {}, [], {}
        self.guard_key = os.urandom(32)  # of all gateways in it
        self._record()

    def namespace(self, role):
        ns = Namespace(self, role)
        self.namespaces[role] = ns
        self._record()
        run("ip", "netns", "add", ns.name)
        ns.ip("link", "set", "lo", "up")
        return ns

    def veth(self, a, a_name, b, b_name, mtu=1500, a_mac=None, b_mac=None):
        """A cable between two namespaces; both ends up."""
        command = ["link", "add", "name", a_name, *(["address", a_mac] if a_mac else []), "mtu", str(mtu), "type", "veth",
                   "peer", "name", b_name, "netns", b.name, *(["address", b_mac] if b_mac else []), "mtu", str(mtu)]
        a.ip(*command)
        a.ip("link", "set", a_name, "up")
        b.ip("link", "set", b_name, "up")

    def spawn(self, name, *argv, log=None, **kwargs):
        """Starts a program in the background. Its pid is the program's own (`ip netns exec` replaces itself)."""
        log = pathlib.Path(log or self.directory / f"{name}.log")
        with open(log, "ab") as out:
            popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=kwargs.pop("stdout", out),
                                     stderr=out, start_new_session=True, **kwargs)
        program = Program(name, popen, log)
        self.programs.append(program)
        self._record()
        return program

    def record(self, **info):
        """Adds something to the state file, for whoever takes the lab down later."""
        self.info.update(info)
        self._record()

    def close(self):
        for program in self.programs:
            program.signal(signal.SIGTERM)
        for program in self.programs:
            if program.wait(5) is None:
                program.signal(signal.SIGKILL)
                program.wait(5)
        _remove(self._state())

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.keep and kind is None:
            return
        with _no_interrupts():
            self.close()

    def _state(self):
        return {"id": self.id, "owner": os.getpid(), "owner_born": start_time(os.getpid()), "keep": self.keep,
                "directory": str(self.directory), "namespaces": [n.name for n in self.namespaces.values()],
                "programs": [{"name": p.name, "pid": p.pid, "born": p.born} for p in self.programs if p.running()],
                **self.info}

    def _record(self):
        STATE_DIR.mkdir(mode=0o755, exist_ok=True)
        path = STATE_DIR / f"{self.id}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._state(), indent=1))
        temporary.rename(path)


def require_root():
    if os.geteuid() != 0:
        raise LabError("network namespaces need root: run it with sudo, or as `./dev demo`, which does that for you")
    if shutil.which("ip") is None:
        raise LabError("`ip` is missing: run `./dev setup` (Debian package iproute2)")


def labs():
    """State of every lab that is or was up on this machine."""
    found = []
    for path in sorted(STATE_DIR.glob("*.json")) if STATE_DIR.is_dir() else []:
        with contextlib.suppress(OSError, ValueError):
            found.append(json.loads(path.read_text()))
    return found


def sweep():
    """Takes down the labs whose owner died before it could (not those that were kept)."""
    for state in labs():
        if not state["keep"] and start_time(state["owner"]) != state["owner_born"]:
            down(state)


def down(state):
    """Takes down a lab from its state file: its programs by pid, its namespaces, its directory."""
    ours = [p for p in state["programs"] if p["born"] is not None and start_time(p["pid"]) == p["born"]]
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
        for program in ours:
            if start_time(program["pid"]) == program["born"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(program["pid"], number)
        if wait_until(lambda: all(start_time(p["pid"]) != p["born"] for p in ours), patience):
            break
    _remove(state)


def _remove(state):
    for name in state["namespaces"]:
        if (NETNS_DIR / name).exists():
            run("ip", "netns", "del", name, check=False)
    shutil.rmtree(state["directory"], ignore_errors=True)
    (STATE_DIR / f"{state['id']}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        STATE_DIR.rmdir()


@contextlib.contextmanager
def _no_interrupts():
    """A second Ctrl-C does not stop the cleaning up."""
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_on_signals():
    """SIGTERM and SIGHUP end the program as Ctrl-C does, through the cleaning up; Ctrl-C also in the background."""
    def interrupt(number, frame):
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def find_program(name, build=None):
    """A program of ours: in `build`, else in ISTHMUS_BUILD_DIR, else the newest of build/*."""
    root = pathlib.Path(__file__).resolve().parents[2]
    chosen = build or os.environ.get("ISTHMUS_BUILD_DIR")
    trees = [pathlib.Path(chosen)] if chosen else list((root / "build").glob("*"))
    found = [p for tree in trees for p in (tree / name, tree / "appliance" / name, tree / "vagrant/lab" / name)
             if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        where = chosen or root / "build"
        raise LabError(f"{name} is not built (looked in {where}): run `./dev build`")
    return max(found, key=lambda p: p.stat().st_mtime)


if __name__ == "__main__":
    sys.exit("This is a library; you may want demo.py.")
