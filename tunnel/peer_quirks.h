// What peers do otherwise than RFC 3931 says, and what we make of it. Each rule has a name, is looked for where
// it can happen, is reported when seen, and can be turned off by configuration.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace isthmus::tunnel {

enum class Quirk : std::uint8_t {
    router_id_missing,       ///< SCCRQ, SCCRP without Router ID (SoftEther over IP)
    router_id_zero,          ///< Router ID 0 (SoftEther over UDP): the peer is told by its host name only
    l2tpv2_avps,             ///< Protocol Version, Framing and Bearer Capabilities, Firmware Revision, with M
    cisco_draft_avps,        ///< vendor 9, from before RFC 3931, with M
    circuit_status_missing,  ///< ICRQ, ICRP: the circuit counts as active
    serial_number_missing,   ///< ICRQ: counts as 0
    cdn_session_id_mangled,  ///< CDN whose Local Session ID is not the peer's (SoftEther swaps it)
    result_code_shifted,     ///< Result Code 0 with bytes behind it (SoftEther's StopCCN)
    hidden_without_rules,    ///< H bit where it must not be
    duplicate_avp,           ///< the first counts
    trailing_bytes,          ///< behind the message's Length
    remote_session_id_missing,  ///< ICRQ without Remote Session ID: counts as 0
    zero_window,                ///< Receive Window Size 0: counts as 1
    answers_from_elsewhere,  ///< SCCRP from another address than the SCCRQ went to (SoftEther with several)
};
inline constexpr std::size_t kQuirkCount = 14;

/// Rules by Quirk.
class QuirkSet {
  public:
    [[nodiscard]] static QuirkSet all() noexcept {
        QuirkSet set;
        set.bits_.set();
        return set;
    }
    [[nodiscard]] static QuirkSet none() noexcept { return {}; }
    QuirkSet& add(Quirk quirk) noexcept {
        bits_.set(static_cast<std::size_t>(quirk));
        return *this;
    }
    QuirkSet& remove(Quirk quirk) noexcept {
        bits_.reset(static_cast<std::size_t>(quirk));
        return *this;
    }
    [[nodiscard]] bool has(Quirk quirk) const noexcept { return bits_.test(static_cast<std::size_t>(quirk)); }
    [[nodiscard]] bool empty() const noexcept { return bits_.none(); }
    QuirkSet& operator|=(const QuirkSet& other) noexcept {
        bits_ |= other.bits_;
        return *this;
    }
    /// Those that are not in `other`.
    [[nodiscard]] QuirkSet without(const QuirkSet& other) const noexcept {
        QuirkSet set = *this;
        set.bits_ &= ~other.bits_;
        return set;
    }
    friend bool operator==(const QuirkSet&, const QuirkSet&) = default;

  private:
    std::bitset<kQuirkCount> bits_;
};

/// A rule as it is named in configuration and reports: "circuit-status-missing", and a sentence for people.
struct QuirkRule {
    Quirk quirk{};
    std::string_view name;
    std::string_view text;
};
inline constexpr std::array<QuirkRule, kQuirkCount> kQuirkRules{{
    {Quirk::router_id_missing, "router-id-missing",
     "sends no Router ID; it is told from others by its host name (SoftEther over IP does)"},
    {Quirk::router_id_zero, "router-id-zero",
     "sends a Router ID of 0; it is told from others by its host name (SoftEther over UDP does)"},
    {Quirk::l2tpv2_avps, "l2tpv2-avps",
     "sends AVPs that belong to L2TPv2 as mandatory; they are ignored (SoftEther over IP does)"},
    {Quirk::cisco_draft_avps, "cisco-draft-avps",
     "sends Cisco's AVPs from before RFC 3931 as mandatory; they are ignored"},
    {Quirk::circuit_status_missing, "circuit-status-missing",
     "opens a session without Circuit Status; its circuit counts as active (SoftEther over IP does)"},
    {Quirk::serial_number_missing, "serial-number-missing", "opens a session without a Serial Number"},
    {Quirk::cdn_session_id_mangled, "cdn-session-id-mangled",
     "ends a session with a Local Session ID that is not its own; the other id counts (SoftEther does)"},
    {Quirk::result_code_shifted, "result-code-shifted",
     "sends a Result Code of 0 with the reason in the wrong place (SoftEther does)"},
    {Quirk::hidden_without_rules, "hidden-where-not-allowed", "hides an AVP that must not be hidden"},
    {Quirk::duplicate_avp, "duplicate-avp", "sends an AVP twice; the first counts"},
    {Quirk::trailing_bytes, "trailing-bytes", "sends bytes behind the end of a message; they are ignored"},
    {Quirk::remote_session_id_missing, "remote-session-id-missing",
     "asks for a session without a Remote Session ID; it counts as 0"},
    {Quirk::zero_window, "zero-window", "offers a receive window of 0; it counts as 1"},
    {Quirk::answers_from_elsewhere, "answers-from-elsewhere",
     "answers from another address than it was asked at; all goes there then (SoftEther with several does)"},
}};

[[nodiscard]] constexpr std::string_view name_of(Quirk quirk) noexcept {
    return kQuirkRules[static_cast<std::size_t>(quirk)].name;
}
[[nodiscard]] constexpr std::optional<Quirk> quirk_of(std::string_view name) noexcept {
    for (const QuirkRule& rule : kQuirkRules)
        if (rule.name == name) return rule.quirk;
    return std::nullopt;
}
/// Names, in the rules' order.
[[nodiscard]] std::vector<std::string_view> names_of(const QuirkSet& set);

/// For a session message that was matched by its Remote Session ID: whether its Local Session ID is another one
/// than the peer's, and so cdn_session_id_mangled.
[[nodiscard]] std::optional<Quirk> session_id_quirk(SessionId known, SessionId received) noexcept;

}  // namespace isthmus::tunnel
