// Hosts that move between ports: one that moves often is two hosts with one address, many that do are a loop's shadow.
// A host that moves is never a reason to block; it makes the probes look closer (RFC 7432 section 15.1 for the numbers).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/guard_options.h"

namespace isthmus::stp_guard {

struct HostKey {
    std::uint16_t vid = 0;
    MacAddress mac;
    friend bool operator==(const HostKey&, const HostKey&) = default;
};
struct HostKeyHash {
    std::size_t operator()(const HostKey& key) const noexcept;
};

/// Gateways' shared addresses: HSRP, VRRP (and CARP), GLBP.
[[nodiscard]] bool is_first_hop_gateway(const MacAddress& mac) noexcept;
/// Microsoft's network load balancing, which floods by design: 02:bf, 03:bf.
[[nodiscard]] bool is_load_balancing(const MacAddress& mac) noexcept;

class MacMoves {
  public:
    explicit MacMoves(const MacMoveOptions& options) : options_(options) {}

    struct Outcome {
        bool moved = false;
        PortId from{};
        bool duplicate = false;   ///< just now, not on each further move of the window
        PortId first_port{};      ///< where it was when the window began
        bool flap_storm = false;  ///< just now
    };
    /// The bridge learned `key` on `port`.
    [[nodiscard]] Outcome on_host(const HostKey& key, PortId port, TimePoint now);
    void on_gone(const HostKey& key);
    /// nullopt: not known.
    [[nodiscard]] std::optional<PortId> place_of(const HostKey& key) const;
    /// Notifications were lost. True: this begins a flap storm.
    [[nodiscard]] bool on_overrun(TimePoint now);
    void forget_port(PortId port);

    [[nodiscard]] std::uint64_t moves() const noexcept { return moves_; }
    [[nodiscard]] std::uint64_t duplicates() const noexcept { return duplicates_; }

  private:
    struct Host {
        PortId port{};
        PortId first_port{};
        std::uint32_t moves = 0;  ///< in the window
        TimePoint window_start{};
        bool told = false;
    };
    using Table = std::unordered_map<HostKey, Host, HostKeyHash>;

    [[nodiscard]] Host& host(const HostKey& key, PortId port);
    [[nodiscard]] bool storm_begins(TimePoint now);

    MacMoveOptions options_;
    Table recent_;  ///< two generations: what was not seen during a whole table's worth of others goes
    Table older_;
    std::deque<TimePoint> duplicate_times_;
    TimePoint burst_start_{};
    std::uint32_t burst_moves_ = 0;
    std::optional<TimePoint> storm_until_;
    std::uint64_t moves_ = 0;
    std::uint64_t duplicates_ = 0;
};

}  // namespace isthmus::stp_guard
