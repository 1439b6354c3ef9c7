"""Two gateways keyed by IKEv2: they come up, and come back whatever happens to either."""
import os
import pathlib
import re
import subprocess
import threading
import time

from harness import Skip, case, cases, check, contains, equal, main
from ike_sites import IkeSites, ike, ike_sa, is_up, peer, put_secret
from lab import Lab, find_program, wait_until
from sites import OTHER, address
from wire import Capture, ping

LIMIT = {"psk": 3.0, "certificate": 5.0}  # seconds from a gateway's return until traffic flows
ROOM = 2.0  # the machine may be busy with other things


def outage(sites, site, act, limit):
    """Pings every 20 ms while act() happens; the longest silence after the gateway is back, in seconds."""
    stop, answered = threading.Event(), []

    def ask():
        while not stop.is_set():
            answers, _ = ping(sites.hosts[OTHER[site]], address(site), 1, patience=0.2)
            if answers:
                answered.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        act()
        back = time.monotonic()
        wait_until(lambda: answered and answered[-1] > back, limit + ROOM)
    finally:
        stop.set()
        asking.join()
    after = [t for t in answered if t > back]
    check(after, f"no traffic within {limit + ROOM:.0f} s of the gateway's return")
    return after[0] - back


@cases(("psk", "certificate"), "IKE with {} brings traffic up, both VLANs, and nothing crosses in clear")
def comes_up(auth):
    with Lab("ike") as lab:
        sites = IkeSites(lab, auth)
        wan = Capture(sites.wan, "dc", lab.directory / "wan.pcap")
        sites.start()
        for vlan in (0, 10, 20):
            check(sites.wait_for_traffic(5, vlan), f"no traffic in VLAN {vlan}")
        for gateway in sites.gateways.values():
            sa = ike_sa(gateway)
            check(sa and sa["children"], f"no IKE SA: {peer(gateway)}")
            equal(sa["children"][0]["mode"], "transport", "mode")
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
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic to begin with")
        gateway = sites.gateways[site]

        def act():
            gateway.kill() if how == "kill -9" else gateway.stop()
            time.sleep(1)
            gateway.start(wait=False)

        took = outage(sites, site, act, LIMIT[auth])
        check(took <= LIMIT[auth] + ROOM, f"{took:.1f} s")
        print(f"  traffic {took:.2f} s after the start of isthmusd")


@cases([("initiator", "responder"), ("responder", "initiator")],
       "with fixed roles a responder or initiator that was killed is found again (dc: {0[0]})")
def fixed_roles(roles):
    with Lab("ike") as lab:
        sites = IkeSites(lab, dc={"role": roles[0]}, cloud={"role": roles[1]})
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic to begin with")

        def act():
            sites.dc.kill()
            time.sleep(1)
            sites.dc.start(wait=False)

        took = outage(sites, "dc", act, LIMIT["psk"])
        print(f"  traffic {took:.2f} s after the start of isthmusd")


@case
def rekeying_loses_nothing():
    """New keys for ESP and for IKE, from either side, under a flood of pings: none is lost."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic to begin with")
        spis = {ike_sa(sites.dc)["children"][0]["spi_in"]}
        result = {}
        flood = threading.Thread(target=lambda: result.update(ping=sites.ping(count=1500)))
        flood.start()
        for gateway, options in ((sites.dc, ("--child", "cloud")), (sites.cloud, ("--child", "dc")), (sites.dc, ()),
                                 (sites.cloud, ()), (sites.dc, ("--child", "cloud"))):
            time.sleep(1.5)
            done = ike(gateway, "rekey", "dc" if gateway is sites.cloud else "cloud", *options)
            equal(done.returncode, 0, f"isthmus ike rekey: {done.stderr}")
            sa = ike_sa(sites.dc)
            spis |= {child["spi_in"] for child in (sa or {"children": []})["children"]}
        flood.join()
        check(len(spis) >= 3, f"keys changed {len(spis) - 1} times")
        equal(result["ping"][0], 0.0, "lost, in percent")


@case
def terminated():
    """`isthmus ike terminate` closes everything at both ends, and it is built anew by itself."""
    with Lab("ike") as lab:
        sites = IkeSites(lab)
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic to begin with")
        before = ike_sa(sites.dc)["spi_initiator"]
        equal(ike(sites.dc, "terminate", "cloud").returncode, 0, "exit status")
        check(wait_until(lambda: is_up(sites.dc) and ike_sa(sites.dc) and ike_sa(sites.dc)["spi_initiator"] != before, 6),
              "not built anew")
        check(sites.wait_for_traffic(5), "no traffic afterwards")
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
        check(wait_until(lambda: sites.dc.status() and peer(sites.dc)["last_error"], 5), "no error at dc")
        check(wait_until(lambda: sites.cloud.status() and peer(sites.cloud)["last_error"], 5), "no error at cloud")
        said = peer(sites.dc)["last_error"]["text"] + peer(sites.cloud)["last_error"]["text"]
        contains(said, ["AUTHENTICATION_FAILED"], "the errors")
        check(re.search("keys differ", said), f"the errors do not say why: {said}")
        (sites.cloud.keys / "psk").write_text(right)
        sites.cloud.process.signal(1)
        check(wait_until(lambda: is_up(sites.dc) and is_up(sites.cloud), 10), "not up after the reload")


@case
def wrong_identity():
    """A certificate for another name than the one expected is refused, and both names are shown."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, "certificate", dc={"remote_identity": "other-gw.example.org"})
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        check(wait_until(lambda: sites.dc.status() and peer(sites.dc)["last_error"], 5), "no error at dc")
        contains(peer(sites.dc)["last_error"]["text"], ["cloud-gw.example.org"], "the error")
        check(not is_up(sites.dc), "it came up")


