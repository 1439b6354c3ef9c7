#include "stp-guard/host_question.h"

#include <algorithm>

#include "base/checksum.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::uint32_t kArpOfEthernetAndIpv4 = 0x0001'0800;
constexpr std::uint16_t kArpSizes = 0x0604;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::size_t kArpSize = 28;
constexpr std::size_t kIpv4Size = 20;
constexpr std::size_t kIpv6Size = 40;

/// Where a packet says whose address.
struct AddressPlaces {
    std::size_t arp;
    std::size_t v4;
    std::size_t v6;
};
constexpr AddressPlaces kAddressee{24, 16, 24};
constexpr AddressPlaces kSender{14, 12, 8};

constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kNeighborSolicitation = 135;
constexpr std::uint8_t kSourceLinkLayerAddress = 1;
constexpr std::uint8_t kLargestHopLimit = 255;
constexpr std::size_t kSmallestFrame = 60;

constexpr MacAddress kEverybody{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

std::optional<IpAddress> v4_at(Bytes bytes, std::size_t offset) {
    std::array<std::uint8_t, 4> raw{};
    std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
    // No host has one of 0/8, 127/8, or a group's.
    if (raw[0] == 0 || raw[0] == 127 || raw[0] >= 224) return std::nullopt;
    return IpAddress::v4(raw);
}

std::optional<IpAddress> v6_at(Bytes bytes, std::size_t offset) {
    std::array<std::uint8_t, 16> raw{};
    std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
    const IpAddress address = IpAddress::v6(raw);
    if (raw[0] == 0xff || address.is_unspecified()) return std::nullopt;
    return address;
}

std::optional<IpAddress> address_in(std::uint16_t type, Bytes packet, const AddressPlaces& places) {
    switch (type) {
        case kEtherTypeIpv4:
            if (packet.size() < kIpv4Size || packet[0] >> 4 != 4) return std::nullopt;
            return v4_at(packet, places.v4);
        case kEtherTypeIpv6:
            if (packet.size() < kIpv6Size || packet[0] >> 4 != 6) return std::nullopt;
            return v6_at(packet, places.v6);
        case kEtherTypeArp:
            if (packet.size() < kArpSize || load_be32(packet.data()) != kArpOfEthernetAndIpv4 ||
                load_be16(packet.data() + 4) != kArpSizes)
                return std::nullopt;
            return v4_at(packet, places.arp);
        default: return std::nullopt;
    }
}

void emit_header(ByteWriter& out, const MacAddress& to, const MacAddress& from, const Addressee& who,
                 std::uint16_t type) {
    out.bytes(to.bytes).bytes(from.bytes);
    for (std::size_t i = 0; i < who.tag_count; ++i) out.u16(who.tags[i].tpid).u16(who.tags[i].tci);
    out.u16(type);
}

std::vector<std::uint8_t> arp_probe(const Addressee& who, const MacAddress& from,
                                    const MacAddress& answer_to) {
    ByteWriter out;
    emit_header(out, kEverybody, from, who, kEtherTypeArp);
    out.u32(kArpOfEthernetAndIpv4).u16(kArpSizes).u16(kArpRequest);
    out.bytes(answer_to.bytes).zeros(4).zeros(6).bytes(who.address->bytes());
    if (out.size() < kSmallestFrame) out.zeros(kSmallestFrame - out.size());
    return std::move(out).take();
}

IpAddress link_local_of(const MacAddress& mac) {
    const auto& m = mac.bytes;
    return IpAddress::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 2U), m[1], m[2],
                          0xff, 0xfe, m[3], m[4], m[5]});
}

std::vector<std::uint8_t> neighbor_solicitation(const Addressee& who, const MacAddress& from,
                                                const MacAddress& answer_to) {
    const Bytes target = who.address->bytes();
    const IpAddress group =
        IpAddress::v6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, target[13], target[14], target[15]});
    const IpAddress source = link_local_of(answer_to);

    ByteWriter icmp;
    icmp.u8(kNeighborSolicitation).u8(0).u16(0).u32(0).bytes(target);
    icmp.u8(kSourceLinkLayerAddress).u8(1).bytes(answer_to.bytes);
    const auto length = static_cast<std::uint16_t>(icmp.size());
    icmp.patch_u16(
        2, internet_checksum(icmp.view(), pseudo_header_sum(source.bytes(), group.bytes(), kIcmpv6, length)));

    ByteWriter out;
    emit_header(out, {{0x33, 0x33, 0xff, target[13], target[14], target[15]}}, from, who, kEtherTypeIpv6);
    out.u32(0x6000'0000).u16(length).u8(kIcmpv6).u8(kLargestHopLimit);
    out.bytes(source.bytes()).bytes(group.bytes()).bytes(icmp.view());
    return std::move(out).take();
}

}  // namespace

std::string Addressee::text() const {
    return host.text() + (address ? " (" + address->text() + ")" : "");
}

std::optional<Addressee> addressee_of(Bytes frame) {
    const auto view = EthernetView::parse(frame);
    if (!view || view->destination.is_group()) return std::nullopt;
    return Addressee{view->destination, view->tag_count, view->tags,
                     address_in(view->type, frame.subspan(view->payload_offset), kAddressee)};
}

std::optional<Addressee> sender_of(Bytes frame) {
    const auto view = EthernetView::parse(frame);
    if (!view || view->source.is_group()) return std::nullopt;
    return Addressee{view->source, view->tag_count, view->tags,
                     address_in(view->type, frame.subspan(view->payload_offset), kSender)};
}

std::vector<std::uint8_t> question_for(const Addressee& who, const MacAddress& from,
                                       const MacAddress& answer_to) {
    return who.address->is_v6() ? neighbor_solicitation(who, from, answer_to)
                                : arp_probe(who, from, answer_to);
}

}  // namespace isthmus::stp_guard
