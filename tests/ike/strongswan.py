"""strongSwan as IKEv2 peer, in both roles: what it and isthmusd agree on, and what each says when they cannot."""
import pathlib
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "tests/ike")]

from harness import Skip, case, cases, check, contains, equal, main  # noqa: E402
from charon import Charon, missing, version  # noqa: E402
from ike_sites import (NAMES, PATIENCE, WAN_ADDRESS, IkeSites, answers, ike, ike_sa, is_up, last_error, mismatch,  # noqa: E402
                       peer, put_secret, says)
from lab import Lab, run, wait_until  # noqa: E402
from sites import Authority  # noqa: E402

WE, IT = "we begin", "strongSwan begins"


class Pair:
    """isthmusd at dc, charon at cloud."""

    def __init__(self, lab, begins=WE, auth="psk", dc=None, key_type=None, **wishes):
        if missing():
            raise Skip(f"strongSwan is not installed: {', '.join(missing())}")
        role = {"role": "initiator" if begins == WE else "responder"}
        self.sites = IkeSites(lab, auth, dc=role | (dc or {}))
        self.we = self.sites.dc
        self.charon = Charon(lab, self.sites.cloud.ns, WAN_ADDRESS["cloud"], WAN_ADDRESS["dc"],
                             (NAMES["cloud"], NAMES["dc"]), **wishes)
        if auth == "psk":
            self.charon.wishes["secret"] = wishes.get("secret") or (self.we.keys / "psk").read_text().strip()
        else:
            self.charon.certify(self.sites.authority, "cloud")
        self.begins = begins

    def start(self):
        self.start_both()
        if self.begins == IT:
            self.initiate()

    def start_both(self):
        self.charon.start()
        self.we.start(wait=False)
        check(wait_until(lambda: answers(self.we), PATIENCE), "isthmusd does not answer")

    def initiate(self):
        """strongSwan begins; patiently, since it does not try again by itself."""
        done = self.charon.initiate()
        check(done.returncode == 0, f"swanctl --initiate: {done.stdout[-600:]}")

    def up(self):
        return is_up(self.we) and self.agree()

    def agree(self):
        """Both sides have the same one child, from each side's point of view."""
        sa = ike_sa(self.we)
        theirs = self.charon.child_spis()
        ours = [(c["spi_out"][2:], c["spi_in"][2:]) for c in (sa or {"children": []})["children"] if c["state"] == "installed"]
        return len(ours) == 1 and ours == theirs

    def wait_up(self):
        if not wait_until(self.up, PATIENCE, 0.1):
            raise AssertionError(f"not up: {peer(self.we)['state']}, {peer(self.we)['last_error']}; strongSwan: "
                                 f"{self.charon.sas()} ... {self.charon.log()[-1500:]}")


# IKE proposal, ESP proposal, and what [tunnel.ike] is told.
SUITES = {
    "AES-GCM-256, X25519": ("aes256gcm16-prfsha256-x25519", "aes256gcm16-x25519-esn", {}),
    "AES-GCM-128, ECP-256": ("aes128gcm16-prfsha256-ecp256", "aes128gcm16-ecp256", {}),
    "AES-GCM-256, SHA-384, ECP-384": ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384-esn", {}),
    "ChaCha20-Poly1305, X25519": ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305-x25519", {}),
    "AES-CBC-256, HMAC-SHA-256, MODP-2048": ("aes256-sha256-modp2048", "aes256-sha256-modp2048",
                                             {"ike_suites": ["aes-256-cbc-sha256"], "esp_suites": ["aes-256-cbc-sha256"]}),
    "strongSwan's defaults": ("default", "default", {}),
}


@cases([(suite, begins) for suite in SUITES for begins in (WE, IT)], "{0[0]}: {0[1]}")
def suites(what):
    suite, begins = what
    ike_proposal, esp_proposal, options = SUITES[suite]
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc=options, ike=ike_proposal, esp=esp_proposal)
        pair.start()
        pair.wait_up()
        contains(pair.charon.sas(), ["ESTABLISHED", "TRANSPORT"], "swanctl --list-sas")


