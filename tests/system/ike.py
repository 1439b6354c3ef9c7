"""Two gateways keyed by IKEv2: they come up, and come back whatever happens to either."""
import os
import pathlib
import random
import socket
import subprocess
import time
import tomllib

from harness import Background, Skip, case, cases, check, contains, equal, main  # first: it makes the lab's modules visible
import conntrack
from ike_sites import (PATIENCE, IkeSites, answers, child, ike, ike_sa, is_up, last_error, mismatch, peer, put_secret,
                       says)
from lab import Lab, find_program, inside, wait_until
from sites import OTHER, WAN_ADDRESS, address
from wire import Capture, datagrams, ping, udp4

LIMIT = {"psk": 3.0, "certificate": 5.0}  # seconds from a gateway's return until traffic flows
LAN_READY = 2.0  # a LAN port with a new link may carry frames so long after its first one: docs/operations.md
TRIES = 3  # for what must be quick: the machine may be busy with other things
LONG = bool(os.environ.get("ISTHMUS_LONG"))


class Asking(Background):
    """Pings one host from the other all the while; the moments of the answers."""

    def __init__(self, source, destination):
        super().__init__()
        self.way, self.answered = (source, destination), []

    def run(self):
        while not self.stop.is_set():
            got, _ = ping(*self.way, 1, patience=0.2)
            if got:
                self.answered.append(time.monotonic())


def outage(sites, site, act):
    """Seconds from the end of act(), when the gateway is started again, to the next answer of its host."""
    with Asking(sites.hosts[OTHER[site]], address(site)) as asking:
        act()
        back = time.monotonic()
        wait_until(lambda: asking.answered and asking.answered[-1] > back, PATIENCE)
    after = [t for t in asking.answered if t > back]
    check(after, f"no traffic within {PATIENCE} s of the gateway's return")
    return after[0] - back


def comes_back_within(limit, sites, site, act):
    """It always comes back, and in one of a few tries within the limit."""
    took = []
    for _ in range(TRIES):
        took.append(outage(sites, site, act))
        if took[-1] <= limit:
            break
        check(wait_until(lambda: agree(sites), PATIENCE, 0.1), "the two do not agree again")
    print(f"  traffic {', '.join(f'{t:.2f}' for t in took)} s after the start of isthmusd")
    check(min(took) <= limit, f"{min(took):.1f} s at best, more than {limit} s")


def agree(sites):
    """Both have the same IKE SA and the same child."""
    dc, cloud = (child(g) if answers(g) else None for g in (sites.dc, sites.cloud))
    return bool(dc and cloud and (dc["spi_in"], dc["spi_out"]) == (cloud["spi_out"], cloud["spi_in"]))


def start(sites):
    """Both gateways, until they agree and traffic flows."""
    for gateway in sites.gateways.values():
        gateway.start(wait=False)
    check(wait_until(lambda: agree(sites), PATIENCE, 0.1),
          f"not up: {', '.join(last_error(g) or 'no error' for g in sites.gateways.values())}")
    check(sites.wait_for_traffic(PATIENCE), "no traffic to begin with")


@cases(("psk", "certificate"), "IKE with {} brings traffic up, both VLANs, and nothing crosses in clear")
def comes_up(auth):
    with Lab("ike") as lab:
        sites = IkeSites(lab, auth)
        wan = Capture(sites.wan, "dc", lab.directory / "wan.pcap")
        start(sites)
        for vlan in (0, 10, 20):
            check(sites.wait_for_traffic(PATIENCE, vlan), f"no traffic in VLAN {vlan}")
        for gateway in sites.gateways.values():
            equal(child(gateway)["mode"], "transport", "mode")
        equal(ike_sa(sites.dc)["spi_initiator"], ike_sa(sites.cloud)["spi_initiator"], "IKE SA of the two")
        contains(str(peer(sites.dc)), ["cloud-gw.example.org", "aes-256-gcm"], "isthmus ike --json")
        wan.stop()
        clear = [p for p in wan.packets() if b"\x06\xa5\x06\xa5" in p.data[14:60]]
        equal(len(clear), 0, "packets of UDP 1701 in clear")


@cases([(auth, site, how) for auth in LIMIT for site in ("dc", "cloud") for how in ("kill -9", "restart")],
       "after {0[2]} of the {0[1]} gateway ({0[0]}) traffic flows again soon after its return")
