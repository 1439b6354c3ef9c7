"""Site B where a daemon agrees on keys: what strongSwan and libreswan have in common. ESP and the pseudowire are the kernel's."""
import os
import pathlib
import subprocess
import time

import lab
import netns
import traffic

PSK = "a secret of the guest's own: 0f1e2d3c"
IDS = {"a": "a-gw.example.org", "b": "b-gw.example.org"}
PATIENCE = 60  # seconds: emulated machines are slow


def wait_until(condition, what):
    """`what`: a text, or a function that makes one of how things are then."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise traffic.Lost(f"not within {PATIENCE} s: {what() if callable(what) else what}")
        time.sleep(0.1)
    return value


class KeyedSide(lab.KernelSide):
    """Its daemon is started in _protect(), in place of manual keys, and ended with the site."""
    daemon = ""

    def __init__(self, lane, variant, plan, folder):
        super().__init__(lane, "b", variant, plan)
        self.folder, self.process = pathlib.Path(folder), None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = [self.folder / f"{self.daemon}.log", self.folder / "out"]

    def start(self, *command):
        with open(self.folder / "out", "w") as out:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.ns, *command], stdout=out, stderr=out,
                                            env=self.environment())

    def running(self):
        return self.process.poll() is None

    def program(self, path, *options, check=True):
        """What it prints; empty if it fails and `check` is not wanted."""
        done = subprocess.run(["ip", "netns", "exec", self.ns, path, *options], env=self.environment(), capture_output=True,
                              text=True, timeout=120)
        if done.returncode and check:
            raise netns.CommandFailed(f"{path} {' '.join(options)}: {(done.stdout + done.stderr)[-500:]}")
        return "" if done.returncode else done.stdout

    def environment(self):
        return dict(os.environ)

    def down(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        super().down()
