#include "tunnel/vccv.h"

#include "tests/support/counting_allocator.h"
#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

/// One end of a pseudowire: what it sends, and what becomes of what it receives.
struct End : Worker {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    EncapStage encap;
    DecapStage decap;
    Path path;

    End(const TunnelEntry& tunnel, const SessionEntry& session)
        : encap(table({tunnel}, {session})), decap(table({tunnel}, {session}), *rings) {
        const std::uint16_t port = tunnel.options.encapsulation == Encapsulation::udp ? 1701 : 0;
        path = {{tunnel.options.local, port}, {tunnel.options.remote, port}, std::nullopt};
    }
    DropReason inject(Bytes message) {
        batch.clear();
        PacketBuffer& p = add(message);
        p.meta.session = SessionIndex{0};
        p.meta.control = p.meta.channel = true;
        encap.process(batch, {});
        return batch[0].meta.drop;
    }
    Octets sent(Bytes message) {
        REQUIRE(inject(message) == DropReason::none);
        return copy(batch[0].data());
    }
    Octets sent_frame(Bytes frame) {
        batch.clear();
        add(frame).meta.session = SessionIndex{0};
        encap.process(batch, {});
        REQUIRE(batch[0].meta.drop == DropReason::none);
        return copy(batch[0].data());
    }
    DropReason receive(Bytes packet, std::uint8_t next_header) {
        batch.clear();
        PacketBuffer& p = add(packet);
        p.meta.path = &path;
        p.meta.next_header = next_header;
        decap.process(batch, {});
        return batch[0].meta.drop;
    }
    [[nodiscard]] bool passed_a_frame() const { return static_cast<bool>(batch[0]); }
    std::vector<Octets> punted() {
        std::vector<Octets> out;
        rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& m) {
            CHECK(c == PuntClass::channel);
            CHECK(m.session == SessionIndex{0});
            CHECK(m.tunnel == TunnelIndex{0});
            out.push_back(copy(m.data()));
        });
        return out;
    }
};

std::uint8_t header_of(Encapsulation e) {
    return e == Encapsulation::udp ? kIpProtocolUdp : kIpProtocolL2tp;
}

SessionEntry session(Sublayer sublayer, const char* local = "f1f2f3f4f5f6f7f8",
                     const char* remote = "0102030405060708") {
    auto s = session_entry();
    s.options.local_cookie = cookie(local);
    s.options.remote_cookie = cookie(remote);
    s.options.send_sublayer = s.options.receive_sublayer = sublayer;
    s.options.channel = true;
    return s;
}

Octets bfd_message() {
    const Octets payload = hex("20c80318 00000001 00000000 000f4240 000493e0 00000000");
    return ChannelMessage{ChannelType::bfd, payload}.emit();
}

}  // namespace

TEST_CASE("a channel message has the word of RFC 5085 section 6.1 in front of its payload") {
    CHECK(to_hex(bfd_message()).substr(0, 8) == "80000007");
    const Octets message = bfd_message();
    const auto parsed = ChannelMessage::parse(message);
    REQUIRE(parsed);
    CHECK(parsed->type == ChannelType::bfd);
    CHECK(parsed->payload.size() == 24);
    for (std::size_t size = 0; size < 4; ++size)
        CHECK_FALSE(ChannelMessage::parse(Bytes(message).first(size)));
    CHECK_FALSE(ChannelMessage::parse(hex("00000007")));
    CHECK_FALSE(ChannelMessage::parse(hex("81000007")));
    CHECK(ChannelMessage::parse(hex("f0ff0007"))->type == ChannelType::bfd);  // reserved bits
}

TEST_CASE("channel messages go from end to end beside frames, for every encapsulation, sublayer and cookie") {
    for (const auto e : {Encapsulation::udp, Encapsulation::ip}) {
        for (const auto sublayer : {Sublayer::none, Sublayer::standard}) {
            for (const char* c : {"", "deadbeef", "0102030405060708"}) {
                if (sublayer == Sublayer::none && *c == '\0') continue;
                CAPTURE(c);
                const auto s = session(sublayer, c, c);
                End a(tunnel_entry(e), s);
                End b(mirrored(tunnel_entry(e)), mirrored(s));
                const Octets message = bfd_message();
                CHECK(b.receive(a.sent(message), header_of(e)) == DropReason::none);
                CHECK_FALSE(b.passed_a_frame());
                CHECK(b.punted() == std::vector<Octets>{message});
                CHECK(b.receive(a.sent_frame(frame()), header_of(e)) == DropReason::none);
                CHECK(b.passed_a_frame());
                CHECK(b.punted().empty());
            }
        }
    }
}

TEST_CASE("with a sublayer the V bit tells, without one the inverted cookie") {
    End with(tunnel_entry(), session(Sublayer::standard));
    CHECK(to_hex(with.sent(bfd_message())).substr(0, 40) ==
          "00030000"
          "51627384"
          "0102030405060708"
          "80000007");
    End without(tunnel_entry(), session(Sublayer::none));
    CHECK(to_hex(without.sent(bfd_message())).substr(0, 40) ==
          "00030000"
          "51627384"
          "fefdfcfbfaf9f8f7"
          "80000007");
    CHECK(without.batch[0].meta.traffic_class == 48 << 2);
    CHECK(without.batch[0].meta.next_header == kIpProtocolUdp);
}

TEST_CASE("the channel works while the session is down, where frames do not") {
    for (const auto sublayer : {Sublayer::none, Sublayer::standard}) {
        auto s = session(sublayer);
        s.up = false;
        End a(tunnel_entry(), s);
        End b(mirrored(tunnel_entry()), mirrored(s));
        CHECK(b.receive(a.sent(bfd_message()), kIpProtocolUdp) == DropReason::none);
        CHECK(b.punted().size() == 1);
    }
}

