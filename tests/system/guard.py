"""Loops between the sites: how fast they are found, what is lost meanwhile, and that all comes back by itself."""
import json
import os
import pathlib
import struct
import threading
import time

from cables import SlowCable
from harness import case, check, contains, main
from lab import Lab, wait_until
from sites import TwoSites, address
from switched import BACKDOOR, LOOPED, Pinger, Rates, SwitchedSites, guarded, host_mac, unguarded
from wire import FrameSocket, read_capture

LONG = bool(os.environ.get("ISTHMUS_LONG"))
CLASS_RATE = 500         # broadcast frames a second in each VLAN and direction: the default
# What a WAN interface carries in a second at most: the class's rate and burst, pings of two VLANs with their answers, probes,
# and the guards' messages.
WAN_MOST = 2 * CLASS_RATE + 4 * 1 / Pinger.INTERVAL + 250
VERDICT = 3.0            # seconds
RETURN = {"manual": 3.0, "certificate": 5.0}
ROOM = 2.0               # the machine may be busy with other things
PROBE_TYPE = b"\x88\xb5"


def long_case(function):
    return case(function) if LONG else function


def at_rest(sites):
    """Both gateways up, hosts know each other, and nothing is closed."""
    sites.start()
    for vlan in (LOOPED, 20):
        check(sites.wait_for_traffic(30, vlan), f"no traffic in VLAN {vlan}: {sites.dc.process.output()[-1500:]}")
    check(sites.wait_open(10) is not None, f"closed at rest: {sites.guard('dc')}")


def why(sites):
    return f"{sites.guard('dc')} {sites.guard('cloud')}"


@case
def backdoor_unguarded():
    """Without the guard one broadcast frame and one cable fill both networks"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab, configs={site: unguarded(site) for site in ("dc", "cloud")})
        sites.start()
        check(sites.wait_for_traffic(10, LOOPED), "no traffic")
        rates = Rates(sites.switches["dc"], "gw")
        sites.backdoor(True)
        sites.broadcast()
        grew = wait_until(lambda: rates.peak() > 20 * CLASS_RATE, 10, 0.3)
        sites.backdoor(False)
        rates.stop()
        print(f"     {rates.peak():.0f} frames a second at the most", flush=True)
        check(grew, f"the frame did not multiply: {rates.peak():.0f} frames a second at most")


@case
def backdoor_guarded():
    """A backdoor and one broadcast: verdict within 3 s, the WAN within its limit, pings go on, other VLANs lose none; then open again"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        looped, other = Pinger(sites, LOOPED, 12), Pinger(sites, 20, 12)
        rates = Rates(sites.wan, "dc")
        time.sleep(1.5)
        sites.backdoor(True)
        sites.broadcast()
        verdict = sites.wait_closed(VERDICT + 2)
        time.sleep(4)
        closed, story = sites.closed(), sites.events("blocked")
        lost, others_lost = looped.seconds_lost(), other.seconds_lost()
        peak = rates.stop().peak()
        print(f"     verdict after {verdict or -1:.2f} s, {lost:.2f} s of pings lost, {others_lost:.2f} s in VLAN 20, "
              f"WAN at most {peak:.0f} packets a second, closed at {closed}, {circling(sites)} frames dropped that went round", flush=True)
        check(verdict is not None and verdict <= VERDICT, f"no verdict within {VERDICT} s: {why(sites)}")
        check(len(closed) == 1, f"closed at {closed} and not at one end")
        contains(story[0]["sentence"], ["VLAN 10", "came back", "blocked", "tried again in 30 s"], "the event")
        check(lost <= VERDICT, f"{lost:.2f} s of pings lost in VLAN {LOOPED}")
        check(others_lost == 0, f"{others_lost:.2f} s of pings lost in VLAN 20")
        check(peak <= WAN_MOST, f"{peak:.0f} packets a second on the WAN, more than {WAN_MOST:.0f}")
        check(sites.closed(20) == [], "VLAN 20 was closed too")
        a_capture_of_it(story[0])
        a_circle(sites)
        # The cable goes; the block has a timer of 30 s, and then opens by itself.
        sites.backdoor(False)
        orders(sites)
        again = sites.wait_open(45)
        check(again is not None, f"not open again: {why(sites)}")
        check(sites.wait_for_traffic(5, LOOPED), f"open, but no traffic: {sites.dc.drops()} {sites.cloud.drops()}")
        check(sites.events("opened"), "nobody said that it is open again")


