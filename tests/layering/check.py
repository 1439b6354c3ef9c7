#!/usr/bin/env python3
"""The architecture's rules about who may include, link and ask for the time (docs/architecture.md).

Prints PASS or FAIL lines, one a rule. --self-test plants one violation of each kind in a scratch tree and expects each
to be found, so that a check that checks nothing is noticed.
"""

import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = ("crypto", "tunnel", "bridge", "stp-guard")
FOLDERS = ("base", *MODULES, "config", "appliance")

# Which of our folders each folder may include, besides itself.
MAY_INCLUDE = {
    "base": (),
    **{module: ("base",) for module in MODULES},
    "config": ("base",),  # and the modules' options headers: see vocabulary()
    "appliance": ("base", *MODULES, "config"),
}

# Foreign headers and the only places for them: (rule, header, path of the including file).
FOREIGN = (
    # crypto/openssl_*.h and crypto/ipsec_mb.h are private: what crypto's sources share.
    ("OpenSSL stays in crypto's sources", r"openssl/|crypto/openssl_\w+\.h", r"crypto/(.*\.cpp|openssl_\w+\.h)"),
    ("libipsec-mb stays in crypto's sources", r"(intel-)?ipsec-mb\.h|crypto/ipsec_mb\.h", r"crypto/(.*\.cpp|ipsec_mb\.h)"),
    ("libmnl stays in bridge/netlink and bridge/io", r"libmnl/", r"bridge/(netlink|io)/"),
    ("libpcap stays in bridge/io", r"pcap(/|\.h)", r"bridge/io/"),
    ("toml++ stays in config's sources", r"toml\+\+/|toml\.hpp", r"config/.*\.cpp"),
    ("JSON, HTTP and command lines stay in the appliance", r"nlohmann/|CLI/|boost/beast", r"appliance/"),
    ("Asio and spdlog stay in io folders and the appliance", r"boost/asio|spdlog/|appliance/asio", r"(.*/io/|appliance/)"),
    (
        "polling, timers and threads stay in io folders and the appliance",
        r"sys/(epoll|timerfd|eventfd|ioctl|un|uio|select)\.h|poll\.h|thread|netinet/udp\.h|linux/if_tun\.h",
        r"(.*/io/|appliance/)",
    ),
)

# Calls and the only places for them.
CALLS = (
    (
        "the time is asked for in io folders and the appliance only",
        r"::now\s*\(|\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\(|[^\w.:>]time\s*\(\s*(NULL|nullptr|0)\s*\)",
        r"(.*/io/|appliance/)",
    ),
    (
        "randomness is made in crypto, io folders and the appliance only",
        r"\brandom_device\b|\bgetrandom\s*\(|\bRAND_bytes\b|\bstd::rand\b",
        r"(crypto/|.*/io/|appliance/)",
    ),
)

# What each folder's libraries may link, besides isthmus_flags and its own folder's.
OURS = {f"isthmus_{folder.replace('-', '_')}": folder for folder in FOLDERS}
MAY_LINK = {
    "base": (),
    "crypto": (r"OpenSSL::.*", r".*(ipsec|IPSEC).*"),
    "tunnel": (),
    "bridge": (r"PkgConfig::(MNL|PCAP)",),
    "stp-guard": (),
    "config": (r"tomlplusplus::.*", r"PkgConfig::TOML.*"),
    "appliance": (r"spdlog::.*", r"fmt::.*", r"Boost::.*", r"CLI11::.*", r"nlohmann_json::.*"),
}
LINK_ANYWHERE = r"isthmus_flags|Threads::Threads|PUBLIC|PRIVATE|INTERFACE|\$\{ARGN\}"


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    found = violations(ROOT)
    failed = False
    for rule in rules():
        hits = [where for r, where in found if r == rule]
        failed |= bool(hits)
        print(f"FAIL {rule}: {'; '.join(hits)}" if hits else f"PASS {rule}")
    return 1 if failed else 0


def rules():
    return [
        "modules include only what the arrows allow",
        "pure code does not include its module's io",
        "libraries link only what the arrows allow",
        *(rule for rule, _, _ in FOREIGN),
        *(rule for rule, _, _ in CALLS),
    ]


def violations(root):
    """All (rule, "file:line what") of a tree."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                found += check_source(root, folder, path)
            elif path.name == "CMakeLists.txt":
                found += check_cmake(root, folder, path)
    return found


def check_source(root, folder, path):
    name = path.relative_to(root).as_posix()
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if include:
            for rule in check_include(folder, name, include.group(1)):
                yield rule, f"{name}:{number} includes {include.group(1)}"
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        for rule, call, home in CALLS:
            if re.search(call, line) and not re.match(home, name):
                yield rule, f"{name}:{number} {line.strip()}"


def check_include(folder, name, header):
    target = header.split("/")[0]
    if target in FOLDERS or target in ("tests", "vagrant"):
        allowed = target == folder or target in MAY_INCLUDE[folder] or (folder == "config" and vocabulary(header))
        if not allowed:
            yield "modules include only what the arrows allow"
        if target == folder and folder != "appliance" and "/io/" in header and "/io/" not in name:
            yield "pure code does not include its module's io"
    for rule, foreign, home in FOREIGN:
        if re.match(foreign, header) and not re.match(home, name):
            yield rule


def vocabulary(header):
    """Headers of the modules that the configuration is made of."""
    return header.endswith(("/options.h", "_options.h")) or header == "crypto/secret_bytes.h"


def check_cmake(root, folder, path):
    name = path.relative_to(root).as_posix()
    text = re.sub(r"#.*", "", path.read_text())
    for call in re.finditer(r"(isthmus_module|target_link_libraries)\s*\(([^)]*)\)", text):
        words = call.group(2).split()[1:]
        if call.group(1) == "isthmus_module":
            words = linked(words)
        for word in words:
            if not may_link(folder, word):
                yield "libraries link only what the arrows allow", f"{name} links {word}"


def linked(words):
    """The libraries among isthmus_module's arguments: what follows PUBLIC or PRIVATE."""
    keyword, out = "", []
    for word in words:
        if word in ("FOLDERS", "EXCLUDE", "PUBLIC", "PRIVATE"):
            keyword = word
        elif keyword in ("PUBLIC", "PRIVATE"):
            out.append(word)
    return out


