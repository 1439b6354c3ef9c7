#!/usr/bin/env python3
"""Runs test groups: the executables of tests/groups. Called by ./dev test, which has its --help.

A group starts with comment lines that say what it is:
    # title: one line for people
    # budget: seconds (enforced)
    # long-budget: seconds under --long (default: the budget)
    # needs: root          (optional)
    # order: number        (default 50; groups run in this order)
    # only: long           (optional: not part of the plain run)
and prints one line a case, which are summed:
    PASS name | FAIL name: why | SKIP name: reason | doctest's own summary line
"""

import argparse
import ctypes
import os
import pathlib
import re
import selectors
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
GROUPS = ROOT / "tests" / "groups"
LOGS = ROOT / "build" / "test-logs"
# Minutes for all groups together; .ci/run allows itself more, since its machine may be shared and everything is built anew.
TOTAL_BUDGET = int(os.environ.get("ISTHMUS_TEST_MINUTES", "25")) * 60
GRACE = 5  # seconds between asking a group to stop and ending it
TAIL = 40  # lines of a failed group's log that are shown


def main():
    args = parse_arguments()
    known = {group.name: group for group in discover()}
    unknown = [name for name in args.groups if name not in known]
    if unknown:
        print(f"dev: no such group: {', '.join(unknown)}; groups: {' '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[n] for n in args.groups] or [g for g in known.values() if args.long or not g.only_long]
    if args.needs_root:
        return 0 if any(g.needs_root for g in chosen) else 1
    if args.list:
        list_groups(known.values())
        return 0
    return run_all(chosen, args)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev test", description="Runs test groups.")
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--list", action="store_true", help="list the groups")
    parser.add_argument("--long", action="store_true", help="the long proofs too")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("ISTHMUS_JOBS", os.cpu_count() or 2)))
    parser.add_argument("--needs-root", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


class Group:
    """One executable of tests/groups and what its header says."""

    def __init__(self, path):
        self.path = path
        self.name = path.name
        header = read_header(path)
        self.title = header.get("title", "")
        self.budget = int(header.get("budget", 60))
        self.long_budget = int(header.get("long-budget", self.budget))
        self.needs_root = "root" in header.get("needs", "")
        self.order = int(header.get("order", 50))
        self.only_long = header.get("only") == "long"


def read_header(path):
    header = {}
    for line in path.read_text().splitlines()[:20]:
        match = re.match(r"#\s*([a-z-]+):\s*(.+)", line)
        if match:
            header[match.group(1)] = match.group(2).strip()
    return header


def discover():
    paths = [p for p in GROUPS.iterdir() if p.is_file() and "." not in p.name and os.access(p, os.X_OK)]
    return sorted((Group(p) for p in paths), key=lambda g: (g.order, g.name))


def list_groups(groups):
    for g in groups:
        budget = f"{g.budget} s" + (f" ({g.long_budget} s long)" if g.long_budget != g.budget else "")
        marks = ", ".join(m for m in ("root" if g.needs_root else "", "only --long" if g.only_long else "") if m)
        print(f"{g.name:<12} {budget:<18} {g.title}{f' [{marks}]' if marks else ''}")


def run_all(groups, args):
    adopt_orphans()
    LOGS.mkdir(parents=True, exist_ok=True)
    give_to_user(ROOT / "build", LOGS)
    total_budget = TOTAL_BUDGET if not args.long else max(TOTAL_BUDGET, sum(g.long_budget for g in groups))
    print(f"{len(groups)} groups, at most {total_budget // 60} minutes in all; logs in build/test-logs/", flush=True)
    started = time.monotonic()
    outcomes = []
    for group in groups:
        left = total_budget - (time.monotonic() - started)
        budget = group.long_budget if args.long else group.budget
        outcomes.append(run_group(group, budget, left, args))
        report(outcomes[-1])
    print(f"\n{time.monotonic() - started:.0f} s of {total_budget} s")
    return conclude(outcomes)


class Outcome:
    """What a group printed, counted."""

    def __init__(self, group, budget):
        self.group = group
        self.budget = budget
        self.passed = 0
        self.failed = []  # (name, why)
        self.skipped = []  # (name, reason)
        self.seconds = 0.0
        self.test_case = ""
        self.broken_cases = []

    def counted(self):
        return self.passed + len(self.failed) + len(self.skipped)

    def read_line(self, line):
        if match := re.match(r"PASS (\S.*)", line):
            self.passed += 1
        elif match := re.match(r"FAIL ([^:]+?)(?:: (.*))?$", line):
            self.failed.append((match.group(1).strip(), match.group(2) or "see its log"))
        elif match := re.match(r"SKIP ([^:]+): (\S.*)", line):
            self.skipped.append((match.group(1).strip(), match.group(2)))
        elif match := re.match(r"SKIP (.*)", line):
            self.failed.append((match.group(1), "skipped without a reason"))
        else:
            self.read_doctest(line)

    def read_doctest(self, line):
        if match := re.match(r"TEST CASE:\s+(.*)", line):
            self.test_case = match.group(1).strip()
        elif " ERROR: " in line and self.test_case and self.test_case not in self.broken_cases:
            self.broken_cases.append(self.test_case)
        elif match := re.match(r"\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed", line):
            self.passed += int(match.group(2))
            for i in range(int(match.group(3))):
                name = self.broken_cases[i] if i < len(self.broken_cases) else f"a test case ({i + 1})"
                self.failed.append((name, "see its log"))
            self.test_case, self.broken_cases = "", []


def run_group(group, budget, left, args):
    outcome = Outcome(group, budget)
    if left <= 1:
        outcome.failed.append(("not run", "the budget of the whole run is used up"))
        return outcome
    if group.needs_root and os.geteuid() != 0:
        outcome.failed.append(("not run", "needs root, and this is not root"))
        return outcome
    log = LOGS / f"{group.name}.log"
    limit = min(budget, left)
    began = time.monotonic()
    with open(log, "wb") as out:
        code = supervise(group, outcome, out, began + limit, args)
    give_to_user(log)
    outcome.seconds = time.monotonic() - began
    if code is None:
        outcome.failed.append(("time", f"stopped after {limit:.0f} s, its budget"))
    elif code != 0 and not outcome.failed:
        outcome.failed.append(("exit", f"ended with code {code}" if code > 0 else f"ended by signal {-code}"))
    elif outcome.counted() == 0:
        outcome.failed.append(("count", "ran no test"))
    return outcome


def supervise(group, outcome, out, deadline, args):
    """Runs the group in a session of its own; None if its time ran out."""
    env = dict(os.environ, ISTHMUS_ROOT=str(ROOT), ISTHMUS_JOBS=str(args.jobs), ISTHMUS_LONG="1" if args.long else "",
               ISTHMUS_LOGS=str(LOGS / group.name))
    process = subprocess.Popen([str(group.path)], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, **drop_to_user(group, env))
    progress = Progress(group, outcome, deadline)
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            progress.show()
            if not selector.select(timeout=1.0):
                if process.poll() is not None:
                    break  # something it left behind holds the pipe
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            out.write(chunk)
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                outcome.read_line(line.decode(errors="replace").rstrip())
    outcome.read_line(pending.decode(errors="replace").rstrip())
    progress.clear()
    try:
        code = process.wait(max(0.1, min(GRACE, deadline - time.monotonic())))
    except subprocess.TimeoutExpired:
        code = None
    end_group(process)
    strays = end_strays()
    if strays and code is not None:
        outcome.failed.append(("left behind", f"processes still running after its end: {', '.join(strays)}"))
    return code


def end_group(process):
    """Ends whatever is left of the group's own process group: politely, then not."""
    for sign, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        until = time.monotonic() + patience
        while time.monotonic() < until:
            process.poll()
            reap()
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.05)
    process.wait()
    process.stdout.close()


