// A pair of ESP SAs as the IKE SA that made it sees it (RFC 7296 section 1.3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "crypto/esp/options.h"
#include "crypto/ike/selectors.h"

namespace isthmus::crypto::ike {

struct SaUsage;

enum class ChildState : std::uint8_t {
    installed,
    replaced,  ///< another pair has taken over; waits for the deletion, by us or by the peer
    deleting,  ///< our deletion waits for its answer
    late,      ///< deleted; still opens packets that were under way
};

/// Nonces decide which of two exchanges that crossed is void (RFC 7296 sections 2.8.1 and 2.8.2): the one with the
/// lowest nonce of the four.
using Nonce = std::vector<std::uint8_t>;

struct ChildSa {
    std::string name;  ///< of its ChildOptions
    Spi inbound{};
    Spi outbound{};
    esp::Suite suite{};
    bool extended_sequence = false;
    std::string suite_text;
    esp::Mode mode = esp::Mode::transport;
    Selectors local;
    Selectors remote;
    bool made_by_us = false;  ///< we sent the request that made it
    Nonce lowest_nonce;       ///< of the exchange that made it

    ChildState state = ChildState::installed;
    bool sends = false;  ///< its outbound SA is the one in use
    std::optional<Spi> replaced_by;
    std::optional<Spi> replaces;

    TimePoint born;
    /// Made by the peer's request: until then our answer may be on its way, and the peer may not know the pair yet.
    TimePoint settled_at{};
    TimePoint rekey_at;
    TimePoint expires_at;
    /// The peer sends with it: when we do as well.
    std::optional<TimePoint> use_at;
    /// replaced: when we delete it ourselves at last; late: when it is forgotten.
    std::optional<TimePoint> leave_at;
    std::uint64_t packet_limit = 0;  ///< either direction; 0: none
    std::uint64_t byte_limit = 0;

    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;

    [[nodiscard]] bool is_live() const noexcept { return state == ChildState::installed; }
};

}  // namespace isthmus::crypto::ike
