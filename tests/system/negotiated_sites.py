"""Two gateways that negotiate their sessions, and what tests ask them."""
import copy
import json
import socket
import threading

from harness import check
from lab import find_program, run
from one_site import base_config, toml
from sites import TwoSites
from wire import ping

SITES = ("dc", "cloud")
STATIC = ("local_id", "remote_id", "local_cookie", "remote_cookie")


def negotiated(site, protected=True, **control):
    """The lab's configuration with manual keys, its session negotiated."""
    config = base_config(site)
    tunnel, session = config["tunnel"][0], config["session"][0]
    tunnel["control"] = {"hello": 2, **control}
    if not protected:
        del tunnel["esp"]
        tunnel["protection"] = "none"
    for key in STATIC:
        session.pop(key, None)
    session["end_id"] = "lab-vlans"
    return config


def with_second_session(config):
    """A session for VLAN 50 beside the one for 10 and 20."""
    config = copy.deepcopy(config)
    config["session"].append({**config["session"][0], "name": "other", "end_id": "other", "vlans": "50", "untagged": False})
    return config


def start(lab, configs, protected=True):
    sites = TwoSites(lab, configs={site: toml(c) for site, c in configs.items()}, protected=protected)
    sites.start()
    return sites


def ask(gateway, request, **arguments):
    """The daemon's answer to a request of its control socket."""
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.connect(str(gateway.socket))
        daemon.sendall(json.dumps({"request": request, **arguments}).encode() + b"\n")
        answer = json.loads(daemon.makefile().readline())
    check(answer.get("ok"), f"{request}: {answer}")
    return answer["result"]


def session_of(gateway, name="vlans"):
    return next(s for s in ask(gateway, "sessions")["sessions"] if s["name"] == name)


def tunnel_of(gateway):
    return ask(gateway, "tunnels")["tunnels"][0]


def reload(gateway, config):
    gateway.configure(toml(config))
    done = run(find_program("isthmus"), "reload", "--json", "--socket", gateway.socket, check=False)
    check(done.returncode == 0 and json.loads(done.stdout)["applied"], f"reload: {done.stdout} {done.stderr}")


def command(gateway, *arguments):
    return run(find_program("isthmus"), *arguments, "--socket", gateway.socket, check=False)


class Pings:
    """Pings VLAN 10 while the block runs; the answers are counted afterwards."""

    def __init__(self, sites, count, interval=0.002):
        self.sites, self.count, self.interval, self.answers = sites, count, interval, None

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()

    def _run(self):
        self.answers = ping(self.sites.hosts["dc"], "10.0.10.2", self.count, interval=self.interval)[0]
