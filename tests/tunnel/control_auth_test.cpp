#include "tunnel/control_auth.h"

#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

// Worked out apart from this code, with Python's hashlib and hmac; tests/groups/l2tp lets tshark check more.
const char* const kSccrq =
    "c80300690000000000000000800800000000000180170000003b0044a7ac90321359ed883c327e5a8e772d800a000000076c6566"
    "7480"
    "0a0000003cc0000201801600000049000102030405060708090a0b0c0d0e0f800a0000003d11223344800a0000003e00050004";
const char* const kSccrpTwoSecrets =
    "c803008711223344000000018008000000000002801b0000003b0187b70c3b1d6f06ff35ab3afc71cfc8992af043b5801b000000"
    "3b01"
    "c2e1db824502296d89e86109298a70303748ed46800b000000077269676874800a0000003cc00002028016000000492021222324"
    "2526"
    "2728292a2b2c2d2e2f800a0000003d5566778880080000003e0005";
const char* const kHello =
    "c803002b5566778800020001800800000000000680170000003b008cf7cc8251aeeac128dd366362e12013";

Octets left_nonce() {
    return counting(0, 16);
}
Octets right_nonce() {
    return counting(0x20, 16);
}

ControlAuth left(const std::vector<std::string_view>& secrets, DigestType type = DigestType::hmac_md5) {
    ControlAuth auth(keys_of(secrets), type);
    auth.set_local_nonce(left_nonce());
    return auth;
}
ControlAuth right(const std::vector<std::string_view>& secrets, DigestType type = DigestType::hmac_md5) {
    ControlAuth auth(keys_of(secrets), type);
    auth.set_local_nonce(right_nonce());
    auth.set_remote_nonce(left_nonce());
    return auth;
}

Result<Verified, AuthFailure> verify(const ControlAuth& auth, const Octets& message) {
    const auto packet = ControlPacket::parse(Encapsulation::udp, message);
    REQUIRE(packet);
    return auth.verify(*packet);
}

/// The AVPs of a message, without its digests.
Octets body_without_digests(const Octets& message) {
    AvpWriter out;
    AvpReader in(Bytes(message).subspan(kControlHeaderSize));
    while (!in.done()) {
        const auto avp = in.next();
        if (avp->key != avp::kMessageDigest) out.add(*avp);
    }
    return std::move(out).take();
}

}  // namespace

TEST_CASE("an SCCRQ that was signed elsewhere verifies, and ours is the same bytes") {
    const auto found = verify(right({"correct horse"}), hex(kSccrq));
    REQUIRE(found);
    CHECK(found->secret == 0);
    CHECK(found->type == DigestType::hmac_md5);
    CHECK(to_hex(left({"correct horse"}).sign({}, body_without_digests(hex(kSccrq)))) == kSccrq);
}

TEST_CASE("an SCCRP with two secrets and SHA-1 verifies with either, and ours is the same bytes") {
    const Octets message = hex(kSccrpTwoSecrets);
    for (const char* secret : {"correct horse", "battery staple"}) {
        const auto found = verify(left({secret}), message);
        REQUIRE(found);
        CHECK(found->type == DigestType::hmac_sha1);
    }
    const ControlHeader header{ControlConnectionId{0x11223344}, 0, 1};
    CHECK(to_hex(right({"correct horse", "battery staple"}, DigestType::hmac_sha1)
                     .sign(header, body_without_digests(message))) == kSccrpTwoSecrets);
    CHECK(verify(left({"neither"}), message).error() == AuthFailure::wrong_digest);
}

TEST_CASE("other messages are signed with both nonces") {
    CHECK(verify(right({"correct horse"}), hex(kHello)));
    auto stranger = ControlAuth(keys_of({"correct horse"}), DigestType::hmac_md5);
    CHECK(verify(stranger, hex(kHello)).error() == AuthFailure::wrong_digest);
    auto sender = left({"correct horse"});
    sender.set_remote_nonce(right_nonce());
    CHECK(to_hex(sender.sign({ControlConnectionId{0x55667788}, 2, 1}, body_without_digests(hex(kHello)))) ==
          kHello);
}

TEST_CASE("during a roll-over both sides understand each other, whatever each already has") {
    const std::vector<std::vector<std::string_view>> stages{{"old"}, {"old", "new"}, {"new", "old"}, {"new"}};
    for (std::size_t i = 0; i < stages.size(); ++i) {
        for (std::size_t j = 0; j < stages.size(); ++j) {
            if ((i == 0 && j == 3) || (i == 3 && j == 0)) continue;  // nothing in common
            CAPTURE(i);
            CAPTURE(j);
            auto sender = left(stages[i]);
            sender.set_remote_nonce(right_nonce());
            CHECK(verify(right(stages[j]), sender.sign({}, emit_body(Hello{}))));
        }
    }
}

