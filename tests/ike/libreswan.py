"""libreswan as IKEv2 peer, in both roles."""
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/system"), str(ROOT / "tests/ike")]

from harness import Skip, case, cases, check, contains, equal, main  # noqa: E402
from ike_sites import (NAMES, PATIENCE, WAN_ADDRESS, IkeSites, answers, ike, ike_sa, is_up, last_error, peer,  # noqa: E402
                       put_secret, says)
from lab import Lab, wait_until  # noqa: E402
from pluto import Pluto, unpacked  # noqa: E402

WE, IT = "we begin", "libreswan begins"


class Pair:
    """isthmusd at dc, pluto at cloud."""

    def __init__(self, lab, begins=WE, auth="psk", dc=None, **wishes):
        if not unpacked():
            raise Skip("libreswan's packages cannot be fetched")
        role = {"role": "initiator" if begins == WE else "responder"}
        self.sites = IkeSites(lab, auth, dc=role | (dc or {}))
        self.we = self.sites.dc
        self.pluto = Pluto(lab, self.sites.cloud.ns, WAN_ADDRESS["cloud"], WAN_ADDRESS["dc"],
                           (NAMES["cloud"], NAMES["dc"]), **wishes)
        if auth == "psk" and not self.pluto.wishes["secret"]:
            self.pluto.wishes["secret"] = (self.we.keys / "psk").read_text().strip()
        self.begins = begins

    def start(self):
        self.start_both()
        if self.begins == IT:
            self.initiate()

    def start_both(self):
        self.pluto.start()
        self.we.start(wait=False)
        check(wait_until(lambda: answers(self.we), PATIENCE), "isthmusd does not answer")

    def initiate(self):
        done = self.pluto.initiate()
        check(done.returncode == 0, f"whack --initiate: {done.stdout[-600:]}")

    def up(self):
        return is_up(self.we) and self.agree()

    def agree(self):
        """Both sides have the same child, from each side's point of view."""
        sa = ike_sa(self.we)
        ours = [(c["spi_out"][2:], c["spi_in"][2:]) for c in (sa or {"children": []})["children"] if c["state"] == "installed"]
        return len(ours) == 1 and ours == self.pluto.child_spis()

    def wait_up(self):
        if not wait_until(self.up, PATIENCE, 0.2):
            raise AssertionError(f"not up: {peer(self.we)['state']}, {peer(self.we)['last_error']}; libreswan: "
                                 f"{self.pluto.child_spis()} ... {self.pluto.log()[-1500:]}")


# ike=, esp= (empty: libreswan's defaults), and what [tunnel.ike] is told.
SUITES = {
    "libreswan's defaults": ("", "", {}),
    "AES-GCM-256, ECP-256": ("aes_gcm256-sha2_256-ecp_256", "aes_gcm256;dh19", {}),
    "AES-GCM-128, SHA-512, ECP-384": ("aes_gcm128-sha2_512-ecp_384", "aes_gcm128;dh20", {}),
    "ChaCha20-Poly1305, X25519": ("chacha20_poly1305-sha2_256-dh31", "chacha20_poly1305;dh31", {}),
    "AES-CBC-256, HMAC-SHA-256, MODP-2048": ("aes256-sha2_256-modp2048", "aes256-sha2_256-modp2048",
                                             {"ike_suites": ["aes-256-cbc-sha256"], "esp_suites": ["aes-256-cbc-sha256"]}),
}


@cases([(suite, begins) for suite in SUITES for begins in (WE, IT)], "{0[0]}: {0[1]}")
def suites(what):
    suite, begins = what
    ike_proposal, esp_proposal, options = SUITES[suite]
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, dc=options, ike=ike_proposal, esp=esp_proposal)
        pair.start()
        pair.wait_up()
        contains(pair.pluto.log(), ["IPsec transport"], "pluto's log")


@cases([(key, begins) for key in ("ecdsa-p256", "ecdsa-p384", "rsa-3072") for begins in (WE, IT)],
       "certificates with {0[0]}: {0[1]}")
def certificates(what):
    key, begins = what
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, "certificate")
        for site in ("dc", "cloud"):
            for suffix in ("pem", "key"):
                (pair.sites.authority.directory / f"{site}-gw.{suffix}").unlink()
            pair.sites.authority.issue(f"{site}-gw", NAMES[site], "--key", key)
        pair.sites.authority.give(pair.we, "dc-gw.pem", "dc-gw.key")
        pair.pluto.certify(pair.sites.authority, "cloud", "rsa-sha2" if key.startswith("rsa") else "ecdsa-sha2")
        pair.start()
        pair.wait_up()


@cases((WE, IT), "encapsulation forced by us: {}")
def encapsulated(begins):
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, dc={"encapsulation": "always"})
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["nat"]["esp_in_udp"], "ESP is not in UDP")


@case
def encapsulated_by_it():
    """encapsulation forced by libreswan"""
    with Lab("lswan") as lab:
        pair = Pair(lab, WE, encapsulation="yes")
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["nat"]["esp_in_udp"], "ESP is not in UDP")