def adopt_orphans():
    """Descendants whose parents are gone become our children, so that none of them escapes."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_strays():
    """Ends what left its group's session: after a group has ended, all our children are such. Their names."""
    names = []
    for sign in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        reap()
        children = our_children()
        if not children:
            break
        for pid, name in children:
            names.append(f"{name} ({pid})")
            os.kill(pid, sign)
        time.sleep(0.3)
    reap()
    return list(dict.fromkeys(names))


def our_children():
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue  # gone
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found.append((int(path.parent.name), name))
    return found


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Progress:
    """One line that lives on a terminal; elsewhere a line at the start and one each minute."""

    def __init__(self, group, outcome, deadline):
        self.group, self.outcome = group, outcome
        self.began = time.monotonic()
        self.live = sys.stdout.isatty()
        self.next = self.began if self.live else self.began + 60

    def show(self):
        now = time.monotonic()
        if now < self.next:
            return
        o = self.outcome
        text = f"  ...  {self.group.name:<12} {now - self.began:4.0f} s of {o.budget} s  {o.passed} passed, {len(o.failed)} failed"
        print(f"\r\033[K{text}" if self.live else text, end="" if self.live else "\n", flush=True)
        self.next = now + (1 if self.live else 60)

    def clear(self):
        if self.live:
            print("\r\033[K", end="", flush=True)


