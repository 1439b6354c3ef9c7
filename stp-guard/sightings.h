// Where other gateways' probes arrive: who else is on a way round, whether a peer can be reached by another way than its tunnel,
// and which siblings are on our LAN. Never proof of a loop: another's clock and nonce are not ours to check.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/loop_probe.h"

namespace isthmus::stp_guard {

/// One node's probes from one of its ports, at one of ours, in one VLAN.
struct Sighting {
    NodeId node{};
    SiteId site{};
    PortId sent_on{};
    PortKind sent_kind = PortKind::lan;
    PortId seen_at{};
    PortKind seen_kind = PortKind::lan;
    std::uint16_t flags = 0;  ///< ProbeFlags of the last one
    TimePoint last{};
};

class Sightings {
  public:
    void note(const LoopProbe& probe, PortId seen_at, PortKind seen_kind, TimePoint now);
    [[nodiscard]] const std::vector<Sighting>& of(std::uint16_t vid) const;

    /// Nodes other than `self_site`'s that were seen on two of our ports since then: they are on a way round with us.
    [[nodiscard]] std::vector<Sighting> on_two_ports(std::uint16_t vid, SiteId self_site,
                                                     TimePoint since) const;
    /// Where the peer's probes arrive other than out of its tunnel, and not because they came through that tunnel first.
    [[nodiscard]] std::vector<PortId> elsewhere(std::uint16_t vid, NodeId peer, PortId session,
                                                PortId peers_port, TimePoint since) const;
    /// The peer's probes arrive out of its tunnel.
    [[nodiscard]] bool heard(std::uint16_t vid, NodeId peer, PortId session, TimePoint since) const;

    void forget_port(PortId port);
    void expire(TimePoint before);

  private:
    std::unordered_map<std::uint16_t, std::vector<Sighting>> by_vid_;
};

}  // namespace isthmus::stp_guard
