// What this kernel and our privileges allow.
#pragma once

#include <string>
#include <vector>

#include "bridge/model.h"

namespace isthmus::bridge {

class NetlinkSocket;

struct Capabilities {
    bool net_admin = false;             ///< CAP_NET_ADMIN over this network namespace
    Support bridge = Support::unknown;  ///< unknown: not loaded, may load when a bridge is made
    Support veth = Support::unknown;
    Support vlan_filtering = Support::unknown;
    bool tun = false;              ///< /dev/net/tun can be opened
    bool sysctl_writable = false;  ///< /proc/sys/net is not mounted read-only

    /// Sentences, each with what is missing and what to do; empty if all that is needed is there.
    std::vector<std::string> problems;
};

/// Asks the kernel without making or changing anything.
[[nodiscard]] Capabilities probe_capabilities(NetlinkSocket& socket);

}  // namespace isthmus::bridge