@cases([(key, begins) for key in ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072") for begins in (WE, IT)],
       "certificates with {0[0]}: {0[1]}")
def certificates(what):
    key, begins = what
    with Lab("swan") as lab:
        pair = Pair(lab, begins, "certificate")
        for site in ("dc", "cloud"):
            for suffix in ("pem", "key"):
                (pair.sites.authority.directory / f"{site}-gw.{suffix}").unlink()
            pair.sites.authority.issue(f"{site}-gw", NAMES[site], "--key", key)
        pair.sites.authority.give(pair.we, "dc-gw.pem", "dc-gw.key")
        pair.charon.certify(pair.sites.authority, "cloud")
        pair.start()
        pair.wait_up()


LEAF = "subjectAltName = DNS:{dns}\n"
AUTHORITY = ("basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\nsubjectKeyIdentifier = hash\n"
             "authorityKeyIdentifier = keyid\n")


def sign(folder, name, dns, issuer, days, extensions=LEAF):
    """NAME.pem for NAME.key, signed by openssl: what `isthmus pki` does not make. `issuer`: its files without their endings."""
    request, file = folder / f"{name}.csr", folder / f"{name}.ext"
    file.write_text(extensions.format(dns=dns))
    run("openssl", "req", "-new", "-key", folder / f"{name}.key", "-subj", f"/CN={dns}", "-out", request)
    run("openssl", "x509", "-req", "-in", request, "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-set_serial", "4711",
        "-days", days, "-extfile", file, "-out", folder / f"{name}.pem")


class Tree(Authority):
    """A root that everybody trusts; each gateway is certified two authorities below it."""

    def __init__(self, lab):
        super().__init__(lab.directory / "tree", levels=2)

    def certify(self, site, domain=None):
        """SITE-gw.pem, with both between, and SITE-gw.key; the nearest authority may certify names in that domain only."""
        region, branch = (self.directory / f"{site}-{level}" for level in ("region", "branch"))
        self.run("intermediate", region, "--levels", "1", "--subject", f"O=Isthmus lab, CN=Region of {site}")
        run(self.program, "pki", "intermediate", branch, "--dir", region, "--subject", f"O=Isthmus lab, CN=Branch of {site}",
            "--domain", domain or NAMES[site])
        run(self.program, "pki", "cert", f"{site}-gw", "--dir", branch, "--out", self.directory, "--dns", domain or NAMES[site])
        return branch


@cases((WE, IT), "certified by intermediate authorities, whose certificates make IKE_AUTH too long for one packet: {}")
def chains(begins):
    with Lab("swan") as lab:
        pair, tree = Pair(lab, begins, "certificate"), Tree(lab)
        tree.certify("dc")
        tree.certify("cloud")
        tree.give(pair.we, "dc-gw.pem", "dc-gw.key", "ca.pem")
        pair.charon.certify(tree, "cloud")
        pair.start()
        pair.wait_up()
        log = pair.charon.log()
        contains(log, ["received end entity cert", "using untrusted intermediate certificate", "sending end entity cert",
                       "sending issuer cert"], "charon's log")
        check(re.search(r"splitting IKE message .* into \d+ fragments", log), "strongSwan sent no fragments")
        check("received fragment #2" in log, "strongSwan received no fragments")


@cases(("nameConstraints", "pathLenConstraint"), "a chain that breaks its {} is refused, and who broke it is named")
def chains_that_break_rules(field):
    with Lab("swan") as lab:
        pair, tree = Pair(lab, WE, "certificate"), Tree(lab)
        branch = tree.certify("cloud", "elsewhere.example.org" if field == "nameConstraints" else NAMES["cloud"])
        tree.certify("dc")
        tree.give(pair.we, "dc-gw.pem", "dc-gw.key", "ca.pem")
        between, issuer = (branch / "ca.pem").read_text(), branch / "ca"
        wanted = [field, "CN=Branch of cloud"] + ([NAMES["cloud"]] if field == "nameConstraints" else [])
        if field == "pathLenConstraint":
            run(tree.program, "pki", "cert", "below", "--dir", branch, "--dns", NAMES["cloud"])
            sign(branch, "below", "Below the branch", branch / "ca", 1, AUTHORITY)
            between, issuer = (branch / "below.pem").read_text() + between, branch / "below"
        sign(tree.directory, "cloud-gw", NAMES["cloud"], issuer, 1)
        with (tree.directory / "cloud-gw.pem").open("a") as f:
            f.write(between)
        pair.charon.certify(tree, "cloud")
        pair.start_both()
        check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.1), f"the error: {last_error(pair.we)}")
        check(not is_up(pair.we), "it came up")


