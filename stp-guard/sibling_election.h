// Several gateways of one site: which of them carries which VLAN. Not a loop, and nobody's choice but the VLAN's number
// (RFC 7432 section 8.5, service carving).
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "stp-guard/guard_ids.h"

namespace isthmus::stp_guard {

class SiblingElection {
  public:
    explicit SiblingElection(NodeId self) : self_(self) {}

    /// A probe of another node of our site arrived in that VLAN. True: it was not known there, or could forward and now cannot,
    /// or the reverse.
    bool on_sibling(std::uint16_t vid, NodeId node, bool able, TimePoint now);
    /// True: somebody was silent for so long.
    bool expire(Duration silence, TimePoint now);

    /// Among those that carry the VLAN and could forward, ourselves included if `self_able`; ourselves if there is nobody else.
    [[nodiscard]] NodeId forwarder(std::uint16_t vid, bool self_able) const;
    [[nodiscard]] bool alone(std::uint16_t vid) const { return !by_vid_.contains(vid); }
    [[nodiscard]] std::vector<NodeId> siblings() const;

  private:
    struct Sibling {
        bool able = false;
        TimePoint heard_at{};
    };
    NodeId self_;
    std::unordered_map<std::uint16_t, std::map<NodeId, Sibling>> by_vid_;  ///< no entry is empty
};

}  // namespace isthmus::stp_guard
