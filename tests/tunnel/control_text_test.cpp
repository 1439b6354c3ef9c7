#include "tunnel/control_text.h"

#include "tests/support/pcap_file.h"
#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

using Lines = std::vector<std::string>;

ControlText described(const ControlMessage& message, const AvpHider* hider = nullptr, Rng* rng = nullptr) {
    const auto body = rng == nullptr ? emit_body(message) : emit_body(message, Hiding{*hider, *rng});
    return describe(Encapsulation::udp, plain_message({ControlConnectionId{0x11223344}, 2, 1}, body), hider);
}

}  // namespace

TEST_CASE("a message is told by name, addressee, sequence numbers and size") {
    CHECK(described(Hello{}).summary == "HELLO to 0x11223344, Ns 2, Nr 1, 20 bytes");
    CHECK(described(Zlb{}).summary == "ZLB to 0x11223344, Ns 2, Nr 1, 12 bytes");
    CHECK(described(Hello{}).avps.empty());
}

TEST_CASE("an SCCRQ is told AVP by AVP, its nonces masked") {
    Sccrq message;
    fill(message);
    message.tie_breaker = 0x1122334455667788;
    CHECK(described(message).avps ==
          Lines{"Host Name: left.example", "Router ID: 192.0.2.1",
                "Control Message Authentication Nonce: 16 bytes (masked)",
                "Assigned Control Connection ID: 0x11223344",
                "Pseudowire Capabilities List: Ethernet (5), Ethernet VLAN (4), type 7",
                "Receive Window Size: 32", "Vendor Name: Isthmus", "Preferred Language: en",
                "Software Version: 0.2.0", "Node ID: 0102030405060708", "Site ID: 736974652d61",
                "Boot Nonce: 16 bytes (masked)", "Tie Breaker: 0x1122334455667788"});
}

TEST_CASE("an ICRQ is told AVP by AVP, its cookie masked") {
    CHECK(described(full_request<Icrq>()).avps ==
          Lines{"Local Session ID: 0xa1b2c3d4", "Remote Session ID: 0x00000000", "Serial Number: 42",
                "Pseudowire Type: Ethernet VLAN (4)",
                "Remote End ID: vlan-10 and a name longer than one block of MD5",
                "Tie Breaker: 0x0102030405060708", "Assigned Cookie: 8 bytes (masked)",
                "L2-Specific Sublayer: default (1)", "Data Sequencing: all (2)",
                "Circuit Status: active, new, standby", "Physical Channel ID: 7",
                "Tx Connect Speed: 10000000000", "Rx Connect Speed: 1000000000",
                "Interface Maximum Transmission Unit: 1500",
                "VCCV Capability: channels 0x01, verifications 0x10",
                "Channel Capability: channels 0x01, verifications 0x90",
                "Supersedes Session ID: 0x00000099"});
}

TEST_CASE("endings and errors are told in words") {
    const SessionPair ids{SessionId{1}, SessionId{2}};
    CHECK(described(Cdn{ids, {CdnResult::general_error, ErrorCode::no_resources, "no TAP left\n"}}).avps[0] ==
          "Result Code: 2/4, general error: not enough resources now (no TAP left\\x0a)");
    CHECK(described(StopCcn{{StopResult::shutting_down, {}, ""}, std::nullopt}).avps[0] ==
          "Result Code: 6/0, peer is being shut down");
    CHECK(
        described(Wen{ids, {1, 2, 3, 4, 5, 6}}).avps[2] ==
        "Circuit Errors: CRC errors 1, framing errors 2, hardware overruns 3, buffer overruns 4, timeouts 5, "
        "alignment errors 6");
}

TEST_CASE("hidden values are revealed with the secret only, and never the cookie") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(1);
    const ControlMessage message = full_request<Icrq>();
    const auto open = described(message, &hider, &rng).avps;
    CHECK(open[1] == "Local Session ID: 0xa1b2c3d4 (hidden)");
    CHECK(open[7] == "Assigned Cookie: 8 bytes (masked) (hidden)");
    const auto wire = plain_message({}, emit_body(message, Hiding{hider, rng}));
    CHECK(describe(Encapsulation::udp, wire).avps[1] == "Local Session ID: (hidden)");
}

TEST_CASE("no secret of a message shows in its description") {
    const auto keys = keys_of({"s"});
    isthmus::test::SeededRng rng(1);
    ControlAuth auth(keys, DigestType::hmac_sha1);
    for (const ControlMessage& message : every_message()) {
        const auto wire = auth.sign({}, emit_body(message));
        const auto text = describe(Encapsulation::udp, wire);
        std::string all = text.summary;
        for (const auto& line : text.avps) all += line + "\n";
        CHECK(all.find(to_hex(counting(0xa0, 8)).substr(0, 8)) == std::string::npos);   // cookie
        CHECK(all.find(to_hex(counting(0x40, 16)).substr(0, 8)) == std::string::npos);  // nonce
        CHECK(all.find("Message Digest: HMAC-SHA-1, 20 bytes (masked)") != std::string::npos);
    }
}

TEST_CASE("what is wrong with a message is told where it is") {
    CHECK(describe(Encapsulation::udp, hex("c802 0000")).summary ==
          "not a control message: shorter than the 12 bytes of a control message header");
    const auto cut = describe(Encapsulation::udp,
                              hex("c803 0026 00000000 0000 0000 8008 0000 0000 0006 8008 0000 003c 0001"
                                  "8008 1234 0001 0001 9fff"));
    CHECK(cut.avps == Lines{"Router ID: 2 bytes, which cannot be its value",
                            "AVP 4660/1: 2 bytes, unknown, mandatory",
                            "an AVP is cut: 2 bytes are left, its header has 6"});
}

TEST_CASE("every hostile capture can be described at any offset") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    const auto capture =
        isthmus::test::read_pcap(ISTHMUS_TEST_VECTORS "/pcap-tcpdump/hostile/l2tp-avp-overflow.pcap", true);
    REQUIRE(capture);
    for (const auto& packet : capture->packets) {
        for (std::size_t skip = 0; skip < packet.bytes.size(); ++skip) {
            Octets wire = plain_message({}, Bytes(packet.bytes).subspan(skip));
            CHECK_FALSE(describe(Encapsulation::udp, wire, &hider).summary.empty());
        }
    }
}
