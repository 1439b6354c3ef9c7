"""Packets that must not get through are counted under the reason's name, and shown."""
import os
import struct

from harness import case, check, contains, equal, main
from lab import Lab, wait_until
from one_site import LAN_MAC, LOCAL, OneSite, base_config, clear_config, toml
from sites import HOST_MAC, TwoSites
from wire import BROADCAST, TEST_TYPE, Capture, FrameSocket, Watch, datagrams, ethernet, marker, tag

SESSION, COOKIE = 0xA1B2C3D4, bytes.fromhex("f1f2f3f4f5f6f7f8")  # as in dc-gw.toml
PEER_MAC = "02:00:00:00:00:99"


def l2tp(frame, session=SESSION, cookie=COOKIE, flags=0x0003):
    """An L2TPv3 data packet over UDP (RFC 3931 section 4.1.2.1)."""
    return struct.pack("!HHI", flags, 0, session) + cookie + frame


def drop_of(site, reason, packets, send):
    """Sends the packets and wants all of them, and nothing else, counted under the reason."""
    before = site.gateway.drops()
    for packet in packets:
        send(packet)

    def difference():
        now = site.gateway.drops()
        return {k: v - before.get(k, 0) for k, v in now.items() if v != before.get(k, 0)}

    wait_until(lambda: difference().get(reason, 0) >= len(packets), 2)
    equal(difference(), {reason: len(packets)}, "drops")
    contains(site.gateway.status_text(), [reason], "isthmus status")


def clear_site(lab):
    site = OneSite(lab, clear_config())
    site.start()
    peer = site.peer_socket(1701)
    return site, lambda packet: peer.sendto(packet, (LOCAL, 1701))


FRAME = ethernet(LAN_MAC, PEER_MAC, TEST_TYPE, b"x" * 60)


@case
def a_good_packet_arrives():
    """A good L2TPv3 packet from the peer comes out of the LAN port as the same frame."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        frame = ethernet(LAN_MAC, PEER_MAC, TEST_TYPE, mark := marker(), tag(10))
        with Watch(site.lan, "eth0", mark) as watch:
            send(l2tp(frame))
            watch.settle(1)
        equal(watch.frames, [frame], "frames on the LAN")


@case
def wrong_cookie():
    """A wrong cookie is dropped as l2tp_bad_cookie: each single bit of it matters."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        wrong = [(int.from_bytes(COOKIE, "big") ^ 1 << bit).to_bytes(8, "big") for bit in range(64)]
        with Watch(site.lan, "eth0", b"x" * 60) as watch:
            drop_of(site, "l2tp_bad_cookie", [l2tp(FRAME, cookie=c) for c in wrong], send)
        equal(watch.count, 0, "frames that got through")


@case
def unknown_session():
    """An unknown Session ID is dropped as l2tp_unknown_session."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        drop_of(site, "l2tp_unknown_session", [l2tp(FRAME, session=s) for s in (1, 0xFFFFFFFF, SESSION ^ 1)], send)


@case
def bad_version():
    """A version other than 3 is dropped as l2tp_bad_version."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        drop_of(site, "l2tp_bad_version", [l2tp(FRAME, flags=v) for v in (0, 1, 2, 4, 15)], send)


@case
def truncated_l2tp():
    """A packet cut at any byte of its header is counted, and none gets through."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        whole = l2tp(FRAME)
        cuts = [whole[:n] for n in range(1, 16 + 14)]
        before = site.gateway.drops()
        for packet in cuts:
            send(packet)
        wait_until(lambda: sum(site.gateway.drops().values()) - sum(before.values()) >= len(cuts), 2)
        equal(sum(site.gateway.drops().values()) - sum(before.values()), len(cuts), "packets counted as dropped")
        names = set(site.gateway.drops())
        check(names <= {"l2tp_truncated", "l2tp_no_frame", "l2tp_bad_cookie", "malformed_frame"}, f"reasons {names}")


@case
def stranger():
    """A packet from another address than the peer's is dropped, though its ids and cookie are right."""
    with Lab("path") as lab:
        site = OneSite(lab, clear_config())
        site.start()
        site.wan.ip("addr", "add", "203.0.113.66/32", "dev", "lo")
        other = site.peer_socket(1701, "203.0.113.66")
        before = site.gateway.drops()
        with Watch(site.lan, "eth0", b"x" * 60) as watch:
            for _ in range(5):
                other.sendto(l2tp(FRAME), (LOCAL, 1701))
            wait_until(lambda: sum(site.gateway.drops().values()) - sum(before.values()) >= 5, 1)
        equal(watch.count, 0, "frames that got through")
        equal(sum(site.gateway.drops().values()) - sum(before.values()), 5, "packets counted as dropped")


