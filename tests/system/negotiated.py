"""Two gateways that negotiate their sessions: up, restarted, reloaded, rotated, mismatched, looked at."""
import copy
import json
import os
import re
import subprocess
import time

from harness import case, cases, check, contains, equal, main
from lab import Lab, find_program, wait_until
from negotiated_sites import (SITES, Pings, ask, command, negotiated, reload, session_of, start, tunnel_of,
                              with_second_session)
from one_site import toml
from sites import OTHER, TwoSites, ipv6_wan

@case
def carries_frames():
    """Negotiated sessions inside ESP carry tagged and untagged frames; both ends tell the same of them."""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site) for site in SITES})
        for vlan in (0, 10, 20):
            check(sites.wait_for_traffic(20, vlan), f"no traffic in VLAN {vlan}")
        tunnels = {site: tunnel_of(gateway) for site, gateway in sites.gateways.items()}
        sessions = {site: session_of(gateway) for site, gateway in sites.gateways.items()}
        for site in SITES:
            equal(tunnels[site]["phase"], "established", f"state at {site}")
            equal(tunnels[site]["peer"]["host_name"], f"{OTHER[site]}-gw", f"peer of {site}")
            equal(tunnels[site]["local_id"], tunnels[OTHER[site]]["remote_id"], "Control Connection ID")
            equal(sessions[site]["local_id"], sessions[OTHER[site]]["remote_id"], "Session ID")
        status = sites.dc.status()
        equal((status["l2tp"]["connections_up"], status["l2tp"]["sessions_up"]), (1, 1), "counts in status")
        contains(command(sites.dc, "tunnels").stdout, ["cloud", "up", "cloud-gw"], "isthmus tunnels")
        contains(command(sites.dc, "sessions").stdout, ["vlans", "up", "lab-vlans"], "isthmus sessions")


VARIANTS = {
    "UDP in the clear with a secret": ({}, {"secret_file": "/etc/isthmus/keys/l2tp.secret"}),
    "UDP in the clear with hidden AVPs and HMAC-MD5": (
        {}, {"secret_file": "/etc/isthmus/keys/l2tp.secret", "hide": True, "digest": "md5"}),
    "IP protocol 115 in the clear": ({"encapsulation": "ip"}, {}),
    "UDP over IPv6 in the clear": ({}, {}),
    "IP protocol 115 over IPv6 in the clear, with a secret": (
        {"encapsulation": "ip"}, {"secret_file": "/etc/isthmus/keys/l2tp.secret"}),
}


@cases(VARIANTS, "{0}: sessions are negotiated and carry frames")
def variant(name):
    tunnel, control = VARIANTS[name]
    configs = {site: negotiated(site, protected=False, **control) for site in SITES}
    secret = os.urandom(16).hex()
    with Lab("l2tp") as lab:
        for number, config in enumerate(configs.values(), 1):
            config["tunnel"][0].update(tunnel)
            if "IPv6" in name:
                config["tunnel"][0].update(local=f"2001:db8:{number}::1", remote=f"2001:db8:{3 - number}::1")
        sites = TwoSites(lab, configs={site: toml(c) for site, c in configs.items()}, protected=False)
        for gateway in sites.gateways.values():
            path = gateway.keys / "l2tp.secret"
            path.touch(mode=0o600)
            path.write_text(secret + "\n")
        if "IPv6" in name:
            ipv6_wan(sites)
        sites.start()
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        equal(tunnel_of(sites.dc)["authenticated"], bool(control), "authenticated")
        for gateway in sites.gateways.values():
            check(secret not in gateway.process.output(), "the secret is in the log")


@cases(SITES, "kill -9 of {0}'s gateway: it is back, with other ids and cookies")
def killed(site):
    with Lab("l2tp") as lab:
        sites = start(lab, {s: negotiated(s) for s in SITES})
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        before = {s: session_of(g) for s, g in sites.gateways.items()}
        victim = sites.gateways[site]
        victim.kill()
        victim.start()
        check(sites.wait_for_traffic(30, vlan=10), f"no traffic; sessions: {session_of(sites.dc)}")
        for s, gateway in sites.gateways.items():
            after = session_of(gateway)
            check(after["local_id"] != before[s]["local_id"], f"{s} uses Session ID {after['local_id']} again")
        check(wait_until(lambda: tunnel_of(sites.gateways[OTHER[site]])["times_connected"] == 2, 20),
              "the other end did not notice")


@case
def stop_is_told():
    """A gateway that is stopped says so: the other end knows at once, and why."""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site) for site in SITES})
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        sites.dc.stop()
        check(wait_until(lambda: tunnel_of(sites.cloud)["phase"] != "established", 20), "not noticed")
        contains(session_of(sites.cloud)["reason"], ["isthmusd is being stopped"], "the reason")
        sites.dc.start()
        check(sites.wait_for_traffic(30, vlan=10), "no traffic after the restart")


