#include "tunnel/peer_quirks.h"

namespace isthmus::tunnel {

namespace {

constexpr bool in_order() {
    for (std::size_t i = 0; i < kQuirkRules.size(); ++i)
        if (static_cast<std::size_t>(kQuirkRules[i].quirk) != i) return false;
    return true;
}
static_assert(in_order(), "looked up by number");

}  // namespace

std::vector<std::string_view> names_of(const QuirkSet& set) {
    std::vector<std::string_view> out;
    for (const QuirkRule& rule : kQuirkRules)
        if (set.has(rule.quirk)) out.push_back(rule.name);
    return out;
}

std::optional<Quirk> session_id_quirk(SessionId known, SessionId received) noexcept {
    if (known == received) return std::nullopt;
    return Quirk::cdn_session_id_mangled;
}

}  // namespace isthmus::tunnel
