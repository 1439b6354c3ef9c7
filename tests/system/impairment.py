"""A bad link between two namespaces' gateways, in user space, as this kernel may have no netem: the router hands packets on by hand,
and loses, repeats and delays some."""
import heapq
import random
import select
import socket
import threading
import time

from sites import OTHER, ROUTER_ADDRESS
from wire import FrameSocket, mac

IPV4 = b"\x08\x00"


class BadLink:
    """with BadLink(sites, loss=0.02, twice=0.02, late=0.05) as link: chances for each packet, both ways alike."""

    LATE = (0.001, 0.008)   # seconds that a packet is held back: those behind it overtake it

    def __init__(self, sites, loss=0.0, twice=0.0, late=0.0, seed=1):
        self.sites, self.chances = sites, (loss, twice, late)
        self.random = random.Random(seed)
        self.lost = self.repeated = self.delayed = self.passed = 0
        self.stop = threading.Event()
        self.ports = {}
        for site, gateway in sites.gateways.items():
            port = FrameSocket(sites.wan, site)
            # What a gateway's checksum offload leaves open nobody would fill in here.
            gateway.ns.run("ethtool", "-K", "wan0", "tx", "off", check=False)
            self.ports[site] = (port, self._mac(gateway.ns, "wan0"), self._mac(sites.wan, site))
        self.thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def _mac(ns, interface):
        return mac(ns.run("cat", f"/sys/class/net/{interface}/address").stdout.strip())

    def __enter__(self):
        self.sites.wan.sysctl(net__ipv4__ip_forward=0)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.sites.wan.sysctl(net__ipv4__ip_forward=1)
        for port, _, _ in self.ports.values():
            port.close()

    def _run(self):
        held, number = [], 0
        sockets = {port.socket.fileno(): site for site, (port, _, _) in self.ports.items()}
        poll = select.poll()
        for fd in sockets:
            poll.register(fd, select.POLLIN)
        while not self.stop.is_set():
            wait = 100 if not held else max(0, int((held[0][0] - time.monotonic()) * 1000) + 1)
            for fd, _ in poll.poll(wait):
                site = sockets[fd]
                for _ in range(64):
                    got = self.ports[site][0].receive()
                    if got is None:
                        break
                    frame = self._onwards(got[0], site, OTHER[site])
                    for due in self._fate() if frame else ():
                        number += 1
                        heapq.heappush(held, (due, number, OTHER[site], frame))
            now = time.monotonic()
            while held and held[0][0] <= now:
                _, _, to, frame = heapq.heappop(held)
                self.ports[to][0].send(frame)

    def _onwards(self, frame, site, to):
        """With the next hop's addresses; None: not the router's to hand on."""
        _, _, own = self.ports[site]
        _, gateway, source = self.ports[to]
        if frame[:6] != own or frame[12:14] != IPV4 or frame[30:34] == socket.inet_aton(ROUTER_ADDRESS[site]):
            return None
        return gateway + source + frame[12:]

    def _fate(self):
        """When copies of a packet leave."""
        loss, twice, late = self.chances
        now = time.monotonic()
        roll = self.random.random()
        if roll < loss:
            self.lost += 1
            return ()
        if roll < loss + twice:
            self.repeated += 1
            return (now, now)
        if roll < loss + twice + late:
            self.delayed += 1
            return (now + self.random.uniform(*self.LATE),)
        self.passed += 1
        return (now,)
