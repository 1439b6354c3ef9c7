// l2tp-messages FOLDER: captures of a control connection's life between 192.0.2.1 (0x11223344) and 192.0.2.2
// (0x55667788), each message with every value it can carry: clear, over IP, digested in two ways, hidden.
// Secret: "tshark-secret". And messages of a pseudowire's channel: in its session over UDP and over IP, and behind an
// MPLS label, where readers know how to read them.
#include <fstream>
#include <iostream>

#include "base/checksum.h"
#include "tests/tunnel/control_samples.h"
#include "tunnel/bfd_packet.h"
#include "tunnel/data_header.h"
#include "tunnel/vccv.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

using Octets = std::vector<std::uint8_t>;

enum class Protection { none, md5, sha1, hidden };

struct Variant {
    const char* name;
    Encapsulation encapsulation;
    Protection protection;
};
const Variant kVariants[] = {
    {"clear", Encapsulation::udp, Protection::none},  {"ip", Encapsulation::ip, Protection::none},
    {"md5", Encapsulation::udp, Protection::md5},     {"sha1", Encapsulation::udp, Protection::sha1},
    {"ip-sha1", Encapsulation::ip, Protection::sha1}, {"hidden", Encapsulation::udp, Protection::hidden},
};

Octets left_nonce() {
    return counting(0x40, kNonceSize);
}
Octets right_nonce() {
    return counting(0x60, kNonceSize);
}

struct Step {
    bool from_left;
    ControlMessage message;
};

std::vector<Step> life(bool authenticated) {
    Sccrq sccrq;
    fill(sccrq);
    sccrq.nonce = left_nonce();
    sccrq.tie_breaker = 0x1122334455667788;
    Sccrp sccrp;
    fill(sccrp);
    sccrp.host_name = "right.example";
    sccrp.assigned_id = ControlConnectionId{0x55667788};
    sccrp.router_id = RouterId{0xc0000202};
    sccrp.nonce = right_nonce();
    Icrp icrp = full_answer<Icrp>();
    Iccn iccn = full_answer<Iccn>();
    iccn.ids = {SessionId{0xa1b2c3d4}, SessionId{0x51627384}};
    iccn.offer.cookie = {};
    iccn.offer.physical_channel.reset();
    const SessionPair ids = iccn.ids;
    const ControlMessage acknowledgement = authenticated ? ControlMessage(Ack{}) : ControlMessage(Zlb{});
    return {
        {true, sccrq},
        {false, sccrp},
        {true, Scccn{}},
        {false, acknowledgement},
        {true, full_request<Icrq>()},
        {false, icrp},
        {true, iccn},
        {true, full_request<Ocrq>()},
        {false, full_answer<Ocrp>()},
        {true, full_answer<Occn>()},
        {true, Sli{ids, CircuitStatus::parse(0x42), counting(0, 20)}},
        {true, Wen{ids, {1, 2, 3, 4, 5, 6}}},
        {true, Hello{}},
        {false, Ack{}},
        {true, Cdn{ids, {CdnResult::general_error, ErrorCode::no_resources, "no TAP left"}}},
        {true, StopCcn{{StopResult::shutting_down, ErrorCode::none, ""}, ControlConnectionId{0x11223344}}}};
}

/// IPv4 and, where it is so, UDP in front; no UDP checksum.
Octets packet_of(bool from_left, Encapsulation encapsulation, const Octets& payload) {
    const std::size_t udp = encapsulation == Encapsulation::udp ? 8 : 0;
    ByteWriter out;
    out.u8(0x45).u8(0).u16(static_cast<std::uint16_t>(20 + udp + payload.size())).u32(0).u8(64);
    out.u8(udp != 0 ? kIpProtocolUdp : kIpProtocolL2tp).u16(0);
    out.u32(from_left ? 0xc0000201 : 0xc0000202).u32(from_left ? 0xc0000202 : 0xc0000201);
    if (udp != 0) out.u16(1701).u16(1701).u16(static_cast<std::uint16_t>(8 + payload.size())).u16(0);
    out.bytes(payload);
    return std::move(out).take();
}

constexpr std::uint32_t kEthernet = 1;  // link types
constexpr std::uint32_t kRawIp = 101;

Octets capture_of(std::uint32_t link, const std::vector<Octets>& packets) {
    ByteWriter out;
    out.u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(link);
    std::uint32_t second = 0;
    for (const Octets& packet : packets) {
        const auto size = static_cast<std::uint32_t>(packet.size());
        out.u32(++second).u32(0).u32(size).u32(size).bytes(packet);
    }
    return std::move(out).take();
}

class Writer {
  public:
    Writer(const Variant& variant) : variant_(variant) {
        const auto keys = keys_of({"tshark-secret"});
        const DigestType type =
            variant.protection == Protection::sha1 ? DigestType::hmac_sha1 : DigestType::hmac_md5;
        left_.emplace(keys, type);
        right_.emplace(keys, type);
        left_->set_local_nonce(left_nonce());
        left_->set_remote_nonce(right_nonce());
        right_->set_local_nonce(right_nonce());
        right_->set_remote_nonce(left_nonce());
    }

