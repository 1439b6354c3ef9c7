#include "base/vnet_header.h"

#include "base/ethernet.h"
#include "base/transport_view.h"

namespace isthmus {

namespace {

constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kDataValid = 2;
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr std::uint8_t kGsoUdp = 5;
constexpr std::uint8_t kGsoEcn = 0x80;

// Smallest segment that Linux's TCP makes (TCP_MIN_GSO_SIZE); smaller ones are only there to make us work.
constexpr std::uint16_t kMinTcpSegment = 8;

constexpr std::uint16_t load_le16(const std::uint8_t* p) noexcept {
    return static_cast<std::uint16_t>(p[0] | (p[1] << 8));
}
constexpr void store_le16(std::uint8_t* p, std::uint16_t v) noexcept {
    p[0] = static_cast<std::uint8_t>(v);
    p[1] = static_cast<std::uint8_t>(v >> 8);
}

std::optional<Offload::Kind> kind_of(std::uint8_t gso_type) noexcept {
    switch (gso_type) {
        case kGsoNone: return Offload::Kind::none;
        case kGsoTcp4:
        case kGsoTcp4 | kGsoEcn: return Offload::Kind::tcp4;
        case kGsoTcp6:
        case kGsoTcp6 | kGsoEcn: return Offload::Kind::tcp6;
        case kGsoUdp: return Offload::Kind::udp;
        default: return std::nullopt;
    }
}

std::uint8_t gso_type_of(const Offload& offload) noexcept {
    const std::uint8_t ecn = offload.ecn ? kGsoEcn : 0;
    switch (offload.kind) {
        case Offload::Kind::none: return kGsoNone;
        case Offload::Kind::tcp4: return kGsoTcp4 | ecn;
        case Offload::Kind::tcp6: return kGsoTcp6 | ecn;
        case Offload::Kind::udp: return kGsoUdp;
    }
    return kGsoNone;
}

bool matches(const Offload& offload, const TransportView& view) noexcept {
    if (offload.kind == Offload::Kind::udp) {
        return view.is_udp() && offload.checksum_offset == kUdpChecksumOffset && offload.segment_size > 0;
    }
    const std::uint8_t version = offload.kind == Offload::Kind::tcp4 ? 4 : 6;
    return view.is_tcp() && view.ip_version == version && offload.checksum_offset == kTcpChecksumOffset &&
           offload.segment_size >= kMinTcpSegment;
}

}  // namespace

std::optional<Offload> decode_vnet_header(const VnetHeader& header, Bytes frame) noexcept {
    const auto kind = kind_of(header[1]);
    if (!kind || (header[0] & ~(kNeedsChecksum | kDataValid)) != 0) return std::nullopt;
    Offload offload;
    if ((header[0] & kNeedsChecksum) != 0) {
        offload.needs_checksum = true;
        offload.checksum_start = load_le16(header.data() + 6);
        offload.checksum_offset = load_le16(header.data() + 8);
        const std::size_t field = std::size_t{offload.checksum_start} + offload.checksum_offset;
        if (offload.checksum_start < kEthernetHeaderSize || field + 2 > frame.size()) return std::nullopt;
    }
    if (*kind == Offload::Kind::none) return offload;

    offload.kind = *kind;
    offload.ecn = (header[1] & kGsoEcn) != 0;
    offload.segment_size = load_le16(header.data() + 4);
    const auto view = TransportView::of(frame);
    if (!offload.needs_checksum || !matches(offload, view) || view.l4 != offload.checksum_start)
        return std::nullopt;
    if (frame.size() <= view.payload) return std::nullopt;
    offload.header_size = view.payload;
    return offload;
}

VnetHeader encode_vnet_header(const Offload& offload) noexcept {
    VnetHeader out{};
    if (offload.needs_checksum) {
        out[0] = kNeedsChecksum;
        store_le16(out.data() + 6, offload.checksum_start);
        store_le16(out.data() + 8, offload.checksum_offset);
    }
    if (offload.kind == Offload::Kind::none) return out;
    out[1] = gso_type_of(offload);
    store_le16(out.data() + 2, offload.header_size);
    store_le16(out.data() + 4, offload.segment_size);
    return out;
}

}  // namespace isthmus
