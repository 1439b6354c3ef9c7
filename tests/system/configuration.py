"""Configurations that are refused: each with its exact line, what is wrong and what would be right; nothing is applied.

bad-config/*.toml say themselves what is expected, at the end of the line that is wrong:
    # expect KEY | WHAT | REMEDY         (regular expressions; several of them on one line are possible)
"""
import os
import re

from harness import CASES, ROOT, case, check, contains, equal, main
from lab import Lab, LabError, find_program, run
from one_site import OneSite, base_config, clear_config, toml

BAD = ROOT / "tests/system/bad-config"


class Bench:
    """One gateway's namespace, with good keys and bad ones, in which configurations are tried."""

    def __init__(self, lab):
        self.site = OneSite(lab)
        keys = self.site.gateway.keys
        self.site.gateway.put_key("short.key", bytes(range(32)))
        self.site.gateway.put_key("open.key", os.urandom(36))
        (keys / "open.key").chmod(0o644)
        self.site.gateway.put_key("nobodys.key", os.urandom(36))
        os.chown(keys / "nobodys.key", 65534, 65534)
        (keys / "text.key").write_text("this is no key\n")
        (keys / "text.key").chmod(0o600)
        (keys / "psk").write_text("KxNwCkV7h5zDyQm2uHRd9tYfJbA3gKqXpLs8vTeZr1o\n")
        (keys / "psk").chmod(0o600)
        (keys / "lines").write_text("one\ntwo\n")
        (keys / "lines").chmod(0o600)
        isthmus = find_program("isthmus")
        run(isthmus, "pki", "ca", "--dir", keys)
        for name in ("gw", "other"):
            run(isthmus, "pki", "cert", name, "--dir", keys, "--dns", "dc-gw.example.org")
        self.file = self.site.gateway.config
        self.before = self.links()

    def links(self):
        return self.site.gateway.snapshot(("ip", "-j", "-d", "link", "show"), ("ip", "-j", "addr", "show"))

    def run(self, *options):
        return self.site.gw.run(find_program("isthmusd"), *options, "--config", self.file, check=False, timeout=10)

    def refused(self, text):
        """Lines on stderr, the same from --check and from a start, which both end with 2 and change nothing."""
        self.site.gateway.configure(text)
        checked, started = self.run("--check"), self.run()
        equal((checked.returncode, started.returncode), (2, 2), f"exit status of --check and of a start ({checked.stderr!r})")
        equal(self.links(), self.before, "links and addresses")
        equal(list(self.site.gateway.state_dir.iterdir()), [], "files in the state directory")
        equal(problems(started.stderr, self.file), problems(checked.stderr, self.file), "the start and --check")
        return problems(checked.stderr, self.file)


def problems(stderr, file):
    """(line, rest) of each problem in FILE:LINE: rest."""
    found = re.findall(rf"^{re.escape(str(file))}(?::(\d+))?: (.*)(?<!\(warning\))$", stderr, re.M)
    return [(int(line or 0), rest) for line, rest in found]


def expectations(text):
    """(line, key, what, remedy) of each marker."""
    return [(number, *(part.strip() for part in marker.split("|", 1)[:1]), *_what_and_remedy(marker))
            for number, line in enumerate(text.splitlines(), 1) for marker in line.split("# expect")[1:]]


def _what_and_remedy(marker):
    parts = [p.strip() for p in re.split(r" \| ", " " + marker.strip() + " ")]
    check(len(parts) == 3, f"a marker has three parts: {marker!r}")
    return parts[1], parts[2]


def try_all():
    """Every file of bad-config, in one namespace, and one verdict each."""
    results = {}
    with Lab("config") as lab:
        bench = Bench(lab)
        for path in sorted(BAD.glob("*.toml")):
            try:
                one(bench, path.read_text())
                results[path.stem] = None
            except AssertionError as error:
                results[path.stem] = error
    return results


