"""The demo as its users have it: for a person, for a program, kept, taken down, interrupted."""
import json
import os
import signal
import subprocess
import time

from harness import ROOT, case, cases, check, contains, equal, main
from lab import labs, run, wait_until

DEMO = ROOT / "vagrant/lab/demo.py"


def namespaces():
    return {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line.startswith("ist-demo-")}


def demo(*options, timeout=110):
    return subprocess.run([DEMO, *options], capture_output=True, text=True, timeout=timeout)


@case
def as_json():
    """--json prints exactly one object with a verdict and every proof, and nothing is left."""
    before = namespaces()
    begin = time.monotonic()
    done = demo("--json")
    took = time.monotonic() - begin
    result = json.loads(done.stdout)
    equal(set(result), {"pass", "proofs"}, "keys of the object")
    for proof in result["proofs"]:
        equal(list(proof), ["name", "value", "unit", "pass"], "keys of a proof")
        print(f"{'PASS' if proof['pass'] else 'FAIL'} proof: {proof['name']}: {proof['value']} {proof['unit']}")
    equal(result["pass"], all(p["pass"] for p in result["proofs"]), "verdict")
    equal(done.returncode, 0 if result["pass"] else 1, "exit status")
    check(len(result["proofs"]) >= 30, "fewer than 30 proofs")
    equal(namespaces(), before, "namespaces")
    check(took < 60, f"it took {took:.0f} s")


@case
def for_people():
    """--keep shows picture, budget, proofs, the gateway's status and how to go on; its commands work; down takes it down."""
    before = namespaces()
    done = demo("--keep")
    try:
        contains(done.stdout, ["dc-gw", "cloud-gw", "WAN", "headers take", "✔", "VLAN 30", "proofs hold", "ip netns exec",
                               "./dev demo down", "TUNNEL", "SESSION"], "the demo")
        check("\x1b" not in done.stdout, "colour in a pipe")
        check(max(map(len, done.stdout.splitlines())) < 200, "a line is too long")
        equal(len(namespaces() - before), 5, "namespaces that were kept")
        commands = [line.strip().removeprefix("sudo ") for line in done.stdout.splitlines() if " status --socket " in line]
        equal(len(commands), 2, "commands to ask the gateways")
        for command in commands:
            contains(run(*command.split()).stdout, ["up"], command)
        host = next(n for n in namespaces() - before if n.endswith("dc-host"))
        check(wait_until(lambda: run("ip", "netns", "exec", host, "ping", "-c", 1, "-W", 1, "10.0.10.2",
                                     check=False).returncode == 0, 5), "the kept sites do not answer")
    finally:
        down = demo("down")
    contains(down.stdout, ["is gone"], "down")
    equal(namespaces(), before, "namespaces after down")
    contains(demo("down").stdout, ["No demo is up"], "a second down")


@cases((signal.SIGINT, signal.SIGTERM), "{0.name} in the middle: everything is taken down")
def interrupted(number):
    before = namespaces()
    process = subprocess.Popen([DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(wait_until(lambda: len(namespaces() - before) == 5, 10), "it did not start")
    time.sleep(1.5)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=15)
    equal(process.returncode, 130, "exit status")
    contains(stderr, ["taken down"], "stderr")
    equal(namespaces(), before, "namespaces")


@case
def killed():
    """After kill -9 of the demo the next lab takes down what it left."""
    before = namespaces()
    process = subprocess.Popen([DEMO], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(wait_until(lambda: len(namespaces() - before) == 5, 10), "it did not start")
    process.kill()
    process.wait()
    check(namespaces() - before, "nothing was left")
    from lab import Lab
    with Lab("sweep"):
        equal(namespaces(), before, "namespaces")
    equal([s for s in labs() if s["owner"] == process.pid], [], "state files")


@case
def without_root():
    """Without root it says so in one sentence."""
    done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", DEMO, check=False,
               env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    equal(done.returncode, 1, "exit status")
    contains(done.stderr, ["root", "sudo"], "stderr")
    equal(len(done.stderr.strip().splitlines()), 1, "lines on stderr")


if __name__ == "__main__":
    main()
