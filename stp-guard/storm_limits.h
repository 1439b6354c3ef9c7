// How much flooded traffic is normal, by class. The defaults are the guard's own: see docs/architecture.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "stp-guard/token_bucket.h"

namespace isthmus::stp_guard {

/// What is flooded, so that a storm of one class leaves the others alone. Known unicast is in none.
enum class StormClass : std::uint8_t {
    address_resolution,  ///< ARP, RARP, neighbour discovery (NS, NA), DHCP of clients: flooded, or unknown unicast
    broadcast,           ///< any other
    local_multicast,  ///< 224.0.0.0/24 and ff02::/16: routing protocols, mDNS
    multicast,        ///< any other
    unknown_unicast,
};
inline constexpr std::size_t kStormClassCount = 5;

[[nodiscard]] constexpr std::string_view name_of(StormClass c) noexcept {
    constexpr std::array<std::string_view, kStormClassCount> kNames{
        "address_resolution", "broadcast", "local_multicast", "multicast", "unknown_unicast"};
    return kNames[static_cast<std::size_t>(c)];
}

/// More than `rate` a second, beyond `burst` at once, is dropped. A storm is over below `falling`.
struct StormLimit {
    enum class Unit : std::uint8_t { packets, bits };
    Unit unit = Unit::packets;
    std::uint64_t rate = 0;  ///< a second; 0: none crosses
    std::uint64_t burst = 0;
    std::uint64_t falling = 0;

    [[nodiscard]] constexpr RateLimit bucket() const noexcept { return {rate, burst}; }
    /// What a frame weighs.
    [[nodiscard]] constexpr std::uint64_t weight(std::uint64_t frames, std::uint64_t bytes) const noexcept {
        return unit == Unit::packets ? frames : bytes * 8;
    }
    friend constexpr bool operator==(const StormLimit&, const StormLimit&) = default;
};

/// `percent` of a tunnel's configured rate in bits per second, with 100 ms of it as burst and half of it as falling.
[[nodiscard]] constexpr StormLimit percent_of(std::uint64_t bits_per_second, std::uint32_t percent) noexcept {
    const std::uint64_t rate = bits_per_second / 100 * percent;
    return {StormLimit::Unit::bits, rate, rate / 10, rate / 2};
}

/// Of each VLAN of a session, each direction for itself. nullopt: not limited.
struct StormLimits {
    std::array<std::optional<StormLimit>, kStormClassCount> classes{
        StormLimit{StormLimit::Unit::packets, 300, 300, 150},
        StormLimit{StormLimit::Unit::packets, 500, 500, 250},
        StormLimit{StormLimit::Unit::packets, 500, 500, 250},
        StormLimit{StormLimit::Unit::packets, 2'000, 2'000, 1'000},
        StormLimit{StormLimit::Unit::packets, 500, 500, 250},
    };
    /// All classes together; for tunnels with a configured rate 10 % of it.
    std::optional<StormLimit> all;
    /// Address resolution of one source MAC, so that one flooder does not starve the others.
    RateLimit per_source{20, 40};

    [[nodiscard]] const std::optional<StormLimit>& of(StormClass c) const noexcept {
        return classes[static_cast<std::size_t>(c)];
    }
    friend bool operator==(const StormLimits&, const StormLimits&) = default;
};

/// Of each VLAN at a LAN port, for what comes in: room for what sessions may flood, and for what LAN ports flood among themselves.
/// Only the kernel sees it, which cannot tell unknown unicast from known.
[[nodiscard]] constexpr StormLimits lan_limits() noexcept {
    StormLimits out;
    out.classes = {
        StormLimit{StormLimit::Unit::packets, 5'000, 5'000, 2'500},
        StormLimit{StormLimit::Unit::packets, 1'000, 1'000, 500},
        StormLimit{StormLimit::Unit::packets, 1'000, 1'000, 500},
        StormLimit{StormLimit::Unit::packets, 4'000, 4'000, 2'000},
        std::nullopt,
    };
    out.per_source = {40, 80};
    return out;
}

}  // namespace isthmus::stp_guard
