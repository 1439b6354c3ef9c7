#include "stp-guard/bpdu.h"

#include <algorithm>

#include "base/ethernet.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kTcnSize = 4;
constexpr std::size_t kConfigSize = 35;
constexpr std::size_t kRstSize = 36;
constexpr std::size_t kMstSize = 102;
constexpr std::size_t kInstanceSize = 16;
constexpr std::size_t kMaxInstances = 64;
constexpr std::size_t kMstLengthOfNoInstance = 64;  ///< version 3 length: counted from the format selector on
constexpr std::uint16_t kTypeLlcEncapsulation =
    0x8870;  ///< IEEE 802.1AC-2016/Cor 1: LLC in a frame with a type

BridgeId load_bridge(const std::uint8_t* p) noexcept {
    BridgeId id;
    id.priority_and_extension = load_be16(p);
    std::copy_n(p + 2, id.address.bytes.size(), id.address.bytes.begin());
    return id;
}

/// 1/256 s: exactly 3,906,250 ns.
Duration load_time(const std::uint8_t* p) {
    return Duration(std::int64_t{load_be16(p)} * 3'906'250);
}

void load_common(const std::uint8_t* p, Bpdu& out) {
    out.flags.bits = p[4];
    out.root = load_bridge(p + 5);
    out.root_path_cost = load_be32(p + 13);
    out.bridge = load_bridge(p + 17);
    out.port = load_be16(p + 25);
    out.message_age = load_time(p + 27);
    out.max_age = load_time(p + 29);
    out.hello_time = load_time(p + 31);
    out.forward_delay = load_time(p + 33);
}

MstInstance load_instance(const std::uint8_t* p) {
    MstInstance out;
    out.flags.bits = p[0];
    out.regional_root = load_bridge(p + 1);
    out.internal_root_path_cost = load_be32(p + 9);
    out.bridge_priority = p[13];
    out.port_priority = p[14];
    out.remaining_hops = p[15];
    return out;
}

/// nullopt: not a whole MST part.
std::optional<MstPart> load_mst(Bytes bpdu) {
    if (bpdu.size() < kMstSize || bpdu[35] != 0) return std::nullopt;
    const std::size_t length = load_be16(bpdu.data() + 36);
    if (length < kMstLengthOfNoInstance || (length - kMstLengthOfNoInstance) % kInstanceSize != 0)
        return std::nullopt;
    const std::size_t instances = (length - kMstLengthOfNoInstance) / kInstanceSize;
    if (instances > kMaxInstances || bpdu.size() < kMstSize + instances * kInstanceSize) return std::nullopt;

    MstPart out;
    const std::uint8_t* p = bpdu.data();
    out.configuration.format = p[38];
    std::copy_n(p + 39, out.configuration.raw_name.size(), out.configuration.raw_name.begin());
    out.configuration.revision = load_be16(p + 71);
    std::copy_n(p + 73, out.configuration.digest.size(), out.configuration.digest.begin());
    out.internal_root_path_cost = load_be32(p + 89);
    out.bridge = load_bridge(p + 93);
    out.remaining_hops = p[101];
    out.instances.reserve(instances);
    for (std::size_t i = 0; i < instances; ++i)
        out.instances.push_back(load_instance(p + kMstSize + i * kInstanceSize));
    return out;
}

Result<Bpdu, BpduError> parse_config(Bytes bpdu, Bpdu out) {
    if (bpdu.size() < kConfigSize) return Unexpected(BpduError::truncated);
    out.kind = BpduKind::config;
    load_common(bpdu.data(), out);
    out.flags.bits &= 0x81;
    return out;
}

Result<Bpdu, BpduError> parse_rapid(Bytes bpdu, Bpdu out) {
    if (out.version < 2) return Unexpected(BpduError::unknown_type);
    if (bpdu.size() < kRstSize) return Unexpected(BpduError::truncated);
    load_common(bpdu.data(), out);
    if (out.version >= 3) out.mst = load_mst(bpdu);
    out.kind = !out.mst ? BpduKind::rapid : out.version == 3 ? BpduKind::multiple : BpduKind::shortest_path;
    return out;
}

