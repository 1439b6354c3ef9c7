#include "crypto/ike/wire/message.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {

using Vector = std::vector<std::uint8_t>;

Vector counted(std::size_t n) {
    Vector out(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(i);
    return out;
}

Header init_header() {
    Header header;
    header.initiator_spi = IkeSpi{0x0102030405060708};
    header.exchange = ExchangeType::ike_sa_init;
    header.from_initiator = true;
    return header;
}

SaPayload two_proposals() {
    Proposal first{1, ProtocolId::esp, Spi{0xc0ffee01}, {}};
    first.transforms = {{TransformType::encryption, 20, 256},
                        {TransformType::encryption, 28},
                        {TransformType::sequence_numbers, 1}};
    Proposal second{2, ProtocolId::ike, IkeSpi{0x1122334455667788}, {{TransformType::prf, 5}}};
    return {{first, second}};
}

/// One of each payload that we can say.
std::vector<Payload> one_of_each() {
    const IpAddress v4 = *IpAddress::parse("192.0.2.1");
    const IpAddress v6 = *IpAddress::parse("2001:db8::1");
    return {
        two_proposals(),
        KeyExchangePayload{31, counted(32)},
        IdInitiatorPayload{{IdType::fqdn, {'a', '.', 'b'}}},
        IdResponderPayload{{IdType::ipv4_address, {192, 0, 2, 1}}},
        CertificatePayload{CertificateEncoding::x509_signature, counted(40)},
        CertificateRequestPayload{CertificateEncoding::x509_signature, {AuthorityHash{1}, AuthorityHash{2}}},
        AuthPayload{AuthMethod::digital_signature, counted(70)},
        NoncePayload{counted(32)},
        NotifyPayload{NotifyType::cookie, counted(20)},
        rekey_notify(Spi{7}),
        DeletePayload{ProtocolId::esp, {Spi{1}, Spi{2}}},
        DeletePayload{ProtocolId::ike, {}},
        VendorIdPayload{counted(16)},
        TsInitiatorPayload{{TrafficSelector::host(v4, 17, 1701), TrafficSelector::everything(true)}},
        TsResponderPayload{{TrafficSelector::host(v6, 115)}},
        OtherPayload{PayloadType::configuration, counted(12)},
        OtherPayload{PayloadType{200}, counted(3)},
    };
}

/// A message of one payload of this type with this body.
Vector message_with(PayloadType type, Bytes body, std::uint8_t flags = 0) {
    ByteWriter out;
    init_header().emit(out, type, body.size() + 4);
    out.u8(0).u8(flags).u16(static_cast<std::uint16_t>(body.size() + 4)).bytes(body);
    return std::move(out).take();
}

std::string error_of(PayloadType type, Bytes body) {
    const auto message = parse_message(message_with(type, body));
    return message ? "no error" : message.error().what;
}

}  // namespace

TEST_CASE("every payload is read back as it was written") {
    const auto payloads = one_of_each();
    const auto datagram = emit_message(init_header(), payloads);
    const auto message = parse_message(datagram);
    REQUIRE_MESSAGE(message, message.error().what);
    CHECK(message->header == init_header());
    CHECK_FALSE(message->encrypted);
    REQUIRE(message->payloads.size() == payloads.size());
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        CAPTURE(i);
        CHECK(message->payloads[i] == payloads[i]);
    }
    CHECK(emit_message(message->header, message->payloads) == datagram);
}

TEST_CASE("a message cut anywhere is refused, with its length field right or wrong") {
    const auto datagram = emit_message(init_header(), one_of_each());
    for (std::size_t n = 0; n < datagram.size(); ++n) {
        CAPTURE(n);
        CHECK_FALSE(parse_message(Bytes(datagram).first(n)));
        if (n < kHeaderSize) continue;
        Vector cut(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(n));
        store_be32(cut.data() + kHeaderLengthAt, static_cast<std::uint32_t>(n));
        CHECK_FALSE(parse_message(cut));
    }
    Vector longer = datagram;
    longer.push_back(0);
    CHECK_FALSE(parse_message(longer));
    store_be32(longer.data() + kHeaderLengthAt, static_cast<std::uint32_t>(longer.size()));
    CHECK(parse_message(longer).error().what == "bytes are left behind the last payload");
}