def report(o):
    word = "FAIL" if o.failed else "ok" if o.passed else "skip"
    print(f"{word:>5}  {o.group.name:<12} {o.seconds:4.0f} s of {o.budget:<4} s  {o.passed:4} passed, "
          f"{len(o.failed)} failed, {len(o.skipped)} skipped  {o.group.title}", flush=True)
    log = LOGS / f"{o.group.name}.log"
    if o.failed and log.exists():
        lines = log.read_text(errors="replace").splitlines()
        print(f"       end of build/test-logs/{log.name}:")
        print("\n".join(f"       | {shortened(line)}" for line in lines[-TAIL:]), flush=True)
    elif log.exists() and not o.failed:
        log.unlink()


def conclude(outcomes):
    for title, pick in (("Skipped:", "skipped"), ("Failed:", "failed")):
        rows = [(o.group.name, name, why) for o in outcomes for name, why in getattr(o, pick)]
        if rows:
            print(f"\n{title}")
            for group, name, why in rows:
                print(f"  {group}: {shortened(name)}: {shortened(why)}")
    failed = sum(len(o.failed) for o in outcomes)
    print(f"\n{sum(o.passed for o in outcomes)} passed, {failed} failed, {sum(len(o.skipped) for o in outcomes)} skipped", flush=True)
    return 1 if failed else 0


def shortened(text, width=200):
    """Whole sentences are in the log."""
    return text if len(text) <= width else text[: width - 4] + " ..."


def invoking_user():
    """(uid, gid, home) of who called sudo on a tree of theirs, or None."""
    uid = os.environ.get("SUDO_UID")
    if os.geteuid() != 0 or not uid or uid == "0" or ROOT.stat().st_uid != int(uid):
        return None
    import pwd

    entry = pwd.getpwuid(int(uid))
    return entry.pw_uid, entry.pw_gid, entry.pw_dir


def drop_to_user(group, env):
    """Groups that do not need root run as who called, so that what they build is theirs."""
    user = invoking_user()
    if user is None or group.needs_root:
        return {}
    env["HOME"] = user[2]
    return {"user": user[0], "group": user[1], "extra_groups": os.getgrouplist(os.environ["SUDO_USER"], user[1])}


def give_to_user(*paths):
    user = invoking_user()
    if user is not None:
        for path in paths:
            os.chown(path, user[0], user[1])


if __name__ == "__main__":
    sys.exit(main())
