// What our own probes say about loops: where they were sent, where they came back, and how many kinds of them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/loop_probe.h"

namespace isthmus::stp_guard {

enum class Meaning : std::uint8_t {
    outside_loop,  ///< out of a LAN port and back into it
    lan_loop,      ///< between two LAN ports
    backdoor,      ///< between a LAN port and a tunnel
    far_loop,      ///< out of a tunnel and back out of it
    sites_loop,    ///< between two tunnels
};
[[nodiscard]] std::string_view name_of(Meaning meaning) noexcept;
[[nodiscard]] constexpr Meaning meaning_of(PortKind sent, PortKind seen, bool same_port) noexcept {
    if (same_port) return sent == PortKind::lan ? Meaning::outside_loop : Meaning::far_loop;
    if (sent != seen) return Meaning::backdoor;
    return sent == PortKind::lan ? Meaning::lan_loop : Meaning::sites_loop;
}

/// One way round, in one direction.
struct Trace {
    PortId from{};
    PortId to{};
    PortKind from_kind = PortKind::lan;
    PortKind to_kind = PortKind::lan;
    std::array<std::uint32_t, kProbeKindCount> returned{};  ///< by ProbeKind
    std::array<TimePoint, kProbeKindCount> last_of_kind{};
    TimePoint first{};
    TimePoint last{};         ///< any, also those sent into a tunnel that is blocked
    TimePoint last_open{};    ///< those that no block of ours was waived for
    Duration travelled{};     ///< of the last one
    TimePoint last_circle{};  ///< one came by the third time then: it goes round, and nobody just echoes it
    MacAddress source;        ///< of the last frame

    [[nodiscard]] Meaning meaning() const noexcept { return meaning_of(from_kind, to_kind, from == to); }
    [[nodiscard]] bool touches(PortId port) const noexcept { return from == port || to == port; }
    /// Kinds of which one came back since then: the witnesses.
    [[nodiscard]] std::uint32_t kinds_since(TimePoint since) const noexcept;
    [[nodiscard]] std::uint32_t total() const noexcept;
    /// Once more: several of them may go round at a time.
    void count_copy(std::uint64_t seq, TimePoint now) noexcept;

  private:
    struct Copies {
        std::uint64_t seq = 0;
        std::uint32_t seen = 0;
    };
    std::array<Copies, 16> copies_{};  ///< of the latest probes, by number
};

class LoopEvidence {
  public:
    /// A probe of ours arrived; `to_kind` is where. Returns its trace, good until the next call.
    const Trace& note(const LoopProbe& probe, PortId to, PortKind to_kind, Duration travelled,
                      const MacAddress& source, TimePoint now);
    /// Of that VLAN; empty if there is none.
    [[nodiscard]] const std::vector<Trace>& traces(std::uint16_t vid) const;
    void forget_port(PortId port);
    /// What is older says nothing any more.
    void expire(TimePoint before);

  private:
    std::unordered_map<std::uint16_t, std::vector<Trace>> by_vid_;
};

}  // namespace isthmus::stp_guard
