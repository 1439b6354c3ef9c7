"""The kernel's connection tracking, without a program for it."""
import os
import socket
import struct

from lab import LabError, inside

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2
NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 1, 2


def flush(ns):
    """A namespace forgets all connections, and with them what its NAT has mapped."""
    with inside(ns.name):
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with netlink:
        netlink.settimeout(10)
        family = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)  # nfgenmsg; without attributes it means all
        netlink.send(struct.pack("=IHHII", 16 + len(family), NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
                                 NLM_F_REQUEST | NLM_F_ACK, 1, 0) + family)
        answer = netlink.recv(4096)
    kind, error = struct.unpack_from("=H", answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    if kind != NLMSG_ERROR or error:
        raise LabError(f"connections of {ns.name} cannot be forgotten: {os.strerror(-error)}")