    Octets capture() {
        std::vector<Octets> packets;
        for (const Step& step : life(variant_.protection != Protection::none))
            packets.push_back(packet_of(step.from_left, variant_.encapsulation,
                                        wire_form(variant_.encapsulation, message_of(step))));
        return capture_of(kRawIp, packets);
    }

  private:
    Octets message_of(const Step& step) {
        ControlAuth& auth = step.from_left ? *left_ : *right_;
        std::uint16_t& ns = step.from_left ? left_ns_ : right_ns_;
        const std::uint16_t nr = step.from_left ? right_ns_ : left_ns_;
        const std::uint32_t to = step.from_left ? 0x55667788 : 0x11223344;
        const bool is_first = std::holds_alternative<Sccrq>(step.message);
        const ControlHeader header{ControlConnectionId{is_first ? 0 : to}, ns, nr};
        if (type_of(step.message) != MessageType::ack) ++ns;
        if (variant_.protection == Protection::none) return plain_message(header, emit_body(step.message));
        if (variant_.protection != Protection::hidden) return auth.sign(header, emit_body(step.message));
        return auth.sign(header, emit_body(step.message, Hiding{auth.hider(), rng_}));
    }

    Variant variant_;
    std::optional<ControlAuth> left_;
    std::optional<ControlAuth> right_;
    std::uint16_t left_ns_ = 0;
    std::uint16_t right_ns_ = 0;
    isthmus::test::SeededRng rng_{1};
};

// ------------------------------------------------------------------------------------ the channel in the pseudowire

Octets bfd(BfdState state, BfdDiagnostic why, bool poll, bool final, std::uint32_t yours) {
    BfdPacket packet;
    packet.state = state;
    packet.diagnostic = why;
    packet.poll = poll;
    packet.final = final;
    packet.mine = BfdDiscriminator{0x11223344};
    packet.yours = BfdDiscriminator{yours};
    packet.desired_min_tx = Microseconds(state == BfdState::up ? 300'000 : 1'000'000);
    packet.required_min_rx = Microseconds(300'000);
    const auto bytes = packet.emit();
    return ChannelMessage{ChannelType::bfd, bytes}.emit();
}

std::vector<Octets> channel_messages() {
    return {bfd(BfdState::down, BfdDiagnostic::none, false, false, 0),
            bfd(BfdState::up, BfdDiagnostic::none, true, false, 0x55667788),
            bfd(BfdState::up, BfdDiagnostic::none, false, true, 0x55667788),
            bfd(BfdState::down, BfdDiagnostic::detection_expired, false, false, 0x55667788),
            bfd(BfdState::admin_down, BfdDiagnostic::administratively_down, false, false, 0x55667788)};
}

Octets in_session(Encapsulation encapsulation, const Octets& message) {
    DataHeader header;
    header.session = SessionId{0xa1b2c3d4};
    header.cookie = cookie_of(counting(0xa0, 8));
    const HeaderTemplate front(encapsulation, header);
    Octets out(front.view().begin(), front.view().end());
    out.insert(out.end(), message.begin(), message.end());
    return packet_of(true, encapsulation, out);
}

/// Ethernet, one MPLS label, and the associated channel of RFC 4385: the same word but for its first four bits, 0001 there and
/// V with three zeros here.
Octets behind_mpls(Octets message) {
    message[0] = static_cast<std::uint8_t>((message[0] & 0x0f) | 0x10);
    ByteWriter out;
    for (std::uint16_t i = 0; i < 2; ++i) out.u32(0x02000000).u16(i);
    out.u16(0x8847).u32((16U << 12) | (1U << 8) | 64).bytes(message);
    return std::move(out).take();
}

bool write(const std::string& path, const Octets& capture) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(capture.data()), static_cast<std::streamsize>(capture.size()));
    if (!out) std::cerr << path << ": cannot be written\n";
    return static_cast<bool>(out);
}

bool write_channel(const std::string& folder) {
    std::vector<Octets> sessions;
    std::vector<Octets> mpls;
    for (const Octets& message : channel_messages()) {
        for (const auto encapsulation : {Encapsulation::udp, Encapsulation::ip})
            sessions.push_back(in_session(encapsulation, message));
        mpls.push_back(behind_mpls(message));
    }
    return write(folder + "/channel.pcap", capture_of(kRawIp, sessions)) &&
           write(folder + "/channel-mpls.pcap", capture_of(kEthernet, mpls));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: l2tp-messages FOLDER\n";
        return 2;
    }
    const std::string folder = argv[1];
    for (const Variant& variant : kVariants)
        if (!write(folder + "/" + variant.name + ".pcap", Writer(variant).capture())) return 1;
    return write_channel(folder) ? 0 : 1;
}
