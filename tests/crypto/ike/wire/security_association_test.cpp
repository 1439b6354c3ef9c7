#include "crypto/ike/wire/security_association.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {
using Vector = std::vector<std::uint8_t>;

Vector of(std::string_view hex) {
    auto bytes = from_hex(hex);
    REQUIRE(bytes);
    return *bytes;
}
std::string error_of(std::string_view hex) {
    const auto sa = SaPayload::parse(of(hex));
    return sa ? "no error" : sa.error();
}
}  // namespace

TEST_CASE("a proposal's transforms are read with their key lengths") {
    // What strongSwan sends for AES_GCM_16_256 / PRF_HMAC_SHA2_256 / ECP_256.
    const auto sa =
        SaPayload::parse(of("00000024010100030300000c01000014800e010003000008020000050000000804000013"));
    REQUIRE(sa);
    REQUIRE(sa->proposals.size() == 1);
    const Proposal& proposal = sa->proposals.front();
    CHECK(proposal.protocol == ProtocolId::ike);
    CHECK(text_of(proposal) == "IKE: AES_GCM_16_256, PRF_HMAC_SHA2_256, ECP_256");
}

TEST_CASE("a broken SA payload is refused naming proposal, transform and field") {
    CHECK(error_of("") == "proposal 1: cut short");
    CHECK(error_of("0100000801010000") == "proposal 1: the mark of the last one is 1 instead of 0 or 2");
    CHECK(error_of("0000000701010000") == "proposal 1: length 7 is below 8");
    CHECK(error_of("0000000901010000") == "proposal 1: length 9 passes the end");
    CHECK(error_of("0200000801010000") == "proposal 2: cut short");
    CHECK(error_of("000000080101000000") == "bytes are left behind the last proposal");
    CHECK(error_of("0000000a010103000102") == "proposal 1: SPI size 3 is not 0, 4 or 8");
    CHECK(error_of("0000000801010400") == "proposal 1: the SPI is cut short");
    CHECK(error_of("0000000801010001") == "proposal 1: transform 1: cut short");
    CHECK(error_of("00000010010100010000000701000014") == "proposal 1: transform 1: length 7 is below 8");
    CHECK(error_of("00000010010100010300000801000014") ==
          "proposal 1: transform 1: the mark of the last one contradicts the number of transforms");
    CHECK(error_of("00000010010100000000000801000014") ==
          "proposal 1: bytes are left behind the last transform");
    CHECK(error_of("00000012010100010000000a01000014800e") ==
          "proposal 1: transform 1: an attribute is cut short");
    CHECK(error_of("00000014010100010000000c01000014800e0000") ==
          "proposal 1: transform 1: the key length attribute is zero, or there are two");
    CHECK(error_of("00000014010100010000000c01000014000e0004") ==
          "proposal 1: transform 1: attribute length 4 passes the transform's end");
}

TEST_CASE("a transform with an attribute that we do not know is kept, and marked") {
    const auto sa = SaPayload::parse(of("00000014010100010000000c0100001480630100"));
    REQUIRE(sa);
    CHECK(sa->proposals[0].transforms[0].unknown_attribute);
    CHECK(sa->proposals[0].transforms[0].key_bits == 0);
}

TEST_CASE("there may be 64 proposals and no more") {
    SaPayload sa;
    sa.proposals.assign(kMaxProposals, Proposal{1, ProtocolId::ike, {}, {}});
    ByteWriter fits;
    sa.emit(fits);
    CHECK(SaPayload::parse(fits.view()));
    sa.proposals.emplace_back();
    ByteWriter too_many;
    sa.emit(too_many);
    CHECK(SaPayload::parse(too_many.view()).error() == "more than 64 proposals");
}
