"""Starting, waiting, restarting and stopping: what the daemon refuses, makes and leaves behind."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile
import time

from harness import case, check, contains, equal, main
from lab import Lab, find_program, inside, run, wait_until
from one_site import LOCAL, OneSite, base_config, clear_config, toml
from proofs import answers
from sites import TwoSites, address
from wire import Capture, datagrams, esp_numbers, udp_stream


def refused(site, *prefix, code=1, seconds=5):
    """Starts the daemon and wants it to end by itself. Returns what it said, without the log lines' prefixes."""
    process = site.gw.spawn("refused", *prefix, find_program("isthmusd"), "--config", site.gateway.config)
    ended = process.wait(seconds)
    if ended is None:
        process.stop()
    equal(ended, code, f"exit status ({process.output().strip()!r})")
    return process.output()


def port_state(site, name="lan0"):
    status = site.gateway.status() or {"bridges": []}
    return next((p["state"] for b in status["bridges"] for p in b["ports"] if p["name"] == name), None)


@case
def second_start():
    """A second start on the same state directory is refused and names the process that holds it."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.start()
        said = refused(site)
        contains(said, ["state_dir", str(site.gateway.process.pid)], "the refusal")
        check(site.gateway.up(), "the first daemon is not up any more")


@case
def two_gateways_one_namespace():
    """A bridge name that another daemon uses is refused, and that bridge stays as it is."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.gw.ip_batch(["link add br-dc type bridge", "link set br-dc up"])
        before = site.gateway.snapshot()
        site.gateway.init_sas()
        site.gateway.start(wait=False)
        state = wait_until(lambda: (site.gateway.status() or {}).get("bridges"), 3)
        ended = site.gateway.process.wait(0.1)
        said = site.gateway.process.output()
        check(ended or (state and state[0]["state"] != "up"), f"it took over a bridge that it did not make: {said}")
        contains(said, ["br-dc", "adopt"], "the refusal")
        site.gateway.stop()
        equal(site.gateway.differences(before), [], "changes")


@case
def without_privilege_as_nobody():
    """As an ordinary user it says in one sentence which privilege it needs."""
    with Lab("life") as lab:
        site = OneSite(lab, clear_config())
        directory = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-nobody-"))
        try:
            config = clear_config()
            config["gateway"] |= {"state_dir": str(directory / "state"), "control_socket": str(directory / "socket")}
            (directory / "isthmus.toml").write_text(toml(config))
            program = shutil.copy(find_program("isthmusd"), directory)
            for path in (directory, *directory.iterdir()):
                os.chown(path, 65534, 65534)
            done = site.gw.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "--config",
                               directory / "isthmus.toml", check=False, timeout=10)
        finally:
            shutil.rmtree(directory)
        equal(done.returncode, 1, "exit status")
        contains(done.stdout + done.stderr, ["CAP_NET_ADMIN", "root"], "the refusal")


@case
def without_privilege_as_root():
    """As root without CAP_NET_ADMIN, as in a container, it says the same."""
    with Lab("life") as lab:
        site = OneSite(lab, clear_config())
        before = site.gateway.snapshot()
        said = refused(site, "setpriv", "--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin,-net_raw")
        contains(said, ["CAP_NET_ADMIN"], "the refusal")
        equal(site.gateway.differences(before), [], "changes")


