#include "base/vlan_set.h"

#include <charconv>

namespace isthmus {

namespace {

std::string_view trimmed(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
    return s;
}

Result<VlanId, std::string> parse_id(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
        return Unexpected("\"" + std::string(text) +
                          "\" is not a VLAN number; write numbers or ranges, as in 10,20-29");
    const auto id = VlanId::parse(number);
    if (!id) return Unexpected("VLAN " + std::string(text) + " does not exist; VLANs go from 1 to 4094");
    return *id;
}

}  // namespace

Result<VlanSet, std::string> VlanSet::parse(std::string_view text) {
    VlanSet set;
    while (true) {
        const auto comma = text.find(',');
        const auto part = trimmed(text.substr(0, comma));
        const auto dash = part.find('-');
        const auto first = parse_id(trimmed(part.substr(0, dash)));
        if (!first) return Unexpected(first.error());
        const auto last = dash == std::string_view::npos ? first : parse_id(trimmed(part.substr(dash + 1)));
        if (!last) return Unexpected(last.error());
        if (*last < *first)
            return Unexpected("range " + std::string(part) +
                              " runs backwards; the smaller VLAN comes first: " +
                              std::to_string(last->value()) + "-" + std::to_string(first->value()));
        for (std::uint32_t v = first->value(); v <= last->value(); ++v) set.ids_.set(v);
        if (comma == std::string_view::npos) return set;
        text.remove_prefix(comma + 1);
    }
}

VlanSet VlanSet::all() {
    VlanSet set;
    set.ids_.set();
    set.ids_.reset(0);
    set.ids_.reset(4095);
    return set;
}

VlanSet VlanSet::intersection(const VlanSet& other) const noexcept {
    VlanSet out;
    out.ids_ = ids_ & other.ids_;
    return out;
}

VlanSet VlanSet::united(const VlanSet& other) const noexcept {
    VlanSet out;
    out.ids_ = ids_ | other.ids_;
    return out;
}

VlanSet VlanSet::without(const VlanSet& other) const noexcept {
    VlanSet out;
    out.ids_ = ids_ & ~other.ids_;
    return out;
}

std::string VlanSet::text() const {
    std::string out;
    for (std::size_t v = 1; v < 4095; ++v) {
        if (!ids_.test(v)) continue;
        std::size_t last = v;
        while (last + 1 < 4095 && ids_.test(last + 1)) ++last;
        if (!out.empty()) out.push_back(',');
        out += std::to_string(v);
        if (last > v) out += "-" + std::to_string(last);
        v = last;
    }
    return out;
}

}  // namespace isthmus
