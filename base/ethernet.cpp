#include "base/ethernet.h"

#include <algorithm>

namespace isthmus {

std::optional<EthernetView> EthernetView::parse(Bytes frame) noexcept {
    if (frame.size() < kEthernetHeaderSize) return std::nullopt;
    EthernetView view;
    std::copy_n(frame.data(), 6, view.destination.bytes.begin());
    std::copy_n(frame.data() + 6, 6, view.source.bytes.begin());
    std::size_t at = 12;
    view.type = load_be16(frame.data() + at);
    while (is_vlan_tpid(view.type) && view.tag_count < view.tags.size()) {
        if (frame.size() < at + kVlanTagSize + 2) return std::nullopt;
        view.tags[view.tag_count++] = {view.type, load_be16(frame.data() + at + 2)};
        at += kVlanTagSize;
        view.type = load_be16(frame.data() + at);
    }
    view.payload_offset = static_cast<std::uint16_t>(at + 2);
    return view;
}

std::vector<std::uint8_t> with_vid(Bytes frame, std::uint16_t vid, std::uint16_t tci) {
    constexpr std::size_t kAddressesSize = 12;
    const Bytes addresses = frame.first(std::min(kAddressesSize, frame.size()));
    Bytes rest = frame.subspan(addresses.size());
    if (rest.size() >= kVlanTagSize && load_be16(rest.data()) == kEtherTypeVlan) {
        tci = load_be16(rest.data() + 2);
        rest = rest.subspan(kVlanTagSize);
    }
    std::vector<std::uint8_t> out(addresses.begin(), addresses.end());
    if (vid != 0) {
        std::array<std::uint8_t, kVlanTagSize> tag{};
        store_be16(tag.data(), kEtherTypeVlan);
        store_be16(tag.data() + 2, static_cast<std::uint16_t>((tci & 0xf000) | vid));
        out.insert(out.end(), tag.begin(), tag.end());
    }
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
}

}  // namespace isthmus
