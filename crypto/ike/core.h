// What the engine's parts share: the SAs, the peers, what is to be done, and the time of the call that is being served.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "base/time.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/cookie.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/options.h"
#include "crypto/ike/peer.h"
#include "crypto/ike/rate_limit.h"

namespace isthmus::crypto::ike {

/// Inside the engine only: public to its parts.
class Core {
  public:
    Core(EngineOptions engine_options, Rng& random);

    const EngineOptions options;
    Rng& rng;
    TimePoint now{};
    WallTime wall{};
    WallTime newest_seen{};  ///< the latest moment that has certainly passed
    std::set<Spi> reserved_spis;

    std::map<IkeSpi, std::unique_ptr<IkeSa>> sas;  ///< by our SPI
    std::map<std::string, Peer, std::less<>> peers;
    std::deque<Action> actions;
    CookieJar cookies;
    RateLimit strangers{20, std::chrono::seconds(1)};   ///< unprotected answers to whoever
    RateLimit complaints{5, std::chrono::seconds(10)};  ///< notes about whoever

    struct Counters {
        std::uint64_t cookies_sent = 0;
        std::uint64_t invalid_spi_sent = 0;
        std::uint64_t dropped = 0;
    };
    Counters counters;
    std::size_t half_open = 0;  ///< SAs in that state

    // SAs

    IkeSa& add(std::unique_ptr<IkeSa> sa);
    void erase(const IkeSa& sa);
    [[nodiscard]] IkeSa* sa_with(IkeSpi own_spi) noexcept;
    /// The one whose ESP pair has this inbound SPI; null: none.
    [[nodiscard]] IkeSa* owner_of(Spi inbound) noexcept;
    void set_owner(Spi inbound, const IkeSa& sa) { owners_[inbound] = sa.own_spi(); }
    /// All of a peer's that are not closed.
    [[nodiscard]] std::vector<IkeSa*> sas_of(std::string_view peer);
    [[nodiscard]] std::vector<const IkeSa*> sas_of(std::string_view peer) const;
    /// Something has changed: its timers, its queue and its peer are looked at before the call ends.
    void mark(const IkeSa& sa) { marked_.insert(sa.own_spi()); }
    void mark_peer(std::string_view peer) { marked_peers_.insert(std::string(peer)); }
    [[nodiscard]] std::set<IkeSpi> take_marked() { return std::exchange(marked_, {}); }
    [[nodiscard]] std::set<std::string> take_marked_peers() { return std::exchange(marked_peers_, {}); }
    void set_state(IkeSa& sa, IkeState state);

    [[nodiscard]] Peer* peer_named(std::string_view name) noexcept;

    // SPIs: random, never one that is in use.

    [[nodiscard]] IkeSpi fresh_ike_spi();
    [[nodiscard]] Spi fresh_esp_spi();
    void release(Spi inbound);
    /// The same for one that no pair has: of an offer that came to nothing.
    void release_unused(Spi inbound) {
        if (!owners_.contains(inbound)) release(inbound);
    }
    [[nodiscard]] Nonce fresh_nonce();

    // What to tell whom

    template <class A>
    void emit(A action) {
        actions.emplace_back(std::move(action));
    }
    void note(NoteLevel level, std::string_view peer, std::string text);
    /// Remembered as the peer's last error, and noted.
    void fail(std::string_view peer, std::string text);
    /// Both sides' proposals, until something is agreed on. Without theirs, what was known of them before stays.
    void remember(std::string_view peer, MismatchSnapshot mismatch);
    /// The IKE SA's proposals (`child` is empty), or that child's, had something in common after all.
    void forget_mismatch(std::string_view peer, std::string_view child);

  private:
    void index(const IkeSa& sa) { by_peer_[sa.peer()].insert(sa.own_spi()); }

    std::map<std::string, std::set<IkeSpi>, std::less<>> by_peer_;  ///< all but half-open ones
    std::map<Spi, IkeSpi> owners_;
    std::set<Spi> spis_in_use_;
    std::set<IkeSpi> marked_;
    std::set<std::string> marked_peers_;
};

}  // namespace isthmus::crypto::ike