@case
def without_tun():
    """Without /dev/net/tun it says so and what to do, and leaves nothing behind."""
    with Lab("life") as lab:
        site = OneSite(lab, clear_config())
        before = site.gateway.snapshot()
        said = refused(site, "unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
        contains(said, ["/dev/net/tun", "modprobe tun"], "the refusal")
        equal(site.gateway.differences(before), [], "changes")


@case
def port_in_use():
    """A UDP port that somebody else holds is named, with what to do, and nothing is left behind."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.gateway.init_sas()
        before = site.gateway.snapshot()
        with inside(site.gw.name):
            holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind((LOCAL, 4500))
        contains(refused(site), ["4500", "in use"], "the refusal")
        equal(site.gateway.differences(before), [], "changes")
        holder.close()


def tunnel_state(site, name="cloud"):
    """(state, reason) of a tunnel, None without a daemon."""
    status = site.gateway.status()
    found = next((t for t in status["tunnels"] if t["name"] == name), None) if status else None
    return (found["state"], found.get("reason", "")) if found else None


@case
def without_sa_state():
    """A manually keyed SA without its state file stays down, says how to initialise it, and sends nothing."""
    with Lab("life") as lab:
        site = OneSite(lab)
        capture = Capture(site.wan, "gw", lab.directory / "wan.pcap", "ip")
        site.gateway.start(wait=False)
        check(wait_until(lambda: tunnel_state(site), 5), "no status: " + site.gateway.process.output())
        state, reason = tunnel_state(site)
        equal(state, "down", "state")
        contains(reason, ["isthmus sa init"], "the reason")
        contains(site.gateway.process.output(), ["isthmus sa init"], "the log")
        site.lan.ip("addr", "add", "10.0.0.1/24", "dev", "eth0")
        site.lan.run("ping", "-c", 3, "-i", "0.1", "-W", 1, "10.0.0.2", check=False)
        capture.stop()
        seen = [d.payload for d in datagrams(capture.packets()) if d.payload != b"\xff"]
        equal(seen, [], "datagrams on the WAN, other than NAT keepalives")


@case
def sa_init_once():
    """`isthmus sa init` never starts a used SA's numbers again, and no key may be used under a second SPI."""
    with Lab("life") as lab:
        sites = TwoSites(lab)
        capture = Capture(sites.wan, "cloud", lab.directory / "wan.pcap", "udp port 4500")
        for _ in range(2):
            sites.start()
            check(sites.wait_for_traffic(5), "no traffic")
            for gateway in sites.gateways.values():
                gateway.stop()
                gateway.ns.run(find_program("isthmus"), "sa", "init", "--config", gateway.config, check=False)
        capture.stop()
        numbers = esp_numbers(capture.packets())
        equal(len(numbers) - len(set(numbers)), 0, "numbers used twice")
        text = sites.dc.config.read_text()
        sites.dc.config.write_text(text.replace("0xdc000001", "0xdc000002"))
        done = sites.dc.ns.run(find_program("isthmus"), "sa", "init", "--config", sites.dc.config, check=False)
        check(done.returncode != 0, "the same key was accepted under another SPI")
        contains(done.stderr, ["key"], "the refusal")


@case
def stop_removes_what_was_made():
    """A stop removes exactly what was made: bridge, interfaces and settings are as before."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.gw.ip_batch(["link add br-other type bridge", "link set br-other up", "addr add 10.9.9.1/24 dev br-other",
                          "link set lan0 promisc on"])
        site.gw.sysctl(net__ipv6__conf__lan0__accept_ra=2)
        wait_until(lambda: "tentative" not in site.gw.ip("addr").stdout, 3)
        before = site.gateway.snapshot()
        for number in (signal.SIGTERM, signal.SIGINT):
            site.start() if number == signal.SIGTERM else site.gateway.start()
            check({"br-dc", "ist-vlans"} <= set(site.gw.links()), "bridge or TAP is missing")
            site.gateway.process.signal(number)
            equal(site.gateway.process.wait(2), 0, "exit status within 2 s")
            equal(site.gateway.differences(before), [], "changes")
            check(not site.gateway.socket.exists(), "the control socket is left")


@case
def stop_after_busy_moments():
    """A gateway that was busy just before it is told to stop stops as any other."""
    with Lab("life") as lab:
        sites = TwoSites(lab)
        for _ in range(5):
            sites.start()
            check(sites.wait_for_traffic(30), "no traffic")
            for here, there in (("dc", "cloud"), ("cloud", "dc")):
                udp_stream(sites.hosts[here], sites.hosts[there], address(there), 40e6, seconds=0.2)
            time.sleep(0.2)  # quiet, but nothing has happened since
            for gateway in sites.gateways.values():
                check(gateway.process.stop(20) is not None, f"{gateway.ns.role} did not stop within 20 s")


@case
def killed_and_started_again():
    """After kill -9 the next start takes its leftovers over, and its stop removes them."""
    with Lab("life") as lab:
        site = OneSite(lab)
        before = site.gateway.snapshot()
        site.start()
        for _ in range(3):
            site.gateway.kill()
            site.gateway.start()
            check(site.gateway.up(), "not up")
        equal(site.gateway.process.stop() is not None, True, "stopped by SIGTERM")
        equal(site.gateway.differences(before), [], "changes")


@case
def adopted_bridge():
    """An adopted bridge keeps its own ports, address and settings; only our port comes and goes."""
    with Lab("life") as lab:
        config = base_config()
        config["bridge"][0]["ownership"] = "adopt"
        del config["bridge"][0]["ports"]
        site = OneSite(lab, config)
        site.gw.ip_batch(["link add br-dc type bridge mcast_snooping 1 forward_delay 700 ageing_time 12300",
                          "link set lan0 master br-dc", "link set br-dc up mtu 1400", "addr add 10.7.7.1/24 dev br-dc"])
        wait_until(lambda: "tentative" not in site.gw.ip("addr").stdout, 3)
        before = site.gateway.snapshot()
        site.start()
        masters = {link["ifname"]: link.get("master") for link in json.loads(site.gw.ip("-j", "link").stdout)}
        equal((masters["lan0"], masters["ist-vlans"]), ("br-dc", "br-dc"), "ports")
        detail = json.loads(site.gw.ip("-j", "-d", "link", "show", "br-dc").stdout)[0]
        equal((detail["mtu"], detail["linkinfo"]["info_data"]["ageing_time"]), (1400, 12300), "MTU and ageing time")
        site.gateway.stop()
        equal(site.gateway.differences(before), [], "changes")


@case
def adopted_bridge_later():
    """An adopted bridge that is not there yet is waited for."""
    with Lab("life") as lab:
        config = base_config()
        config["bridge"][0]["ownership"] = "adopt"
        del config["bridge"][0]["ports"]
        site = OneSite(lab, config)
        site.gateway.init_sas()
        site.gateway.start(wait=False)
        wait_until(lambda: site.gateway.status(), 5)
        equal(site.gateway.status()["bridges"][0]["state"], "waiting", "state before")
        site.gw.ip_batch(["link add br-dc type bridge", "link set br-dc up"])
        check(wait_until(site.gateway.up, 3), f"not up 3 s after the bridge came: {site.gateway.status()}")


@case
def lan_port_later():
    """A LAN port that is not there is waited for, shown as waiting, and joins when it comes; again when it comes back."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.gw.ip("link", "del", "lan0")
        site.start()
        for _ in range(2):
            equal(port_state(site), "waiting", "state without the port")
            contains(site.gateway.status_text(), ["lan0", "waiting"], "isthmus status")
            lab.veth(site.gw, "lan0", site.lan, "eth0")
            check(wait_until(lambda: port_state(site) == "up", 3), f"port_state: {port_state(site)} 3 s after it came")
            equal(json.loads(site.gw.ip("-j", "link", "show", "lan0").stdout)[0].get("master"), "br-dc", "master")
            site.gw.ip("link", "del", "lan0")
            check(wait_until(lambda: port_state(site) == "waiting", 3), "still up without the port")
        check(site.gateway.process.running(), "it ended")


@case
def wan_address_later():
    """A local address that is not there is waited for, and the tunnel comes up when it comes; again when it comes back."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.gw.ip("addr", "del", f"{LOCAL}/24", "dev", "wan0")
        site.gateway.init_sas()
        site.gateway.start(wait=False)
        check(wait_until(site.gateway.status, 5), "no status: " + site.gateway.process.output())

        def state():
            return site.gateway.status()["tunnels"][0]["state"]

        for _ in range(2):
            check(wait_until(lambda: state() == "waiting", 3), f"state without the address: {state()}")
            contains(site.gateway.status_text(), [LOCAL, "waiting"], "isthmus status")
            site.gw.ip("addr", "add", f"{LOCAL}/24", "dev", "wan0")
            check(wait_until(lambda: state() == "up", 3), f"state 3 s after the address came: {state()}")
            site.gw.ip("addr", "del", f"{LOCAL}/24", "dev", "wan0")


@case
def one_tunnel_waits_the_other_works():
    """A tunnel that waits for its address stops nothing else."""
    with Lab("life") as lab:
        config = clear_config()
        other = {**config["tunnel"][0], "name": "absent", "local": "192.0.2.77", "local_port": 1702}
        config["tunnel"].append(other)
        config["session"].append({**config["session"][0], "name": "second", "tunnel": "absent", "vlans": "40",
                                  "untagged": False, "local_id": 77})
        site = OneSite(lab, config)
        site.gateway.start(wait=False)
        check(wait_until(site.gateway.status, 5), "no status: " + site.gateway.process.output())
        states = {t["name"]: t["state"] for t in site.gateway.status()["tunnels"]}
        equal(states, {"cloud": "up", "absent": "waiting"}, "states")


@case
def no_number_twice():
    """No ESP sequence number is used twice over five restarts, of which three are kill -9."""
    with Lab("life") as lab:
        sites = TwoSites(lab)
        capture = Capture(sites.wan, "cloud", lab.directory / "wan.pcap", "udp port 4500")
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        for how in ("kill", "stop", "kill", "kill", "stop"):
            sites.ping(10, count=30)
            for gateway in sites.gateways.values():
                getattr(gateway, how)()
                gateway.start()
            check(sites.wait_for_traffic(5), "no traffic after " + how)
        sites.ping(10, count=30)
        capture.stop()
        numbers = esp_numbers(capture.packets())
        check(len(numbers) > 300, f"only {len(numbers)} packets seen")
        equal(len(numbers) - len(set(numbers)), 0, "numbers used twice")


@case
def damaged_sa_state():
    """A damaged state file keeps its SA down and says so, cut short or with any bit changed."""
    with Lab("life") as lab:
        site = OneSite(lab)
        site.start()
        site.gateway.stop()
        path = next(site.gateway.state_dir.glob("sa-out-*"))
        good = path.read_bytes()
        damaged = [good[:len(good) // 2], b"", *(good[:n] + bytes([good[n] ^ 1]) + good[n + 1:] for n in range(0, len(good), 9))]
        for content in damaged:
            path.write_bytes(content)
            site.gateway.start(wait=False)
            check(wait_until(lambda: tunnel_state(site), 5), "no status: " + site.gateway.process.output())
            equal(tunnel_state(site)[0], "down", f"state with {content!r}")
            check(tunnel_state(site)[1], "no reason")
            site.gateway.stop()
        path.write_bytes(good)
        site.gateway.start()


@case
def traffic_survives_other_site_restart():
    """While one gateway restarts, the other stays up and traffic comes back within 3 s."""
    with Lab("life") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        log = lab.directory / "ping.log"
        ping = sites.hosts["dc"].spawn("ping", "ping", "-n", "-D", "-i", "0.02", "10.0.10.2", log=log)
        wait_until(lambda: answers(log), 2)
        born = sites.dc.process.pid
        sites.cloud.stop()
        sites.cloud.start()
        check(sites.wait_for_traffic(3, vlan=10), "no traffic 3 s after the start")
        ping.stop()
        equal((sites.dc.process.pid, sites.dc.up()), (born, True), "the other gateway")


@case
def help_and_usage():
    """Both programs explain themselves, and an unknown option is named."""
    for name in ("isthmusd", "isthmus"):
        done = run(find_program(name), "--help", check=False)
        equal(done.returncode, 0, f"{name} --help")
        contains(done.stdout, ["usage"], f"{name} --help")
        done = run(find_program(name), *(["status"] if name == "isthmus" else []), "--no-such-option", check=False)
        check(done.returncode != 0 and "no-such-option" in done.stderr, f"{name} --no-such-option: {done.stderr!r}")
    check(re.search(r"\d+\.\d+", run(find_program("isthmusd"), "--version").stdout), "no version")


if __name__ == "__main__":
    main()