@case
def vlan_from_tunnel():
    """A frame of a VLAN that is not allowed is dropped also when it comes from the tunnel."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        frames = [ethernet(BROADCAST, PEER_MAC, TEST_TYPE, b"y" * 60, tag(v)) for v in (1, 30, 4094)]
        with Watch(site.lan, "eth0", b"y" * 60) as watch:
            drop_of(site, "vlan_not_allowed", [l2tp(f) for f in frames], send)
        equal(watch.count, 0, "frames that got through")


@case
def link_local_from_tunnel():
    """A BPDU that comes from the tunnel is dropped as link_local_protocol."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        frame = ethernet("01:80:c2:00:00:00", PEER_MAC, 38, b"\x42\x42\x03" + bytes(35))
        drop_of(site, "link_local_protocol", [l2tp(frame)] * 3, send)


@case
def clear_packet_on_protected_tunnel():
    """An unprotected L2TP packet for a tunnel that is protected by ESP never gets through."""
    with Lab("path") as lab:
        site = OneSite(lab)
        site.start()
        with Watch(site.lan, "eth0", b"x" * 60) as watch:
            for port in (1701, 4500):
                peer = site.peer_socket(port)
                for packet in (l2tp(FRAME), bytes(4) + l2tp(FRAME), struct.pack("!I", SESSION) + COOKIE + FRAME):
                    peer.sendto(packet, (LOCAL, port))
                peer.close()
            watch.settle(1, 0.5)
        equal(watch.count, 0, "frames that got through")


@case
def esp_rubbish():
    """ESP with an unknown SPI, a wrong ICV, a cut at any byte and keepalives are each counted by name."""
    with Lab("path") as lab:
        site = OneSite(lab)
        site.start()
        peer = site.peer_socket(4500)

        def send(packet):
            peer.sendto(packet, (LOCAL, 4500))

        spi = struct.pack("!I", 0xC1000001)
        drop_of(site, "esp_unknown_spi", [struct.pack("!II", s, 1) + bytes(60) for s in (0x100, 0xC1000002, 0xDC000001)], send)
        drop_of(site, "esp_bad_icv", [spi + struct.pack("!I", n) + bytes(60) for n in range(1, 20)], send)
        drop_of(site, "nat_keepalive", [b"\xff"] * 3, send)
        cuts = [(spi + struct.pack("!I", 5) + bytes(40))[:n] for n in range(4, 36)]
        drop_of(site, "esp_truncated", cuts, send)


@case
def wrong_key():
    """With a wrong key nothing crosses, and every packet is counted as esp_bad_icv at the far side."""
    with Lab("path") as lab:
        sites = TwoSites(lab, protected=False)
        for gateway in sites.gateways.values():
            for name in ("dc-to-cloud.key", "cloud-to-dc.key"):
                gateway.put_key(name, os.urandom(36))
            gateway.init_sas()
        sites.start()
        loss, _ = sites.ping(10, count=5)
        equal(loss, 100.0, "ping loss")

        def figures():
            return sites.dc.status()["tunnels"][0]["out"]["packets"], sites.cloud.drops().get("esp_bad_icv", 0)

        # Hellos and probes go on meanwhile: what was sent before the far side was asked has arrived, and no more than is sent after it.
        def bracketed():
            before, refused = figures()
            return before <= refused <= figures()[0] and refused > 0

        check(wait_until(bracketed, 10), f"{figures()} packets sent, and counted as esp_bad_icv")


@case
def wrong_cookie_under_esp():
    """A wrong cookie under ESP is counted as l2tp_bad_cookie, and nothing crosses."""
    with Lab("path") as lab:
        config = base_config("cloud")
        config["session"][0]["local_cookie"] = "0102030405060709"
        sites = TwoSites(lab, configs={"dc": toml(base_config()), "cloud": toml(config)})
        sites.start()
        equal(sites.ping(10, count=5)[0], 100.0, "ping loss")
        check(sites.cloud.drops().get("l2tp_bad_cookie", 0) > 0, f"drops: {sites.cloud.drops()}")


def as_dc(sites):
    """A socket in the WAN with the address and port of dc-gw, whose own packets are not heard any more."""
    sites.dc.stop()
    sites.wan.ip("addr", "add", "198.51.100.1/32", "dev", "lo")
    return OneSite.peer_socket(sites, 4500, "198.51.100.1")