def mismatch_at(gateway):
    status = gateway.status()
    return peer(gateway)["mismatch"] if status else None


@case
def nothing_in_common():
    """Proposals without anything in common: `isthmus ike` shows both sides'."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, dc={"groups": ["ecp384"]}, cloud={"groups": ["x25519"]})
        for gateway in sites.gateways.values():
            gateway.start(wait=False)
        # Whoever is refused first does not learn what the other wants until the other tries as well.
        check(wait_until(lambda: (mismatch_at(sites.cloud) or {}).get("theirs"), 15), "no mismatch at cloud")
        mismatch = mismatch_at(sites.cloud)
        contains(mismatch["ours"], ["CURVE_25519"], "ours")
        contains(mismatch["theirs"], ["ECP_384"], "theirs")


@case
def encapsulated():
    """encapsulation = "always": not one ESP packet outside UDP 4500; "never": not one inside."""
    for wish, wanted in (("always", 17), ("never", 50)):
        with Lab("ike") as lab:
            sites = IkeSites(lab, encapsulation=wish)
            wan = Capture(sites.wan, "dc", lab.directory / "wan.pcap")
            sites.start()
            check(sites.wait_for_traffic(5), f"no traffic with {wish}")
            wan.stop()
            protocols = {p.data[23] for p in wan.packets() if p.data[12:14] == b"\x08\x00"} - {1, 2}
            check(wanted in protocols, f"{wish}: protocols {protocols}")
            check(50 not in protocols or wish == "never", f"{wish}: protocols {protocols}")


@case
def behind_nat():
    """A gateway behind a NAT that moves its mapping: traffic goes on."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, cloud={})
        nft = "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; };"
        if sites.wan.run("nft", nft + 'add rule ip nat post oifname "cloud" masquerade random', check=False).returncode:
            raise Skip("this kernel has no NAT")
        config = sites.cloud.config.read_text().replace('remote = "198.51.100.1"', 'remote = "any"')
        sites.cloud.config.write_text(config)
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic through the NAT")
        sa = ike_sa(sites.cloud)
        check(sa["nat"]["remote_behind"] and sa["nat"]["esp_in_udp"], f"the NAT is not seen: {sa['nat']}")
        sites.wan.run("nft", "flush ruleset")
        sites.wan.run("nft", nft + 'add rule ip nat post oifname "cloud" masquerade to :20000-30000 random', check=False)
        sites.wan.run("conntrack", "-F", check=False)
        check(sites.wait_for_traffic(12), "no traffic after the mapping moved")


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
        check(sites.wait_for_traffic(10), "no traffic")
        equal(ike(sites.dc, "rekey", "cloud", "--child", "cloud").returncode, 0, "rekey")
        time.sleep(2)
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
        equal(sites.cloud.process.wait(5), 1, "exit status without allow_key_log")
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
    done = subprocess.run(["tshark", "-r", str(capture), *options, "-V"], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"WIRESHARK_CONFIG_DIR": str(profile), "HOME": str(directory)})
    return done.stdout


@case
def reloaded_certificate():
    """A certificate that the authority has revoked is refused after the peer's reload, with its serial and the date."""
    with Lab("ike") as lab:
        sites = IkeSites(lab, "certificate", dc={"crl": ["/etc/isthmus/keys/ca.crl"]})
        sites.authority.give(sites.dc, "ca.crl")
        sites.start()
        check(sites.wait_for_traffic(10), "no traffic to begin with")
        sites.authority.run("revoke", sites.authority.directory / "cloud-gw.pem")
        sites.authority.give(sites.dc, "ca.crl")
        sites.dc.process.signal(1)
        check(wait_until(lambda: peer(sites.dc)["last_error"] and "revoked" in peer(sites.dc)["last_error"]["text"], 6),
              f"{peer(sites.dc)['last_error']}")


if __name__ == "__main__":
    main()