def may_link(folder, word):
    if re.fullmatch(LINK_ANYWHERE, word):
        return True
    if word in OURS:
        return OURS[word] == folder or OURS[word] in MAY_INCLUDE[folder]
    return any(re.fullmatch(pattern, word) for pattern in MAY_LINK[folder])


def without_comments(text):
    """The text with comments and literals blanked, line by line as it was."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


# ------------------------------------------------------------------------------------------------------ self-test

PLANTED = (
    ("tunnel/a.cpp", '#include "crypto/esp/options.h"', "modules include only what the arrows allow"),
    ("bridge/a.h", '#include "config/configuration.h"', "modules include only what the arrows allow"),
    ("base/a.h", '#include "tunnel/options.h"', "modules include only what the arrows allow"),
    ("config/a.cpp", '#include "tunnel/data_header.h"', "modules include only what the arrows allow"),
    ("appliance/a.cpp", '#include "tests/support/x.h"', "modules include only what the arrows allow"),
    ("bridge/plan.cpp", '#include "bridge/io/tap.h"', "pure code does not include its module's io"),
    ("crypto/a.h", "#include <openssl/evp.h>", "OpenSSL stays in crypto's sources"),
    ("tunnel/b.cpp", "#include <openssl/evp.h>", "OpenSSL stays in crypto's sources"),
    ("crypto/esp/b.h", '#include "crypto/openssl_handles.h"', "OpenSSL stays in crypto's sources"),
    ("appliance/b.cpp", '#include "crypto/openssl_handles.h"', "OpenSSL stays in crypto's sources"),
    ("base/b.cpp", "#include <intel-ipsec-mb.h>", "libipsec-mb stays in crypto's sources"),
    ("bridge/b.cpp", "#include <libmnl/libmnl.h>", "libmnl stays in bridge/netlink and bridge/io"),
    ("bridge/netlink/b.cpp", "#include <pcap/pcap.h>", "libpcap stays in bridge/io"),
    ("config/b.h", "#include <toml++/toml.h>", "toml++ stays in config's sources"),
    ("config/b.cpp", "#include <nlohmann/json.hpp>", "JSON, HTTP and command lines stay in the appliance"),
    ("stp-guard/b.cpp", "#include <boost/asio.hpp>", "Asio and spdlog stay in io folders and the appliance"),
    ("tunnel/c.cpp", "#include <thread>", "polling, timers and threads stay in io folders and the appliance"),
    ("tunnel/d.cpp", "auto t = std::chrono::steady_clock::now();", "the time is asked for in io folders and the appliance only"),
    ("config/d.cpp", "const auto t = ::time(nullptr);\nauto u = time(0);", "the time is asked for in io folders and the appliance only"),
    ("tunnel/e.cpp", "std::random_device device;", "randomness is made in crypto, io folders and the appliance only"),
    ("tunnel/CMakeLists.txt", "isthmus_module(tunnel FOLDERS io PUBLIC isthmus_crypto)", "libraries link only what the arrows allow"),
    ("bridge/CMakeLists.txt", "target_link_libraries(isthmus_bridge PRIVATE OpenSSL::Crypto)", "libraries link only what the arrows allow"),
)

CLEAN = (
    ("crypto/ok.cpp", '#include <openssl/evp.h>\n#include "crypto/esp/options.h"\n#include "base/bytes.h"'),
    ("config/ok.cpp", '#include "tunnel/options.h"\n#include "crypto/secret_bytes.h"\n#include <toml++/toml.h>'),
    ("tunnel/io/ok.cpp", "#include <boost/asio.hpp>\nauto t = Clock::now();"),
    ("tunnel/ok.cpp", '// never calls ::now( here\nconst char* text = "clock_gettime";'),
    ("appliance/ok.cpp", '#include "tunnel/io/socket.h"\n#include <spdlog/spdlog.h>'),
    ("bridge/CMakeLists.txt", "isthmus_module(bridge FOLDERS netlink io PUBLIC isthmus_base PRIVATE PkgConfig::MNL PkgConfig::PCAP)"),
)


def self_test():
    failed = False
    for name, text, rule in PLANTED:
        hits = {r for r, _ in scratch_violations(((name, text),))}
        good = rule in hits
        failed |= not good
        line = text.splitlines()[0].replace(": ", " ")
        print(f"PASS caught in {name} {line}" if good else f"FAIL planted violation in {name}: not caught {line}")
    hits = scratch_violations(CLEAN)
    failed |= bool(hits)
    print(f"FAIL clean tree: {hits}" if hits else "PASS a clean tree has no violation")
    return 1 if failed else 0


def scratch_violations(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return violations(pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
