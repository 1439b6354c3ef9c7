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

}  // namespace isthmus
