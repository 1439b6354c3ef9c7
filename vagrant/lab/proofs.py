"""What the demo proves about two sites that are up, each proof with its figure."""
import dataclasses
import json
import subprocess
import time

from lab import LabError, wait_until
from sites import HOST_MAC, address, interface_of
from wire import (BROADCAST, TEST_TYPE, Capture, FrameSocket, Watch, ethernet, link_local_frames, llc, mac, marker, tag,
                  esp_numbers, datagrams, udp4, udp_stream)

FRAMES = 10              # of each kind that is sent one by one
TCP_FLOOR = 50           # Mbit/s: far below what any machine reaches, far above a stalled path
UDP_RATE = 50            # Mbit/s offered
FLOOD_LIMIT = 500  # broadcast frames a second of one VLAN: the default of storm control
RESTART_LIMIT = 5.0      # seconds


@dataclasses.dataclass
class Proof:
    name: str
    value: float
    unit: str
    passed: bool
    note: str = ""

    def as_json(self):
        return {"name": self.name, "value": self.value, "unit": self.unit, "pass": self.passed}


class Proofs:
    """Sections of proofs. Each method of SECTIONS yields proofs; a proof that cannot be made is a failed one."""

    def __init__(self, sites):
        self.sites, self.lab = sites, sites.lab
        self.seen_before = {}
        self.canary = marker()

    SECTIONS = (
        ("Traffic of hosts crosses", "traffic"),
        ("Frames cross unharmed", "frames"),
        ("What must not cross does not", "refusals"),
        ("Gateways come and go", "restarts"),
        ("The WAN sees nothing but IKE and ESP", "secrecy"),
        ("Stopped gateways leave nothing behind", "traces"),
    )

    def before_start(self):
        """Called with the sites built and the gateways not started."""
        for gateway in self.sites.gateways.values():
            _furnish(gateway.ns)
            self.seen_before[gateway.site] = gateway.snapshot()
        clear = "ip and not (udp and (port 4500 or port 500)) or ip6"
        self.clear = [Capture(self.sites.wan, site, self.lab.directory / f"clear-{site}.pcap", clear)
                      for site in ("dc", "cloud")]
        self.everything = None

    # Traffic of hosts

    def traffic(self):
        for vlan in (0, 10, 20):
            yield self._ping(vlan)
        yield self._ping(10, family=6)
        server = self.sites.hosts["cloud"].spawn("iperf3", "iperf3", "-s", "--forceflush")
        wait_until(lambda: "listening" in server.output(), 3)
        for vlan in (0, 10):
            for reverse in (False, True):
                yield from self._guarded(f"TCP, {name_of(vlan)}, {'to' if reverse else 'from'} dc", "Mbit/s",
                                         lambda: self._tcp(vlan, reverse))
        yield from self._guarded("UDP loss, untagged", "%", self._udp)
        server.stop()
        self.everything = Capture(self.sites.wan, "cloud", self.lab.directory / "wan.pcap", "udp port 4500")

    def _ping(self, vlan, family=4, count=50):
        loss, mean = self.sites.ping(vlan, count, family=family)
        name = f"ping loss, {name_of(vlan)}" + (", IPv6" if family == 6 else "")
        return Proof(name, loss, "%", loss == 0, f"of {count}, mean {mean:.2f} ms" if mean else "no answer")

    def _tcp(self, vlan, reverse):
        result = self._iperf(vlan, "-t", "2", *(["-R"] if reverse else []))
        rate = round(result["end"]["sum_received"]["bits_per_second"] / 1e6, 1)
        again = result["end"]["sum_sent"].get("retransmits", 0)
        return rate, rate >= TCP_FLOOR, f"MSS {result['start']['tcp_mss_default']}, {again} retransmitted"

    def _udp(self):
        hosts = self.sites.hosts
        sent, came = udp_stream(hosts["dc"], hosts["cloud"], address("cloud"), UDP_RATE * 1e6)
        loss = round(100.0 * (sent - came) / sent, 2)
        return loss, loss <= 0.1, f"of {sent:,} datagrams of 1200 bytes at {UDP_RATE} Mbit/s"

    def _iperf(self, vlan, *options):
        done = self.sites.hosts["dc"].run("iperf3", "-J", "-c", address("cloud", vlan), "-B", address("dc", vlan), *options,
                                          "--connect-timeout", "2000", check=False, timeout=20)
        result = json.loads(done.stdout)
        if "error" in result:
            raise LabError("iperf3: " + result["error"])
        return result

    # Frames, one by one

    def frames(self):
        source = HOST_MAC["dc"]
        twins = {"broadcast": BROADCAST, "IPv4 multicast": "01:00:5e:01:02:03", "IPv6 multicast": "33:33:00:01:02:03"}
        for kind, destination in twins.items():
            for vlan in (0, 10, 20) if kind == "broadcast" else (0, 10):
                tags = tag(vlan) if vlan else b""
                yield self._crosses(f"{kind}, {name_of(vlan)}",
                                    lambda m: ethernet(destination, source, TEST_TYPE, m + bytes(40), tags))
        to = HOST_MAC["cloud"]
        ipx, netbios, snap = b"\xe0\xe0\x03", b"\xf0\xf0\x03", b"\xaa\xaa\x03\x00\x00\x00\x81\x37"
        yield self._crosses("LLC frame (IPX)", lambda m: llc(to, source, ipx + m + bytes(60)))
        yield self._crosses("LLC frame (NetBEUI), short", lambda m: llc(BROADCAST, source, netbios + m))
        yield self._crosses("SNAP frame, VLAN 10", lambda m: llc(to, source, snap + m + bytes(60), tag(10)))
        yield self._crosses("QinQ 802.1ad 10 in front of 802.1Q 99",
                            lambda m: ethernet(to, source, TEST_TYPE, m + bytes(60), tag(10, 0x88A8, 5) + tag(99)))
        yield self._crosses("QinQ 802.1Q 10 in front of 802.1Q 30",
                            lambda m: ethernet(to, source, TEST_TYPE, m + bytes(60), tag(10, pcp=3) + tag(30)))
        yield self._crosses("priority tag (VLAN 0, PCP 6)",
                            lambda m: ethernet(to, source, TEST_TYPE, m + bytes(60), tag(0, pcp=6)))

    def _crosses(self, name, make):
        """Sends FRAMES frames, each different, and wants to see exactly these bytes on the far side, once and in order."""
        sent = []
        with Watch(self.sites.hosts["cloud"], "eth0", mark := marker()) as watch:
            out = FrameSocket(self.sites.hosts["dc"], "eth0", receive=False)
            for number in range(FRAMES):
                sent.append(make(mark + number.to_bytes(2, "big")))
                out.send(sent[-1])
            watch.settle(FRAMES)
            out.close()
        same = sum(a == b for a, b in zip(sent, watch.frames))
        return Proof(name, same, "frames", watch.frames == sent, f"of {FRAMES}, the same bytes")

    # What must stay

    def refusals(self):
        yield self._vlan_30()
        yield from self._link_local()
        yield self._flood()

    def _vlan_30(self):
        crossed, mark = 0, marker()
        for here, there in (("dc", "cloud"), ("cloud", "dc")):
            with Watch(self.sites.hosts[there], "eth0", mark) as watch:
                out = FrameSocket(self.sites.hosts[here], "eth0", receive=False)
                for destination in (BROADCAST, HOST_MAC[there]):
                    for tpid in (0x8100, 0x88A8):
                        for _ in range(FRAMES):
                            out.send(ethernet(destination, HOST_MAC[here], TEST_TYPE, mark + bytes(40), tag(30, tpid)))
                out.close()
                watch.settle(1, 0.4)
            crossed += watch.count
        loss, _ = self.sites.ping(30, count=3)
        return Proof("VLAN 30 (not allowed): frames that crossed", crossed, "frames", crossed == 0 and loss == 100.0,
                     f"of {FRAMES * 8} sent in both directions; ping lost {loss:.0f} %")

    def _link_local(self):
        mark = marker()
        frames = link_local_frames(HOST_MAC["dc"], mark)
        with Watch(self.sites.hosts["cloud"], "eth0", mark) as watch:
            out = FrameSocket(self.sites.hosts["dc"], "eth0", receive=False)
            for frame in frames.values():
                for _ in range(FRAMES):
                    out.send(frame)
            out.close()
            watch.settle(1, 0.5)
        dropped = self.sites.dc.drops().get("link_local_protocol", 0)
        bpdus = {k: v for k, v in frames.items() if "STP" in k or "PVST" in k}
        for name, kinds in (("BPDUs", bpdus), ("CDP, LLDP, LACP and kin", frames.keys() - bpdus.keys())):
            crossed = sum(f == frames[k] for f in watch.frames for k in kinds)
            yield Proof(f"{name} that crossed", crossed, "frames", watch.count == 0 and dropped > 0,
                        f"of {FRAMES * len(kinds)} sent: " + ", ".join(k for k in frames if k in kinds))

    def _flood(self, seconds=1.0):
        mark, sent = marker(), 0
        frame = ethernet(BROADCAST, HOST_MAC["dc"], TEST_TYPE, mark + bytes(40))
        with Watch(self.sites.hosts["cloud"], "eth0", mark, keep=0) as watch:
            out = FrameSocket(self.sites.hosts["dc"], "eth0", receive=False)
            begin = time.monotonic()
            while time.monotonic() < begin + seconds:
                for _ in range(100):
                    sent += out.send(frame)
            out.close()
            time.sleep(0.3)  # what is still on its way
            took = time.monotonic() - begin
        most = FLOOD_LIMIT + FLOOD_LIMIT * took * 1.05
        return Proof("broadcast flood: frames that crossed", watch.count, "frames",
                     FLOOD_LIMIT * 0.9 <= watch.count <= most and sent > 2 * most,
                     f"of {sent:,} sent in {seconds:.0f} s; the limit lets {most:,.0f} through at most")

    # Restarts

    def restarts(self):
        time.sleep(0.5)  # the flood's token bucket fills again
        yield from self._guarded("restart of cloud-gw: traffic is back", "s", lambda: self._outage(self._restart))
        yield from self._guarded("kill -9 of dc-gw and start: traffic is back", "s", lambda: self._outage(self._kill))

    def _outage(self, event):
        """Seconds between the last answer before the event and the first after it, by pings every 20 ms."""
        log = self.lab.directory / f"outage-{time.monotonic_ns()}.log"
        pinger = self.sites.hosts["dc"].spawn("ping", "ping", "-n", "-D", "-O", "-i", "0.02", address("cloud", 10), log=log)
        wait_until(lambda: answers(log), 2)
        note = event()
        back = time.time()
        wait_until(lambda: any(t > back for t in answers(log)), 10)
        time.sleep(0.3)
        pinger.signal(2)
        pinger.wait(3)
        times = answers(log)
        if not times or times[-1] < back:
            return -1, False, "no answer within 10 s"
        gap = round(max((b - a for a, b in zip(times, times[1:])), default=0.0), 2)
        return gap, gap <= RESTART_LIMIT, note

    def _restart(self):
        took = self.sites.cloud.stop()
        self.sites.cloud.start()
        return f"stopped in {took:.2f} s" if took is not None else "had to be killed"

    def _kill(self):
        gateway = self.sites.dc
        interface = gateway.status()["sessions"][0].get("interface", "ist-vlans")
        gateway.kill()
        left = wait_until(lambda: interface not in gateway.ns.links(), 2)
        gateway.start()
        return f"its interface {interface} went with it" if left else f"{interface} was left behind"

    # The WAN

    def secrecy(self):
        arrived = self._send_canary()
        missed = self.everything.stop()
        packets = self.everything.packets()
        numbers = esp_numbers(packets)
        data = self.everything.path.read_bytes()
        found = data.count(self.canary) + sum(d.payload.count(mac(m)) for d in datagrams(packets) for m in HOST_MAC.values())
        yield Proof("plaintext found on the WAN", found, "times", found == 0 and arrived == 4 and len(numbers) > 100,
                    f"in {len(numbers):,} ESP packets; {arrived} canaries crossed, hosts' MAC addresses looked for too")
        highest, again = {}, 0
        for destination, spi, number in numbers:
            again += number <= highest.get((destination, spi), -1)
            highest[destination, spi] = max(number, highest.get((destination, spi), -1))
        yield Proof("ESP sequence numbers used twice", again, "packets", again == 0 and len(highest) >= 2 and not missed,
                    "across both restarts" + (f"; the capture missed {missed} packets" if missed else ""))
        lost = sum(c.stop() for c in self.clear)
        seen = [p for c in self.clear for p in c.packets()]
        others = [p for p in seen if not unreachable_esp(p.data)]
        strange = [d for d in datagrams(packets) if d.payload != b"\xff" and len(d.payload) < 32]
        count = len(others) + len(strange)
        yield Proof("IP packets other than IKE, ESP and its keepalives", count, "packets", count == 0 and not lost,
                    "on both WAN links, during the whole demo" + (
                        f"; beside {len(seen) - len(others)} ICMP errors of kernels whose gateway was down, quoting ESP"
                        if len(seen) > len(others) else ""))

    def _send_canary(self):
        count = 0
        for vlan in (0, 10):
            for padding in (0, 900):
                with Watch(self.sites.hosts["cloud"], "eth0", self.canary) as watch:
                    out = FrameSocket(self.sites.hosts["dc"], "eth0", receive=False)
                    packet = udp4(address("dc", vlan), address("cloud", vlan), 5000, 5001, self.canary + bytes(padding))
                    out.send(ethernet(HOST_MAC["cloud"], HOST_MAC["dc"], 0x0800, packet, tag(vlan) if vlan else b""))
                    count += watch.settle(1)
                    out.close()
        return count

    # After the stop

    def traces(self):
        for gateway in self.sites.gateways.values():
            took = gateway.stop()
            yield Proof(f"{gateway.ns.role} stops on SIGTERM", round(took, 2) if took is not None else -1, "s",
                        took is not None and took <= 2 and gateway.process.popen.returncode == 0, "exit status "
                        f"{gateway.process.popen.returncode}")
        for gateway in self.sites.gateways.values():
            left = gateway.differences(self.seen_before[gateway.site])
            if gateway.socket.exists():
                left.append("control socket")
            yield Proof(f"changes left in {gateway.ns.role}", len(left), "changes", not left,
                        "; ".join(left)[:300] or "links, addresses, routes, rules and settings as before; another's bridge untouched")

    def _guarded(self, name, unit, measure):
        try:
            value, passed, note = measure()
        except (LabError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            value, passed, note = -1, False, str(error)[:300]
        yield Proof(name, value, unit, passed, note)


def _furnish(ns):
    """Somebody else's bridge and firewall table, which must be as they were in the end."""
    ns.ip_batch(["link add br-other type bridge", "link add other0 type veth peer name other1",
                 "link set other0 master br-other", "link set other0 up", "link set other1 up", "link set br-other up",
                 "addr add 10.99.0.1/24 dev br-other"])
    ns.run("nft", "add table inet other", check=False)


def unreachable_esp(frame):
    """ICMP port unreachable about UDP 500 or 4500: the kernel's own word while no gateway runs."""
    at = 14 + (frame[14] & 15) * 4
    quoted = frame[at + 8:]
    return (frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[at:at + 2] == b"\x03\x03" and
            quoted[9:10] == b"\x11" and quoted[20:24] in [port.to_bytes(2, "big") * 2 for port in (500, 4500)])


def answers(log):
    """Times of the answers in a log of ping -D."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("[") and "bytes from" in line:
            found.append(float(line[1:line.index("]")]))
    return found


def name_of(vlan):
    return f"VLAN {vlan}" if vlan else "untagged"
