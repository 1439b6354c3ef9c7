#include "bridge/io/capabilities.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bridge/io/netlink_socket.h"
#include "bridge/io/sysctl.h"
#include "bridge/netlink/link_requests.h"

namespace isthmus::bridge {

namespace {

/// The error that a probing request was refused with.
int refusal(NetlinkSocket& socket, netlink::Request request) {
    const auto answer = socket.change(std::move(request), "probe");
    return answer ? 0 : answer.error().code;
}

Support kind_support(NetlinkSocket& socket, std::string_view kind) {
    switch (refusal(socket, netlink::probe_kind(kind))) {
        case EINVAL:
        case EADDRNOTAVAIL: return Support::yes;
        case EOPNOTSUPP: return Support::no;
        default: return Support::unknown;
    }
}

Support filtering_support(NetlinkSocket& socket, Support bridge) {
    if (bridge != Support::yes) return bridge;
    switch (refusal(socket, netlink::probe_vlan_filtering())) {
        case EPROTONOSUPPORT: return Support::yes;
        case EEXIST: return Support::no;
        default: return Support::unknown;
    }
}

std::string tun_problem(int error) {
    const std::string path = "/dev/net/tun";
    switch (error) {
        case ENOENT:
            return "there is no " + path +
                   ": load the module (modprobe tun) or make the node (mkdir -p /dev/net; mknod " + path +
                   " c 10 200)";
        case ENODEV:
        case ENXIO: return path + " is there, but the kernel has no TUN/TAP: load the module (modprobe tun)";
        case EACCES:
        case EPERM:
            return path +
                   " may not be opened: run as root, or in a container allow the device (c 10:200 rw; "
                   "docker: --device " +
                   path + ")";
        default: return path + " cannot be opened: " + std::strerror(error);
    }
}

}  // namespace

Capabilities probe_capabilities(NetlinkSocket& socket) {
    Capabilities out;
    const int bridge = refusal(socket, netlink::probe_kind("bridge"));
    out.net_admin = bridge != EPERM;
    if (!out.net_admin) {
        out.problems.emplace_back(
            "no right to change interfaces (CAP_NET_ADMIN): run as root, or under systemd with "
            "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW");
    } else {
        out.bridge = kind_support(socket, "bridge");
        out.veth = kind_support(socket, "veth");
        out.vlan_filtering = filtering_support(socket, out.bridge);
        out.sysctl_writable = sysctls_writable();
    }
    if (out.bridge == Support::no)
        out.problems.emplace_back(
            "this kernel has no bridge: load the module (modprobe bridge), or use a kernel with "
            "CONFIG_BRIDGE");
    if (out.net_admin && !out.sysctl_writable)
        out.problems.emplace_back(
            "/proc/sys/net is read-only here, so IPv6 stays on on bridges and ports; mount it writable "
            "(systemd: "
            "ProtectKernelTunables=no)");
    const int tun = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    const int error = errno;
    out.tun = tun >= 0;
    if (out.tun)
        ::close(tun);
    else
        out.problems.push_back(tun_problem(error));
    return out;
}

}  // namespace isthmus::bridge