def comes_back(what):
    auth, site, how = what
    with Lab("ike") as lab:
        sites = IkeSites(lab, auth)
        start(sites)
        gateway = sites.gateways[site]

        def act():
            gateway.kill() if how == "kill -9" else gateway.stop()
            time.sleep(1)
            gateway.start(wait=False)

        comes_back_within(LIMIT[auth], sites, site, act)


def forget(sites):
    """Hosts have to ask by ARP who is where."""
    for host in sites.hosts.values():
        host.run("ip", "neigh", "flush", "all")


def lose_power(gateway):
    """What a kernel that starts anew does not have: bridge, rules, /run, and the boot that the guard's state is of."""
    gateway.kill()
    gateway.ns.run("ip", "link", "set", "lan0", "down")
    gateway.ns.run("nft", "flush", "ruleset")
    for bridge in tomllib.loads(gateway.config.read_text())["bridge"]:
        gateway.ns.run("ip", "link", "del", bridge["name"])
    gateway.socket.unlink(missing_ok=True)
    for state in gateway.state_dir.glob("guard-*.state"):
        saved = bytearray(state.read_bytes())
        saved[4:12] = os.urandom(8)  # stp-guard/saved_state.h: the boot
        state.write_bytes(saved)


def comes_back_to_hosts_that_ask(auth, site, limit, fail, repair=lambda gateway: None):
    """Both hosts have to ask by ARP, and VLANs open after the guard's checks."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, auth, checked=True)
        start(sites)
        gateway = sites.gateways[site]

        def act():
            fail(gateway)
            forget(sites)
            time.sleep(1)
            repair(gateway)
            gateway.start(wait=False)

        comes_back_within(limit, sites, site, act)


CHECKED = [(auth, site) for auth in LIMIT for site in ("dc", "cloud")] if LONG else []


@cases(CHECKED, "after kill -9 of the {0[1]} gateway ({0[0]}) hosts that have to ask by ARP find each other soon, checks and all")
def comes_back_checked(what):
    comes_back_to_hosts_that_ask(*what, LIMIT[what[0]], lambda gateway: gateway.kill())


@cases(CHECKED, "after the {0[1]} gateway ({0[0]}) lost power traffic flows again, and soon once its LAN port may carry frames")
def power_loss(what):
    comes_back_to_hosts_that_ask(*what, LIMIT[what[0]] + LAN_READY, lose_power,
                                 lambda gateway: gateway.ns.run("ip", "link", "set", "lan0", "up"))


@cases([("initiator", "responder"), ("responder", "initiator")],
       "with fixed roles a responder or initiator that was killed is found again (dc: {0[0]})")
def fixed_roles(roles):
    with Lab("ike") as lab:
        sites = IkeSites(lab, dc={"role": roles[0]}, cloud={"role": roles[1]})
        start(sites)

        def act():
            sites.dc.kill()
            time.sleep(1)
            sites.dc.start(wait=False)

        comes_back_within(LIMIT["psk"], sites, "dc", act)


class Flood(Background):
    """Pings in rows of fifty, 10 ms apart; each answer is waited for generously."""

    def __init__(self, sites):
        super().__init__()
        self.sites, self.sent, self.answered = sites, 0, 0

    def run(self):
        while not self.stop.is_set():
            got, _ = ping(self.sites.hosts["dc"], address("cloud"), 50, patience=5.0)
            self.sent, self.answered = self.sent + 50, self.answered + got


@case
def rekeying_loses_nothing():
    """New keys for ESP and for IKE, from either side, under a flood of pings: none is lost."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        start(sites)

        def keys():
            return ike_sa(sites.dc)["spi_initiator"], child(sites.dc)["spi_in"]

        with Flood(sites) as flood:
            for gateway, what in ((sites.dc, "child"), (sites.cloud, "child"), (sites.dc, "IKE SA"), (sites.cloud, "IKE SA"),
                                  (sites.dc, "child")):
                name = OTHER[gateway.site]
                before = keys()
                done = ike(gateway, "rekey", name, *(("--child", name) if what == "child" else ()))
                equal(done.returncode, 0, f"isthmus ike rekey: {done.stderr}")
                changed = 1 if what == "child" else 0
                check(wait_until(lambda: agree(sites) and keys()[changed] != before[changed], PATIENCE, 0.1),
                      f"{what} of {gateway.site} has no new keys: {peer(gateway)}")
                time.sleep(0.5)
        equal(flood.answered, flood.sent, "answers")
        print(f"  {flood.sent} pings over five rekeyings")