@case
def older_signatures():
    """Without RFC 7427 (signature_authentication = no) ECDSA by method 9 works both ways."""
    with Lab("swan") as lab:
        pair = Pair(lab, WE, "certificate", charon="signature_authentication = no")
        pair.start()
        pair.wait_up()
        contains(ike_sa(pair.we)["remote_auth"], ["method 9"], "how strongSwan authenticated")


@cases((WE, IT), "encapsulation forced by us: {}")
def encapsulated(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"encapsulation": "always"})
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["nat"]["esp_in_udp"], "ESP is not in UDP")
        contains(pair.charon.sas(), ["TRANSPORT-in-UDP"], "swanctl --list-sas")


@case
def encapsulated_by_it():
    """encapsulation forced by strongSwan."""
    with Lab("swan") as lab:
        pair = Pair(lab, WE, encap="yes")
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["nat"]["esp_in_udp"], "ESP is not in UDP")


@cases((WE, IT), "the initiator is behind a NAT: {}")
def behind_nat(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, remote_any=begins == WE)
        towards = "cloud" if begins == WE else "dc"
        rules = ("add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
                 f'add rule ip nat post oifname "{towards}" masquerade')
        if pair.sites.wan.run("nft", rules, check=False).returncode:
            raise Skip("this kernel has no NAT")
        if begins == IT:
            text = pair.we.config.read_text().replace(f'remote = "{WAN_ADDRESS["cloud"]}"', 'remote = "any"')
            pair.we.config.write_text(text)
        pair.start()
        pair.wait_up()
        nat = ike_sa(pair.we)["nat"]
        check(nat["esp_in_udp"] and nat["local_behind" if begins == WE else "remote_behind"], f"NAT: {nat}")
        contains(pair.charon.sas(), ["TRANSPORT-in-UDP"], "swanctl --list-sas")
        before = ike_sa(pair.we)["children"][0]["spi_in"]
        equal(ike(pair.we, "rekey", "cloud", "--child", "cloud").returncode, 0, "rekey")
        check(wait_until(lambda: pair.up() and ike_sa(pair.we)["children"][0]["spi_in"] != before, PATIENCE, 0.1),
              f"after a rekey: {pair.charon.sas()}")


@case
def protocol_115():
    """A tunnel over IP protocol 115 gets its selectors."""
    with Lab("swan") as lab:
        pair = Pair(lab, WE, ts="dynamic[115]")
        text = pair.we.config.read_text().replace('protection = "esp"', 'protection = "esp"\nencapsulation = "ip"')
        pair.we.config.write_text(text)
        pair.start()
        pair.wait_up()
        contains(ike_sa(pair.we)["children"][0]["local_selectors"], ["115"], "selectors")


@cases((WE, IT), "COOKIE demanded by strongSwan, or a group that it does not like: {}")
def cookie(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"groups": ["ecp384", "x25519"]}, charon="cookie_threshold = 0\n  cookie_threshold_ip = 0")
        pair.start()
        pair.wait_up()


@cases((WE, IT), "small fragments of IKE messages: {}")
def fragments(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, "certificate", dc={"fragment_size": 576}, charon="fragment_size = 576")
        pair.start()
        pair.wait_up()
        check(re.search(r"EF\(\d+/\d+\)|fragment", pair.charon.log()), "no fragments in charon's log")
        check(ike_sa(pair.we)["fragmentation"], "fragmentation was not agreed on")


@cases((WE, IT), "childless initiation (RFC 6023), the IKE SA first and the child after it: {}")
def childless(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"childless": "prefer"}, childless="allow" if begins == WE else "force")
        pair.start()
        pair.wait_up()
        contains(pair.charon.log(), ["CREATE_CHILD_SA request 2"], "charon's log")


