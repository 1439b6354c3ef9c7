#include "bridge/model.h"

#include <algorithm>

#include "bridge/options.h"

namespace isthmus::bridge {

const Link* ActualState::find(std::string_view name) const noexcept {
    const auto it = std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.name == name; });
    return it == links.end() ? nullptr : &*it;
}

const Link* ActualState::find(IfIndex index) const noexcept {
    const auto it = std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.index == index; });
    return it == links.end() ? nullptr : &*it;
}

bool ActualState::has_ipv6() const noexcept {
    return std::any_of(links.begin(), links.end(), [](const Link& l) { return l.inet6.has_value(); });
}

std::optional<AddressHolder> address_holder(const ActualState& actual, const IpAddress& address) {
    std::optional<AddressHolder> found;
    for (const auto& held : actual.addresses) {
        if (held.address != address) continue;
        const Link* link = actual.find(held.index);
        if (link == nullptr) continue;
        const bool usable = held.usable && link->up;
        if (!found || usable) found = AddressHolder{link->name, link->index, link->mtu, usable};
        if (usable) break;
    }
    return found;
}

bool valid_interface_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > kMaxInterfaceName || name == "." || name == "..") return false;
    return std::none_of(name.begin(), name.end(), [](char c) {
        return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r') || c == '\0' || c == '\xa0';
    });
}

MacAddress stable_mac(std::string_view gateway, std::string_view interface) noexcept {
    // FNV-1a over "gateway \0 interface", then the finalizer of MurmurHash3, whose every output bit depends
    // on every input bit.
    std::uint64_t h = 0xcbf29ce484222325;
    const auto mix = [&h](std::uint8_t b) { h = (h ^ b) * 0x100000001b3; };
    for (const char c : gateway) mix(static_cast<std::uint8_t>(c));
    mix(0);
    for (const char c : interface) mix(static_cast<std::uint8_t>(c));
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53;
    h ^= h >> 33;
    MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) mac.bytes[i] = static_cast<std::uint8_t>(h >> (8 * i));
    mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] & 0xfcU) | 0x02U);
    return mac;
}

}  // namespace isthmus::bridge