def a_capture_of_it(event):
    """The frames around an event are in a file that tcpdump reads, and the probes that came back are among them."""
    path = event["capture"]
    check(path and wait_until(lambda: os.path.exists(path), 10), f"no capture of {event}")
    frames = [packet.data for packet in read_capture(pathlib.Path(path))]
    check(any(PROBE_TYPE in (frame[12:14], frame[16:18]) for frame in frames), f"no probe among {len(frames)} frames of {path}")


def circling(sites):
    return sum(gateway.drops().get("circling_unicast", 0) for gateway in sites.gateways.values())


def a_circle(sites):
    """Every switch is made to look for the cloud's host at the next one, as they may learn in a loop: it is found again at once."""
    host, rates, lost = host_mac("cloud", LOOPED), Rates(sites.wan, "dc"), []
    ports = json.loads(sites.dc.ns.ip("-j", "link", "show", "master", "br-dc").stdout)
    tap = next(port["ifname"] for port in ports if port["ifname"] != "lan0")

    def one():
        before = circling(sites)
        for ns, bridge, port in ((sites.dc.ns, "br-dc", tap), (sites.cloud.ns, "br-cloud", "lan0"),
                                 (sites.switches["dc"], "br0", "gw"), (sites.switches["cloud"], "br0", BACKDOOR["cloud"])):
            filters = json.loads(ns.ip("-j", "-d", "link", "show", "dev", bridge).stdout)[0]["linkinfo"]["info_data"].get("vlan_filtering")
            ns.run("bridge", "fdb", "replace", host, "dev", port, "master", "dynamic", *(["vlan", str(LOOPED)] if filters else []))
        lost.append(Pinger(sites, LOOPED, 3).seconds_lost())
        return circling(sites) > before and sites.events("circling_unicast")

    # The host may say something of its own accord before the last switch is misled: then there is no circle, or one frame of it at most.
    events = wait_until(one, 30, 0.1)
    check(events, f"nothing went round: {why(sites)}")
    peak = rates.stop().peak()
    print(f"     in a circle, try {len(lost)}: {max(lost):.2f} s of pings lost, {circling(sites)} frames dropped, WAN at most {peak:.0f} packets a second", flush=True)
    check(max(lost) <= 1.5, f"{lost} s of pings lost")
    check(peak <= WAN_MOST, f"{peak:.0f} packets a second on the WAN, more than {WAN_MOST:.0f}")
    # Told once a minute: the other host's frames may have gone round when the loop was cut.
    hosts = [f"{host_mac(site, LOOPED)} ({address(site, LOOPED)})" for site in ("dc", "cloud")]
    named = next((host for host in hosts if host in events[0]["sentence"]), hosts[1])
    contains(events[0]["sentence"], ["VLAN 10", named, "dropped", "asked where"], "the event")


def told(sites, site, *words):
    """What `isthmus guard WORDS` prints, which must succeed."""
    done = sites.order(site, *words)
    check(done.returncode == 0, f"isthmus guard {' '.join(words)}: {done.returncode}, {done.stderr}; {sites.gateways[site].process.output()[-1500:]}")
    return done.stdout


