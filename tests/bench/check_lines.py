#!/usr/bin/env python3
"""check_lines.py FILE: are these lines what ./dev bench --json promises?"""
import json
import sys

KEYS = ["group", "figure", "profile", "unit", "ours", "against", "theirs", "ratio", "bar", "pass"]


def problems(path):
    with open(path) as f:
        lines = [json.loads(line) for line in f]
    if not lines:
        yield "no figure at all"
    for x in lines:
        if list(x) != KEYS:
            yield f"keys {list(x)}"
        elif x["theirs"] and abs(x["ratio"] - x["ours"] / x["theirs"]) > 0.01 * max(x["ratio"], 0.01):
            yield f"ratio of {x}"
        elif (x["bar"] is None) != (x["pass"] is None):
            yield f"bar and pass of {x}"


if __name__ == "__main__":
    found = list(problems(sys.argv[1]))
    print("\n".join(found), end="")
    sys.exit(1 if found else 0)