TEST_CASE("every payload's body cut anywhere is refused, or is another valid one, but never read past") {
    for (const Payload& payload : one_of_each()) {
        const auto chain = emit_payloads(std::span(&payload, 1));
        const Bytes body = Bytes(chain.bytes).subspan(kPayloadHeaderSize);
        for (std::size_t n = 0; n < body.size(); ++n) {
            const auto message = parse_message(message_with(chain.first, body.first(n)));
            if (message)
                CHECK(emit_payloads(message->payloads).bytes.size() == n + kPayloadHeaderSize);
            else
                CHECK(message.error().what.starts_with(name_of(chain.first)));
        }
    }
}

TEST_CASE("a header says version, flags and who is who") {
    auto datagram = emit_message(init_header(), {});
    datagram[17] = 0x10;
    const auto older = parse_message(datagram);
    REQUIRE_FALSE(older);
    CHECK(older.error().answer == NotifyType::invalid_major_version);
    CHECK(older.error().what == "header: major version 1 is not 2");
    datagram[17] = 0x2f;  // a minor version is nobody's business
    CHECK(parse_message(datagram));

    Header response = init_header();
    response.responder_spi = IkeSpi{9};
    response.from_initiator = false;
    response.is_response = true;
    response.higher_version = true;
    response.message_id = MessageId{0xfffffffe};
    response.exchange = ExchangeType::informational;
    const auto parsed = parse_message(emit_message(response, {}));
    REQUIRE(parsed);
    CHECK(parsed->header == response);
    Header nobody = init_header();
    nobody.initiator_spi = IkeSpi{0};
    CHECK_FALSE(parse_message(emit_message(nobody, {})));
}

TEST_CASE("an unknown payload is passed over unless it is critical; EAP's critical bit says nothing") {
    const Vector body{1, 2, 3};
    const auto tolerated = parse_message(message_with(PayloadType{99}, body));
    REQUIRE(tolerated);
    CHECK(type_of(tolerated->payloads.front()) == PayloadType{99});
    const auto critical = parse_message(message_with(PayloadType{99}, body, 0x80));
    REQUIRE_FALSE(critical);
    CHECK(critical.error().answer == NotifyType::unsupported_critical_payload);
    CHECK(critical.error().critical_payload == 99);
    CHECK(parse_message(message_with(PayloadType::eap, body, 0x80)));
    CHECK(parse_message(message_with(PayloadType::nonce, counted(16), 0x80)));
}

TEST_CASE("the encrypted part is found, and must be the last") {
    ByteWriter sk;
    Header header = init_header();
    header.emit(sk, PayloadType::encrypted, 4 + 40);
    sk.u8(raw(PayloadType::id_initiator)).u8(0).u16(44).zeros(40);
    const auto message = parse_message(sk.view());
    REQUIRE(message);
    REQUIRE(message->encrypted);
    CHECK(message->encrypted->first_inner == PayloadType::id_initiator);
    CHECK(message->encrypted->offset == kHeaderSize + 4);
    CHECK_FALSE(message->encrypted->fragment);

    ByteWriter behind;
    header.emit(behind, PayloadType::encrypted, 4 + 8 + 4);
    behind.u8(raw(PayloadType::notify)).u8(0).u16(12).zeros(8).u32(0x00000004);
    CHECK(parse_message(behind.view()).error().what == "SK payload: it is not the last one");
    CHECK_FALSE(parse_payloads(PayloadType::encrypted, counted(40)));
}

TEST_CASE("a fragment has a number within its total, and only the first names a next payload") {
    const auto fragment = [](std::uint8_t next, std::uint16_t number, std::uint16_t total) {
        ByteWriter out;
        init_header().emit(out, PayloadType::encrypted_fragment, 8 + 30);
        out.u8(next).u8(0).u16(38).u16(number).u16(total).zeros(30);
        return std::move(out).take();
    };
    const auto first = parse_message(fragment(35, 1, 3));
    REQUIRE(first);
    CHECK(first->encrypted->fragment == EncryptedPart::Fragment{1, 3});
    CHECK(first->encrypted->offset == kHeaderSize + 8);
    CHECK(parse_message(fragment(0, 3, 3)));
    CHECK_FALSE(parse_message(fragment(35, 2, 3)));
    CHECK_FALSE(parse_message(fragment(0, 4, 3)));
    CHECK_FALSE(parse_message(fragment(35, 0, 3)));
    CHECK_FALSE(parse_message(fragment(35, 0, 0)));
}