/// The TLV behind a PVST+ BPDU of either kind; configuration BPDUs have a byte of padding in front of it.
std::optional<std::uint16_t> originating_vlan(Bytes bpdu) {
    if (bpdu.size() < kRstSize + 6 || load_be32(bpdu.data() + kRstSize) != 0x0000'0002) return std::nullopt;
    return load_be16(bpdu.data() + kRstSize + 4) & 0x0fff;
}

/// What follows the 802.3 length, without padding. nullopt: the length is that of a longer frame.
std::optional<Bytes> llc_of(const EthernetView& view, Bytes frame) {
    const Bytes rest = frame.subspan(view.payload_offset);
    if (!view.is_llc()) return rest;
    return view.type <= rest.size() ? std::optional(rest.first(view.type)) : std::nullopt;
}

bool begins_with(Bytes bytes, std::initializer_list<std::uint8_t> with) noexcept {
    return bytes.size() >= with.size() && std::equal(with.begin(), with.end(), bytes.begin());
}

}  // namespace

Result<Bpdu, BpduError> parse_bpdu(Bytes bpdu) {
    if (bpdu.size() < kTcnSize) return Unexpected(BpduError::truncated);
    if (load_be16(bpdu.data()) != 0) return Unexpected(BpduError::unknown_protocol);
    Bpdu out;
    out.version = bpdu[2];
    switch (bpdu[3]) {
        case 0x00: return parse_config(bpdu, std::move(out));
        case 0x02: return parse_rapid(bpdu, std::move(out));
        case 0x80: out.kind = BpduKind::topology_change; return out;
        default: return Unexpected(BpduError::unknown_type);
    }
}

Result<BpduFrame, BpduError> parse_bpdu_frame(Bytes frame) {
    const auto view = EthernetView::parse(frame);
    if (!view) return Unexpected(BpduError::truncated);
    if (!view->is_llc() && view->type != kTypeLlcEncapsulation) return Unexpected(BpduError::not_a_bpdu);
    const auto llc = llc_of(*view, frame);
    if (!llc) return Unexpected(BpduError::truncated);

    BpduFrame out;
    out.source = view->source;
    if (view->tag_count > 0) out.vid = view->tags[0].vid();
    out.pvst = begins_with(*llc, {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b});
    if (!out.pvst && !begins_with(*llc, {0x42, 0x42, 0x03})) return Unexpected(BpduError::not_a_bpdu);
    const Bytes inside = llc->subspan(out.pvst ? 8 : 3);
    auto bpdu = parse_bpdu(inside);
    if (!bpdu) return Unexpected(bpdu.error());
    out.bpdu = std::move(bpdu).value();
    if (out.pvst) out.bpdu.originating_vlan = originating_vlan(inside);
    return out;
}

std::optional<ClaimedRoot> claimed_root(Bytes frame) noexcept {
    const auto view = EthernetView::parse(frame);
    if (!view || (!view->is_llc() && view->type != kTypeLlcEncapsulation)) return std::nullopt;
    const Bytes llc = frame.subspan(view->payload_offset);
    const bool pvst = begins_with(llc, {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x01, 0x0b});
    if (!pvst && !begins_with(llc, {0x42, 0x42, 0x03})) return std::nullopt;
    const Bytes bpdu = llc.subspan(pvst ? 8 : 3);
    if (bpdu.size() < kConfigSize || load_be16(bpdu.data()) != 0 || (bpdu[3] != 0x00 && bpdu[3] != 0x02))
        return std::nullopt;
    return ClaimedRoot{view->tag_count > 0 ? view->tags[0].vid() : std::uint16_t{0},
                       load_bridge(bpdu.data() + 5)};
}

std::string BridgeId::text() const {
    return std::to_string(priority()) + "/" + std::to_string(extension()) + "/" + address.text();
}

std::string MstConfigurationId::name() const {
    std::string out;
    for (const std::uint8_t c : raw_name) {
        if (c == 0) break;
        out.push_back(c >= ' ' && c <= '~' ? static_cast<char>(c) : '?');
    }
    return out;
}

std::string_view name_of(PortRole role) noexcept {
    switch (role) {
        case PortRole::unknown: return "unknown";
        case PortRole::alternate_or_backup: return "alternate or backup";
        case PortRole::root: return "root";
        case PortRole::designated: return "designated";
    }
    return "";
}

std::string_view name_of(BpduKind kind) noexcept {
    switch (kind) {
        case BpduKind::config: return "STP";
        case BpduKind::topology_change: return "STP topology change notification";
        case BpduKind::rapid: return "RSTP";
        case BpduKind::multiple: return "MSTP";
        case BpduKind::shortest_path: return "SPB";
    }
    return "";
}

std::string_view name_of(BpduError error) noexcept {
    switch (error) {
        case BpduError::not_a_bpdu: return "not a BPDU";
        case BpduError::truncated: return "truncated";
        case BpduError::unknown_protocol: return "unknown protocol identifier";
        case BpduError::unknown_type: return "unknown BPDU type";
    }
    return "";
}

}  // namespace isthmus::stp_guard
