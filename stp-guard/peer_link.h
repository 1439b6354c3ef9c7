// One session's peer, as far as its messages tell: who it is, whether it has a guard, and what it says about each VLAN.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/result.h"
#include "base/time.h"
#include "stp-guard/guard_message.h"
#include "stp-guard/guard_options.h"

namespace isthmus::stp_guard {

class PeerLink {
  public:
    PeerLink(Identity self, std::uint64_t own_nonce, const OpeningOptions& options)
        : self_(self), own_nonce_(own_nonce), options_(options) {}

    enum class Outcome : std::uint8_t {
        believed,
        answer_it,  ///< it does not know our nonce yet: tell it, believe nothing
        refused,    ///< it has our node or site identifier
        not_fresh,  ///< older than what we have, or for an earlier boot of ours
        our_own,    ///< the session leads back to this gateway
        other_domain,
    };
    /// An authentic message.
    Outcome on_message(const GuardMessage& message, TimePoint now);
    void on_link(bool up, TimePoint now);

    /// Still open: it may have one, but has not been heard yet.
    [[nodiscard]] bool undecided(TimePoint now) const;
    /// It has a guard, and was heard within the last two and a half seconds.
    [[nodiscard]] bool present(TimePoint now) const;
    /// It has none, as far as we can tell: nobody will answer.
    [[nodiscard]] bool without_guard(TimePoint now) const { return !present(now) && !undecided(now); }
    [[nodiscard]] bool refused() const noexcept { return refused_; }
    [[nodiscard]] bool ever_heard() const noexcept { return heard_at_.has_value(); }
    [[nodiscard]] std::optional<TimePoint> heard_at() const noexcept { return heard_at_; }

    [[nodiscard]] const Identity& identity() const noexcept { return identity_; }
    [[nodiscard]] PortId port() const noexcept { return port_; }
    [[nodiscard]] std::uint16_t tunnel_count() const noexcept { return tunnel_count_; }
    /// What it said about a VLAN; nullopt: nothing lately, so nothing special.
    [[nodiscard]] std::optional<VlanEntry> entry(std::uint16_t vid, TimePoint now) const;
    template <class F>
    void each_entry(TimePoint now, F&& f) const {
        for (const auto& [vid, known] : entries_)
            if (now - known.at < kEntryLasts) f(known.entry);
    }
    void expire(TimePoint now);

    /// For the next message.
    [[nodiscard]] std::uint64_t nonce_to_echo() const noexcept { return echo_; }
    [[nodiscard]] std::uint64_t next_seq() noexcept { return ++sent_seq_; }

  private:
    static constexpr auto kPresence = std::chrono::milliseconds(2500);
    static constexpr auto kEntryLasts = std::chrono::milliseconds(2500);
    struct Known {
        VlanEntry entry;
        TimePoint at{};
    };

    Identity self_;
    std::uint64_t own_nonce_;
    OpeningOptions options_;
    Identity identity_;
    std::uint64_t nonce_ = 0;  ///< proven: it echoed ours
    std::uint64_t echo_ = 0;
    std::uint64_t last_seq_ = 0;
    std::uint64_t sent_seq_ = 0;
    std::uint16_t tunnel_count_ = 0;
    PortId port_{};
    bool refused_ = false;
    std::optional<TimePoint> link_since_;
    std::optional<TimePoint> heard_at_;
    std::unordered_map<std::uint16_t, Known> entries_;
};

}  // namespace isthmus::stp_guard