TEST_CASE("the secret that the peer has goes first, and hidden values go with it") {
    auto sender = left({"new", "old"});
    sender.set_remote_nonce(right_nonce());
    sender.prefer(1);
    isthmus::test::SeededRng rng(1);
    const ControlMessage cdn = Cdn{{SessionId{1}, SessionId{2}}, {CdnResult::administrative, {}, ""}};
    const Octets message = sender.sign({}, emit_body(cdn, Hiding{sender.hider(), rng}));
    const auto receiver = right({"old"});
    const auto found = verify(receiver, message);
    REQUIRE(found);
    const AvpHider hider = receiver.hider(found->secret);
    const auto parsed = parse_body(Bytes(message).subspan(kControlHeaderSize), &hider);
    REQUIRE(parsed);
    CHECK(parsed->message == cdn);
}

TEST_CASE("any changed byte of a signed message fails, header and Length included") {
    auto sender = left({"s"});
    sender.set_remote_nonce(right_nonce());
    const Octets message = sender.sign({ControlConnectionId{5}, 1, 2}, emit_body(full_request<Icrq>()));
    for (std::size_t at = 0; at < message.size(); ++at) {
        for (const int bit : {0, 7}) {
            Octets changed = message;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1 << bit));
            const auto packet = ControlPacket::parse(Encapsulation::udp, changed);
            if (packet) CHECK_FALSE(right({"s"}).verify(*packet));
        }
    }
    CHECK(verify(right({"s"}), message));
}

TEST_CASE("a message without a digest, or with one in the wrong place, is not believed") {
    const ControlHeader header;
    CHECK(verify(right({"s"}), plain_message(header, {})).error() == AuthFailure::no_digest);
    CHECK(verify(right({"s"}), plain_message(header, emit_body(Hello{}))).error() == AuthFailure::no_digest);
    AvpWriter late;
    late.u16(avp::kMessageType, 4).u16(avp::kResultCode, 1).add(avp::kMessageDigest, Octets(17, 0));
    CHECK(verify(right({"s"}), plain_message(header, late.view())).error() == AuthFailure::no_digest);
    AvpWriter odd;
    odd.u16(avp::kMessageType, 6).add(avp::kMessageDigest, Octets(18, 0));
    CHECK(verify(right({"s"}), plain_message(header, odd.view())).error() == AuthFailure::wrong_digest);
    AvpWriter unknown_algorithm;
    unknown_algorithm.u16(avp::kMessageType, 6).add(avp::kMessageDigest, Octets(17, 9));
    CHECK(verify(right({"s"}), plain_message(header, unknown_algorithm.view())).error() ==
          AuthFailure::wrong_digest);
    CHECK(verify(right({"s"}), plain_message(header, hex("8008 0000 0000 0006 8003"))).error() ==
          AuthFailure::unreadable);
}

TEST_CASE("an acknowledgement without a body is signed as an ACK, since a ZLB cannot be") {
    auto sender = left({"s"});
    sender.set_remote_nonce(right_nonce());
    const Octets message = sender.sign({}, emit_body(Zlb{}));
    CHECK(verify(right({"s"}), message));
    const auto parsed = parse_body(Bytes(message).subspan(kControlHeaderSize));
    REQUIRE(parsed);
    CHECK(std::holds_alternative<Ack>(parsed->message));
}

TEST_CASE("a message reflected to its sender does not verify") {
    auto sender = left({"s"});
    sender.set_remote_nonce(right_nonce());
    CHECK_FALSE(verify(sender, sender.sign({}, emit_body(Hello{}))));
}

TEST_CASE("every message is signed and verified, with both algorithms") {
    for (const DigestType type : {DigestType::hmac_md5, DigestType::hmac_sha1}) {
        auto sender = left({"s"}, type);
        sender.set_remote_nonce(right_nonce());
        for (const ControlMessage& message : every_message()) {
            CAPTURE(name_of(message));
            // An SCCRP brings its own nonce.
            auto receiver = right({"s"});
            if (std::holds_alternative<Sccrp>(message)) sender.set_local_nonce(counting(0x40, kNonceSize));
            CHECK(verify(receiver, sender.sign({ControlConnectionId{9}, 3, 4}, emit_body(message))));
            sender.set_local_nonce(left_nonce());
        }
    }
}
