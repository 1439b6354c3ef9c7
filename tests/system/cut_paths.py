"""The data path of a negotiated session dies while its control path lives, and the other way round: each is found out, and
told apart from the other. A router on the WAN drops by the T bit of the L2TP header, in the clear.
"""
import json
import time

from harness import case, cases, check, contains, equal, main
from lab import Lab, wait_until
from negotiated_sites import SITES, Pings, ask, command, negotiated, session_of, start, tunnel_of
from sites import OTHER, WAN_ADDRESS

DATA, CONTROL = 0, 1


class Router:
    """Drops L2TP messages between the sites."""

    def __init__(self, sites):
        self.ns = sites.wan

    def cut(self, t_bit, source=None):
        """Messages with that T bit, of one site or of both."""
        of = f"ip saddr {WAN_ADDRESS[source]} " if source else ""
        self.ns.run("nft", "-f", "-", input="table ip cut {\nchain forward {\ntype filter hook forward priority 0\n"
                    f"{of}udp dport 1701 @th,64,1 {t_bit} counter drop\n}}\n}}\n")

    def mend(self):
        self.ns.run("nft", "delete", "table", "ip", "cut")

    def dropped(self):
        rules = json.loads(self.ns.run("nft", "-j", "list", "table", "ip", "cut").stdout)["nftables"]
        return sum(e["counter"]["packets"] for r in rules for e in r.get("rule", {}).get("expr", []) if "counter" in e)


def lab_with_traffic(lab):
    sites = start(lab, {site: negotiated(site, protected=False) for site in SITES}, protected=False)
    check(sites.wait_for_traffic(20, vlan=10), "no traffic")
    for site in SITES:
        # The peer's silence may last 3 x 300 ms, as soon as both ends have told their pace.
        check(wait_until(lambda: liveness(sites, site)["state"] == "up" and liveness(sites, site)["detection_ms"] <= 900, 20),
              f"BFD at {site}: {liveness(sites, site)}")
    return sites


def liveness(sites, site):
    return session_of(sites.gateways[site])["liveness"] or {"state": "none"}


def state_in_status(sites, site):
    return sites.gateways[site].status()["sessions"][0]


def seconds_until(condition, timeout):
    began = time.monotonic()
    check(wait_until(condition, timeout, 0.005), "not within the time")
    return time.monotonic() - began


DIRECTIONS = {"both directions": None, "one direction": "dc"}


@cases(DIRECTIONS, "the data path dies in {0}: BFD knows at once, the control path lives, and both come back")
def data_path_dies(name):
    source = DIRECTIONS[name]
    with Lab("l2tp") as lab:
        sites = lab_with_traffic(lab)
        router = Router(sites)
        before = {site: (session_of(g), tunnel_of(g)) for site, g in sites.gateways.items()}
        router.cut(DATA, source)
        deaf = OTHER[source] if source else "cloud"
        took = seconds_until(lambda: liveness(sites, deaf)["state"] != "up", 20)
        print(f"the dead data path was known after {took * 1000:.0f} ms")
        check(took < 5, f"known only after {took:.1f} s")
        for site in SITES:
            check(wait_until(lambda: state_in_status(sites, site)["state"] == "waiting", 20),
                  f"status at {site}: {state_in_status(sites, site)}")
            contains(state_in_status(sites, site)["reason"], ["the data path is dead"], f"status at {site}")
        contains(liveness(sites, deaf)["diagnostic"], ["nothing was heard in time"], "diagnostic")
        if source:
            contains(liveness(sites, source)["diagnostic"], ["the peer hears nothing"], "diagnostic of the other end")
        contains(command(sites.gateways[deaf], "sessions").stdout, ["BFD", "nothing was heard in time"], "isthmus sessions")

        # Two HELLO cycles long the control path answers.
        hellos = {site: tunnel_of(g)["messages"]["hellos_sent"] for site, g in sites.gateways.items()}
        check(wait_until(lambda: sum(tunnel_of(g)["messages"]["hellos_sent"] for g in sites.gateways.values()) >=
                         sum(hellos.values()) + 4, 30, 0.1), "no HELLO in the silence")
        for site, gateway in sites.gateways.items():
            equal(tunnel_of(gateway)["phase"], "established", f"control connection at {site}")
            equal(session_of(gateway)["phase"], "established", f"session at {site}")
            check(tunnel_of(gateway)["messages"]["unanswered"] < 2, f"control path at {site}: {tunnel_of(gateway)}")
        check(router.dropped() > 0, "the router dropped nothing")

        router.mend()
        for gateway in sites.gateways.values():
            check(wait_until(gateway.up, 20), f"not back: {gateway.status()['sessions']}")
        check(sites.wait_for_traffic(20, vlan=10), "no traffic afterwards")
        for site, gateway in sites.gateways.items():
            equal(tunnel_of(gateway)["times_connected"], before[site][1]["times_connected"], f"connections of {site}")
            equal(session_of(gateway)["local_id"], before[site][0]["local_id"], f"Session ID at {site}")


@case
def control_path_dies():
    """The control path dies: data flows on without loss, the tunnel says what is wrong, and it goes on when it is back"""
    with Lab("l2tp") as lab:
        sites = lab_with_traffic(lab)
        router = Router(sites)
        before = session_of(sites.dc)["local_id"]
        router.cut(CONTROL)
        with Pings(sites, 1500) as pings:
            ask(sites.dc, "rotate", session="vlans")  # something to say
            check(wait_until(lambda: tunnel_of(sites.dc)["messages"]["unanswered"] >= 2, 30, 0.1),
                  f"not noticed: {tunnel_of(sites.dc)}")
        equal(pings.answers, 1500, f"answers while the control path is dead (drops: {sites.dc.drops()} {sites.cloud.drops()})")
        contains(command(sites.dc, "tunnels").stdout, ["control path", "not acknowledged"], "isthmus tunnels")
        contains(command(sites.dc, "sessions").stdout, ["BFD up"], "isthmus sessions")
        for site in SITES:
            equal(state_in_status(sites, site)["state"], "up", f"session at {site}")
            equal(liveness(sites, site)["state"], "up", f"BFD at {site}")
        check(router.dropped() > 0, "the router dropped nothing")

        router.mend()
        check(wait_until(lambda: tunnel_of(sites.dc)["messages"]["unanswered"] == 0, 30, 0.1), "still not acknowledged")
        # Had it taken longer than a session may take to be set up, the change would have been given up.
        check(wait_until(lambda: session_of(sites.dc)["local_id"] != before or
                         not ask(sites.dc, "rotate", session="vlans"), 60, 0.5), f"ids do not change: {session_of(sites.dc)}")
        equal(tunnel_of(sites.dc)["times_connected"], 1, "connections")
        check(sites.wait_for_traffic(20, vlan=10), "no traffic afterwards")


if __name__ == "__main__":
    main()
