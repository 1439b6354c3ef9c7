#!/usr/bin/env python3
"""Documents must not lie about the tree: links lead somewhere, commands and paths that they name exist."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = "base|crypto|tunnel|bridge|stp-guard|config|appliance|tests|vagrant|docs|cmake"


def main():
    commands, groups = dev_commands(), group_names()
    failed = False
    for document in documents():
        name = document.relative_to(ROOT).as_posix()
        problems = [*broken_links(document), *unknown_commands(document, commands, groups), *missing_paths(document)]
        failed |= bool(problems)
        print(f"FAIL {name}: {'; '.join(problems)}" if problems else f"PASS {name}")
    return 1 if failed else 0


def documents():
    for folder, below, files in os.walk(ROOT):
        below[:] = sorted(d for d in below if d not in ("build", "vectors", "seeds", "node_modules") and (d == ".ci" or d[0] != "."))
        yield from (pathlib.Path(folder, f) for f in sorted(files) if f.endswith(".md"))


def broken_links(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (document.parent / path) if path else document
        if not there.exists():
            yield f"link to {target}, which does not exist"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text()):
            yield f"link to {target}, which has no such heading"


def anchors(text):
    """GitHub's names for headings."""
    headings = re.findall(r"^#+\s+(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def unknown_commands(document, commands, groups):
    for line in code_of(document.read_text()):
        line = line.split(" #")[0]
        for words in re.findall(r"\./dev((?: [\w./-]+)+)", line):
            words = words.split()
            if words[0] not in commands:
                yield f"./dev {words[0]} is no command"
            elif words[0] == "test":
                yield from (f"./dev test {w} is no group" for w in words[1:] if w[0] != "-" and w not in groups)


def missing_paths(document):
    """Paths in `code` that start with one of our folders and hold no wildcard or placeholder."""
    for span in re.findall(r"`([^`\n]+)`", document.read_text()):
        if re.fullmatch(rf"({FOLDERS})/[\w./-]*", span) and not re.search(r"NAME|NNNN|\.\.\.", span):
            if not (ROOT / span).exists():
                yield f"{span} does not exist"


def code_of(text):
    """Inline code and the lines of code blocks."""
    yield from re.findall(r"`([^`\n]+)`", text)
    for block in re.findall(r"^```.*?\n(.*?)^```", text, flags=re.S | re.M):
        yield from block.splitlines()


def without_code(text):
    return re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.S | re.M)


def dev_commands():
    usage = subprocess.run([ROOT / "dev", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z]+) ", usage, flags=re.M))


def group_names():
    return {p.name for p in (ROOT / "tests" / "groups").iterdir() if os.access(p, os.X_OK) and "." not in p.name}


if __name__ == "__main__":
    sys.exit(main())
