#include "tunnel/bfd_packet.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kPoll = 0x20;
constexpr std::uint8_t kFinal = 0x10;
constexpr std::uint8_t kIndependent = 0x08;
constexpr std::uint8_t kAuthenticated = 0x04;
constexpr std::uint8_t kDemand = 0x02;
constexpr std::uint8_t kMultipoint = 0x01;

}  // namespace

Result<BfdPacket, std::string_view> BfdPacket::parse(Bytes packet) noexcept {
    const auto wrong = [](std::string_view text) { return Unexpected(text); };
    if (packet.size() < kSize) return wrong("shorter than the 24 bytes of a BFD Control packet");
    if (packet[0] >> 5 != kVersion) return wrong("Version is not 1");
    const std::uint8_t length = packet[3];
    if (length < kSize) return wrong("Length is less than 24");
    if (length > packet.size()) return wrong("Length is more than what came");
    const std::uint8_t flags = packet[1];
    if ((flags & kAuthenticated) != 0) return wrong("the A bit is set, but no authentication is in use");
    if ((flags & kMultipoint) != 0) return wrong("the M bit is set");

    BfdPacket out;
    out.diagnostic = BfdDiagnostic{static_cast<std::uint8_t>(packet[0] & 0x1f)};
    out.state = BfdState{static_cast<std::uint8_t>(flags >> 6)};
    out.poll = (flags & kPoll) != 0;
    out.final = (flags & kFinal) != 0;
    out.control_plane_independent = (flags & kIndependent) != 0;
    out.demand = (flags & kDemand) != 0;
    out.detect_multiplier = packet[2];
    out.mine = BfdDiscriminator{load_be32(packet.data() + 4)};
    out.yours = BfdDiscriminator{load_be32(packet.data() + 8)};
    out.desired_min_tx = Microseconds(load_be32(packet.data() + 12));
    out.required_min_rx = Microseconds(load_be32(packet.data() + 16));
    out.required_min_echo_rx = Microseconds(load_be32(packet.data() + 20));
    if (out.detect_multiplier == 0) return wrong("Detect Mult is 0");
    if (out.mine == BfdDiscriminator{}) return wrong("My Discriminator is 0");
    const bool knows_us = out.state == BfdState::init || out.state == BfdState::up;
    if (out.yours == BfdDiscriminator{} && knows_us)
        return wrong("Your Discriminator is 0 in state Init or Up");
    return out;
}

std::array<std::uint8_t, BfdPacket::kSize> BfdPacket::emit() const noexcept {
    std::array<std::uint8_t, kSize> out{};
    out[0] = static_cast<std::uint8_t>((kVersion << 5) | (static_cast<unsigned>(diagnostic) & 0x1f));
    out[1] = static_cast<std::uint8_t>((static_cast<unsigned>(state) << 6) | (poll ? kPoll : 0) |
                                       (final ? kFinal : 0) | (control_plane_independent ? kIndependent : 0) |
                                       (demand ? kDemand : 0));
    out[2] = detect_multiplier;
    out[3] = kSize;
    store_be32(out.data() + 4, static_cast<std::uint32_t>(mine));
    store_be32(out.data() + 8, static_cast<std::uint32_t>(yours));
    store_be32(out.data() + 12, desired_min_tx.count());
    store_be32(out.data() + 16, required_min_rx.count());
    store_be32(out.data() + 20, required_min_echo_rx.count());
    return out;
}

std::string_view words(BfdState state) noexcept {
    constexpr std::array<std::string_view, 4> kWords{"administratively down", "down", "init", "up"};
    return kWords[static_cast<std::size_t>(state) & 3];
}

std::string_view words(BfdDiagnostic diagnostic) noexcept {
    constexpr std::array<std::string_view, 9> kWords{
        "no diagnostic",          "nothing was heard in time", "echo function failed",
        "the peer hears nothing", "forwarding plane reset",    "path down",
        "concatenated path down", "administratively down",     "reverse concatenated path down"};
    const auto i = static_cast<std::size_t>(diagnostic);
    return i < kWords.size() ? kWords[i] : "reserved diagnostic";
}

}  // namespace isthmus::tunnel