@case
def terminated():
    """`isthmus ike terminate` closes everything at both ends, and it is built anew by itself."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        start(sites)
        before = ike_sa(sites.dc)["spi_initiator"]
        equal(ike(sites.dc, "terminate", "cloud").returncode, 0, "exit status")
        check(wait_until(lambda: agree(sites) and ike_sa(sites.dc)["spi_initiator"] != before, PATIENCE, 0.1),
              "not built anew")
        check(sites.wait_for_traffic(PATIENCE), "no traffic afterwards")
        refused = ike(sites.dc, "terminate", "nobody")
        equal(refused.returncode, 1, "exit status for a peer that is not there")
        contains(refused.stderr, ["no peer", "nobody"], "the refusal")


@case
def wrong_secret():
    """Different shared keys: both ends say so, and a reload with the right one brings them together."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        right = (sites.dc.keys / "psk").read_text()
        put_secret(sites.cloud, "psk", "another secret, which is long enough")
        for gateway in sites.gateways.values():
            gateway.start(wait=False)

        def told():
            """Whoever began was refused, whoever was asked knows why; they take turns."""
            said = [last_error(g) for g in sites.gateways.values()]
            return all(said) and says(" ".join(said), ["AUTHENTICATION_FAILED", "keys differ"])
        check(wait_until(told, PATIENCE, 0.1), f"the errors: {[last_error(g) for g in sites.gateways.values()]}")
        (sites.cloud.keys / "psk").write_text(right)
        sites.cloud.process.signal(1)
        check(wait_until(lambda: agree(sites), PATIENCE, 0.1), "not up after the reload")


@case
def wrong_identity():
    """A certificate for another name than the one expected is refused, and both names are shown."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, "certificate", dc={"remote_identity": "other-gw.example.org"})
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        names = ["cloud-gw.example.org", "other-gw.example.org"]
        check(wait_until(lambda: says(last_error(sites.dc), names), PATIENCE, 0.1), f"the error: {last_error(sites.dc)}")
        check(not is_up(sites.dc), "it came up")


@case
def nothing_in_common():
    """Proposals without anything in common: `isthmus ike` shows both sides', at both."""
    with Lab("ike") as lab:
        groups = {"dc": ("ecp384", "ECP_384"), "cloud": ("x25519", "CURVE_25519")}
        sites = IkeSites(lab, **{site: {"groups": [name]} for site, (name, _) in groups.items()})
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        # Whoever is refused first does not learn what the other wants until the other tries as well.
        for site, gateway in sites.gateways.items():
            wanted = {"ours": groups[site][1], "theirs": groups[OTHER[site]][1]}
            check(wait_until(lambda: all(says(mismatch(gateway)[who], [group]) for who, group in wanted.items()), PATIENCE, 0.1),
                  f"{site} shows {mismatch(gateway)}, expected {wanted}")


@case
def encapsulated():
    """encapsulation = "always": not one ESP packet outside UDP 4500; "never": not one inside."""
    for wish, wanted in (("always", 17), ("never", 50)):
        with Lab("ike") as lab:
            sites = IkeSites(lab, encapsulation=wish)
            wan = Capture(sites.wan, "dc", lab.directory / "wan.pcap")
            start(sites)
            wan.stop()
            protocols = {p.data[23] for p in wan.packets() if p.data[12:14] == b"\x08\x00"} - {1, 2}
            check(wanted in protocols, f"{wish}: protocols {protocols}")
            check(50 not in protocols or wish == "never", f"{wish}: protocols {protocols}")


def open_to_any(gateway):
    """The gateway takes its peer from any address."""
    remote = f'remote = "{WAN_ADDRESS[OTHER[gateway.site]]}"'
    text = gateway.config.read_text()
    contains(text, [remote], "the configuration")
    gateway.config.write_text(text.replace(remote, 'remote = "any"'))


def masquerade(sites, ports):
    """What goes to the cloud gets the router's address and one of these ports; what was mapped before is forgotten."""
    rules = ("add table ip nat; flush table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
             f'add rule ip nat post oifname "cloud" meta l4proto udp masquerade to :{ports.start}-{ports.stop - 1} random')
    done = sites.wan.run("nft", rules, check=False)
    if done.returncode:
        raise Skip(f"this kernel has no NAT: {done.stderr}")
    conntrack.flush(sites.wan)


