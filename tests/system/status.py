"""What `isthmus status` says, as text and as JSON."""
import json
import socket
import subprocess
import tempfile

from harness import case, check, contains, equal, main
from lab import Lab, find_program, run
from one_site import OneSite
from sites import TwoSites, address
from switched import unguarded

NUMBER = (int, float)
TRAFFIC = {"packets": int, "bytes": int}
SHAPE = {
    "gateway": {"name": str, "version": str, "uptime_s": NUMBER, "drops": {}},
    "bridges": [{"name": str, "ownership": str, "state": str, "ports": [{"name": str, "state": str}]}],
    "tunnels": [{"name": str, "state": str, "local": str, "remote": str, "encapsulation": str, "protection": str,
                 "mtu": {"path_mtu": int, "lines": [{"what": str, "bytes": int}], "frame_mtu": int},
                 "out": TRAFFIC, "in": TRAFFIC, "drops": {},
                 "sas": [{"direction": str, "spi": str, "suite": str, "sequence": int, "packets": int, "bytes": int}]}],
    "sessions": [{"name": str, "tunnel": str, "bridge": str, "interface": str, "state": str, "local_id": (str, int),
                  "remote_id": (str, int), "vlans": str, "untagged": bool, "out": {**TRAFFIC, "drops": {}},
                  "in": {**TRAFFIC, "drops": {}}}],
}


def fits(value, shape, where):
    if isinstance(shape, dict):
        check(isinstance(value, dict), f"{where} is no object")
        for key, inner in shape.items():
            check(key in value, f"{where}.{key} is missing")
            fits(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        check(isinstance(value, list) and value, f"{where} is no list or empty")
        for number, item in enumerate(value):
            fits(item, shape[0], f"{where}[{number}]")
    else:
        check(isinstance(value, shape), f"{where} is {value!r}")


@case
def json_status():
    """The JSON status has each tunnel, SA and session with state, addresses, ids, budget, packets and bytes."""
    with Lab("status") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        fits(sites.dc.status(), SHAPE, "status")


@case
def another_version():
    """An isthmusd that answers in another shape is told in words, and is no crash."""
    answers = {"guard": {"enabled": True, "bridges": [{"bridge": "br-dc", "strays": {"vlans": "many"}}]}, "status": {"gateway": {"name": 7}}}
    for request, answer in answers.items():
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as daemon:
            daemon.bind(f"{folder}/sock")
            daemon.listen(1)
            asking = subprocess.Popen([find_program("isthmus"), request, "--socket", f"{folder}/sock"], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
            connection, _ = daemon.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(json.dumps({"ok": True, "result": answer}).encode() + b"\n")
                _, said = asking.communicate(timeout=20)
            equal(asking.returncode, 1, f"exit status of isthmus {request}")
            contains(said, ["isthmus: the answer was not understood", "another version"], f"isthmus {request}")


@case
def counters_agree():
    """Both gateways count the same packets and bytes: what one sent, the other received."""
    with Lab("status") as lab:
        sites = TwoSites(lab, configs={site: unguarded(site) for site in ("dc", "cloud")})  # guards never stop talking
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        sites.ping(10, count=50)
        sites.hosts["dc"].ip("link", "set", "eth0", "down")
        sites.hosts["cloud"].ip("link", "set", "eth0", "down")
        a, b = sites.dc.status(), sites.cloud.status()
        for one, other in ((a, b), (b, a)):
            equal(one["sessions"][0]["out"]["packets"], other["sessions"][0]["in"]["packets"], "frames out here, in there")
            equal(one["sessions"][0]["out"]["bytes"], other["sessions"][0]["in"]["bytes"], "bytes out here, in there")
            equal(one["tunnels"][0]["out"], other["tunnels"][0]["in"], "tunnel's packets and bytes")
        check(a["sessions"][0]["out"]["packets"] >= 50, "fewer than the pings")


@case
def budget_adds_up():
    """The MTU budget's lines add up: path MTU less each of them is what hosts may send."""
    with Lab("status") as lab:
        site = OneSite(lab)
        site.start()
        mtu = site.gateway.status()["tunnels"][0]["mtu"]
        equal(mtu["path_mtu"], 1500, "path MTU, from the interface of the local address")
        equal(mtu["path_mtu"] - sum(line["bytes"] for line in mtu["lines"]), mtu["ip_mtu"], "what is left for an IP packet")
        headers = sum(line["bytes"] for line in mtu["lines"] if line["what"] in ("Ethernet header", "VLAN tags"))
        equal((headers, mtu["ip_mtu"] + headers), (18, mtu["frame_mtu"]), "Ethernet header and tag, and what a frame may have")


@case
def text_status():
    """The text status names state, addresses, ids, SAs and each line of the budget; colour is for terminals only."""
    with Lab("status") as lab:
        site = OneSite(lab)
        site.start()
        text = site.gateway.status_text()
        status = site.gateway.status()
        contains(text, ["dc-gw", "198.51.100.1", "203.0.113.1", "up", "cloud", "vlans", "br-dc", "ist-vlans", "aes-256-gcm",
                        *(line["what"] for line in status["tunnels"][0]["mtu"]["lines"]),
                        *(sa["spi"] for sa in status["tunnels"][0]["sas"])], "isthmus status")
        check("\x1b" not in text, "escape sequences in a pipe")
        check(max(map(len, text.splitlines())) <= 160, "a line is wider than 160 characters")


@case
def nobody_home():
    """Without a daemon it says so in one sentence, on stderr, and fails."""
    done = run(find_program("isthmus"), "status", "--socket", "/run/no-such-isthmus.sock", check=False)
    check(done.returncode != 0 and done.stdout == "", f"exit status {done.returncode}, stdout {done.stdout!r}")
    contains(done.stderr, ["/run/no-such-isthmus.sock", "running"], "stderr")
    equal(len(done.stderr.strip().splitlines()), 1, "lines on stderr")


@case
def traffic_in_status():
    """Drops appear in the status under their names, with the session that had them."""
    with Lab("status") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        sites.hosts["dc"].run("ping", "-c", 2, "-i", "0.1", "-W", 1, address("cloud", 30), check=False)
        drops = sites.dc.status()["sessions"][0]["out"]["drops"]
        check(drops.get("vlan_not_allowed", 0) >= 1, f"drops of the session: {json.dumps(drops)}")
        contains(sites.dc.status_text(), ["vlan_not_allowed"], "isthmus status")


if __name__ == "__main__":
    main()
