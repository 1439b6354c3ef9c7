"""Group profile: where the daemons' CPU time goes under one TCP stream, as a table of shares and a flame graph (SVG)."""
import collections
import html
import re
import subprocess
import time
import zlib

import lab as labs
import measure
from lab import Lab, LabFailed
from report import line

SECONDS = 6
# The first that fits says what a sample is: by the innermost function, or by any function of its stack.
LEAF = [("crypto", re.compile(r"aes|gcm|ghash|chacha|poly1305|EVP_|CRYPTO_|ossl_|sha(1|256|512)|IMB_|hmac", re.I)),
        ("copying", re.compile(r"copy_user|copy_from_iter|copy_to_iter|memcpy|memmove|rep_movs|csum_partial_copy|copyin|copyout"))]
STACK = [("TAP read", re.compile(r"tun_do_read|tun_chr_read|tun_recvmsg|tun_ring_recv")),
         ("TAP write, and bridge and host behind it", re.compile(r"tun_chr_write|tun_get_user|tun_sendmsg")),
         ("socket send, and WAN link behind it", re.compile(r"__sys_sendm?msg|sys_sendto|sock_sendmsg|udp_sendmsg|raw_sendmsg")),
         ("socket receive", re.compile(r"__sys_recvm?msg|udp_recvmsg|sock_recvmsg|raw_recvmsg")),
         ("waiting and waking", re.compile(r"epoll|do_poll|sys_p?poll|futex|schedule|eventfd")),
         ("soft interrupts met on the way", re.compile(r"handle_softirqs|__do_softirq|net_rx_action|irq")),
         ("our code", re.compile(r"isthmus::"))]


def run(group, profile, options, entry, log):
    """(lines, Markdown); the flame graph is left in the output folder."""
    with Lab(profile) as lab:
        entry.up(lab)
        lab.wait_ping(15)
        data = f"{options.out}/perf-{profile}.data"
        # the virtual machine's own clock: hardware counters are seldom there
        recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-o", data, "-p",
                                     ",".join(map(str, lab.counted)), "--", "sleep", str(SECONDS)], stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        tcp = measure.tcp(lab, 1, SECONDS)
        recorder.wait(30)
        if recorder.returncode:
            raise LabFailed(f"perf: {recorder.stderr.read()[-300:]}")
        calls = system_calls(lab)
    stacks = fold(labs.run("perf", "script", "-i", data, "-F", "comm,ip,sym", timeout=180))
    shares = classify(stacks)
    svg = options.out / f"flame-{profile}.svg"
    svg.write_text(draw(stacks, f"isthmusd, profile {profile}, one TCP stream, {tcp['mbps']:.0f} Mbit/s"))
    log(f"flame graph: {svg}")
    total = sum(shares.values())
    lines = [line(group, f"share of {name}", profile, 100 * n / total, unit="%") for name, n in shares.most_common()]
    lines += [line(group, f"system calls per GB: {name}", profile, n, unit="1/GB") for name, n in calls]
    return lines, markdown(profile, shares, calls, tcp, stacks)


def system_calls(lab):
    """Per GB of a TCP stream, both gateways together, from a short run of its own: counting slows them down."""
    tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "name,calls", *[x for pid in lab.counted for x in ("-p", str(pid))]],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    gigabytes = measure.tcp(lab, 1, 2)["gigabytes"]
    tracer.send_signal(2)
    _, out = tracer.communicate(timeout=20)
    found = re.findall(r"^\s*(\w+)\s+(\d+)\s*$", out, re.M)
    return [(name, int(n) / gigabytes) for name, n in found if name != "total"]


def fold(text):
    """perf script's output -> {(thread, outermost ... innermost): samples}."""
    out, thread, frames = collections.Counter(), None, []
    for row in text.splitlines() + [""]:
        if not row.strip():
            if thread and frames:
                out[(thread, *reversed(frames))] += 1
            thread, frames = None, []
        elif thread is None:
            thread = row.strip()
        else:
            frames.append(re.sub(r"^[0-9a-f]+\s*", "", row.strip()) or "?")
    return out


def classify(stacks):
    shares = collections.Counter()
    for stack, n in stacks.items():
        shares[category(stack)] += n
    return shares


def category(stack):
    for name, pattern in LEAF:
        if pattern.search(stack[-1]):
            return name
    for name, pattern in STACK:
        if any(pattern.search(frame) for frame in stack[1:]):
            return name
    return "else"


def markdown(profile, shares, calls, tcp, stacks):
    total = sum(shares.values())
    out = [f"### Profile {profile}: {tcp['mbps']:.0f} Mbit/s, {tcp['daemon_s_per_gb']:.2f} CPU s/GB", "", "| share of the daemons' CPU time | % |",
           "|---|---|"]
    out += [f"| {name} | {100 * n / total:.1f} |" for name, n in shares.most_common()]
    leaves = collections.Counter()
    for stack, n in stacks.items():
        leaves[stack[-1]] += n
    out += ["", "| innermost function | % |", "|---|---|"]
    out += [f"| `{name[:90]}` | {100 * n / total:.1f} |" for name, n in leaves.most_common(25)]
    out += ["", "| system call (both gateways) | per GB |", "|---|---|"]
    out += [f"| {name} | {n:.0f} |" for name, n in calls]
    return "\n".join(out) + "\n"


# ---- the picture

WIDTH, ROW = 1400, 17


def draw(stacks, title):
    """A flame graph: width is time, a box stands on what called it; hover to read."""
    total = sum(stacks.values())
    depth = max(map(len, stacks), default=1)
    height = (depth + 3) * ROW
    boxes = []

    def level(items, left, row):
        groups = collections.defaultdict(list)
        for stack, n in items:
            if len(stack) > row:
                groups[stack[row]].append((stack, n))
        for name in sorted(groups):
            n = sum(x for _, x in groups[name])
            if n / total * WIDTH >= 0.6:
                boxes.append(box(name, left, row, n, total, height))
                level(groups[name], left, row + 1)
            left += n

    level(list(stacks.items()), 0, 0)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">'
            f'<rect width="100%" height="100%" fill="#fff"/><text x="8" y="14">{html.escape(title)}</text>{"".join(boxes)}</svg>\n')


def box(name, left, row, n, total, height):
    x, w = left / total * WIDTH, n / total * WIDTH
    y = height - (row + 1) * ROW
    hue = zlib.crc32(name.encode()) % 45 + (185 if "isthmus" in name else 5)
    label = html.escape(name[:int(w / 6.8)]) if w > 30 else ""
    return (f'<g><title>{html.escape(name)}: {100 * n / total:.1f} %</title>'
            f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{ROW - 1}" fill="hsl({hue},70%,70%)"/>'
            f'<text x="{x + 2:.1f}" y="{y + 12}">{label}</text></g>')