@case
def behind_nat():
    """A gateway behind a NAT that moves its mapping: traffic goes on."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        before, afterwards = range(40000, 50000), range(20000, 30000)
        masquerade(sites, before)
        open_to_any(sites.cloud)
        sites.dc.start(wait=False)
        sites.cloud.start(wait=False)
        check(sites.wait_for_traffic(PATIENCE), "no traffic through the NAT")

        def mapped(ports):
            sa, pair = ike_sa(sites.cloud), child(sites.cloud)
            return sa and pair and all(int(x["remote"].rpartition(":")[2]) in ports for x in (sa, pair))

        check(wait_until(lambda: mapped(before), PATIENCE, 0.1), f"the NAT is not seen: {peer(sites.cloud)}")
        nat = ike_sa(sites.cloud)["nat"]
        check(nat["remote_behind"] and nat["esp_in_udp"], f"the NAT is not seen: {nat}")
        masquerade(sites, afterwards)
        check(sites.wait_for_traffic(PATIENCE), "no traffic after the mapping moved")
        check(wait_until(lambda: mapped(afterwards), PATIENCE, 0.1), f"the move is not seen: {peer(sites.cloud)}")


@case
def key_log():
    """The key log is refused unless the configuration allows it; with it tshark reads every message."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, gateway={"allow_key_log": True})
        logs = lab.directory / "keys"
        logs.mkdir(mode=0o700)
        wan = Capture(sites.wan, "dc", lab.directory / "wan.pcap")
        start_with_key_log(sites.dc, logs)
        sites.cloud.start(wait=False)
        check(wait_until(lambda: agree(sites), PATIENCE, 0.1), "not up")
        check(sites.wait_for_traffic(PATIENCE), "no traffic")
        before = child(sites.dc)["spi_in"]
        equal(ike(sites.dc, "rekey", "cloud", "--child", "cloud").returncode, 0, "rekey")
        check(wait_until(lambda: agree(sites) and child(sites.dc)["spi_in"] != before, PATIENCE, 0.1), "no new keys")
        sites.ping(count=5)
        wan.stop()
        contains(sites.dc.process.output(), ["keys are written"], "the log")
        tables = {path.name for path in logs.iterdir()}
        equal(tables, {"esp_sa", "ikev2_decryption_table"}, "files")
        check(all(path.stat().st_mode & 0o077 == 0 for path in logs.iterdir()), "others may read the keys")
        read = tshark(lab.directory, wan.path, logs)
        for wanted in ("IKE_SA_INIT", "IKE_AUTH", "CREATE_CHILD_SA", "INFORMATIONAL"):
            contains(read, [wanted], "tshark")
        check("Identification" in read or "Auth" in read, "IKE_AUTH was not decrypted")
        check("Malformed" not in read, "tshark finds something malformed")
        check("L2TP" in read or "1701" in read, "ESP was not decrypted")

        config = sites.cloud.config.read_text().replace("allow_key_log = true\n", "")
        sites.cloud.stop()
        sites.cloud.config.write_text(config)
        start_with_key_log(sites.cloud, logs)
        equal(sites.cloud.process.wait(PATIENCE), 1, "exit status without allow_key_log")
        contains(sites.cloud.process.output(), ["--key-log is refused", "allow_key_log"], "the refusal")


def start_with_key_log(gateway, logs):
    gateway.starts += 1
    log = gateway.directory / f"isthmusd-{gateway.starts}.log"
    gateway.process = gateway.ns.spawn(f"isthmusd-{gateway.site}", find_program("isthmusd", gateway.build), "--config",
                                       gateway.config, "--key-log", logs, log=log)


def tshark(directory, capture, logs):
    """The capture as tshark reads it with our key tables."""
    profile = pathlib.Path(directory) / "wireshark"
    profile.mkdir()
    for table in logs.iterdir():
        (profile / table.name).write_bytes(table.read_bytes())
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    done = subprocess.run(["tshark", "-r", str(capture), *options, "-V"], capture_output=True, text=True, timeout=240,
                          env=os.environ | {"WIRESHARK_CONFIG_DIR": str(profile), "HOME": str(directory)})
    return done.stdout


