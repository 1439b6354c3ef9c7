"""Loops between the sites: how fast they are found, what is lost meanwhile, and that all comes back by itself."""
import os
import sys
import time

from harness import case, check, contains, main
from lab import Lab, wait_until
from switched import LOOPED, Pinger, Rates, SwitchedSites, guarded, unguarded

LONG = "--long" in sys.argv or os.environ.get("ISTHMUS_LONG")
if "--long" in sys.argv:
    sys.argv.remove("--long")
CLASS_RATE = 500         # broadcast frames a second in each VLAN and direction: the default
# What a WAN interface carries in a second at most: the class's rate and burst, pings of two VLANs with their answers, probes,
# and the guards' messages.
WAN_MOST = 2 * CLASS_RATE + 4 * 1 / Pinger.INTERVAL + 250
VERDICT = 3.0            # seconds


def at_rest(sites):
    """Both gateways up, hosts know each other, and nothing is closed."""
    sites.start()
    for vlan in (LOOPED, 20):
        check(sites.wait_for_traffic(10, vlan), f"no traffic in VLAN {vlan}: {sites.dc.process.output()[-1500:]}")
    check(sites.wait_open(10) is not None, f"closed at rest: {sites.guard('dc')}")


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
              f"WAN at most {peak:.0f} packets a second, closed at {closed}", flush=True)
        check(verdict is not None and verdict <= VERDICT, f"no verdict within {VERDICT} s: {sites.guard('dc')} {sites.guard('cloud')}")
        check(len(closed) == 1, f"closed at {closed} and not at one end")
        contains(story[0]["sentence"], ["VLAN 10", "came back", "blocked", "tried again in 30 s"], "the event")
        check(lost <= VERDICT, f"{lost:.2f} s of pings lost in VLAN {LOOPED}")
        check(others_lost == 0, f"{others_lost:.2f} s of pings lost in VLAN 20")
        check(peak <= WAN_MOST, f"{peak:.0f} packets a second on the WAN, more than {WAN_MOST:.0f}")
        check(sites.closed(20) == [], "VLAN 20 was closed too")
        # The cable goes; the block has a timer of 30 s, and then opens by itself.
        sites.backdoor(False)
        again = sites.wait_open(45)
        check(again is not None, f"not open again: {sites.guard('dc')} {sites.guard('cloud')}")
        check(sites.wait_for_traffic(5, LOOPED), f"open, but no traffic: {sites.dc.drops()} {sites.cloud.drops()}")
        check(sites.events("opened"), "nobody said that it is open again")


@case
def restart_in_a_loop():
    """A gateway that restarts while the backdoor is there does not open, and keeps its block"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        sites.backdoor(True)
        sites.broadcast()
        check(sites.wait_closed(VERDICT + 2) is not None, "no verdict")
        owner = sites.closed()[0]
        gateway = sites.gateways[owner]
        gateway.stop()
        gateway.start(wait=False)
        check(wait_until(lambda: (sites.guard(owner) or {}).get("vlans"), 5, 0.1), "no word from the guard after the restart")
        for _ in range(20):
            vlan = next((v for v in (sites.guard(owner) or {"vlans": []})["vlans"] if v["vlan"] == LOOPED), None)
            check(vlan is not None and vlan["state"] != "open", f"open after the restart: {vlan}")
            time.sleep(0.5)
        check(vlan["cause"] == "backdoor", f"the cause is not known any more: {vlan}")


@case
def orders():
    """isthmus guard shows, holds and clears; what it does not know it refuses in words"""
    with Lab("guard") as lab:
        sites = SwitchedSites(lab)
        at_rest(sites)
        contains(sites.order("dc").stdout, ["guard of br-dc", "open", "none closed", "probes:", "has a guard"], "isthmus guard")
        held = sites.order("dc", "hold", "--vlan", "20")
        contains(held.stdout, ["20", "bum_blocked", "operator_hold"], "isthmus guard hold")
        check(sites.closed(20) == ["dc"] and sites.closed(LOOPED) == [], "not VLAN 20 alone was held")
        sites.order("dc", "clear", "--vlan", "20")
        check(sites.wait_open(10, 20) is not None, "not open after clear")
        refused = sites.order("dc", "clear", "--port", "nonsense")
        check(refused.returncode == 1, "an unknown port is no error")
        contains(refused.stderr, ["nonsense"], "the refusal")
        sites.order("dc", "observe")
        contains(sites.order("dc").stdout, ["observing only"], "isthmus guard")


@case
def lan_loop():
    """Two LAN ports of a gateway that are connected outside: the VLAN is blocked on the second one, and the tunnel goes on"""
    with Lab("guard") as lab:
        configs = {"dc": guarded("dc").replace('ports = ["lan0"]', 'ports = ["lan0", "lan1"]'), "cloud": guarded("cloud")}
        sites = SwitchedSites(lab, configs=configs)
        gateway, switch = sites.dc.ns, sites.switches["dc"]
        lab.veth(gateway, "lan1", switch, "gw1")
        switch.ip("link", "set", "gw1", "down")
        switch.ip("link", "set", "gw1", "master", "br0")
        at_rest(sites)
        switch.ip("link", "set", "gw1", "up")
        sites.broadcast()
        blocked = wait_until(lambda: {b["vlan"] for b in (sites.guard("dc") or {"lan_blocks": []})["lan_blocks"]} >= {0, 10, 20}, 20, 0.1)
        check(blocked, f"lan1 is not blocked: {sites.guard('dc')}")
        check({b["port"] for b in sites.guard("dc")["lan_blocks"]} == {"lan1"}, "another port than the second one is blocked")
        for vlan in (LOOPED, 20):
            # The switch learned the other site's hosts on lan1: they are found again when the host asks for them anew.
            check(sites.wait_for_traffic(20, vlan), f"no traffic in VLAN {vlan} although only lan1 is blocked")
        rates = Rates(switch, "gw")
        time.sleep(2.5)
        check(rates.stop().peak() < 2_000, f"frames still go round: {rates.peak():.0f} a second")


if __name__ == "__main__":
    main()
