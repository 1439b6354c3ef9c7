#!/usr/bin/env python3
"""Runs in the guest: every variant against this kernel, a few lanes at once, one PASS, FAIL or SKIP line each; with manual
keys, and with IKEv2 (ike.py).

    driver.py [--programs DIR] [--reference] [--lanes N] [--out DIR] [PATTERN...]

--reference puts the kernel on both sides: it checks this test and the kernel, not isthmusd.
"""
import argparse
import fnmatch
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import traceback

import guard_case
import ike
import lab
import netns
import traffic
from checks import cross, explain, results, say, settle
from variants import KERNEL_LIMITS, variants

# Everything that any variant needs, loaded once: the kernel's own search for each algorithm runs modprobe several times a variant,
# which takes longer here than the variant itself.
MODULES = """tun 8021q bridge veth l2tp_core l2tp_netlink l2tp_eth l2tp_ip l2tp_ip6 esp4 esp6 xfrm4_tunnel xfrm6_tunnel tunnel4 tunnel6
    xfrm_user xfrm_algo af_packet gcm ghash-generic ctr cbc seqiv echainiv authenc authencesn chacha20poly1305 chacha_generic
    poly1305_generic drbg jitterentropy_rng cryptomgr crypto_null sha512_generic sha256_generic aes_generic hmac nf_tables nft_limit""".split()


def run_variant(lane, variant, options):
    plan = lab.plan_of(variant)
    folder = f"{options.work}/lane{lane.number}"
    if options.reference:
        a = lab.KernelSide(lane, "a", variant, plan)
    else:
        a = lab.IsthmusSide(lane, "a", variant, plan, options.programs, folder)
    b = lab.KernelSide(lane, "b", variant, plan)
    wan = netns.Capture(lane.ns["a"], "wan0")
    problem = None
    start = time.monotonic()
    try:
        lane.plug(plan)
        b.up()
        a.up()
        settle(lane, plan, a)
        a.settled()
        b.settled()
        frames = cross(lane, variant, plan)
        if variant.shape == "restart" and not options.reference:
            a.kill()
            a.start()
            settle(lane, plan, a)
            a.settled()
            frames += cross(lane, variant, plan)
        problem = "; ".join(b.problems() + a.problems()) or None
    except (traffic.Lost, netns.CommandFailed, OSError) as error:
        problem = str(error) + explain(a, b)
    except Exception:
        problem = traceback.format_exc()
    stopped = a.down()
    b.down()
    lane.unplug(plan)
    wan.stop()
    esp, clear = lab.find_clear(wan.packets, variant)
    # a kernel on this side shows what it took out of tunnel mode on wan0 again: only isthmusd's captures are judged
    if not problem and variant.suite and not options.reference and (clear or esp < frames):
        problem = f"{esp} ESP packets and {len(clear)} in clear on the WAN, the first: {clear[0][:60].hex() if clear else '-'}"
    problem = problem or (stopped if a.what == "isthmusd" else None)
    keep(wan, variant, plan, options, problem, folder)
    if problem:
        say("FAIL", variant.name, problem)
    else:
        say("PASS", variant.name, f"{frames} frames, {time.monotonic() - start:.1f} s")


def keep(wan, variant, plan, options, problem, folder):
    """What a failure needs; and the captures that are decoded on the host afterwards."""
    safe = variant.name.replace("/", "_")
    if problem:
        os.makedirs(f"{options.out}/{safe}", exist_ok=True)
        wan.save(f"{options.out}/{safe}/wan.pcap")
        for name in ("isthmus.toml", "isthmusd.log"):
            if not options.reference and os.path.exists(f"{folder}/{name}"):
                shutil.copy(f"{folder}/{name}", f"{options.out}/{safe}/{name}")
    elif variant.suite and variant.sequence == "32bit":
        os.makedirs(f"{options.out}/decode", exist_ok=True)
        wan.packets = [p for p in wan.packets if lab.is_esp(p[1], variant)]
        wan.save(f"{options.out}/decode/{safe}.pcap")


def worker(number, work, options):
    """Work: functions of a lane."""
    lane = lab.Lane(number, options.work)
    # one lane, one CPU: a task that moves between CPUs can overtake its own packets in the stack's per-CPU queues
    os.sched_setaffinity(0, {number % os.cpu_count()})
    try:
        lane.up()
        while True:
            work.get_nowait()(lane)
    except queue.Empty:
        lane.down()
    except Exception:
        say("FAIL", f"lane {number}", traceback.format_exc())


def bridge_tests(options):
    """The bridge module's own tests against a kernel with VLAN filtering and 802.1Q."""
    program = f"{options.programs}/../tests/bridge/test_bridge"
    wanted = not options.patterns or "bridge" in options.patterns
    if options.reference or not wanted or not os.path.exists(program):
        return
    done = subprocess.run([program, "--no-colors=true", "--source-file=*kernel_bridge_test*,*kernel_vlan_test*"],
                          capture_output=True, text=True, timeout=400)
    tail = " | ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
    if done.returncode:
        os.makedirs(options.out, exist_ok=True)
        with open(f"{options.out}/test_bridge.log", "w") as f:
            f.write(done.stdout + done.stderr)
    say("FAIL" if done.returncode else "PASS", "bridge module in a kernel with VLAN filtering", tail)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", default="build/dev/appliance")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--out", default=os.environ.get("VM_OUT", "/tmp/guest-out"))
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args()
    options.programs = os.path.abspath(options.programs)
    options.work = "/tmp/isthmus-guest"
    subprocess.run(["modprobe", "-a", *MODULES], stderr=subprocess.DEVNULL)
    with open("/proc/sys/kernel/modprobe", "w") as f:
        f.write("\n")
    work = queue.Queue()
    # The longest first: lanes end together.
    for case in [] if options.reference else guard_case.cases(options) + ike.cases(options):
        work.put(case)
    for variant in variants():
        if options.reference and variant.shape == "seq-send":
            continue    # two kernels cannot both be the one that sends none
        if not options.patterns or any(fnmatch.fnmatch(variant.name, p) for p in options.patterns):
            work.put(lambda lane, variant=variant: run_variant(lane, variant, options))
    print(f"# kernel {os.uname().release}, {work.qsize()} cases, {options.lanes} lanes", flush=True)
    lanes = [threading.Thread(target=worker, args=(n, work, options)) for n in range(options.lanes)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    bridge_tests(options)
    if not options.patterns:
        for what, why in KERNEL_LIMITS:
            say("SKIP", what, why.replace("`", ""))
    return any(word == "FAIL" for word, _ in results) or not results


if __name__ == "__main__":
    sys.exit(main())