def one(bench, text):
    found, wanted = bench.refused(text), expectations(text)
    check(wanted, "the file has no markers")
    for line, key, what, remedy in wanted:
        matching = [rest for at, rest in found if at == line and rest.startswith(f"{key}: " if key else "")]
        check(matching, f"nothing about {key!r} in line {line}; found {found}")
        said = matching[0][len(key) + 2 if key else 0:].split("; ", 1)
        check(re.search(what, said[0], re.I), f"{key}: {what!r} is not in what is wrong: {said}")
        check(re.search(remedy, said[1] if len(said) > 1 else "", re.I), f"{key}: {remedy!r} is not in the remedy: {said}")
    equal(len(found), len(wanted), f"number of problems: {found}")


RESULTS = {}


def _register(stem):
    def verdict():
        if not RESULTS:
            try:
                RESULTS.update(try_all())
            except LabError as error:
                RESULTS.update({path.stem: error for path in BAD.glob("*.toml")})
        if RESULTS[stem] is not None:
            raise RESULTS[stem]
    CASES.append((f"refused: {stem.replace('-', ' ')}", verdict))


for _path in sorted(BAD.glob("*.toml")):
    _register(_path.stem)


@case
def too_many_ports():
    """refused: more sessions on one bridge than a Linux bridge has ports"""
    config = clear_config()
    first = config["session"].pop()
    for number in range(1023):
        config["session"].append(first | {"name": f"s{number}", "local_id": 1000 + number, "remote_id": 1000 + number,
                                          "vlans": str(number + 1), "untagged": False})
    with Lab("config") as lab:
        found = Bench(lab).refused(toml(config))
    check(len(found) == 1 and found[0][0] > 0, f"problems: {found}")
    contains(found[0][1], ["1024", "1023"], "the refusal")


@case
def files_that_are_no_configuration():
    """refused: absent, empty, binary, huge and unreadable files"""
    with Lab("config") as lab:
        bench = Bench(lab)
        for content in (b"", bytes(range(256)) * 8, b"a = [" * 5000, b"\xef\xbb\xbf\xff\xfe", b"x = 1\n" * 1_000_000):
            bench.file.write_bytes(content)
            done = bench.run("--check")
            equal(done.returncode, 2, f"exit status for {content[:12]!r}")
            contains(done.stderr, [str(bench.file)], "stderr")
        bench.file.unlink()
        done = bench.run("--check")
        equal(done.returncode, 2, "exit status for a file that is not there")
        contains(done.stderr, [str(bench.file), "no such file"], "stderr")


@case
def secrets_are_not_quoted():
    """A refused key is not quoted in the refusal."""
    secret = "00112233445566778899aabbccddeeff" * 2 + "zz"
    config = base_config()
    config["tunnel"][0]["esp"]["out"] = {"spi": 0xDC000001, "insecure_inline_key": secret}
    with Lab("config") as lab:
        bench = Bench(lab)
        bench.site.gateway.configure(toml(config))
        done = bench.run("--check")
    equal(done.returncode, 2, "exit status")
    check("aabbccdd" not in done.stderr + done.stdout, f"the secret is quoted: {done.stderr}")


@case
def good_ones():
    """The lab's own configurations and the packaged example's form are accepted by --check, without a change."""
    with Lab("config") as lab:
        bench = Bench(lab)
        for site in ("dc", "cloud"):
            bench.site.gateway.configure(toml(base_config(site)))
            done = bench.run("--check")
            equal((done.returncode, problems(done.stderr, bench.file)), (0, []), f"{site}-gw.toml ({done.stderr})")
            contains(done.stderr, ["manual", "labs"], "the warning")
        equal(bench.links(), bench.before, "links and addresses")


@case
def unprotected_is_warned_about():
    """protection = "none" is accepted with a warning that names the tunnel."""
    with Lab("config") as lab:
        bench = Bench(lab)
        bench.site.gateway.configure(toml(clear_config()))
        done = bench.run("--check")
    equal(done.returncode, 0, "exit status")
    contains(done.stderr, ["tunnel.protection", "clear", "warning"], "the warning")


if __name__ == "__main__":
    main()