@cases([(begins, same) for begins in (WE, IT) for same in (True, False)],
       "a post-quantum key that both demand (RFC 8784), the same at both: {0[1]}; {0[0]}")
def post_quantum_key(what):
    begins, same = what
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"ppk_file": "/etc/isthmus/keys/ppk", "ppk_id": "ppk-1"},
                    ppk="what no quantum computer can guess" if same else "something else")
        put_secret(pair.we, "ppk", "what no quantum computer can guess")
        pair.start_both()
        if begins == IT:
            pair.charon.initiate()
        if same:
            pair.wait_up()
            check(ike_sa(pair.we)["ppk"], "the key was not used")
            equal(ike(pair.we, "rekey", "cloud").returncode, 0, "rekey")
            check(wait_until(pair.up, PATIENCE, 0.1), "not up after a rekey")
        else:
            wanted = ["AUTHENTICATION_FAILED"] if begins == WE else ["keys differ"]
            check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.1), f"the error: {last_error(pair.we)}")
            check(not is_up(pair.we), "it came up")


@case
def rekeyed():
    """Child and IKE SA are rekeyed from either side, and each time both agree again."""
    with Lab("swan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        for name, act in (("our child", lambda: ike(pair.we, "rekey", "cloud", "--child", "cloud")),
                          ("its child", lambda: pair.charon.swanctl("--rekey", "--child", "l2tp")),
                          ("our IKE SA", lambda: ike(pair.we, "rekey", "cloud")),
                          ("its IKE SA", lambda: pair.charon.swanctl("--rekey", "--ike", "l2")),
                          ("our child again", lambda: ike(pair.we, "rekey", "cloud", "--child", "cloud"))):
            before = (ike_sa(pair.we)["spi_initiator"], ike_sa(pair.we)["children"][0]["spi_in"])
            done = act()
            equal(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

            def changed():
                sa = ike_sa(pair.we)
                return sa and pair.up() and before != (sa["spi_initiator"], sa["children"][0]["spi_in"])
            check(wait_until(changed, PATIENCE, 0.1), f"{name} was not rekeyed: {pair.charon.sas()} {pair.charon.log()[-1500:]}")


@case
def rekeyed_at_once():
    """Both sides rekey the child at the same moment: one pair is left."""
    with Lab("swan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        for _ in range(3):
            ike(pair.we, "rekey", "cloud", "--child", "cloud")
            pair.charon.swanctl("--rekey", "--child", "l2tp")
            time.sleep(1)
            check(wait_until(pair.up, PATIENCE, 0.1), f"{peer(pair.we)} {pair.charon.sas()}")


@case
def deleted_by_it():
    """strongSwan terminates child or IKE SA: it comes back."""
    with Lab("swan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        for what in ("--child", "--ike"):
            before = ike_sa(pair.we)["children"][0]["spi_in"]
            pair.charon.swanctl("--terminate", what, "l2tp" if what == "--child" else "l2")
            check(wait_until(lambda: pair.up() and ike_sa(pair.we)["children"][0]["spi_in"] != before, PATIENCE, 0.1),
                  f"did not come back after --terminate {what}")


@cases((WE, IT), "strongSwan is killed and started again: {}")
def killed(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"dpd": 3})
        pair.start()
        pair.wait_up()
        pair.charon.kill()
        check(wait_until(lambda: peer(pair.we)["state"] != "up", PATIENCE), "its death was not noticed")
        pair.charon.start()
        if begins == IT:
            pair.initiate()
        pair.wait_up()


@case
def we_are_killed():
    """isthmusd is killed and started again: strongSwan has one IKE SA with it afterwards."""
    with Lab("swan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        pair.we.kill()
        time.sleep(0.5)
        pair.we.start(wait=False)
        check(wait_until(lambda: answers(pair.we), PATIENCE), "isthmusd does not answer")
        pair.wait_up()


@case
def its_dpd():
    """strongSwan's dead peer detection is answered."""
    with Lab("swan") as lab:
        pair = Pair(lab, dpd="1s")
        pair.start()
        pair.wait_up()
        check(wait_until(lambda: pair.charon.log().count("sending DPD request") >= 3, PATIENCE, 0.1), "strongSwan does not ask")
        check(wait_until(pair.up, PATIENCE, 0.1), "not up after some seconds of DPD")
        check("giving up" not in pair.charon.log(), "strongSwan gave up")


@cases((WE, IT), "different shared keys: {}, and both say what is wrong")
def wrong_secret(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, secret="not the one that the other side has")
        pair.start_both()
        if begins == IT:
            pair.charon.initiate()
        wanted = ["AUTHENTICATION_FAILED"] if begins == WE else ["keys differ"]
        check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.1), f"the error: {last_error(pair.we)}")
        check(not is_up(pair.we), "it came up")


@case
def wrong_identity():
    """strongSwan says to be another than the one expected: both names are in the error."""
    with Lab("swan") as lab:
        pair = Pair(lab, WE, dc={"remote_identity": "somebody-else.example.org"})
        pair.start_both()
        check(wait_until(lambda: says(last_error(pair.we), ["cloud-gw.example.org"]) or
                         says(last_error(pair.we), ["AUTHENTICATION_FAILED"]), PATIENCE, 0.1), f"the error: {last_error(pair.we)}")
        check(not is_up(pair.we), "it came up")


@cases([(how, begins) for how in ("revoked", "expired") for begins in (WE, IT)],
       "its certificate is {0[0]}: {0[1]}, and we say when that was")
def refused_certificate(what):
    how, begins = what
    with Lab("swan") as lab:
        pair = Pair(lab, begins, "certificate", dc={"crl": ["/etc/isthmus/keys/ca.crl"]})
        authority = pair.sites.authority
        if how == "revoked":
            authority.run("revoke", authority.directory / "cloud-gw.pem")
        else:
            sign(authority.directory, "cloud-gw", NAMES["cloud"], authority.directory / "ca", -1)
            pair.charon.certify(authority, "cloud")
        authority.give(pair.we, "ca.crl")
        pair.start_both()
        if begins == IT:
            pair.charon.initiate()
        wanted = ["CN=cloud-gw.example.org", "was revoked at" if how == "revoked" else "has expired: notAfter is"]
        check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.1), f"the error: {last_error(pair.we)}")
        check(not is_up(pair.we), "it came up")


