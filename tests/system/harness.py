"""A small harness: cases are functions whose docstring is the sentence that they test."""
import argparse
import contextlib
import multiprocessing
import pathlib
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "vagrant" / "lab"))

from background import Background  # noqa: E402, F401
from lab import LabError, stop_on_signals  # noqa: E402

CASES = []


class Skip(Exception):
    """The machine lacks something; the reason is for people."""


def case(function):
    """Registers a test case. Its docstring's first line is its name."""
    CASES.append((function.__doc__.splitlines()[0].rstrip("."), function))
    return function


def cases(parameters, name):
    """Registers a case for each parameter; name.format(parameter) is its name."""
    def register(function):
        for parameter in parameters:
            CASES.append((name.format(parameter), lambda p=parameter: function(p)))
        return function
    return register


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(got, wanted, what):
    check(got == wanted, f"{what}: {got!r}, expected {wanted!r}")


def contains(text, words, what):
    """Every one of the words (any case) is in the text."""
    missing = [w for w in words if w.lower() not in text.lower()]
    check(not missing, f"{what} does not say {missing}: {text.strip()!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=1, help="so many cases beside each other: for those that wait more than they work")
    options = parser.parse_args()
    stop_on_signals()
    chosen = [each for each in CASES if options.only in each[0]]
    sys.exit(1 if _beside_each_other(chosen, options.jobs) else 0)


def _beside_each_other(chosen, jobs):
    """How many of the cases failed. Each lab has the name of its process: those of several do not meet."""
    taken, failed = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)

    def work():
        while True:
            with taken.get_lock():
                number, taken.value = taken.value, taken.value + 1
            if number >= len(chosen):
                return
            if not _run(*chosen[number]):
                with failed.get_lock():
                    failed.value += 1

    others = [multiprocessing.get_context("fork").Process(target=work) for _ in range(min(jobs, len(chosen)) - 1)]
    for process in others:
        process.start()
    try:
        work()
        for process in others:
            process.join()
    except BaseException:
        for process in others:
            process.terminate()
        for process in others:
            process.join()
        raise
    # One that ended by itself has said nothing of the case that it had.
    return failed.value + sum(process.exitcode != 0 for process in others)


def _run(name, function):
    begin = time.monotonic()
    try:
        function()
    except Skip as reason:
        print(f"SKIP {name}: {reason}", flush=True)
        return True
    except (AssertionError, LabError) as error:
        print(f"FAIL {name}: {' '.join(str(error).split())[:1500]}", flush=True)
        return False
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"FAIL {name}: unexpected {sys.exc_info()[0].__name__}, see above", flush=True)
        return False
    print(f"PASS {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    return True


@contextlib.contextmanager
def reading(path):
    """What is appended to a file meanwhile: call the value."""
    start = path.stat().st_size if path.exists() else 0
    yield lambda: path.read_bytes()[start:].decode(errors="replace")
