// The guard's own identifiers.
#pragma once

#include <compare>
#include <cstdint>

#include "base/ids.h"

namespace isthmus::stp_guard {

/// Gateways that share a key.
enum class DomainId : std::uint32_t {};
/// One customer LAN; several gateways of one site are siblings.
enum class SiteId : std::uint64_t {};
/// One gateway. Never two with the same.
enum class NodeId : std::uint64_t {};
/// A LAN port or a tunnel session of this gateway; stable while the process runs. Probes carry it.
enum class PortId : std::uint32_t {};

/// Who somebody says to be.
struct Identity {
    DomainId domain{};
    SiteId site{};
    NodeId node{};
    friend bool operator==(const Identity&, const Identity&) = default;
};

/// Values: as probes have it.
enum class PortKind : std::uint8_t { lan = 1, tunnel = 2 };

/// A VLAN on a port. VID 0: untagged.
struct Place {
    PortId port{};
    std::uint16_t vid = 0;
    friend constexpr auto operator<=>(const Place&, const Place&) = default;
};

}  // namespace isthmus::stp_guard
