#include "stp-guard/frame_class.h"

#include "base/ethernet.h"
#include "stp-guard/frame_protocol.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::uint16_t kTypeMacControl = 0x8808;
constexpr std::uint16_t kTypeSlowProtocols = 0x8809;
constexpr std::uint16_t kTypeLlcEncapsulation =
    0x8870;  ///< IEEE 802.1AC-2016/Cor 1: LLC in a frame with a type
constexpr std::uint16_t kTypeEapol = 0x888e;
constexpr std::uint16_t kTypeLldp = 0x88cc;
constexpr std::uint16_t kTypeMvrp = 0x88f5;
constexpr std::uint16_t kTypeMmrp = 0x88f6;

constexpr std::uint64_t kReservedAddresses = 0x0180'c200'0000;  ///< low 4 bits: which
constexpr std::uint64_t kMrpAddresses = 0x0180'c200'0020;       ///< low 4 bits: which

constexpr std::uint16_t kGarpProtocol =
    1;  ///< GVRP and GMRP share the BPDUs' LLC (IEEE 802.1D-1998 section 12.11)
constexpr std::uint32_t kOuiCisco = 0x00000c;

constexpr std::uint64_t as_number(const MacAddress& mac) noexcept {
    return (std::uint64_t{load_be16(mac.bytes.data())} << 32) | load_be32(mac.bytes.data() + 2);
}

/// `bpdu` from its protocol identifier on (IEEE 802.1D-2004 section 9.3).
LinkLocalKind kind_of_bpdu(Bytes bpdu) noexcept {
    if (bpdu.size() < 4) return LinkLocalKind::bpdu_other;
    if (load_be16(bpdu.data()) == kGarpProtocol) return LinkLocalKind::mrp;
    if (load_be16(bpdu.data()) != 0) return LinkLocalKind::bpdu_other;
    const std::uint8_t version = bpdu[2];
    switch (bpdu[3]) {
        case 0x00: return LinkLocalKind::stp_config;
        case 0x80: return LinkLocalKind::stp_tcn;
        case 0x02:
            return version < 2    ? LinkLocalKind::bpdu_other
                   : version == 2 ? LinkLocalKind::rstp
                                  : LinkLocalKind::mstp;
        default: return LinkLocalKind::bpdu_other;
    }
}

LinkLocalKind kind_of_cisco_snap(std::uint16_t protocol) noexcept {
    switch (protocol) {
        case 0x0104: return LinkLocalKind::pagp;
        case 0x010b: return LinkLocalKind::pvst;
        case 0x0111: return LinkLocalKind::udld;
        case 0x010c:  // VLAN-bridge STP
        case 0x200a:  // UplinkFast
            return LinkLocalKind::cisco_other;
        case 0x2000: return LinkLocalKind::cdp;
        case 0x2003: return LinkLocalKind::vtp;
        case 0x2004: return LinkLocalKind::dtp;
        default: return LinkLocalKind::none;
    }
}

/// `llc` from the DSAP on.
LinkLocalKind kind_of_llc(Bytes llc) noexcept {
    if (llc.size() < 3) return LinkLocalKind::none;
    const std::uint32_t header = load_be24(llc.data());
    if (header == 0x424203) return kind_of_bpdu(llc.subspan(3));
    if (header != 0xaaaa03 || llc.size() < 8 || load_be24(llc.data() + 3) != kOuiCisco)
        return LinkLocalKind::none;
    return kind_of_cisco_snap(load_be16(llc.data() + 6));
}

LinkLocalKind kind_of_content(const EthernetView& view, Bytes payload) noexcept {
    if (view.is_llc()) return kind_of_llc(payload);
    switch (view.type) {
        case kTypeMacControl: return LinkLocalKind::mac_control;
        case kTypeSlowProtocols:
            return !payload.empty() && payload[0] == 1 ? LinkLocalKind::lacp : LinkLocalKind::slow_other;
        case kTypeLlcEncapsulation: return kind_of_llc(payload);
        case kTypeEapol: return LinkLocalKind::eapol;
        case kTypeLldp: return LinkLocalKind::lldp;
        case kTypeMvrp:
        case kTypeMmrp: return LinkLocalKind::mrp;
        default: return LinkLocalKind::none;
    }
}

LinkLocalKind kind_of_destination(std::uint64_t mac) noexcept {
    if ((mac & ~std::uint64_t{0xf}) == kReservedAddresses)
        return (mac & 0xf) == 0 ? LinkLocalKind::bpdu_other : LinkLocalKind::reserved_address;
    if ((mac & ~std::uint64_t{0xf}) == kMrpAddresses) return LinkLocalKind::mrp;
    if ((mac >> 8) == 0x01'000c'0000 || (mac >> 8) == 0x03'000c'0000) return LinkLocalKind::cisco_other;
    switch (mac) {
        case 0x0100'0ccc'cccc:  // CDP and kin
        case 0x0100'0ccc'cccd:  // PVST+
        case 0x0100'0ccd'cdcd:  // UplinkFast
        case 0x0100'0ccd'cdce:  // VLAN-bridge STP
        case 0x0100'0ccd'cdd0:  // layer 2 protocol tunnelling
            return LinkLocalKind::cisco_other;
        case 0x00e0'2b00'0000:  // Extreme EDP
        case 0x00e0'2b00'0004:  // Extreme EAPS
        case 0x01e0'52cc'cccc:  // Foundry FDP
        case 0x0100'8100'0100:  // SONMP
        case 0x0100'8100'0101: return LinkLocalKind::vendor;
        default: return LinkLocalKind::none;
    }
}

}  // namespace

FrameClass classify(Bytes frame) noexcept {
    FrameClass out;
    const auto view = EthernetView::parse(frame);
    if (!view) {
        out.malformed = true;
        return out;
    }
    if (view->destination.is_group())
        out.cast = view->destination.is_broadcast() ? Cast::broadcast : Cast::multicast;
    if (view->tag_count > 0) out.vid = view->tags[0].vid();
    out.payload_offset = view->payload_offset;
    const Bytes payload = frame.subspan(view->payload_offset);
    out.link_local = kind_of_content(*view, payload);
    if (out.link_local != LinkLocalKind::none) return out;
    const ProtocolClass inside = protocol_of(view->type, payload, out.cast != Cast::unicast);
    out.protocol = inside.protocol;
    out.to_local_group = inside.to_local_group;
    out.virtual_source = virtual_mac_of(view->source);
    // Gateways' messages to each other go to such an address, so that no other bridge passes them on.
    if (out.protocol != FrameProtocol::guard_message)
        out.link_local = kind_of_destination(as_number(view->destination));
    return out;
}

}  // namespace isthmus::stp_guard