@case
def replay():
    """ESP packets that are sent again are dropped as esp_replayed, and what they carried does not come twice."""
    with Lab("path") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        capture = Capture(sites.wan, "cloud", lab.directory / "wan.pcap", "udp port 4500 and dst host 203.0.113.1")
        with Watch(sites.hosts["cloud"], "eth0", mark := marker()) as watch:
            out = FrameSocket(sites.hosts["dc"], "eth0", receive=False)
            for _ in range(20):
                out.send(ethernet(HOST_MAC["cloud"], HOST_MAC["dc"], TEST_TYPE, mark))
            watch.settle(20)
            capture.stop()
            before = sites.cloud.drops()
            peer = as_dc(sites)
            packets = [d.payload for d in datagrams(capture.packets()) if len(d.payload) > 60]
            for packet in packets:
                peer.sendto(packet, ("203.0.113.1", 4500))
            wait_until(lambda: sites.cloud.drops().get("esp_replayed", 0) >= len(packets), 1)
        check(len(packets) >= 20, f"{len(packets)} packets captured")
        equal(sites.cloud.drops().get("esp_replayed", 0) - before.get("esp_replayed", 0), len(packets), "esp_replayed")
        equal(watch.count, 20, "frames on the far LAN")


@case
def altered():
    """Each altered bit of an ESP packet makes it esp_bad_icv or another named drop, and nothing gets through."""
    with Lab("path") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        capture = Capture(sites.wan, "dc", lab.directory / "wan.pcap", "udp port 4500 and src host 198.51.100.1")
        sites.ping(10, count=1)
        capture.stop()
        esp = next(d.payload for d in datagrams(capture.packets()) if len(d.payload) > 80)
        peer = as_dc(sites)
        before = esp_drops(sites.cloud)
        delivered = sites.cloud.status()["sessions"][0]["in"]["packets"]
        for bit in range(len(esp) * 8):
            changed = bytearray(esp)
            changed[bit // 8] ^= 1 << bit % 8
            peer.sendto(bytes(changed), ("203.0.113.1", 4500))

        def counted():
            return sum(esp_drops(sites.cloud).values()) - sum(before.values())

        wait_until(lambda: counted() >= len(esp) * 8, 3)
        equal(counted(), len(esp) * 8, "ESP drops")
        equal(sites.cloud.status()["sessions"][0]["in"]["packets"], delivered, "packets that got through, beside those before")
        check(set(esp_drops(sites.cloud)) <= {"esp_bad_icv", "esp_unknown_spi", "esp_replayed", "esp_outside_window"},
              f"reasons {sites.cloud.drops()}")


def esp_drops(gateway):
    return {reason: count for reason, count in gateway.drops().items() if reason.startswith("esp_")}


@case
def over_budget():
    """The largest frame that the budget allows crosses; one byte more is dropped as exceeds_path_mtu and shown."""
    with Lab("path") as lab:
        sites = TwoSites(lab)
        sites.start()
        check(sites.wait_for_traffic(5), "no traffic")
        largest = sites.dc.status()["tunnels"][0]["mtu"]["frame_mtu"]
        out = FrameSocket(sites.hosts["dc"], "eth0", receive=False)
        with Watch(sites.hosts["cloud"], "eth0", mark := marker()) as watch:
            frame = ethernet(HOST_MAC["cloud"], HOST_MAC["dc"], TEST_TYPE, mark.ljust(largest - 14, b"\0"))
            equal(len(frame), largest, "size of the frame")
            out.send(frame)
            equal(watch.settle(1), 1, f"frames of {largest} bytes that crossed")
            for _ in range(5):
                out.send(frame + b"\0")
            wait_until(lambda: sites.dc.drops().get("exceeds_path_mtu", 0) >= 5, 1)
        equal(watch.count, 1, "frames that crossed in all")
        equal(sites.dc.drops().get("exceeds_path_mtu"), 5, "exceeds_path_mtu")
        contains(sites.dc.status_text(), ["exceeds_path_mtu", str(largest)], "isthmus status")


@case
def short_frames():
    """Frames shorter than an Ethernet header, from the LAN and from the tunnel, do no harm."""
    with Lab("path") as lab:
        site, send = clear_site(lab)
        out = FrameSocket(site.lan, "eth0", receive=False)
        for size in range(14, 20):
            out.send((b"\xff" * 6 + bytes(6) + b"\x81\x00" + bytes(6))[:size])
        before = sum(site.gateway.drops().values())
        for size in range(0, 14):
            send(l2tp(FRAME[:size]))
        wait_until(lambda: sum(site.gateway.drops().values()) - before >= 14, 2)
        check(sum(site.gateway.drops().values()) - before >= 14, f"drops {site.gateway.drops()}")
        check(site.gateway.up(), "not up")


if __name__ == "__main__":
    main()
