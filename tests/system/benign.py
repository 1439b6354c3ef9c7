"""What networks at peace do, some of it wildly: nothing is blocked, and known unicast loses nothing."""
import os
import socket
import struct
import time

from harness import case, check, main
from lab import Lab
from switched import LOOPED, Pinger, SwitchedSites, host_mac
from wire import BROADCAST, TEST_TYPE, FrameSocket, ethernet, llc, mac, marker, tag, udp4

LONG = bool(os.environ.get("ISTHMUS_LONG"))
MINUTES = 60 if LONG else 1      # what takes minutes in life takes seconds here, and minutes with --long
BLOCKS = ("blocked", "suspended", "lan_port_blocked", "peer_blocks")


def arp(source, target, operation=1, ethertype=0x0806):
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac(source) + socket.inet_aton("10.0.10.77") + bytes(6) + \
        socket.inet_aton(target)
    return ethernet(BROADCAST, source, ethertype, body, tag(LOOPED))


def vm(number):
    return f"02:50:56:00:{number >> 8:02x}:{number & 255:02x}"


def bpdu(source, change):
    bridge_id = b"\x80\x00" + mac(source)
    body = struct.pack("!HBBB", 0, 2, 2, 0x3d if change else 0x3c) + bridge_id + bytes(4) + bridge_id + struct.pack(
        "!HHHHH", 0x8001, 0, 20 << 8, 2 << 8, 15 << 8) + b"\0"
    return llc("01:80:c2:00:00:00", source, b"\x42\x42\x03" + body)


def vrrp(source, priority):
    packet = bytes([0x31, 10, priority, 1, 0, 100, 0, 0]) + socket.inet_aton("10.0.10.254")
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(packet), 1, 0, 255, 112, 0, socket.inet_aton("10.0.10.253"),
                         socket.inet_aton("224.0.0.18"))
    return ethernet("01:00:5e:00:00:12", source, 0x0800, header + packet, tag(LOOPED))


def migration(dc, cloud):
    """Virtual machines of one site appear at the other: a wave of RARP."""
    for number in range(200):
        dc.send(ethernet(BROADCAST, vm(number), TEST_TYPE, marker(), tag(LOOPED)))
        time.sleep(0.005)
    for number in range(200):
        cloud.send(arp(vm(number), "10.0.10.77", 3, 0x8035))
        time.sleep(0.005)


def power_up(dc, _):
    """A site powers up: everybody asks for everybody."""
    for number in range(500):
        dc.send(arp(vm(1000 + number), f"10.0.10.{number % 200}"))


def restless_tree(dc, _):
    """A spanning tree with a topology change every two seconds."""
    for _ in range(5 * MINUTES):
        for change in (True, True, False, False):
            dc.send(bpdu("02:00:00:00:00:51", change))
            time.sleep(0.5 if LONG else 0.1)


def load_balancing(dc, _):
    """Network load balancing by unicast and by multicast: nobody ever speaks with that address."""
    for cluster in ("02:bf:0a:00:0a:64", "03:bf:0a:00:0a:64"):
        for _ in range(150):
            dc.send(ethernet(cluster, vm(1), 0x0800, udp4("10.0.10.77", "10.0.10.100", 1, 2, bytes(60)), tag(LOOPED)))
            time.sleep(0.004)


def teaming(dc, cloud):
    """A host whose frames come now here and now there."""
    for _ in range(20):
        for side in (dc, cloud):
            side.send(ethernet(host_mac("dc", 20), vm(2), TEST_TYPE, marker(), tag(20)))
            time.sleep(0.02)


def fail_over(dc, cloud):
    """A gateway's address moves between the sites."""
    for turn in range(6):
        for _ in range(5):
            (dc, cloud)[turn % 2].send(vrrp("00:00:5e:00:01:0a", 100 + turn))
            time.sleep(0.04)


def relay(dc, _):
    """A host that sends on what it receives, with its own address."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        got = dc.receive()
        if got is None:
            time.sleep(0.002)
        elif got[0][0] & 1 and got[0][6:12] != mac(vm(3)):
            dc.send(got[0][:6] + mac(vm(3)) + got[0][12:])


def television(dc, _):
    """Multicast of 900 frames a second."""
    frame = ethernet("01:00:5e:01:02:03", vm(4), 0x0800, udp4("10.0.10.77", "239.1.2.3", 1, 2, bytes(1200)), tag(LOOPED))
    begin = time.monotonic()
    for number in range(900 * 3):
        dc.send(frame)
        time.sleep(max(0.0, begin + number / 900 - time.monotonic()))


PEACE = (migration, power_up, restless_tree, load_balancing, teaming, fail_over, relay, television)


@case
def peace():
    """Migrations, sites that power up, restless trees, load balancers, teams, fail-overs, relays and television: nothing is blocked or lost"""
    with Lab("peace") as lab:
        sites = SwitchedSites(lab)
        sites.start()
        for vlan in (LOOPED, 20):
            check(sites.wait_for_traffic(10, vlan), f"no traffic in VLAN {vlan}")
        sides = [FrameSocket(sites.hosts[site], "eth0") for site in ("dc", "cloud")]
        for act in PEACE:
            pings = [Pinger(sites, vlan, 2) for vlan in (LOOPED, 20)]
            while sides[0].receive() or sides[1].receive():
                pass
            act(*sides)
            lost = [p.seconds_lost() for p in pings]
            blocks = [e["sentence"] for name in BLOCKS for e in sites.events(name)]
            check(not blocks, f"{act.__name__}: {blocks}")
            check(lost == [0, 0], f"{act.__name__}: {lost} s of pings lost")
        for side in sides:
            side.close()
        check(sites.closed() == [] and sites.closed(20) == [], f"closed: {sites.guard('dc')} {sites.guard('cloud')}")


@case
def restless_peer():
    """A peer that restarts again and again, and a WAN that fails for a while: nothing is blocked, and all of it comes back"""
    with Lab("peace") as lab:
        sites = SwitchedSites(lab)
        sites.start()
        check(sites.wait_for_traffic(10, LOOPED), "no traffic")
        for _ in range(10 if LONG else 2):
            sites.cloud.stop()
            sites.cloud.start()
            check(sites.wait_for_traffic(15, LOOPED), "no traffic after a restart")
        sites.tunnel(False)
        time.sleep(30 if LONG else 5)
        sites.tunnel(True)
        check(sites.wait_for_traffic(30, LOOPED), f"no traffic after the WAN is back: {sites.guard('dc')}")
        blocks = [e["sentence"] for name in BLOCKS for e in sites.events(name)]
        check(not blocks, f"{blocks}")


if __name__ == "__main__":
    main()
