// Two gateways for one VLAN, one in each site: what must stay inside its site, so that each host talks to its own.
//
//   HSRP, VRRP, GLBP hellos; frames from their virtual MACs or from a gateway's own (they would move the MAC in every bridge)
//   ARP, neighbour solicitations and advertisements in a gateway's name
//   router advertisements, IGMP and MLD queries, and where asked for DHCP servers' answers
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "stp-guard/frame_class.h"
#include "stp-guard/options.h"

namespace isthmus::stp_guard {

/// Immutable; asked for each frame of a session, both ways alike.
class GatewayFilter {
  public:
    explicit GatewayFilter(GatewayOptions options) : options_(std::move(options)) {}

    [[nodiscard]] bool applies_to(std::uint16_t vid) const noexcept {
        return vid == 0 ? options_.dual_untagged : options_.dual.contains_vid(vid);
    }
    /// Whether the frame stays in its site. `kind` is what classify() says of it.
    [[nodiscard]] bool keeps(Bytes frame, const FrameClass& kind) const noexcept;
    [[nodiscard]] const GatewayOptions& options() const noexcept { return options_; }

  private:
    [[nodiscard]] bool arp_speaks_for_gateway(Bytes arp, std::uint16_t vid) const noexcept;
    [[nodiscard]] bool neighbor_speaks_for_gateway(Bytes packet, const FrameClass& kind) const noexcept;
    [[nodiscard]] bool is_gateway(std::uint16_t vid, const IpAddress& address) const noexcept;
    [[nodiscard]] bool is_gateway(std::uint16_t vid, const MacAddress& mac) const noexcept;

    GatewayOptions options_;
};

}  // namespace isthmus::stp_guard
