"""What every case in the guest does: until traffic flows, all kinds of traffic, and one line of verdict."""
import os
import threading
import time

import lab
import traffic

printing = threading.Lock()
results = []


def say(word, name, rest=""):
    with printing:
        results.append((word, name))
        print(f"{word} {name}{': ' + rest if rest else ''}", flush=True)


def settle(lane, plan, side):
    """Until hosts answer each other; a daemon that ended says why at once."""
    end = time.monotonic() + 60
    while True:
        if side.what == "isthmusd" and not side.alive():
            raise traffic.Lost(f"isthmusd ended with {side.process.returncode} at start")
        try:
            if side.ready():
                for prefix, *_ in plan.subnets:
                    traffic.ping(lane.ns["ha"], f"{prefix}.2", timeout=2)
                return
            raise traffic.Lost("sessions are not up")
        except traffic.Lost:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def cross(lane, variant, plan):
    largest = min(1514, variant.frame_mtu() - 4)
    for prefix, *_ in plan.subnets:
        traffic.ping(lane.ns["ha"], f"{prefix}.2", 56)
        traffic.ping(lane.ns["hb"], f"{prefix}.1", 1472)
    n = traffic.exchange(lane.hosts["a"], lane.hosts["b"], bytes.fromhex(lab.HOST_MAC["a"].replace(":", "")),
                         bytes.fromhex(lab.HOST_MAC["b"].replace(":", "")), plan.streams, largest, hash_of(variant))
    if plan.subnets:
        traffic.tcp(lane.ns["ha"], lane.ns["hb"], f"{plan.subnets[0][0]}.2", 96 << 10, hash_of(variant))
    return n


def hash_of(variant):
    return sum(variant.name.encode())


def explain(a, b):
    out = []
    for side in (a, b):
        try:
            out += side.problems()
        except Exception as error:
            out.append(f"{side.what} does not answer ({str(error)[:120]})")
    if a.what == "isthmusd" and os.path.exists(f"{a.folder}/isthmusd.log"):
        with open(f"{a.folder}/isthmusd.log", errors="replace") as f:
            out.append("log ends: " + " | ".join(f.read().splitlines()[-4:]))
    return " [" + "; ".join(out) + "]" if out else ""
