// What a kernel bridge and its ports should be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/vlan_set.h"

namespace isthmus::bridge {

enum class Ownership : std::uint8_t {
    create,  ///< ours: made at start, removed at stop; refuses a bridge of that name that somebody else made
    adopt,   ///< must exist or come; we add our ports and change nothing else of it
};
enum class VlanFiltering : std::uint8_t { automatic, on, off };

inline constexpr std::size_t kMaxInterfaceName = 15;  ///< IFNAMSIZ - 1
inline constexpr std::size_t kMaxPorts = 1023;        ///< BR_PORT_BITS 10, port 0 is none

struct BridgeOptions {
    std::string name;
    Ownership ownership = Ownership::create;
    std::vector<std::string> ports;  ///< physical ports, by name
    std::uint32_t mtu = 1500;
    VlanFiltering vlan_filtering = VlanFiltering::automatic;
    bool multicast_snooping = false;
    std::optional<MacAddress>
        mac;  ///< else derived from the gateway's and bridge's names: stable over restarts
    friend bool operator==(const BridgeOptions&, const BridgeOptions&) = default;
};

/// One session's TAP as a port of its bridge.
struct TapPort {
    std::string name;  ///< of the TAP, at most kMaxInterfaceName
    std::string bridge;
    VlanSet vlans;  ///< tagged VLANs, for a bridge with VLAN filtering
    bool untagged = false;
    bool isolated = false;  ///< split horizon: no frames between isolated ports
};

}  // namespace isthmus::bridge
