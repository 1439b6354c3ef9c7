"""`./dev demo loop` and `./dev demo storm`: for a person to watch what the guard does."""
import json
import threading
import time

from lab import Lab, LabError, wait_until
from sites import HOST_MAC, drops_in
from switched import LOOPED, Pinger, Rates, SwitchedSites, unguarded
from wire import BROADCAST, TEST_TYPE, FrameSocket, ethernet, marker, tag

PICTURE = """\
  dc-host ── [ switch ] ── dc-gw ══ L2TPv3 in ESP ══ cloud-gw ── [ switch ] ── cloud-host
                 ╰┈┈┈┈┈┈┈┈┈┈ a cable that should not be there ┈┈┈┈┈┈┈┈┈┈╯
"""


def loop(arguments, screen):
    """A cable between the two sites, and one broadcast frame: without the guard, and with it."""
    screen.line(screen.paint("One broadcast frame and one cable too many", "1") + "\n")
    screen.line(PICTURE)
    with Lab("demo-loop") as lab:
        screen.title("Without the guard")
        sites = _up(lab, arguments, screen, {site: unguarded(site) for site in ("dc", "cloud")})
        screen.line("  the cable is plugged in, and one frame is sent")
        _watch(sites, screen, 3, plug=True)
        sites.backdoor(False)
        for gateway in sites.gateways.values():
            gateway.stop()
    with Lab("demo-loop") as lab:
        screen.title("With the guard")
        sites = _up(lab, arguments, screen)
        pings = Pinger(sites, LOOPED, 9), Pinger(sites, 20, 9)
        time.sleep(1)
        screen.line("  the cable is plugged in, and one frame is sent")
        _watch(sites, screen, 7, plug=True)
        lost = [p.seconds_lost() for p in pings]
        screen.line(f"  pings lost in VLAN {LOOPED}: {lost[0]:.2f} s, in VLAN 20: {lost[1]:.2f} s")
        blocked = sites.events("blocked")
        screen.line("  the cable is taken out; it opens after 30 s and three clean rounds of probes")
        sites.backdoor(False)
        again = sites.wait_open(45)
        _events(sites, screen)
    good = bool(blocked) and again is not None and lost[0] <= 3 and lost[1] == 0
    screen.line()
    screen.line(screen.paint("✔ found, blocked at one end, and open again" if good else "✘ it did not go as it should", "32;1" if good else "31;1"))
    return 0 if good else 1


def storm(arguments, screen):
    """A host floods its VLAN: what crosses is the class's rate, and pings go on."""
    screen.line(screen.paint("A host floods VLAN 10 with broadcast", "1") + "\n")
    with Lab("demo-storm") as lab:
        sites = _up(lab, arguments, screen)
        pings = Pinger(sites, 20, 7), Pinger(sites, LOOPED, 7)
        stop = threading.Event()
        sent = [0]
        flood = threading.Thread(target=_flood, args=(sites, stop, sent), daemon=True)
        time.sleep(1)
        flood.start()
        before = (sent[0], _arrived(sites), _limited(sites))
        passed = []
        for _ in range(5):
            time.sleep(1)
            now = (sent[0], _arrived(sites), _limited(sites))
            offered, through, dropped = (b - a for a, b in zip(before, now))
            before = now
            passed.append(through)
            screen.line(f"  offered {offered:>8,} frames/s   arrived at the other site {through:>6,}   dropped by the gateway {dropped:>8,}")
        stop.set()
        flood.join()
        lost = [p.seconds_lost() for p in pings]
        screen.line(f"  pings lost meanwhile: {lost[1]:.2f} s in VLAN 10, {lost[0]:.2f} s in VLAN 20")
    good = max(passed[1:]) <= 700 and lost[0] == 0
    screen.line()
    screen.line(screen.paint("✔ the storm stayed at home" if good else "✘ it did not go as it should", "32;1" if good else "31;1"))
    return 0 if good else 1


def _up(lab, arguments, screen, configs=None):
    screen.busy("building two sites with switches")
    sites = SwitchedSites(lab, configs=configs, build=arguments.build)
    sites.start()
    for vlan in (LOOPED, 20):
        if not sites.wait_for_traffic(30, vlan):
            raise LabError(f"no traffic in VLAN {vlan}; log of dc-gw:\n{sites.dc.process.output()}")
    wait_until(lambda: not sites.closed(), 10, 0.2)
    screen.line("  two sites are up; VLAN 10 and VLAN 20 cross")
    return sites


def _watch(sites, screen, seconds, plug=False):
    """A line each second, and events as they come."""
    rates = {"switch": Rates(sites.switches["dc"], "gw"), "WAN": Rates(sites.wan, "dc")}
    if plug:
        sites.backdoor(True)
        sites.broadcast()
    begin = time.monotonic()
    told = 0
    for second in range(1, seconds + 1):
        time.sleep(max(0.0, begin + second - time.monotonic()))
        now = {name: _last_second(rate) for name, rate in rates.items()}
        closed = sites.closed()
        screen.line(f"  {second:>2} s   at the gateway's port {now['switch']:>9,.0f} frames/s   on the WAN {now['WAN']:>8,.0f} packets/s"
                    + (f"   VLAN {LOOPED} closed at {', '.join(closed)}" if closed else ""))
        blocked = sites.events("blocked")
        for event in blocked[told:]:
            screen.line("       " + screen.paint(event["sentence"], "33"))
        told = len(blocked)
    for rate in rates.values():
        rate.stop()


def _last_second(rates):
    samples = list(rates.samples)
    if len(samples) < 2:
        return 0.0
    last = samples[-1]
    first = next((s for s in samples if last[0] - s[0] <= 1.05), samples[0])
    return max(last[1] - first[1], last[2] - first[2]) / max(last[0] - first[0], 0.1)


def _events(sites, screen):
    for site in sites.gateways:
        for event in (sites.guard(site) or {"events": []})["events"]:
            if event["severity"] != "info" or event["id"] == "opened":
                screen.line(f"  {site:<6} {event['id']}: {event['sentence']}")


def _flood(sites, stop, sent):
    raw = FrameSocket(sites.hosts["dc"], "eth0", receive=False)
    frame = ethernet(BROADCAST, HOST_MAC["dc"], TEST_TYPE, marker() + bytes(40), tag(LOOPED))
    while not stop.is_set():
        for _ in range(200):
            raw.send(frame)
        sent[0] += 200
    raw.close()


def _arrived(sites):
    stats = json.loads(sites.hosts["cloud"].ip("-j", "-s", "link", "show", "dev", "eth0").stdout)[0]["stats64"]
    return stats["rx"]["packets"]


def _limited(sites):
    return drops_in(sites.dc.status()).get("storm_limit", 0)