TEST_CASE("a channel message of a sequenced session takes no sequence number and is not checked for one") {
    auto s = session(Sublayer::standard);
    s.options.send_sequence = true;
    s.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    End a(tunnel_entry(), s);
    auto peer = mirrored(s);
    peer.options.send_sequence = true;
    peer.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    End b(mirrored(tunnel_entry()), peer);
    CHECK(b.receive(a.sent_frame(frame()), kIpProtocolUdp) == DropReason::none);
    CHECK(b.receive(a.sent(bfd_message()), kIpProtocolUdp) == DropReason::none);
    CHECK(b.receive(a.sent_frame(frame()), kIpProtocolUdp) == DropReason::none);
    CHECK(b.passed_a_frame());
}

TEST_CASE(
    "where no channel was agreed, a message with the V bit is discarded (RFC 5085 section 6.3), and the "
    "inverted "
    "cookie is wrong") {
    auto s = session(Sublayer::standard);
    s.options.channel = false;
    End v(tunnel_entry(), s);
    CHECK(v.receive(hex("00030000 a1b2c3d4 f1f2f3f4f5f6f7f8 80000007") + frame(), kIpProtocolUdp) ==
          DropReason::l2tp_bad_channel);
    CHECK(v.punted().empty());
    // The other bits of the sublayer are reserved, and ignored.
    CHECK(v.receive(hex("00030000 a1b2c3d4 f1f2f3f4f5f6f7f8 3f000007") + frame(), kIpProtocolUdp) ==
          DropReason::none);
    CHECK(v.passed_a_frame());
    CHECK(v.inject(bfd_message()) == DropReason::session_down);
    s = session(Sublayer::none);
    s.options.channel = false;
    End c(tunnel_entry(), s);
    CHECK(c.receive(hex("00030000 a1b2c3d4 0e0d0c0b0a090807 80000007") + frame(), kIpProtocolUdp) ==
          DropReason::l2tp_bad_cookie);
}

TEST_CASE("a guessed cookie opens no channel, and a stranger's packet neither") {
    End a(tunnel_entry(), session(Sublayer::none));
    CHECK(a.receive(hex("00030000 a1b2c3d4 0e0d0c0b0a090806 80000007"), kIpProtocolUdp) ==
          DropReason::l2tp_bad_cookie);
    const Octets good = hex("00030000 a1b2c3d4 0e0d0c0b0a090807 80000007");
    CHECK(a.receive(good, kIpProtocolUdp) == DropReason::none);
    CHECK(a.punted().size() == 1);
    a.path.remote.address = ip("203.0.113.9");
    CHECK(a.receive(good, kIpProtocolUdp) == DropReason::l2tp_wrong_peer);
}

TEST_CASE("both cookies that are accepted during a change open the channel inverted") {
    auto s = session(Sublayer::none);
    s.other_local_cookie = cookie("1111111122222222");
    End a(tunnel_entry(), s);
    CHECK(a.receive(hex("00030000 a1b2c3d4 0e0d0c0b0a090807 80000007"), kIpProtocolUdp) == DropReason::none);
    CHECK(a.receive(hex("00030000 a1b2c3d4 eeeeeeeedddddddd 80000007"), kIpProtocolUdp) == DropReason::none);
    CHECK(a.punted().size() == 2);
}

TEST_CASE("a channel message without its word, or of another version, is dropped by name") {
    End a(tunnel_entry(), session(Sublayer::none));
    const Octets whole = hex("00030000 a1b2c3d4 0e0d0c0b0a090807 80000007");
    for (std::size_t size = 16; size < whole.size(); ++size)
        CHECK(a.receive(Bytes(whole).first(size), kIpProtocolUdp) == DropReason::l2tp_bad_channel);
    CHECK(a.receive(hex("00030000 a1b2c3d4 0e0d0c0b0a090807 00000007"), kIpProtocolUdp) ==
          DropReason::l2tp_bad_channel);
    CHECK(a.receive(hex("00030000 a1b2c3d4 0e0d0c0b0a090807 81000007"), kIpProtocolUdp) ==
          DropReason::l2tp_bad_channel);
}

TEST_CASE("a full ring drops channel messages, counted") {
    End a(tunnel_entry(), session(Sublayer::none));
    const Octets good = hex("00030000 a1b2c3d4 0e0d0c0b0a090807 80000007");
    for (std::size_t i = 0; i < PuntRings::kDepth; ++i)
        CHECK(a.receive(good, kIpProtocolUdp) == DropReason::none);
    CHECK(a.receive(good, kIpProtocolUdp) == DropReason::punt_overflow);
    CHECK(a.rings->overflows(PuntClass::channel) == 1);
}

TEST_CASE("a message larger than a frame may be is not sent") {
    auto s = session(Sublayer::none);
    s.max_frame = 100;
    End a(tunnel_entry(), s);
    CHECK(a.inject(Octets(101, 0)) == DropReason::exceeds_path_mtu);
}

TEST_CASE("a channel with neither sublayer nor cookie is refused when the table is built") {
    auto s = session(Sublayer::none, "", "0102030405060708");
    const auto built = SessionTable::build({tunnel_entry()}, {s});
    REQUIRE_FALSE(built);
    CHECK(built.error().find("the channel needs the default sublayer or a cookie") != std::string::npos);
    s.options.receive_sublayer = Sublayer::standard;
    CHECK(SessionTable::build({tunnel_entry()}, {s}));
}