@case
def reload_one():
    """A reload changes one session; the other loses not one of 2,000 pings."""
    with Lab("l2tp") as lab:
        configs = {site: with_second_session(negotiated(site)) for site in SITES}
        sites = start(lab, configs)
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        before = session_of(sites.dc)
        with Pings(sites, 2000) as pings:
            for round_ in range(3):
                for site, gateway in sites.gateways.items():
                    changed = copy.deepcopy(configs[site])
                    changed["session"][1]["cookie_size"] = 4 if round_ % 2 == 0 else 8
                    reload(gateway, changed)
                check(wait_until(lambda: session_of(sites.dc, "other")["phase"] == "established", 20), "not back")
        equal(pings.answers, 2000, f"answers (drops: {sites.dc.drops()} {sites.cloud.drops()})")
        equal(session_of(sites.dc)["local_id"], before["local_id"], "the untouched session's id")


SEQUENCING = {
    "a session": {},
    "a session that drops what is out of sequence": {
        "receive_sublayer": "default", "receive_sequencing": "drop-out-of-order"},
}


@cases(SEQUENCING, "while ids and cookies of {0} change again and again, it loses not one of 3,000 pings")
def rotation(name):
    configs = {site: negotiated(site) for site in SITES}
    for config in configs.values():
        config["session"][0].update(SEQUENCING[name])
    with Lab("l2tp") as lab:
        sites = start(lab, configs)
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        seen = set()
        with Pings(sites, 3000) as pings:
            for gateway in (sites.dc, sites.cloud, sites.dc):
                seen.add(session_of(sites.dc)["local_id"])
                ask(gateway, "rotate", session="vlans")
                # The next change waits until the one before is over.
                check(wait_until(lambda: session_of(sites.dc)["local_id"] not in seen, 30), "the Session ID stays")
        equal(len(seen), 3, "different Session IDs so far")
        equal(pings.answers, 3000, f"answers (drops: {sites.dc.drops()} {sites.cloud.drops()})")


@case
def mismatch():
    """A pseudowire that only one end knows is named at both, with what there is; a reload mends it."""
    with Lab("l2tp") as lab:
        configs = {site: negotiated(site) for site in SITES}
        configs["dc"]["session"][0]["end_id"] = "vlans-of-dc"
        sites = TwoSites(lab, configs={site: toml(c) for site, c in configs.items()})
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        check(wait_until(lambda: any("vlans-of-dc" in g.process.output() and "lab-vlans" in g.process.output()
                                     for g in sites.gateways.values()), 30), "neither log names both")
        check(wait_until(lambda: "is not configured here" in sites.cloud.process.output() or
                         "is not configured here" in sites.dc.process.output(), 20), "not said who lacks it")
        configs["dc"]["session"][0]["end_id"] = "lab-vlans"
        reload(sites.dc, configs["dc"])
        check(sites.wait_for_traffic(30, vlan=10), "no traffic after the reload")


@case
def circuits():
    """A LAN port that goes down is told to the other end, which stops sending; both come back by themselves."""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site) for site in SITES})
        check(sites.wait_for_traffic(20, vlan=10), "no traffic")
        sites.hosts["dc"].ip("link", "set", "eth0", "down")
        check(wait_until(lambda: "inactive" in json.dumps(session_of(sites.cloud)["peer_circuit"]), 20),
              f"session at cloud: {session_of(sites.cloud)}")
        check("inactive" not in json.dumps(session_of(sites.dc)["peer_circuit"]), "the cloud's circuit follows")
        check(wait_until(lambda: sites.cloud.status()["sessions"][0]["state"] != "up", 20), "status at cloud stays up")
        contains(sites.cloud.status()["sessions"][0]["reason"], ["circuit"], "the reason in status")
        sites.hosts["dc"].ip("link", "set", "eth0", "up")
        check(wait_until(lambda: sites.cloud.up() and sites.dc.up(), 20), "not back")


@case
def traced():
    """`isthmus trace` shows control messages with the names of their AVPs, and no cookie."""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site) for site in SITES})
        trace = subprocess.Popen([find_program("isthmus"), "trace", "cloud", "--count", "16", "--socket", sites.dc.socket],
                                 stdout=subprocess.PIPE, text=True)
        # It may take the trace a while to be heard of, and may begin in the middle of a rotation: several of them, so one is whole.
        check(wait_until(lambda: ask(sites.dc, "rotate", session="vlans") and trace.poll() is not None, 60, 0.5),
              "the trace does not end after its messages")
        out, _ = trace.communicate()
        contains(out, ["ICRQ", "ICRP", "ICCN", "Local Session ID", "Assigned Cookie", "Remote End ID", "lab-vlans"], "the trace")
        check(not re.search(r"Assigned Cookie[^\n]*[0-9a-f]{16}", out), f"a cookie is shown: {out}")


@case
def pinged():
    """`isthmus ping` measures round trips inside the pseudowire."""
    with Lab("l2tp") as lab:
        sites = start(lab, {site: negotiated(site) for site in SITES})
        check(wait_until(lambda: command(sites.dc, "ping", "vlans", "--count", "3").returncode == 0, 20), "no answer")
        # On a machine that is busy one may take longer than the two seconds that ping waits.
        done = wait_until(lambda: (out := command(sites.dc, "ping", "vlans", "--count", "5").stdout) and
                          ("5 came back" in out and out), 30)
        contains(done or "nothing", ["5 sent", "5 came back", "0 % lost"], "isthmus ping")


if __name__ == "__main__":
    main()