def orders(sites):
    """isthmus guard shows, holds and clears in VLAN 20; what it does not know it refuses in words."""
    contains(told(sites, "dc"), ["guard of br-dc", "open", "closed", "probes:", "has a guard", "frames:"], "isthmus guard")
    contains(sites.dc.status_text(), ["VLANs open"], "isthmus status")
    contains(told(sites, "dc", "hold", "--vlan", "20"), ["20", "bum_blocked", "operator_hold"], "isthmus guard hold")
    check(sites.closed(20) == ["dc"], "VLAN 20 was not held")
    check(sites.closed(0) == [], "untagged frames were held too")
    told(sites, "dc", "clear", "--vlan", "20")
    check(sites.wait_open(15, 20) is not None, f"not open after clear: {why(sites)}")
    refused = sites.order("dc", "clear", "--port", "nonsense")
    check(refused.returncode == 1, "an unknown port is no error")
    contains(refused.stderr, ["nonsense"], "the refusal")
    refused = sites.order("dc", "hold", "--vlan", "99")
    check(refused.returncode == 1, "a hold of a VLAN that no session carries is no error")
    contains(refused.stderr, ["nothing is held", "VLAN 99"], "the refusal")
    contains(sites.order("dc", "hold", "--port", "lan0").stderr, ["lan0", "is no session"], "the refusal of a LAN port")
    contains(told(sites, "cloud", "observe"), ["observing only"], "isthmus guard observe")
    check("observing only" not in told(sites, "cloud", "enforce"), "enforce does not end observe")


@case
def restart_in_a_loop():
    """A loop that appears while a gateway is down keeps the VLAN closed, a block outlives a kill, and both open when it goes"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        sites.dc.stop()
        sites.backdoor(True)
        sites.dc.start(wait=False)
        check(wait_until(lambda: (sites.guard("dc") or {}).get("vlans") is not None, 10, 0.1), "no word from the guard after the restart")
        rates = Rates(sites.wan, "dc")
        check(sites.wait_open(20, 20) is not None, f"VLAN 20 is not open: {why(sites)}")
        sites.broadcast()
        for _ in range(10):
            check(sites.closed(), "open although there is a loop")
            time.sleep(0.3)
        check(rates.stop().peak() <= WAN_MOST, f"{rates.peak():.0f} packets a second on the WAN")
        sites.backdoor(False)
        check(sites.wait_open(60) is not None, f"not open although the backdoor is gone: {why(sites)}")
        check(sites.wait_for_traffic(5, LOOPED), "no traffic")
        # The other way round: first the block, then the restart.
        sites.backdoor(True)
        sites.broadcast()
        check(sites.wait_closed(VERDICT + ROOM) is not None, f"no verdict: {why(sites)}")
        owner = sites.closed()[0]
        cause = next(v["cause"] for v in sites.guard(owner)["vlans"] if v["vlan"] == LOOPED)
        check(cause in ("backdoor", "peer_proof"), f"closed because of {cause}")
        time.sleep(0.5)
        sites.gateways[owner].kill()
        sites.gateways[owner].start(wait=False)
        check(wait_until(lambda: (sites.guard(owner) or {}).get("vlans"), 10, 0.1), "no word from the guard after the restart")
        for _ in range(10):
            vlan = next((v for v in (sites.guard(owner) or {"vlans": []})["vlans"] if v["vlan"] == LOOPED), None)
            check(vlan is not None and vlan["state"] != "open", f"open after the restart: {vlan}")
            time.sleep(0.3)
        check(vlan["cause"] == cause, f"the cause is not known any more: {vlan}")


@long_case
def tunnel_cut():
    """The tunnel is cut at the instant the backdoor appears: hosts go on over the backdoor within 3 s, and when the tunnel is back there is no loop"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        pings = Pinger(sites, LOOPED, 8)
        time.sleep(1.5)
        sites.backdoor(True)
        sites.tunnel(False)
        sites.announce()
        lost = pings.seconds_lost()
        print(f"     {lost:.2f} s of pings lost", flush=True)
        check(lost <= VERDICT, f"{lost:.2f} s of pings lost")
        rates = Rates(sites.wan, "dc")
        sites.tunnel(True)
        check(wait_until(lambda: sites.dc.up() and sites.cloud.up() or sites.closed(), 30, 0.2), "the session does not come back")
        check(sites.wait_open(30, 20) is not None, f"VLAN 20 is not open: {why(sites)}")
        sites.broadcast()
        check(wait_until(sites.closed, VERDICT + ROOM, 0.1), f"open although there is a loop: {why(sites)}")
        check(rates.stop().peak() <= WAN_MOST, f"{rates.peak():.0f} packets a second on the WAN")
        sites.backdoor(False)
        check(sites.wait_open(60) is not None, f"not open although the backdoor is gone: {why(sites)}")


