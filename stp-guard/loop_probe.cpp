#include "stp-guard/loop_probe.h"

#include <algorithm>

namespace isthmus::stp_guard {

namespace {

MacAddress load_mac(const std::uint8_t* p) {
    MacAddress out;
    std::copy_n(p, out.bytes.size(), out.bytes.begin());
    return out;
}

}  // namespace

std::string_view name_of(ProbeKind kind) noexcept {
    switch (kind) {
        case ProbeKind::multicast: return "multicast";
        case ProbeKind::broadcast: return "broadcast";
        case ProbeKind::decoy: return "decoy";
    }
    return "unknown";
}

ProbeKind kind_of(const MacAddress& destination) noexcept {
    if (destination.is_broadcast()) return ProbeKind::broadcast;
    return destination.is_group() ? ProbeKind::multicast : ProbeKind::decoy;
}

Result<ReceivedProbe, ProbeRefusal> parse_loop_probe(Bytes frame) {
    const auto view = peek_guard_frame(frame);
    if (!view || view->header.type != GuardFrameType::probe) return Unexpected(ProbeRefusal::not_a_probe);
    if (view->payload.size() < kProbePayloadSize) return Unexpected(ProbeRefusal::truncated);
    const std::uint8_t* p = view->payload.data();
    if (p[40] != static_cast<std::uint8_t>(PortKind::lan) &&
        p[40] != static_cast<std::uint8_t>(PortKind::tunnel))
        return Unexpected(ProbeRefusal::bad_port_kind);
    const std::uint16_t vid = load_be16(p + 42);
    if (vid >= 4095) return Unexpected(ProbeRefusal::bad_vid);

    ReceivedProbe out;
    out.probe.flags = view->header.flags;
    out.probe.sender = view->header.sender;
    out.probe.boot_nonce = view->header.boot_nonce;
    out.probe.port = PortId{load_be32(p + 36)};
    out.probe.port_kind = static_cast<PortKind>(p[40]);
    out.probe.vid = vid;
    out.probe.seq = load_be64(p + 44);
    out.probe.sent_at = TimePoint(Duration(static_cast<std::int64_t>(load_be64(p + 52))));
    out.probe.destination = load_mac(p + 60);
    out.probe.source = load_mac(p + 66);
    out.arrival_vid = view->vid;
    out.arrival_destination = view->destination;
    out.arrival_source = view->source;
    out.sealed = view->payload.first(kProbePayloadSize - kGuardMacSize);
    out.mac = view->payload.subspan(out.sealed.size(), kGuardMacSize);
    return out;
}

bool is_authentic(Bytes sealed, Bytes mac, const FrameAuthenticator& authenticator) {
    return equal_constant_time(authenticator.tag(sealed), mac);
}

std::vector<std::uint8_t> emit(const LoopProbe& probe, const FrameAuthenticator& authenticator) {
    ByteWriter out;
    emit_guard_header(out, probe.destination, probe.source, probe.vid,
                      {GuardFrameType::probe, probe.flags, probe.sender, probe.boot_nonce});
    out.u32(raw(probe.port)).u8(static_cast<std::uint8_t>(probe.port_kind)).u8(0).u16(probe.vid);
    out.u64(probe.seq).u64(static_cast<std::uint64_t>(probe.sent_at.time_since_epoch().count()));
    out.bytes(probe.destination.bytes).bytes(probe.source.bytes).zeros(8);
    seal_guard_frame(out, probe.vid, authenticator);
    return std::move(out).take();
}

}  // namespace isthmus::stp_guard
