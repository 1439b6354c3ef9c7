// Limits of storm control as people write them: "500 pps", "2 Mbit/s", "10 %", "500 pps, burst 1000, falling 250", "none".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "stp-guard/options.h"

namespace isthmus::config {

struct StormSetting {
    enum class Unit : std::uint8_t { none, packets, bits, percent };
    Unit unit = Unit::none;  ///< none: not limited
    std::uint64_t rate = 0;
    std::optional<std::uint64_t> burst;    ///< in packets or bits; else a second of packets, 100 ms of bits
    std::optional<std::uint64_t> falling;  ///< else half of the rate
    friend bool operator==(const StormSetting&, const StormSetting&) = default;
};

/// Error: what is wrong, and what would be right.
[[nodiscard]] Result<StormSetting, std::pair<std::string, std::string>> parse_storm_setting(
    std::string_view text);

/// "100 Mbit/s", "1 Gbit/s", "64000 bit/s". Error: what is wrong, and what would be right.
[[nodiscard]] Result<std::uint64_t, std::pair<std::string, std::string>> parse_bit_rate(
    std::string_view text);

/// `rate`: the tunnel's, for percentages. nullopt: not limited.
[[nodiscard]] std::optional<stp_guard::StormLimit> limit_of(const StormSetting& setting, std::uint64_t rate);

}  // namespace isthmus::config