def silence(sites, act):
    """Seconds from act()'s end until hosts hear each other, by pings every 20 ms."""
    act()
    begin = time.monotonic()
    check(sites.wait_for_traffic(20, LOOPED), "no traffic within 20 s")
    return time.monotonic() - begin


@case
def comes_back():
    """A gateway that is killed and started again lets traffic through within 3 s, with certificates 5 s, though it looks for loops first"""
    for keys, certified in (("manual", False), ("certificate", True)):
        with Lab("guard") as lab:
            sites = TwoSites(lab, certified=certified, checked=True)
            sites.start()
            check(sites.wait_for_traffic(10, LOOPED), "no traffic")
            time.sleep(2)

            def act():
                sites.dc.kill()
                sites.dc.start(wait=False)
            took = silence(sites, act)
            print(f"     {keys}: {took:.2f} s", flush=True)
            check(took <= RETURN[keys] + ROOM, f"{keys}: no traffic for {took:.2f} s")


@case
def forged():
    """Probes that are forged, replayed or echoed are counted and told, and nothing is blocked"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        raw = FrameSocket(sites.hosts["dc"], "eth0")
        stop, heard, echo = threading.Event(), [], threading.Event()

        def listen():
            while not stop.is_set():
                got = raw.receive()
                if got is None:
                    time.sleep(0.002)
                elif PROBE_TYPE in (got[0][12:14], got[0][16:18]):
                    heard.append(got[0])
                    if echo.is_set():
                        raw.send(got[0])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        pings = [Pinger(sites, vlan, 10) for vlan in (LOOPED, 20)]
        check(wait_until(lambda: len(heard) >= 20, 10, 0.1), "the hosts see no probes")
        for frame in list(heard):
            raw.send(frame)                                          # replayed
            raw.send(frame[:-20] + bytes([frame[-20] ^ 1]) + frame[-19:])  # forged
            at = frame.index(PROBE_TYPE) + 2
            raw.send(frame[:at + 8] + struct.pack("!I", 0xdeadbeef) + frame[at + 12:])  # of another domain
        echo.set()                                                   # a host that sends back what it gets, once each
        time.sleep(5)
        echo.clear()
        lost = [p.seconds_lost() for p in pings]
        stop.set()
        thread.join()
        raw.close()
        refused = [sites.guard(site)["probes"]["refused"] for site in ("dc", "cloud")]
        print(f"     refused: {refused}, lost: {lost}", flush=True)
        check(refused[0].get("bad_mac", 0) > 0, f"forged probes were not noticed: {refused}")
        for what in ("blocked", "suspended", "lan_port_blocked"):
            check(not sites.events(what), f"{what}: {sites.events(what)}")
        check(sites.closed() == [] and sites.closed(20) == [], f"closed: {why(sites)}")
        check(lost == [0, 0], f"{lost} s of pings lost")


RULES = ("isthmus_guard_", "isthmus_storms_", "isthmus_lan_storms_")  # our tables, and then the gateway's name
PUT_BACK = 2.0           # seconds
LOOPED_PROBES = 2 * 20   # a second in a VLAN: rate and burst of other gateways' probes that go round

BOTH_WAYS = """table netdev lan1 {{
    chain in {{
        type filter hook ingress device "gw1" priority 0; policy drop;
        vlan id {vlan} accept
    }}
    chain out {{
        type filter hook egress device "gw1" priority 0; policy drop;
        vlan id {vlan} accept
    }}
}}
"""


def two_lan_ports(lab):
    """The data center's gateway has a second LAN port, lan1, to gw1 of the switch, without a link at first."""
    configs = {"dc": guarded("dc").replace('ports = ["lan0"]', 'ports = ["lan0", "lan1"]'), "cloud": guarded("cloud")}
    sites = SwitchedSites(lab, configs=configs)
    switch = sites.switches["dc"]
    lab.veth(sites.dc.ns, "lan1", switch, "gw1")
    switch.ip("link", "set", "gw1", "down")
    switch.ip("link", "set", "gw1", "master", "br0")
    return sites


