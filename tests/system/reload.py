"""`isthmus reload` and SIGHUP: the difference is applied, what did not change loses nothing, a bad file changes nothing."""
import copy
import json
import re
import signal
import threading

from harness import case, check, contains, equal, main
from lab import Lab, find_program, run, wait_until
from one_site import OneSite, base_config, clear_config, toml
from sites import TwoSites
from wire import ping

PINGS = 3000
INTERVAL = 0.002  # seconds


def reload(gateway):
    """The command's result, with its answer parsed."""
    done = run(find_program("isthmus"), "reload", "--json", "--socket", gateway.socket, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def reloaded(gateway, config):
    """Writes the configuration, reloads, and wants it to be taken. Returns the changes."""
    gateway.configure(toml(config))
    code, answer = reload(gateway)
    equal((code, isinstance(answer, dict) and answer.get("applied")), (0, True), f"reload ({answer})")
    return answer["changes"]


def session_of(gateway, name):
    return next((s for s in gateway.status()["sessions"] if s["name"] == name), None)


def two_sessions(site):
    """The lab's configuration with a session for VLAN 50 beside the one for 10 and 20.

    No host is in VLAN 50: without VLAN filtering a bridge would learn the hosts' only address now at one session's port, now
    at the other's.
    """
    config = base_config(site)
    ids = {"dc": (0x1111, 0x2222), "cloud": (0x2222, 0x1111)}[site]
    config["session"].append({**config["session"][0], "name": "other", "local_id": ids[0], "remote_id": ids[1],
                              "vlans": "50", "untagged": False})
    return config


def with_second_tunnel(config, site):
    """One more tunnel, unprotected, on a port of its own, with a session for VLAN 40."""
    config = copy.deepcopy(config)
    first = {k: v for k, v in config["tunnel"][0].items() if k != "esp"}
    config["tunnel"].append({**first, "name": "second", "protection": "none", "local_port": 1702, "remote_port": 1702})
    ids = {"dc": (0x3333, 0x4444), "cloud": (0x4444, 0x3333)}[site]
    config["session"].append({**config["session"][0], "name": "late", "tunnel": "second", "local_id": ids[0],
                              "remote_id": ids[1], "vlans": "40", "untagged": False})
    return config


class Flood:
    """Pings VLAN 10 while the block runs; the answers are counted afterwards."""

    def __init__(self, sites):
        self.sites, self.answers = sites, None

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()

    def _run(self):
        self.answers = ping(self.sites.hosts["dc"], "10.0.10.2", PINGS, interval=INTERVAL)[0]


@case
def others_lose_nothing():
    """While sessions, tunnels and bridges beside it come, change and go, a session loses not one of 3,000 pings."""
    with Lab("load") as lab:
        configs = {site: two_sessions(site) for site in ("dc", "cloud")}
        sites = TwoSites(lab, configs={site: toml(c) for site, c in configs.items()})
        sites.start()
        check(sites.wait_for_traffic(5, vlan=10), "no traffic")
        tap = json.loads(sites.dc.ns.ip("-j", "link", "show", "ist-vlans").stdout)[0]["ifindex"]
        before = session_of(sites.dc, "vlans")["out"]["packets"]
        with Flood(sites) as flood:
            for round_ in range(5):
                for site, gateway in sites.gateways.items():
                    changed = copy.deepcopy(configs[site])
                    changed["session"][1] |= {"vlans": "50,51" if round_ % 2 else "50", "mac_limit": 1000 + round_}
                    reloaded(gateway, changed)
                    larger = with_second_tunnel(changed, site)
                    larger["bridge"].append({"name": "br-new"})
                    equal(set(reloaded(gateway, larger)), {"bridge br-new added", "tunnel second added", "session late added"},
                          "changes")
                for gateway in sites.gateways.values():
                    check(wait_until(lambda: session_of(gateway, "late")["state"] == "up", 3),
                          f"the new session: {session_of(gateway, 'late')}")
                for site, gateway in sites.gateways.items():
                    reloaded(gateway, configs[site])
                    equal(session_of(gateway, "late"), None, "the removed session")
        drops = {site: gateway.drops() for site, gateway in sites.gateways.items()}
        equal(flood.answers, PINGS, f"answers (drops: {drops})")
        equal(json.loads(sites.dc.ns.ip("-j", "link", "show", "ist-vlans").stdout)[0]["ifindex"], tap, "the TAP's index")
        check(session_of(sites.dc, "vlans")["out"]["packets"] >= before + PINGS, "the session's counters went back")
        check("ist-late" not in sites.dc.ns.links(), "the removed session's interface is left")
        check("br-new" not in sites.dc.ns.links(), "the removed bridge is left")


@case
def changed_session_carries_what_it_should():
    """A session that gets another VLAN list carries those from then on, and no others."""
    with Lab("load") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5, vlan=20), "no traffic")
        for site, gateway in sites.gateways.items():
            config = base_config(site)
            config["session"][0]["vlans"] = "10,30"
            equal(reloaded(gateway, config), ["session vlans changed"], "changes")
        check(sites.wait_for_traffic(3, vlan=30), "VLAN 30 does not cross")
        equal(sites.ping(20, count=5, patience=0.3)[0], 100.0, "loss in percent in VLAN 20, which was taken away")


@case
def unchanged_file():
    """A reload of the same file changes nothing and says so; so does one that only moved its lines."""
    with Lab("load") as lab:
        site = OneSite(lab)
        site.start()
        equal(reload(site.gateway), (0, {"applied": True, "changes": []}), "reload of the same file")
        site.gateway.config.write_text("# a comment\n\n\n" + site.gateway.config.read_text())
        equal(reload(site.gateway), (0, {"applied": True, "changes": []}), "reload with moved lines")
        done = run(find_program("isthmus"), "reload", "--socket", site.gateway.socket)
        contains(done.stdout, ["nothing is different"], "the text")