@case
def nothing_in_common():
    """Proposals without anything in common: ours are shown, and as responder strongSwan's too."""
    with Lab("swan") as lab:
        pair = Pair(lab, IT, dc={"prfs": ["sha512"]}, ike="aes256gcm16-prfsha256-x25519")
        pair.start_both()
        pair.charon.initiate()
        check(wait_until(lambda: says(mismatch(pair.we)["theirs"], ["PRF_HMAC_SHA2_256"]), PATIENCE, 0.1),
              f"no mismatch: {peer(pair.we)}")
        contains(mismatch(pair.we)["ours"], ["PRF_HMAC_SHA2_512"], "ours")


@cases((WE, IT), "a child's proposals without anything in common: {}; what is known of both is shown, and the IKE SA stays")
def no_suite_for_the_child(begins):
    with Lab("swan") as lab:
        pair = Pair(lab, begins, dc={"esp_suites": ["chacha20-poly1305"]}, esp="aes256gcm16-esn")
        pair.start_both()
        if begins == IT:
            pair.charon.initiate()
        check(wait_until(lambda: says(mismatch(pair.we)["ours"], ["CHACHA20_POLY1305"]), PATIENCE, 0.1),
              f"no mismatch: {peer(pair.we)}")
        equal(mismatch(pair.we)["child"], "cloud", "whose proposals")
        contains(mismatch(pair.we)["theirs"], ["AES_GCM_16_256"] if begins == IT else [], "theirs")
        contains(last_error(pair.we), ["NO_PROPOSAL_CHOSEN"] if begins == WE else ["no proposal in common"], "the error")
        check(ike_sa(pair.we), "the IKE SA is gone")


if __name__ == "__main__":
    print(f"# {'strongSwan is not installed' if missing() else version()}", flush=True)
    main()