def lan_blocks(sites):
    return {(b["port"], b["vlan"]) for b in (sites.guard("dc") or {"lan_blocks": []})["lan_blocks"]}


def wait_lan_blocked(sites, vlans):
    """Seconds until lan1 is blocked for these VLANs; lan0 never is."""
    begin = time.monotonic()
    wanted = {("lan1", vlan) for vlan in vlans}
    check(wait_until(lambda: lan_blocks(sites) >= wanted, 20, 0.05), f"lan1 is not blocked: {sites.guard('dc')}")
    took = time.monotonic() - begin
    check(lan_blocks(sites) == wanted, f"blocked at {lan_blocks(sites)}")
    return took


def frames_go_round(sites, seconds):
    rates = Rates(sites.switches["dc"], "gw")
    time.sleep(seconds)
    return rates.stop().peak()


@case
def lan_loop():
    """Two LAN ports of a gateway that are connected outside: each VLAN is blocked on the second one, also after somebody flushed the packet filter"""
    with Lab("guard") as lab:
        sites = two_lan_ports(lab)
        at_rest(sites)
        sites.switches["dc"].ip("link", "set", "gw1", "up")
        sites.broadcast()
        took = wait_lan_blocked(sites, (0, LOOPED, 20))
        for vlan in (LOOPED, 20):
            # The switch learned the other site's hosts on lan1: they are found again when the host asks for them anew.
            check(sites.wait_for_traffic(40, vlan), f"no traffic in VLAN {vlan} although only lan1 is blocked")
        peak = frames_go_round(sites, 1.6)
        check(peak < 2_000, f"frames still go round: {peak:.0f} a second")
        back = flushed(sites)
        sites.broadcast()
        peak = frames_go_round(sites, 1.6)
        print(f"     blocked after {took:.2f} s, rules there again after {back:.2f} s, then {peak:.0f} frames a second at the most", flush=True)
        check(back <= PUT_BACK + ROOM, f"the rules come back after {back:.2f} s")
        check(peak < 2_000, f"frames go round since the packet filter was flushed: {peak:.0f} a second")
        for vlan in (LOOPED, 20):
            check(sites.wait_for_traffic(40, vlan), f"no traffic in VLAN {vlan} since the packet filter was flushed")
        contains(sites.dc.process.output(), ["took our rules out", "isthmus_guard_"], "the log")
        if LONG:
            # Without a link nothing says that the way is gone: it opens after it has one again.
            sites.switches["dc"].ip("link", "set", "gw1", "down")
            time.sleep(45)
            check(lan_blocks(sites), "lan1 is open though nobody could look whether the way is gone")
            sites.switches["dc"].ip_batch(["link set gw1 nomaster", "link set gw1 up"])
            check(wait_until(lambda: not lan_blocks(sites), 90, 0.5), f"lan1 stays blocked: {sites.guard('dc')}")


def flushed(sites):
    """Seconds until our rules are in the kernel again after somebody flushed its packet filter. Meanwhile frames go round."""
    gateway = sites.dc.ns
    begin = time.monotonic()
    gateway.run("nft", "flush", "ruleset")
    for vlan in (LOOPED, 30):  # and one that no session carries and nothing blocks: limits at LAN ports are all that it has
        sites.broadcast(vlan)

    def there():
        listing = gateway.run("nft", "list", "ruleset").stdout
        return all(f"table netdev {name}" in listing for name in RULES) and "lan1: blocked" in listing

    check(wait_until(there, 20, 0.05), "the rules do not come back: " + gateway.run("nft", "list", "tables").stdout)
    return time.monotonic() - begin