TEST_CASE("hundreds of payloads, and ones of no length, are refused") {
    std::vector<Payload> many(kMaxPayloads, VendorIdPayload{});
    CHECK(parse_message(emit_message(init_header(), many)));
    many.emplace_back(VendorIdPayload{});
    CHECK(parse_message(emit_message(init_header(), many)).error().what == "more than 100 payloads");
    ByteWriter endless;
    init_header().emit(endless, PayloadType::vendor_id, 4);
    endless.u8(raw(PayloadType::vendor_id)).u8(0).u16(0);
    CHECK(parse_message(endless.view()).error().what == "V payload: length 0 is below 4");
    CHECK_THROWS_AS((void)emit_payloads(std::vector<Payload>{VendorIdPayload{Vector(65'532)}}),
                    std::length_error);
}

TEST_CASE("errors name payload and field") {
    CHECK(error_of(PayloadType::nonce, counted(15)) == "Nonce payload: 15 bytes are not within 16 to 256");
    CHECK(error_of(PayloadType::nonce, counted(257)) == "Nonce payload: 257 bytes are not within 16 to 256");
    CHECK(error_of(PayloadType::key_exchange, counted(4)) == "KE payload: there is no key exchange data");
    CHECK(error_of(PayloadType::certificate, {}) == "CERT payload: the encoding is missing");
    CHECK(error_of(PayloadType::certificate_request, Vector{4, 1, 2}) ==
          "CERTREQ payload: 2 bytes of authorities are no multiple of 20");
    CHECK(error_of(PayloadType::delete_, Vector{3, 2, 0, 1, 0, 0}) == "D payload: SPI size 2 is not 4");
    CHECK(error_of(PayloadType::delete_, Vector{3, 4, 0, 2, 0, 0, 0, 1}) ==
          "D payload: 4 bytes are not 2 SPIs");
    CHECK(error_of(PayloadType::delete_, Vector{1, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}) ==
          "D payload: an IKE SA is deleted without SPIs");
    CHECK(error_of(PayloadType::notify, Vector{3, 5, 0x40, 0x09, 1, 2, 3, 4, 5}) ==
          "N payload: REKEY_SA: SPI size 5 is not 0, 4 or 8");
}

TEST_CASE("notifications with data of a shape are made and read") {
    CHECK(wanted_group_in(invalid_ke_notify(31)) == 31);
    CHECK_FALSE(wanted_group_in({NotifyType::invalid_ke_payload, {1}}));
    CHECK_FALSE(wanted_group_in({NotifyType::cookie, {0, 31}}));
    const std::array hashes{SignatureHash::sha256, SignatureHash::identity};
    CHECK(signature_hashes_in(signature_hashes_notify(hashes)) ==
          std::vector{SignatureHash::sha256, SignatureHash::identity});
    CHECK(signature_hashes_in({NotifyType::signature_hash_algorithms, {0, 9, 0, 2, 7}}) ==
          std::vector{SignatureHash::sha256});
    CHECK(signature_hashes_in({NotifyType::signature_hash_algorithms, Vector(4000, 2)}).empty());
    CHECK(unknown_spi_in(invalid_spi_notify(Spi{5})) == Spi{5});
    CHECK(std::get<Spi>(child_not_found_notify(Spi{6}).spi) == Spi{6});
    const auto ppk = ppk_identity_notify(Vector{'x', 'y'});
    CHECK(ppk.data == Vector{2, 'x', 'y'});
    REQUIRE(ppk_identity_in(ppk));
    CHECK(std::ranges::equal(*ppk_identity_in(ppk), Vector{'x', 'y'}));
    CHECK_FALSE(ppk_identity_in({NotifyType::ppk_identity, {1, 'x'}}));  // an opaque one
    CHECK(unsupported_critical_notify(99).data == Vector{99});
}

TEST_CASE("payloads are found by their kind, and listed for people") {
    const auto payloads = one_of_each();
    REQUIRE(find<NoncePayload>(payloads) != nullptr);
    CHECK(find<NoncePayload>(payloads)->data == counted(32));
    CHECK(find_notify(payloads, NotifyType::cookie) != nullptr);
    CHECK(find_notify(payloads, NotifyType::redirect) == nullptr);
    CHECK(find_error(payloads) == nullptr);
    const std::vector<Payload> refused{NotifyPayload{NotifyType::no_proposal_chosen}};
    REQUIRE(find_error(refused) != nullptr);
    CHECK(text_of(payloads) ==
          "SA, KE, IDi, IDr, CERT, CERTREQ, AUTH, Nonce, N(COOKIE), N(REKEY_SA), D, D, V, TSi, TSr, CP, "
          "payload 200");
    CHECK(text_of(std::span<const Payload>()) == "nothing");
    CHECK(name_of(NotifyType{40970}) == "notify 40970");
    CHECK(text_of(IkeSpi{0xa1b2}) == "000000000000a1b2");
}
