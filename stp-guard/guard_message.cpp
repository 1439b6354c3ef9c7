#include "stp-guard/guard_message.h"

#include <algorithm>
#include <optional>

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kFixedSize = 24;
enum class Part : std::uint16_t { vlans = 1, shapes = 2, topology_changes = 3, roots = 4 };
constexpr std::size_t kVlanSize = 8;
constexpr std::size_t kShapeSize = 12;
constexpr std::size_t kChangeSize = 2;
constexpr std::size_t kRootSize = 10;

std::optional<MessageError> read_vlans(Bytes value, std::vector<VlanEntry>& out) {
    if (value.size() % kVlanSize != 0) return MessageError::bad_part;
    for (std::size_t at = 0; at < value.size(); at += kVlanSize) {
        const std::uint8_t* p = value.data() + at;
        if (load_be16(p) >= 4095 || p[2] > static_cast<std::uint8_t>(VlanState::open) || p[3] > kLastCause)
            return MessageError::bad_vlan_entry;
        out.push_back({load_be16(p), static_cast<VlanState>(p[2]), static_cast<Cause>(p[3]), load_be16(p + 4),
                       load_be16(p + 6)});
    }
    return std::nullopt;
}

std::optional<MessageError> read_shapes(Bytes value, std::vector<ShapeEntry>& out) {
    if (value.size() % kShapeSize != 0) return MessageError::bad_part;
    for (std::size_t at = 0; at < value.size(); at += kShapeSize)
        out.push_back({NodeId{load_be64(value.data() + at)}, load_be32(value.data() + at + 8)});
    return std::nullopt;
}

std::optional<MessageError> read_changes(Bytes value, std::vector<std::uint16_t>& out) {
    if (value.size() % kChangeSize != 0) return MessageError::bad_part;
    for (std::size_t at = 0; at < value.size(); at += kChangeSize) {
        const std::uint16_t vid = load_be16(value.data() + at);
        if (vid > kAllVlans) return MessageError::bad_vlan_entry;
        out.push_back(vid);
    }
    return std::nullopt;
}

std::optional<MessageError> read_roots(Bytes value, std::vector<RootEntry>& out) {
    if (value.size() % kRootSize != 0) return MessageError::bad_part;
    for (std::size_t at = 0; at < value.size(); at += kRootSize) {
        const std::uint8_t* p = value.data() + at;
        if (load_be16(p) >= 4095) return MessageError::bad_vlan_entry;
        RootEntry entry{load_be16(p), {load_be16(p + 2), {}}};
        std::copy_n(p + 4, entry.root.address.bytes.size(), entry.root.address.bytes.begin());
        out.push_back(entry);
    }
    return std::nullopt;
}

std::optional<MessageError> read_part(std::uint16_t type, Bytes value, GuardMessage& out) {
    switch (static_cast<Part>(type)) {
        case Part::vlans: return read_vlans(value, out.vlans);
        case Part::shapes: return read_shapes(value, out.shapes);
        case Part::topology_changes: return read_changes(value, out.topology_changes);
        case Part::roots: return read_roots(value, out.roots);
    }
    return std::nullopt;
}

std::optional<MessageError> read_parts(ByteReader parts, GuardMessage& out) {
    while (parts.remaining() > 0) {
        const auto type = parts.u16();
        const auto length = type ? parts.u16() : std::nullopt;
        if (!length) return MessageError::truncated;
        const auto value = parts.bytes(*length);
        if (!value) return MessageError::bad_part;
        if (const auto error = read_part(*type, *value, out)) return error;
    }
    return std::nullopt;
}

void begin_part(ByteWriter& out, Part part, std::size_t size) {
    out.u16(static_cast<std::uint16_t>(part)).u16(static_cast<std::uint16_t>(size));
}

void write_parts(ByteWriter& out, const GuardMessage& message) {
    if (!message.vlans.empty()) begin_part(out, Part::vlans, message.vlans.size() * kVlanSize);
    for (const VlanEntry& entry : message.vlans)
        out.u16(entry.vid)
            .u8(static_cast<std::uint8_t>(entry.state))
            .u8(static_cast<std::uint8_t>(entry.cause))
            .u16(entry.flags)
            .u16(entry.held_seconds);
    if (!message.shapes.empty()) begin_part(out, Part::shapes, message.shapes.size() * kShapeSize);
    for (const ShapeEntry& entry : message.shapes) out.u64(raw(entry.node)).u32(entry.count);
    if (!message.topology_changes.empty())
        begin_part(out, Part::topology_changes, message.topology_changes.size() * kChangeSize);
    for (const std::uint16_t vid : message.topology_changes) out.u16(vid);
    if (!message.roots.empty()) begin_part(out, Part::roots, message.roots.size() * kRootSize);
    for (const RootEntry& entry : message.roots)
        out.u16(entry.vid).u16(entry.root.priority_and_extension).bytes(entry.root.address.bytes);
}

}  // namespace

std::string_view name_of(MessageError error) noexcept {
    switch (error) {
        case MessageError::not_a_message: return "not_a_message";
        case MessageError::truncated: return "truncated";
        case MessageError::bad_part: return "bad_part";
        case MessageError::bad_vlan_entry: return "bad_vlan_entry";
    }
    return "unknown";
}

Result<ReceivedMessage, MessageError> parse_guard_message(Bytes frame) {
    const auto view = peek_guard_frame(frame);
    if (!view || view->header.type != GuardFrameType::message) return Unexpected(MessageError::not_a_message);
    if (view->payload.size() < kGuardHeaderSize + kFixedSize + kGuardMacSize)
        return Unexpected(MessageError::truncated);

    ReceivedMessage out;
    out.sealed = view->payload.first(view->payload.size() - kGuardMacSize);
    out.mac = view->payload.last(kGuardMacSize);
    GuardMessage& message = out.message;
    message.sender = view->header.sender;
    message.boot_nonce = view->header.boot_nonce;
    const std::uint8_t* p = out.sealed.data() + kGuardHeaderSize;
    message.nonce_echo = load_be64(p);
    message.seq = load_be64(p + 8);
    message.tunnel_count = load_be16(p + 16);
    message.flags = load_be16(p + 18);
    message.port = PortId{load_be32(p + 20)};
    const auto error = read_parts(ByteReader(out.sealed.subspan(kGuardHeaderSize + kFixedSize)), message);
    if (error) return Unexpected(*error);
    return out;
}

std::vector<std::uint8_t> emit(const GuardMessage& message, const MacAddress& source,
                               const FrameAuthenticator& authenticator) {
    ByteWriter out;
    emit_guard_header(out, kGuardMessageDestination, source, 0,
                      {GuardFrameType::message, 0, message.sender, message.boot_nonce});
    out.u64(message.nonce_echo).u64(message.seq).u16(message.tunnel_count).u16(message.flags);
    out.u32(raw(message.port));
    write_parts(out, message);
    seal_guard_frame(out, 0, authenticator);
    return std::move(out).take();
}

}  // namespace isthmus::stp_guard
