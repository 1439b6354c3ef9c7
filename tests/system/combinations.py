"""Each way to set up a tunnel and a session carries hosts' traffic, untagged and tagged."""
from harness import cases, check, main
from lab import Lab
from one_site import base_config, toml
from proofs import name_of
from sites import VLANS, TwoSites, interface_of, ipv6_wan

SUITES = ("aes-128-gcm", "aes-256-gcm", "chacha20-poly1305", "aes-128-cbc-sha256", "aes-256-cbc-sha256",
          "aes-256-cbc-sha384", "aes-256-cbc-sha512")
KEY_SIZES = dict(zip(SUITES, (20, 36, 36, 48, 64, 80, 96)))


def both():
    return {site: base_config(site) for site in ("dc", "cloud")}


def tunnels(configs):
    return [c["tunnel"][0] for c in configs.values()]


def sessions(configs):
    return [c["session"][0] for c in configs.values()]


KEYS = ("dc-to-cloud.key", "cloud-to-dc.key")


def works(configs, vlans=(0, 10), protected=True, prepare=lambda sites: None, key_size=36, keys=KEYS):
    """Starts both gateways and wants pings of several sizes to cross in each VLAN."""
    with Lab("mix") as lab:
        sites = TwoSites(lab, configs={site: toml(c) for site, c in configs.items()}, protected=False)
        own_mac_in_each_vlan(sites)
        prepare(sites)
        if protected:
            sites.fresh_keys(key_size, keys)
        sites.start()
        for vlan in vlans:
            check(sites.wait_for_traffic(5, vlan), f"no traffic {name_of(vlan)}; drops {sites.dc.drops()} {sites.cloud.drops()}")
            for size in (0, 1, 2, 3, 64, 1000, 1300):
                loss, _ = sites.ping(vlan, count=3, size=size)
                check(loss == 0, f"{loss} % of {size} bytes lost {name_of(vlan)}; {sites.dc.drops()} {sites.cloud.drops()}")


def own_mac_in_each_vlan(sites):
    """A bridge without VLAN filtering learns one port a MAC address, whatever the VLAN: hosts need one for each."""
    for number, host in enumerate(sites.hosts.values(), 1):
        host.ip_batch([f"link set {interface_of(vlan)} address 02:00:00:00:{vlan:02x}:0{number}" for vlan in VLANS])


@cases(SUITES, "ESP with {}")
def suite(name):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["esp"]["suite"] = name
    works(configs, key_size=KEY_SIZES[name])


@cases(("udp", "raw"), "ESP in tunnel mode, {}")
def tunnel_mode(encapsulation):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["esp"] |= {"mode": "tunnel", "encapsulation": encapsulation}
    works(configs)


@cases(("protocol 50",), "ESP as IP {} in transport mode")
def raw(_):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["esp"]["encapsulation"] = "raw"
    works(configs)


@cases(("udp", "ip"), "no protection, asked for by name, L2TPv3 over {}")
def clear(encapsulation):
    configs = both()
    for tunnel in tunnels(configs):
        del tunnel["esp"]
        tunnel |= {"protection": "none", "encapsulation": encapsulation}
    works(configs, protected=False)


@cases(("udp", "raw"), "L2TPv3 over IP 115 in ESP, {}")
def ip_in_esp(encapsulation):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["encapsulation"] = "ip"
        tunnel["esp"]["encapsulation"] = encapsulation
    works(configs)


@cases((False,), "32-bit sequence numbers: extended_sequence = {}")
def no_esn(value):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["esp"] |= {"extended_sequence": value, "replay_window": 64}
    works(configs)


@cases(("udp", "raw"), "over an IPv6 WAN, ESP {}")
def ipv6(encapsulation):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["local"], tunnel["remote"] = (("2001:db8:1::1", "2001:db8:2::1") if tunnel["name"] == "cloud"
                                             else ("2001:db8:2::1", "2001:db8:1::1"))
        tunnel["esp"]["encapsulation"] = encapsulation
    works(configs, prepare=ipv6_wan)


@cases(("", "01020304"), "cookies: '{}'")
def cookies(cookie):
    configs = both()
    for session in sessions(configs):
        session["local_cookie"] = session["remote_cookie"] = cookie
    works(configs)


@cases((("none", "default"), ("default", "none"), ("default", "default")), "L2-specific sublayer: {0[0]} and {0[1]}")
def sublayer(pair):
    configs = both()
    dc, cloud = sessions(configs)
    dc["send_sublayer"] = cloud["receive_sublayer"] = pair[0]
    dc["receive_sublayer"] = cloud["send_sublayer"] = pair[1]
    works(configs)


@cases(("ignore", "drop-out-of-order"), "sequence numbers in L2TPv3, received: {}")
def sequencing(how):
    configs = both()
    for session in sessions(configs):
        session |= {"send_sublayer": "default", "receive_sublayer": "default", "send_sequence": True,
                    "receive_sequencing": how}
    works(configs)


@cases(("any",), "a session with the port as it is: VLANs {}")
def any_vlan(value):
    configs = both()
    for session in sessions(configs):
        session["vlans"] = value
        del session["untagged"]
    works(configs, vlans=(0, 10, 20, 30))


@cases(("ethernet", "ethernet-vlan"), "one-VLAN session of pseudowire type {}")
def access_vlan(pseudowire):
    configs = both()
    for session in sessions(configs):
        session |= {"pseudowire": pseudowire, "access_vlan": 10}
        session.pop("vlans"), session.pop("untagged")
    works(configs, vlans=(10,))


@cases((7,), "{} sessions on one tunnel, each with VLANs of its own")
def many_sessions(count):
    configs = both()
    for config in configs.values():
        first = config["session"].pop()
        for number, vlans in enumerate(["10", "20", "30"] + [str(100 + n) for n in range(count - 3)]):
            config["session"].append(first | {"name": f"s{number}", "vlans": vlans, "untagged": number == 0,
                                              "local_id": first["local_id"] + number, "remote_id": first["remote_id"] + number})
    works(configs, vlans=(0, 10, 20, 30))


@cases((2,), "{} tunnels between the same gateways, on ports of their own")
def two_tunnels(_):
    configs = both()
    for config in configs.values():
        tunnel, session = config["tunnel"][0], config["session"][0]
        session["vlans"] = "10"
        keys = {way: {"spi": sa["spi"] + 1, "key_file": sa["key_file"].replace("/keys/", "/keys/second-")}
                for way, sa in tunnel["esp"].items() if way in ("in", "out")}
        config["tunnel"].append(tunnel | {"name": "second", "local_port": 1702, "remote_port": 1702,
                                          "esp": tunnel["esp"] | keys | {"local_port": 4501, "remote_port": 4501}})
        config["session"].append(session | {"name": "other", "tunnel": "second", "vlans": "20", "untagged": False,
                                            "local_id": session["local_id"] + 1, "remote_id": session["remote_id"] + 1})
    works(configs, vlans=(0, 10, 20), keys=KEYS + tuple(f"second-{name}" for name in KEYS))


@cases(("from-pcp", "copy-inner"), "outer DSCP {}")
def dscp(policy):
    configs = both()
    for tunnel in tunnels(configs):
        tunnel["dscp"] = policy
    works(configs)


if __name__ == "__main__":
    main()
