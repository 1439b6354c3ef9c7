"""Cables that should not be there, with a relay in user space where a kernel's own would be too fast."""
import collections
import contextlib
import threading
import time

from harness import ROOT  # noqa: F401  first: it makes the lab's modules visible
from wire import FrameSocket, tag


class SlowCable:
    """Between two interfaces that it makes, [(namespace, name), ...]. It carries some thousand frames a second, of one VLAN: a loop as fast
    as memory is no customer's. plug() sets the first of them up or down."""

    def __init__(self, lab, interfaces, vlan):
        self.interfaces, self.tagged = interfaces, tag(vlan)
        ends = lab.namespace("cable")
        for n, (ns, name) in enumerate(interfaces):
            lab.veth(ends, f"end{n}", ns, name)
        self.sockets = [FrameSocket(ends, f"end{n}") for n in (0, 1)]
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._relay, daemon=True)
        self.thread.start()

    def plug(self, plugged):
        ns, name = self.interfaces[0]
        ns.ip("link", "set", name, "up" if plugged else "down")

    def _relay(self):
        with contextlib.suppress(OSError):  # the ends are gone
            self._run()

    def _run(self):
        queues = [collections.deque(maxlen=50), collections.deque(maxlen=50)]
        while not self.stopped.is_set():
            for came_in, queue in zip(self.sockets, queues):
                while (got := came_in.receive()) is not None:
                    if got[1] and got[0][12:14] == self.tagged[:2] and got[0][15] == self.tagged[3]:
                        queue.append(got[0])
            for goes_out, queue in zip(reversed(self.sockets), queues):
                for _ in range(min(2, len(queue))):
                    goes_out.send(queue.popleft())
            time.sleep(0.0005)

    def close(self):
        self.stopped.set()
        self.thread.join()
        for end in self.sockets:
            end.close()
