// Network sysctls as files below /proc/sys/net. Writing them needs CAP_NET_ADMIN over the network namespace (no CAP_SYS_ADMIN,
// no uid 0) and that /proc/sys is not mounted read-only, as systemd's ProtectKernelTunables= and container runtimes do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "bridge/model.h"
#include "bridge/netlink/error.h"

namespace isthmus::bridge {

/// "/proc/sys/net/ipv6/conf/INTERFACE/NAME"
[[nodiscard]] std::string ipv6_sysctl(std::string_view interface, std::string_view name);

/// nullopt: no such sysctl, or not 0 or 1.
[[nodiscard]] std::optional<bool> read_flag(const std::string& path);
[[nodiscard]] Result<void, NetlinkError> write_flag(const std::string& path, bool value);

[[nodiscard]] BridgeNetfilter read_bridge_netfilter();
[[nodiscard]] Result<void, NetlinkError> write_bridge_netfilter(const BridgeNetfilter& value);

/// False: mounted read-only, or we may not.
[[nodiscard]] bool sysctls_writable();

}  // namespace isthmus::bridge