@case
def rekeyed():
    """child and IKE SA are rekeyed from either side, and each time both agree again"""
    with Lab("lswan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        for name, act in (("our child", lambda: ike(pair.we, "rekey", "cloud", "--child", "cloud")),
                          ("its child", lambda: pair.pluto.whack("--name", "l2tp", "--rekey-ipsec")),
                          ("our IKE SA", lambda: ike(pair.we, "rekey", "cloud")),
                          ("its IKE SA", lambda: pair.pluto.whack("--name", "l2tp", "--rekey-ike")),
                          ("our child again", lambda: ike(pair.we, "rekey", "cloud", "--child", "cloud"))):
            before = (ike_sa(pair.we)["spi_initiator"], ike_sa(pair.we)["children"][0]["spi_in"])
            done = act()
            equal(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")

            def changed():
                sa = ike_sa(pair.we)
                return sa and pair.up() and before != (sa["spi_initiator"], sa["children"][0]["spi_in"])
            check(wait_until(changed, PATIENCE, 0.2), f"{name} was not rekeyed: {peer(pair.we)} {pair.pluto.log()[-1500:]}")


@cases((WE, IT), "a post-quantum key that both demand (RFC 8784): {}")
def post_quantum_key(begins):
    with Lab("lswan") as lab:
        secret = "what no quantum computer can guess"
        pair = Pair(lab, begins, dc={"ppk_file": "/etc/isthmus/keys/ppk", "ppk_id": "ppk-1"}, ppk=secret)
        put_secret(pair.we, "ppk", secret)
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["ppk"], "the key was not used")


@cases((WE, IT), "libreswan is killed and started again: {}")
def killed(begins):
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, dc={"dpd": 3})
        pair.start()
        pair.wait_up()
        pair.pluto.kill()
        check(wait_until(lambda: peer(pair.we)["state"] != "up", PATIENCE), "its death was not noticed")
        pair.pluto.start()
        if begins == IT:
            pair.initiate()
        pair.wait_up()


@case
def we_are_killed():
    """isthmusd is killed and started again"""
    with Lab("lswan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        pair.we.kill()
        time.sleep(0.5)
        pair.we.start(wait=False)
        check(wait_until(lambda: answers(pair.we), PATIENCE), "isthmusd does not answer")
        pair.wait_up()


@cases((WE, IT), "different shared keys: {}, and we say what is wrong")
def wrong_secret(begins):
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, secret="not the one that the other side has")
        pair.start_both()
        if begins == IT:
            pair.pluto.initiate()
        wanted = ["AUTHENTICATION_FAILED"] if begins == WE else ["keys differ"]
        check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.2), f"the error: {last_error(pair.we)}")


@case
def deleted_by_it():
    """libreswan takes the connection down: it comes back"""
    with Lab("lswan") as lab:
        pair = Pair(lab)
        pair.start()
        pair.wait_up()
        before = ike_sa(pair.we)["children"][0]["spi_in"]
        pair.pluto.whack("--name", "l2tp", "--terminate")
        check(wait_until(lambda: pair.up() and ike_sa(pair.we)["children"][0]["spi_in"] != before, PATIENCE, 0.2),
              f"did not come back: {peer(pair.we)}")


@cases((WE, IT), "its certificate is revoked: {}, and we say when that was")
def revoked(begins):
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, "certificate", dc={"crl": ["/etc/isthmus/keys/ca.crl"]})
        authority = pair.sites.authority
        authority.run("revoke", authority.directory / "cloud-gw.pem")
        authority.give(pair.we, "ca.crl")
        pair.pluto.certify(authority, "cloud", "ecdsa-sha2")
        pair.start_both()
        if begins == IT:
            pair.pluto.initiate()
        wanted = ["was revoked at", "CN=cloud-gw.example.org"]
        check(wait_until(lambda: says(last_error(pair.we), wanted), PATIENCE, 0.2), f"the error: {last_error(pair.we)}")
        check(not is_up(pair.we), "it came up")


@case
def another_name():
    """its certificate has another name than the one expected: refused with both"""
    with Lab("lswan") as lab:
        pair = Pair(lab, WE, "certificate", dc={"remote_identity": "somebody-else.example.org"})
        pair.pluto.certify(pair.sites.authority, "cloud", "ecdsa-sha2")
        pair.start_both()
        check(wait_until(lambda: says(last_error(pair.we), ["cloud-gw.example.org"]) or
                         says(last_error(pair.we), ["AUTHENTICATION_FAILED"]), PATIENCE, 0.2), f"the error: {last_error(pair.we)}")


@cases((WE, IT), "small fragments of IKE messages: {}")
def fragments(begins):
    with Lab("lswan") as lab:
        pair = Pair(lab, begins, "certificate", dc={"fragment_size": 576}, more="fragmentation=force")
        pair.pluto.certify(pair.sites.authority, "cloud", "ecdsa-sha2")
        pair.start()
        pair.wait_up()
        check(ike_sa(pair.we)["fragmentation"], "fragmentation was not agreed on")


if __name__ == "__main__":
    main()