@case
def reloaded_certificate():
    """A certificate that the authority has revoked is refused after the peer's reload, with its serial and the date."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, "certificate", dc={"crl": ["/etc/isthmus/keys/ca.crl"]})
        sites.authority.give(sites.dc, "ca.crl")
        start(sites)
        sites.authority.run("revoke", sites.authority.directory / "cloud-gw.pem")
        sites.authority.give(sites.dc, "ca.crl")
        sites.dc.process.signal(1)
        check(wait_until(lambda: says(last_error(sites.dc), ["revoked"]), PATIENCE, 0.1), last_error(sites.dc))


@case
def clock_is_behind():
    """A gateway whose clock is behind what it has seen says so and accepts no certificate, unless it is told to."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, "certificate", dc={"accept_without_clock": False})
        seen = sites.dc.state_dir / "newest-seen"
        tomorrow = f"{int(time.time()) + 86400}\n"
        seen.write_text(tomorrow)
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        doubt = ["does not know the time", "has already seen"]
        check(wait_until(lambda: says(last_error(sites.dc), [*doubt, "cloud-gw.example.org"]), PATIENCE, 0.1),
              f"the error: {last_error(sites.dc)}")
        contains(sites.dc.process.output(), doubt, "the log")
        contains(ike(sites.dc)["clock_doubt"], doubt, "isthmus ike --json")
        check(not is_up(sites.dc), "it came up")
        sites.dc.config.write_text(
            sites.dc.config.read_text().replace("accept_without_clock = false", "accept_without_clock = true"))
        sites.dc.process.signal(1)
        check(wait_until(lambda: agree(sites), PATIENCE, 0.1), f"not up although it is told to accept: {last_error(sites.dc)}")
        sites.dc.stop()
        equal(seen.read_text(), tomorrow, "the newest time seen, after a stop")


class Strangers(Background):
    """IKE_SA_INIT requests from addresses that are not theirs, 10,000 a second if the machine can."""
    RATE, AT_ONCE = 10_000, 50

    def __init__(self, ns, target, request):
        super().__init__()
        self.packets = []
        for _ in range(self.RATE):
            source = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
            self.packets.append(udp4(source, target, 500, 500, random.randbytes(8) + request[8:]))
        with inside(ns.name):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.target, self.sent, self.rate = target, 0, 0

    def run(self):
        begin = time.monotonic()
        while not self.stop.is_set():
            for _ in range(self.AT_ONCE):
                self.socket.sendto(self.packets[self.sent % self.RATE], (self.target, 0))
                self.sent += 1
            time.sleep(max(0.0, begin + self.sent / self.RATE - time.monotonic()))
        self.rate = self.sent / (time.monotonic() - begin)
        self.socket.close()


def memory(process):
    """Resident, in kB."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


@case
def flooded():
    """Under a flood of IKE_SA_INIT from made-up addresses memory is bounded, and an honest peer gets in within 3 s."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, dc={"role": "responder"}, cloud={"role": "initiator"})
        open_to_any(sites.dc)
        wan = Capture(sites.wan, "dc", lab.directory / "init.pcap", only="udp port 500")
        start(sites)
        wan.stop()
        requests = [d.payload for d in datagrams(wan.packets()) if d.destination == WAN_ADDRESS["dc"]]
        check(requests, "no IKE_SA_INIT was captured")
        before = memory(sites.dc.process)
        with Strangers(sites.wan, WAN_ADDRESS["dc"], requests[0]) as strangers:
            check(wait_until(lambda: ike(sites.dc)["cookies_sent"] > 1000, PATIENCE, 0.1), f"no cookies: {ike(sites.dc)}")
            if LONG:
                time.sleep(10)

            def act():
                sites.cloud.kill()
                time.sleep(0.5)
                sites.cloud.start(wait=False)

            comes_back_within(3.0, sites, "cloud", act)
            now = ike(sites.dc)
        check(now["half_open"] <= 50, f"{now['half_open']} half-open IKE SAs")
        grown = memory(sites.dc.process) - before
        check(grown < 20_000, f"isthmusd has grown by {grown} kB")
        print(f"  {strangers.sent} requests, {strangers.rate:.0f}/s; {now['cookies_sent']} cookies, isthmusd has grown by {grown} kB")


if __name__ == "__main__":
    main()
