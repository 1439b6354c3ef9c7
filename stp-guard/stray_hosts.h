// Hosts that a bridge has behind a session of a split-horizon group now, and had on a LAN port lately. Other sites may have heard them
// through us, and still send frames for them to us: out of another session of the group, and the bridge hands nothing on from one to
// the next. Such frames are lost until somebody hears the host anew.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "stp-guard/host_table.h"

namespace isthmus::stp_guard {

/// Written by control, read by workers, without locks. A bridge's number stands in place of a session, and VLAN 0 for all unless the
/// bridge filters VLANs. Forgets after HostTable::kAgeing, as other bridges do.
class StrayHosts {
  public:
    explicit StrayHosts(std::uint64_t seed) : table_(seed, kSets) {}

    void note(SessionIndex bridge, std::uint16_t vid, const MacAddress& host, TimePoint now) noexcept {
        (void)table_.heard(bridge, vid, host, {0, 0}, now);
        until_.store((now + HostTable::kAgeing).time_since_epoch().count(), std::memory_order_relaxed);
    }
    void forget(SessionIndex bridge, std::uint16_t vid, const MacAddress& host) noexcept {
        table_.forget(bridge, vid, host);
    }
    [[nodiscard]] bool knows(SessionIndex bridge, std::uint16_t vid, const MacAddress& host,
                             TimePoint now) const noexcept {
        // There is none, almost always, and this is all that it costs then.
        if (now.time_since_epoch().count() >= until_.load(std::memory_order_relaxed)) return false;
        return table_.knows(bridge, vid, host, now);
    }

  private:
    static constexpr std::size_t kSets = 512;
    HostTable table_;
    std::atomic<std::int64_t> until_{0};
};

}  // namespace isthmus::stp_guard
