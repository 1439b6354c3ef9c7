#include "tunnel/avp.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

TEST_CASE("an AVP is written with the M bit of the table and read back") {
    AvpWriter out;
    out.u32(avp::kRouterId, 0xc0000201).text(avp::kVendorName, "us").u16({kOwnVendor, 999}, 1);
    CHECK(to_hex(out.view()) ==
          "800a0000003cc0000201"
          "000800000008"
          "7573"
          "00087ed903e70001");
    AvpReader in(out.view());
    const auto router = in.next();
    REQUIRE(router);
    CHECK(router->key == avp::kRouterId);
    CHECK(router->mandatory);
    CHECK_FALSE(router->hidden);
    CHECK(to_hex(router->value) == "c0000201");
    CHECK(in.next()->key == avp::kVendorName);
    CHECK(in.next()->key == AvpKey{kOwnVendor, 999});
    CHECK(in.done());
}

TEST_CASE("reserved bits of an AVP are ignored") {
    const Octets bytes = hex("fc06 0000 0007");
    AvpReader in(bytes);
    const auto avp = in.next();
    REQUIRE(avp);
    CHECK(avp->mandatory);
    CHECK(avp->hidden);
    CHECK(avp->value.empty());
}

TEST_CASE("an AVP cut at any byte, or too short for its header, is refused by name") {
    const Octets whole = hex("800a 0000 003c c0000201");
    for (std::size_t size = 1; size < whole.size(); ++size)
        CHECK_FALSE(AvpReader(Bytes(whole).first(size)).next());
    CHECK(AvpReader(hex("8005 0000 003c c0000201")).next().error() ==
          "Router ID: Length is 5, less than its header's 6");
    CHECK(AvpReader(hex("800b 0000 003c c0000201")).next().error() ==
          "Router ID: Length is 11, but only 10 bytes are left");
    CHECK(AvpReader(hex("8006 00")).next().error() == "an AVP is cut: 3 bytes are left, its header has 6");
}

TEST_CASE("a value that does not fit an AVP is cut to what fits") {
    AvpWriter out;
    out.text(avp::kHostName, std::string(2000, 'x'));
    AvpReader in(out.view());
    CHECK(in.next()->value.size() == kMaxAvpValue);
    CHECK(in.done());
}

TEST_CASE("the table agrees with RFC 3931 section 6 about what each message must have") {
    const auto required = [](MessageType type) {
        std::vector<std::uint16_t> out;
        for (const AvpRule& rule : avp_table())
            if ((rule.required & in(type)) != 0 && rule.key.vendor == kIetfVendor)
                out.push_back(rule.key.type);
        return out;
    };
    using Types = std::vector<std::uint16_t>;
    CHECK(required(MessageType::sccrq) == Types{0, 7, 60, 61, 62});
    CHECK(required(MessageType::sccrp) == Types{0, 7, 60, 61, 62});
    CHECK(required(MessageType::scccn) == Types{0});
    CHECK(required(MessageType::stop_ccn) == Types{0, 1});
    CHECK(required(MessageType::hello) == Types{0});
    CHECK(required(MessageType::icrq) == Types{0, 15, 63, 64, 66, 68, 71});
    CHECK(required(MessageType::icrp) == Types{0, 63, 64, 71});
    CHECK(required(MessageType::iccn) == Types{0, 63, 64});
    CHECK(required(MessageType::ocrq) == required(MessageType::icrq));
    CHECK(required(MessageType::ocrp) == required(MessageType::icrp));
    CHECK(required(MessageType::occn) == required(MessageType::iccn));
    CHECK(required(MessageType::cdn) == Types{0, 1, 63, 64});
    CHECK(required(MessageType::wen) == Types{0, 34, 63, 64});
    CHECK(required(MessageType::sli) == Types{0, 63, 64});
    CHECK(required(MessageType::ack).empty());
}

TEST_CASE(
    "the table knows every AVP of RFC 3931 section 5.4, which may be hidden, and ours, which never bind") {
    for (const int type : {0,  1,  5,  7,  8,  10, 15, 25, 34, 36, 58, 59, 60, 61, 62,
                           63, 64, 65, 66, 68, 69, 70, 71, 72, 73, 74, 75, 91, 96}) {
        CAPTURE(type);
        CHECK(rule_of({kIetfVendor, static_cast<std::uint16_t>(type)}) != nullptr);
    }
    for (const AvpKey key :
         {avp::kMessageType, avp::kMessageDigest, avp::kNonce, avp::kRandomVector, avp::kResultCode,
          avp::kTieBreaker, avp::kHostName, avp::kRouterId, avp::kReceiveWindowSize})
        CHECK_FALSE(rule_of(key)->may_hide);
    for (const AvpRule& rule : avp_table()) {
        if (rule.key.vendor != kOwnVendor) continue;
        CHECK_FALSE(rule.mandatory_bit);
        CHECK(rule.required == 0);
    }
    CHECK(rule_of({kIetfVendor, 9}) == nullptr);
    CHECK(name_of(AvpKey{kIetfVendor, 9}) == "AVP 9");
    CHECK(name_of(AvpKey{kCiscoVendor, 7}) == "AVP 9/7");
}

TEST_CASE("legal lengths are those of the RFC") {
    const auto legal = [](AvpKey key) {
        std::vector<std::size_t> out;
        for (std::size_t size = 0; size <= 30; ++size)
            if (fits(*rule_of(key), size)) out.push_back(size);
        return out;
    };
    using Sizes = std::vector<std::size_t>;
    CHECK(legal(avp::kAssignedCookie) == Sizes{0, 4, 8});
    CHECK(legal(avp::kMessageDigest) == Sizes{17, 21});
    CHECK(legal(avp::kCircuitErrors) == Sizes{18, 26});
    CHECK(legal(avp::kRouterId) == Sizes{4});
    CHECK(legal(avp::kTxConnectSpeed) == Sizes{8});
    CHECK_FALSE(fits(*rule_of(avp::kResultCode), 3));
    CHECK_FALSE(fits(*rule_of(avp::kPseudowireCapabilities), 3));
    CHECK_FALSE(fits(*rule_of(avp::kHostName), 0));
}

TEST_CASE("message types have their names, and sessions theirs") {
    CHECK(name_of(MessageType::stop_ccn) == "StopCCN");
    CHECK(name_of(MessageType{99}) == "message type 99");
    CHECK(is_session_message(MessageType::sli));
    CHECK_FALSE(is_session_message(MessageType::hello));
    CHECK_FALSE(is_session_message(MessageType{99}));
    CHECK_FALSE(is_known(MessageType{5}));
}
