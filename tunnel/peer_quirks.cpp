#include "tunnel/peer_quirks.h"

#include <array>

namespace isthmus::tunnel {

namespace {

constexpr std::array<QuirkRule, kQuirkCount> kRules{{
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
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < kRules.size(); ++i)
        if (static_cast<std::size_t>(kRules[i].quirk) != i) return false;
    return true;
}
static_assert(in_order(), "looked up by number");

}  // namespace

std::span<const QuirkRule> quirk_rules() noexcept {
    return kRules;
}

std::string_view name_of(Quirk quirk) noexcept {
    return kRules[static_cast<std::size_t>(quirk)].name;
}

std::optional<Quirk> quirk_of(std::string_view name) noexcept {
    for (const QuirkRule& rule : kRules)
        if (rule.name == name) return rule.quirk;
    return std::nullopt;
}

std::vector<std::string_view> names_of(const QuirkSet& set) {
    std::vector<std::string_view> out;
    for (const QuirkRule& rule : kRules)
        if (set.has(rule.quirk)) out.push_back(rule.name);
    return out;
}

std::optional<Quirk> session_id_quirk(SessionId known, SessionId received) noexcept {
    if (known == received) return std::nullopt;
    return Quirk::cdn_session_id_mangled;
}

}  // namespace isthmus::tunnel
