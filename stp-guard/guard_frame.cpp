#include "stp-guard/guard_frame.h"

#include "base/ethernet.h"

namespace isthmus::stp_guard {

namespace {

std::uint16_t tci_of(std::uint16_t vid) noexcept {
    return static_cast<std::uint16_t>(kGuardPriority << 13 | vid);
}

}  // namespace

std::optional<GuardFrameView> peek_guard_frame(Bytes frame) noexcept {
    const auto ethernet = EthernetView::parse(frame);
    if (!ethernet || ethernet->type != kEtherTypeGuard) return std::nullopt;
    const Bytes payload = frame.subspan(ethernet->payload_offset);
    if (payload.size() < kGuardHeaderSize + kGuardMacSize) return std::nullopt;
    const std::uint8_t* p = payload.data();
    if (load_be32(p) != kGuardMagic || p[4] != kGuardVersion) return std::nullopt;
    if (p[5] != static_cast<std::uint8_t>(GuardFrameType::probe) &&
        p[5] != static_cast<std::uint8_t>(GuardFrameType::message))
        return std::nullopt;

    GuardFrameView out;
    out.destination = ethernet->destination;
    out.source = ethernet->source;
    out.vid = ethernet->tag_count > 0 ? ethernet->tags[0].vid() : std::uint16_t{0};
    out.header.type = static_cast<GuardFrameType>(p[5]);
    out.header.flags = load_be16(p + 6);
    out.header.sender = {DomainId{load_be32(p + 8)}, SiteId{load_be64(p + 12)}, NodeId{load_be64(p + 20)}};
    out.header.boot_nonce = load_be64(p + 28);
    out.payload = payload;
    return out;
}

MacAddress guard_source(NodeId node, PortId port) noexcept {
    // splitmix64's finisher: neighbours in number are not neighbours in the hash.
    std::uint64_t z = raw(node) * 0x9e3779b97f4a7c15 + raw(port);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return {{0x02, 0x4c, 0x47, static_cast<std::uint8_t>(z >> 16), static_cast<std::uint8_t>(z >> 8),
             static_cast<std::uint8_t>(z)}};
}

void emit_guard_header(ByteWriter& out, const MacAddress& destination, const MacAddress& source,
                       std::uint16_t vid, const GuardHeader& header) {
    out.bytes(destination.bytes).bytes(source.bytes);
    if (vid != 0) out.u16(kEtherTypeVlan).u16(tci_of(vid));
    out.u16(kEtherTypeGuard).u32(kGuardMagic).u8(kGuardVersion).u8(static_cast<std::uint8_t>(header.type));
    out.u16(header.flags).u32(raw(header.sender.domain)).u64(raw(header.sender.site));
    out.u64(raw(header.sender.node)).u64(header.boot_nonce);
}

void tag_guard_frame(std::vector<std::uint8_t>& frame, std::uint16_t vid) {
    constexpr std::size_t kAddressesSize = 12;
    std::array<std::uint8_t, kVlanTagSize> tag{};
    store_be16(tag.data(), kEtherTypeVlan);
    store_be16(tag.data() + 2, tci_of(vid));
    frame.insert(frame.begin() + kAddressesSize, tag.begin(), tag.end());
}

void seal_guard_frame(ByteWriter& out, std::uint16_t vid, const FrameAuthenticator& authenticator) {
    const std::size_t payload_at = kEthernetHeaderSize + (vid != 0 ? kVlanTagSize : 0);
    const FrameAuthenticator::Tag tag = authenticator.tag(out.view().subspan(payload_at));
    out.bytes(tag);
}

}  // namespace isthmus::stp_guard