@long_case
def lan_loop_of_one_vlan():
    """A loop between two LAN ports in one VLAN, with traffic in it: found within seconds, and the other VLANs' pings go on"""
    with Lab("guard") as lab:
        sites = two_lan_ports(lab)
        sites.switches["dc"].run("nft", "-f", "-", input=BOTH_WAYS.format(vlan=LOOPED))
        at_rest(sites)
        looped, other = Pinger(sites, LOOPED, 9), Pinger(sites, 20, 9)
        time.sleep(1.5)
        sites.switches["dc"].ip("link", "set", "gw1", "up")
        sites.broadcast()
        took = wait_lan_blocked(sites, (LOOPED,))
        lost, others_lost = looped.seconds_lost(), other.seconds_lost()
        print(f"     blocked after {took:.2f} s; {lost:.2f} s of pings lost, {others_lost:.2f} s in VLAN 20", flush=True)
        check(others_lost <= 1.0, f"{others_lost:.2f} s of pings lost in VLAN 20")
        check(sites.wait_for_traffic(40, LOOPED), f"no traffic in VLAN {LOOPED} although only lan1 is blocked")
        check(sites.closed() == [] and sites.closed(20) == [], f"the tunnel is closed too: {why(sites)}")


@case
def lan_self():
    """A loop in the customer's LAN, behind one port: told at once, and while it storms the VLAN's BUM is blocked on the tunnel, no other VLAN's"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        switch = sites.switches["dc"]
        cable = SlowCable(lab, [(switch, "patch0"), (switch, "patch1")], LOOPED)
        cable.plug(False)
        switch.ip_batch(["link set patch0 master br0", "link set patch1 master br0"])
        at_rest(sites)
        other = Pinger(sites, 20, 7)
        rates = Rates(sites.wan, "dc")
        time.sleep(1)
        cable.plug(True)
        for _ in range(40):  # among the probes that go round as well
            sites.broadcast()
        begin = time.monotonic()
        check(wait_until(lambda: sites.events("outside_loop"), 10, 0.05), f"nobody tells of the loop: {why(sites)}")
        told = time.monotonic() - begin

        def storming():
            # The cable has room for a hundred frames, and probes take it: without new ones the storm might end by itself.
            for _ in range(5):
                sites.broadcast()
            return sites.closed()

        closed = wait_until(storming, 20, 0.1)
        blocked = time.monotonic() - begin
        lost = other.seconds_lost()
        peak = rates.stop().peak()
        print(f"     told after {told:.2f} s, blocked after {blocked:.2f} s, {lost:.2f} s of pings lost in VLAN 20, WAN at most {peak:.0f} packets a second",
              flush=True)
        check(closed, f"not blocked although there is a storm: {sites.dc.status()['storms']} {why(sites)}")
        check(sites.closed() == ["dc"], f"closed at {sites.closed()}")
        vlan = next(v for v in sites.guard("dc")["vlans"] if v["vlan"] == LOOPED)
        check(vlan["state"] == "bum_blocked" and vlan["cause"] == "outside_loop", f"it is {vlan}")
        contains(sites.events("outside_loop")[0]["sentence"], [f"VLAN {LOOPED}", "lan0", "again and again"], "the event")
        check(sites.closed(20) == [] and sites.closed(0) == [], "other VLANs are closed too")
        check(lost == 0, f"{lost:.2f} s of pings lost in VLAN 20")
        most = WAN_MOST + LOOPED_PROBES  # the other gateway's go round with the rest, and come back to it
        check(peak <= most, f"{peak:.0f} packets a second on the WAN, more than {most:.0f}")
        if LONG:
            cable.plug(False)
            check(sites.wait_open(90) is not None, f"not open again: {why(sites)}")
            check(sites.wait_for_traffic(10, LOOPED), "open, but no traffic")
        cable.close()


if __name__ == "__main__":
    main()
