#include "crypto/ike/sk_cipher.h"

#include <doctest/doctest.h>

#include <set>

#include "crypto/ike/fragment_assembler.h"
#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

namespace {

using Vector = std::vector<std::uint8_t>;

std::vector<IkeCipher> all_ciphers() {
    std::vector<IkeCipher> all;
    for (const char* name : {"aes-256-gcm", "aes-128-gcm", "chacha20-poly1305", "aes-128-cbc-sha256",
                             "aes-256-cbc-sha384", "aes-256-cbc-sha512", "aes-128-cbc-sha512"})
        all.push_back(*ike_cipher_named(name));
    return all;
}

SecretBytes key_of(std::size_t size, std::uint8_t fill) {
    return SecretBytes(Vector(size, fill));
}
SkSealer sealer_of(const IkeCipher& cipher) {
    const auto shape = shape_of(cipher);
    return {cipher, key_of(shape.encryption_key, 7), key_of(shape.integrity_key, 8)};
}
SkOpener opener_of(const IkeCipher& cipher) {
    const auto shape = shape_of(cipher);
    return {cipher, key_of(shape.encryption_key, 7), key_of(shape.integrity_key, 8)};
}

Header header() {
    Header h;
    h.initiator_spi = IkeSpi{1};
    h.responder_spi = IkeSpi{2};
    h.exchange = ExchangeType::ike_auth;
    h.message_id = MessageId{1};
    return h;
}

PayloadChain chain_of(std::size_t size) {
    return emit_payloads(std::vector<Payload>{VendorIdPayload{Vector(size, 0x5a)}, NotifyPayload{}});
}

}  // namespace

TEST_CASE("what is sealed opens under the same key, whatever its length") {
    SeededRng rng(1);
    for (const IkeCipher& cipher : all_ciphers()) {
        CAPTURE(text_of(cipher));
        SkSealer sealer = sealer_of(cipher);
        const SkOpener opener = opener_of(cipher);
        for (std::size_t size = 0; size < 40; ++size) {
            const PayloadChain chain = chain_of(size);
            const Datagram datagram = sealer.seal(header(), chain, rng);
            const auto message = parse_message(datagram);
            REQUIRE(message);
            REQUIRE(message->encrypted);
            CHECK(message->header == header());
            CHECK(message->encrypted->first_inner == PayloadType::vendor_id);
            const auto text = opener.open(datagram, *message->encrypted);
            REQUIRE(text);
            CHECK(*text == chain.bytes);
        }
        const Datagram empty = sealer.seal(header(), {}, rng);
        const auto message = parse_message(empty);
        REQUIRE(message);
        const auto text = opener.open(empty, *message->encrypted);
        REQUIRE(text);
        CHECK(text->empty());
    }
}

TEST_CASE("a sealed message with any bit altered, or cut anywhere, is not authentic") {
    SeededRng rng(2);
    for (const IkeCipher& cipher : all_ciphers()) {
        CAPTURE(text_of(cipher));
        Datagram datagram = sealer_of(cipher).seal(header(), chain_of(5), rng);
        const auto message = parse_message(datagram);
        REQUIRE(message);
        const SkOpener opener = opener_of(cipher);
        for (std::size_t at = 0; at < datagram.size(); ++at) {
            datagram[at] ^= 0x10;
            CHECK_FALSE(opener.open(datagram, *message->encrypted));
            datagram[at] ^= 0x10;
        }
        for (std::size_t n = message->encrypted->offset; n < datagram.size(); ++n)
            CHECK_FALSE(opener.open(Bytes(datagram).first(n), *message->encrypted));
        const SkOpener other(cipher, key_of(shape_of(cipher).encryption_key, 9),
                             key_of(shape_of(cipher).integrity_key, 9));
        CHECK(other.open(datagram, *message->encrypted).error() == "the message is not authentic");
    }
}

TEST_CASE("no two messages of a sealer share an IV") {
    SeededRng rng(3);
    for (const IkeCipher& cipher : all_ciphers()) {
        SkSealer sealer = sealer_of(cipher);
        std::set<Vector> ivs;
        for (int i = 0; i < 100; ++i) {
            const Datagram datagram = sealer.seal(header(), chain_of(5), rng);
            const auto at = datagram.begin() + static_cast<std::ptrdiff_t>(kHeaderSize + kPayloadHeaderSize);
            ivs.emplace(at, at + static_cast<std::ptrdiff_t>(shape_of(cipher).iv));
        }
        CHECK(ivs.size() == 100);
        // A sealer that was moved goes on where the other one stopped.
        SkSealer moved(std::move(sealer));
        const Datagram datagram = moved.seal(header(), chain_of(5), rng);
        const auto at = datagram.begin() + static_cast<std::ptrdiff_t>(kHeaderSize + kPayloadHeaderSize);
        CHECK(ivs.emplace(at, at + static_cast<std::ptrdiff_t>(shape_of(cipher).iv)).second);
    }
}

TEST_CASE("keys of the wrong size are our own bug") {
    CHECK_THROWS_AS(SkSealer({}, key_of(32, 1), {}), std::logic_error);
    CHECK_THROWS_AS(SkOpener({}, key_of(36, 1), key_of(1, 1)), std::logic_error);
}

TEST_CASE("a long message goes in fragments no longer than the limit, and comes together in any order") {
    SeededRng rng(4);
    for (const IkeCipher& cipher : all_ciphers()) {
        CAPTURE(text_of(cipher));
        SkSealer sealer = sealer_of(cipher);
        const SkOpener opener = opener_of(cipher);
        for (const std::size_t most : {SkSealer::kMinFragment, std::size_t{576}, std::size_t{1280}}) {
            const PayloadChain chain = chain_of(4000);
            auto datagrams = sealer.seal_within(header(), chain, most, rng);
            CHECK(datagrams.size() >= 4);
            FragmentAssembler assembler;
            auto outcome = FragmentAssembler::Outcome::stored;
            for (auto datagram = datagrams.rbegin(); datagram != datagrams.rend(); ++datagram) {
                CHECK(datagram->size() <= most);
                const auto message = parse_message(*datagram);
                REQUIRE(message);
                const auto text = opener.open(*datagram, *message->encrypted);
                REQUIRE(text);
                CHECK(outcome == FragmentAssembler::Outcome::stored);
                outcome = assembler.add(message->header.message_id, *message->encrypted, *text);
            }
            REQUIRE(outcome == FragmentAssembler::Outcome::complete);
            const PayloadChain whole = assembler.take();
            CHECK(whole.first == chain.first);
            CHECK(whole.bytes == chain.bytes);
            CHECK(assembler.size() == 0);
        }
        CHECK(sealer.seal_within(header(), chain_of(100), 576, rng).size() == 1);
    }
}

TEST_CASE("a message that just fits is not divided") {
    SeededRng rng(5);
    for (const IkeCipher& cipher : all_ciphers()) {
        SkSealer sealer = sealer_of(cipher);
        const std::size_t size = sealer.seal(header(), chain_of(1000), rng).size();
        CHECK(sealer.seal_within(header(), chain_of(1000), size, rng).size() == 1);
        CHECK(sealer.seal_within(header(), chain_of(1000), size - 1, rng).size() == 2);
    }
}
