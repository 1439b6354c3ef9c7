#include "config/storm_setting.h"

#include <array>
#include <charconv>

#include "config/words.h"

namespace isthmus::config {

namespace {

using Fault = std::pair<std::string, std::string>;
using Unit = StormSetting::Unit;

constexpr std::uint64_t kMostPackets = 100'000'000;
constexpr std::uint64_t kMostBits = 1'000'000'000'000;
constexpr std::uint64_t kMostBurst = 1'000'000'000'000;

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

struct Amount {
    std::uint64_t number = 0;
    std::string_view unit;
};

std::optional<Amount> parse_amount(std::string_view text) {
    Amount out;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out.number);
    if (read.ec != std::errc()) return std::nullopt;
    out.unit = trimmed(text.substr(static_cast<std::size_t>(read.ptr - text.data())));
    return out;
}

/// bits a second; nullopt: another unit, or too many.
std::optional<std::uint64_t> in_bits(const Amount& amount) {
    constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits{
        {{"bit/s", 1}, {"kbit/s", 1'000}, {"Mbit/s", 1'000'000}, {"Gbit/s", 1'000'000'000}}};
    for (const auto& [name, factor] : kUnits)
        if (amount.unit == name && amount.number <= kMostBits / factor) return amount.number * factor;
    return std::nullopt;
}

Fault not_a_limit(std::string_view text) {
    return {quoted(text) + " is no limit",
            "write it as in \"500 pps\", \"2 Mbit/s\", \"10 %\", \"500 pps, burst 1000, falling 250\" or "
            "\"none\""};
}

Result<StormSetting, Fault> parse_rate(std::string_view text) {
    StormSetting out;
    if (text == "none") return out;
    const auto amount = parse_amount(text);
    if (!amount) return Unexpected(not_a_limit(text));
    out.rate = amount->number;
    if (amount->unit == "pps" && amount->number <= kMostPackets) {
        out.unit = Unit::packets;
        return out;
    }
    if (amount->unit == "%") {
        out.unit = Unit::percent;
        if (amount->number >= 1 && amount->number <= 100) return out;
        return Unexpected(
            Fault{std::to_string(amount->number) + " % is out of range", "it goes from 1 to 100"});
    }
    const auto bits = in_bits(*amount);
    if (!bits) return Unexpected(not_a_limit(text));
    out.unit = Unit::bits;
    out.rate = *bits;
    return out;
}

/// "burst 1000"
std::optional<std::uint64_t> parse_part(std::string_view part, std::string_view word) {
    if (!part.starts_with(word)) return std::nullopt;
    const auto amount = parse_amount(trimmed(part.substr(word.size())));
    if (!amount || !amount->unit.empty() || amount->number > kMostBurst) return std::nullopt;
    return amount->number;
}

}  // namespace

Result<StormSetting, Fault> parse_storm_setting(std::string_view text) {
    std::optional<std::string_view> rest = text;
    const auto next = [&rest] {
        const auto comma = rest->find(',');
        const std::string_view part = trimmed(rest->substr(0, comma));
        rest = comma == std::string_view::npos ? std::nullopt : std::optional(rest->substr(comma + 1));
        return part;
    };
    auto out = parse_rate(next());
    if (!out) return out;
    while (rest) {
        const std::string_view part = next();
        const auto burst = parse_part(part, "burst");
        const auto falling = parse_part(part, "falling");
        const bool again = (burst && out->burst) || (falling && out->falling);
        if ((!burst && !falling) || again || out->unit == Unit::none) return Unexpected(not_a_limit(text));
        if (burst) out->burst = burst;
        if (falling) out->falling = falling;
    }
    if (out->falling && out->unit != Unit::percent && *out->falling > out->rate)
        return Unexpected(Fault{"the falling threshold is above the rate",
                                "a storm is over below it: half of the rate is the default"});
    return out;
}

Result<std::uint64_t, Fault> parse_bit_rate(std::string_view text) {
    const auto amount = parse_amount(trimmed(text));
    const auto bits = amount ? in_bits(*amount) : std::nullopt;
    if (bits && *bits >= 1'000) return *bits;
    return Unexpected(
        Fault{quoted(text) + " is no rate from 1 kbit/s to 1000 Gbit/s", "write it as in \"100 Mbit/s\""});
}

std::optional<stp_guard::StormLimit> limit_of(const StormSetting& setting, std::uint64_t rate) {
    using stp_guard::StormLimit;
    StormLimit out;
    switch (setting.unit) {
        case Unit::none: return std::nullopt;
        case Unit::packets:
            out = {StormLimit::Unit::packets, setting.rate, setting.rate, setting.rate / 2};
            break;
        case Unit::bits:
            out = {StormLimit::Unit::bits, setting.rate, setting.rate / 10, setting.rate / 2};
            break;
        case Unit::percent:
            out = stp_guard::percent_of(rate, static_cast<std::uint32_t>(setting.rate));
            break;
    }
    out.burst = setting.burst.value_or(out.burst);
    out.falling = setting.falling.value_or(out.falling);
    return out;
}

}  // namespace isthmus::config
