// One event of a loop on a trunk is an event in each of its VLANs: the first is told at once, the others together.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "base/time.h"
#include "base/vlan_set.h"
#include "stp-guard/guard_event.h"

namespace isthmus::stp_guard {

/// What is told: one event, or the same of several VLANs of a port.
struct GatheredEvent {
    GuardEvent event;  ///< of one of them; its sentence names all
    VlanSet vlans;
    bool untagged = false;
};

/// "VLAN 10", "VLANs 10-20,30", "VLANs 10-20 and untagged frames".
[[nodiscard]] std::string vlans_text(const VlanSet& vlans, bool untagged);

/// What follows the first within a second is one event, what follows that within two seconds one more, and so on, up to eight seconds.
/// Only events that say the same of each VLAN wait; others are told as they are, at once.
class EventGatherer {
  public:
    void add(GuardEvent event, TimePoint now);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<GatheredEvent> poll_event();
    /// Nothing waits any longer.
    void flush();

  private:
    using Key = std::pair<GuardEventId, PortId>;
    struct Group {
        TimePoint until{};
        Duration window{};
        std::optional<GatheredEvent> waiting;
    };
    void tell(GatheredEvent event);

    std::map<Key, Group> groups_;
    std::deque<GatheredEvent> told_;
};

}  // namespace isthmus::stp_guard