@case
def bad_file():
    """A bad file is refused with all its problems, by line, and the gateway runs on as it was."""
    with Lab("load") as lab:
        site = OneSite(lab)
        site.start()
        before = site.gateway.snapshot()
        good = site.gateway.config.read_text()
        site.gateway.config.write_text(good.replace('vlans = "10,20"', 'vlans = "4095"').replace("name = \"vlans\"", "nmae = 1"))
        code, answer = reload(site.gateway)
        equal((code, answer["applied"]), (2, False), "reload")
        text = "\n".join(answer["problems"])
        contains(text, ["isthmus.toml:", "session.vlans", "4095", "nmae", "name"], "the problems")
        check(site.gateway.up(), f"not up any more: {site.gateway.status()}")
        site.gateway.config.unlink()
        code, answer = reload(site.gateway)
        equal(code, 2, "exit status without the file")
        contains(" ".join(answer["problems"]), ["no such file"], "the problem")
        equal(site.gateway.differences(before), [], "changes")
        site.gateway.config.write_text(good)
        equal(reload(site.gateway)[0], 0, "reload of the good file")


@case
def what_needs_a_restart():
    """Name, state directory, control socket and larger frames are refused while the daemon runs, with words."""
    with Lab("load") as lab:
        site = OneSite(lab, clear_config())
        site.start()
        good = site.gateway.config.read_text()
        for key, value in (("name", "other-gw"), ("state_dir", "/tmp/other"), ("control_socket", "/tmp/other.sock")):
            site.gateway.config.write_text(re.sub(rf'(?m)^{key} = ".*"', f'{key} = "{value}"', good, count=1))
            code, answer = reload(site.gateway)
            equal((code, len(answer["problems"])), (2, 1), f"reload with another {key} ({answer})")
            contains(answer["problems"][0], [f"gateway.{key}", value, "restart"], "the problem")
        site.gateway.config.write_text(good.replace("[[bridge]]\n", "[[bridge]]\nmtu = 9000\n", 1))
        contains(" ".join(reload(site.gateway)[1]["problems"]), ["bridge.mtu", "restart"], "the problem")
        check(site.gateway.up(), "not up any more")


@case
def by_signal():
    """SIGHUP does the same, and the log says what came of it."""
    with Lab("load") as lab:
        site = OneSite(lab)
        site.start()
        config = base_config()
        config["session"][0]["name"] = "renamed"
        config["session"][0]["interface"] = "ist-new"
        site.configure(config)
        site.gateway.process.signal(signal.SIGHUP)
        check(wait_until(lambda: (session_of(site.gateway, "renamed") or {}).get("state") == "up", 3),
              f"sessions: {site.gateway.status()['sessions']}")
        contains(site.gateway.process.output(), ["reload: session vlans removed", "reload: session renamed added"], "the log")
        check(wait_until(lambda: "ist-vlans" not in site.gw.links(), 3), "the old interface is left")
        site.gateway.config.write_text("nonsense")
        site.gateway.process.signal(signal.SIGHUP)
        check(wait_until(lambda: "nothing was changed" in site.gateway.process.output(), 3), "the log does not say why not")
        check(site.gateway.up(), "not up any more")


@case
def interface_handed_over():
    """A session may take over the interface name of one that goes in the same reload."""
    with Lab("load") as lab:
        site = OneSite(lab, clear_config())
        site.start()
        config = clear_config(name="heir", interface="ist-vlans")
        site.configure(config)
        site.gateway.process.signal(signal.SIGHUP)
        check(wait_until(lambda: (session_of(site.gateway, "heir") or {}).get("state") == "up", 3),
              f"sessions: {site.gateway.status()['sessions']}")
        equal(session_of(site.gateway, "heir")["interface"], "ist-vlans", "interface")


@case
def new_manual_keys():
    """A tunnel gets other manual keys by a reload, once `isthmus sa init` has made their state files beside the daemon."""
    with Lab("load") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        configs = {}
        for site in ("dc", "cloud"):
            text = toml(base_config(site)).replace("dc-to-cloud.key", "new-out.key").replace("cloud-to-dc.key", "new-in.key")
            numbers = {str(0xDC000001): str(0xDC000002), str(0xC1000001): str(0xC1000002)}
            configs[site] = re.sub("|".join(numbers), lambda m: numbers[m[0]], text)
        for gateway in sites.gateways.values():
            for name, byte in (("new-out.key", 1), ("new-in.key", 2)):
                gateway.put_key(name, bytes([byte]) * 36)
            gateway.configure(configs[gateway.site])
            equal(reload(gateway)[0], 0, "reload")
            state = gateway.status()["tunnels"][0]
            equal(state["state"], "down", "state without state files")
            contains(state["reason"], ["isthmus sa init"], "the reason")
            gateway.init_sas()
            equal(reload(gateway)[1]["changes"], [], "changes of the second reload")
            check(wait_until(gateway.up, 3), f"not up: {gateway.status()['tunnels'][0]}")
        check(sites.wait_for_traffic(5), "no traffic under the new keys")


@case
def stop_after_reload():
    """After sessions, tunnels and bridges were added and removed, a stop leaves nothing behind."""
    with Lab("load") as lab:
        site = OneSite(lab)
        before = site.gateway.snapshot()
        site.start()
        larger = with_second_tunnel(base_config(), "dc")
        larger["bridge"].append({"name": "br-new"})
        reloaded(site.gateway, larger)
        reloaded(site.gateway, base_config())
        site.gateway.stop()
        equal(site.gateway.differences(before), [], "changes")


if __name__ == "__main__":
    main()
