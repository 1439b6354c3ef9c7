// Known answers of others, through the packet ciphers and, where the suite exists whole, through the SAs.
#include <doctest/doctest.h>

#include <optional>

#include "crypto/esp/header.h"
#include "tests/crypto/esp/esp_fixture.h"
#include "tests/crypto/json_vectors.h"

using namespace isthmus;
using namespace isthmus::test;
using crypto::Direction;
using crypto::PacketJob;
using nlohmann::json;
using Blob = std::vector<std::uint8_t>;

namespace {

struct Aead {
    Suite suite;
    Blob key;
    Blob nonce;
    Blob aad;
    Blob text;
    Blob sealed_text;
    Blob tag;
};

std::optional<Suite> aead_suite(const std::string& algorithm, std::size_t key_bytes) {
    if (algorithm == "chacha")
        return key_bytes == 32 ? std::optional(Suite::chacha20_poly1305) : std::nullopt;
    if (key_bytes == 16) return Suite::aes128_gcm16;
    if (key_bytes == 32) return Suite::aes256_gcm16;
    return std::nullopt;
}

/// Both directions, in place and out of place. `valid` as the vector has it.
void check_aead(EspFixture& f, const Aead& v, bool valid) {
    const Blob material = joined(v.key, Blob(4, 0));
    auto sealer = f.provider->make(v.suite, Direction::seal, material);
    auto opener = f.provider->make(v.suite, Direction::open, material);
    REQUIRE(sealer);
    REQUIRE(opener);
    for (const bool in_place : {false, true}) {
        Blob text(v.text);
        Blob elsewhere(text.size() + 1);
        Blob tag(16);
        PacketJob job;
        job.nonce = v.nonce;
        job.aad = v.aad;
        job.in = text;
        job.out = in_place ? text.data() : elsewhere.data();
        job.tag = tag;
        (*sealer)->seal({&job, 1});
        CHECK(job.ok);
        const bool same = std::ranges::equal(Bytes(job.out, text.size()), v.sealed_text) && tag == v.tag;
        CHECK(same == valid);

        Blob sealed(v.sealed_text);
        Blob sealed_tag(v.tag);
        job.in = sealed;
        job.out = in_place ? sealed.data() : elsewhere.data();
        job.tag = sealed_tag;
        (*opener)->open({&job, 1});
        CHECK(job.ok == valid);
        if (valid) CHECK(std::ranges::equal(Bytes(job.out, v.text.size()), v.text));
    }
}

void check_wycheproof_aead(const char* file, const std::string& algorithm, int at_least) {
    const json vectors = load_vectors(file);
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        int skipped = 0;
        for (const auto& group : vectors["testGroups"]) {
            const auto suite = aead_suite(algorithm, group["keySize"].get<std::size_t>() / 8);
            if (!suite || group["ivSize"] != 96 || group["tagSize"] != 128) {
                skipped += static_cast<int>(group["tests"].size());
                continue;
            }
            for (const auto& test : group["tests"]) {
                CAPTURE(test["tcId"].get<int>());
                check_aead(f,
                           {*suite, hex_field(test, "key"), hex_field(test, "iv"), hex_field(test, "aad"),
                            hex_field(test, "msg"), hex_field(test, "ct"), hex_field(test, "tag")},
                           test["result"] == "valid");
                ++run;
            }
        }
        CHECK(run >= at_least);
        MESSAGE(
            std::string(file) << ": " << run << " run, " << skipped
                              << " skipped: ESP has 96-bit nonces, 128-bit tags and no 192-bit keys here");
    }
}

}  // namespace

TEST_CASE("AES-GCM and ChaCha20-Poly1305 in ESP's key form give strongSwan's answers") {
    const json vectors = load_vectors("kat/aead_esp_strongswan.json");
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        int skipped = 0;
        for (const auto& test : vectors["tests"]) {
            const auto algorithm = test["alg"].get<std::string>();
            const auto key = hex_field(test, "key");
            const bool chacha = algorithm == "ENCR_CHACHA20_POLY1305";
            const auto suite = aead_suite(chacha ? "chacha" : "gcm", key.size());
            // CCM, 8- and 12-byte ICVs and 192-bit keys are no suites of ours.
            if ((!chacha && algorithm != "ENCR_AES_GCM_ICV16") || !suite) {
                ++skipped;
                continue;
            }
            CAPTURE(test["id"].get<std::string>());
            check_aead(
                f,
                {*suite, key, joined(hex_field(test, "salt"), hex_field(test, "iv")), hex_field(test, "aad"),
                 hex_field(test, "plaintext"), hex_field(test, "ciphertext"), hex_field(test, "icv")},
                true);
            ++run;
        }
        CHECK(run == 10);
        MESSAGE(run << " run, " << skipped
                    << " skipped: CCM, 8- and 12-byte ICVs and AES-192 are no suites of ours");
    }
}

TEST_CASE("Wycheproof: AES-GCM") {
    check_wycheproof_aead("wycheproof/aes_gcm_test.json", "gcm", 100);
}
TEST_CASE("Wycheproof: ChaCha20-Poly1305") {
    check_wycheproof_aead("wycheproof/chacha20_poly1305_test.json", "chacha", 250);
}

TEST_CASE("the GCM test cases of draft-mcgrew-gcm-test come out of the SAs, extended numbers included") {
    const json vectors = load_vectors("kat/esp_gcm_mcgrew.json");
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        for (const auto& test : vectors["tests"]) {
            CAPTURE(test["id"].get<std::string>());
            const auto key = hex_field(test, "key");
            const auto suite = aead_suite("gcm", key.size());
            if (!suite) continue;  // AES-192
            check_aead(f,
                       {*suite, key, joined(hex_field(test, "salt"), hex_field(test, "iv")),
                        hex_field(test, "aad"), hex_field(test, "plaintext_with_trailer"),
                        hex_field(test, "ciphertext"), hex_field(test, "icv")},
                       true);
            ++run;

            // The same as a whole packet, if its SPI may exist and its padding is what a receiver must check.
            const auto spi = load_be32(hex_field(test, "spi").data());
            const auto seq = hex_field(test, "seq");
            const std::uint64_t number = seq.size() == 8 ? load_be64(seq.data()) : load_be32(seq.data());
            const auto text = hex_field(test, "plaintext_with_trailer");
            const auto pad = test["pad_len"].get<std::size_t>();
            bool counted = spi > kLastReservedSpi && number > 0;
            for (std::size_t i = 0; i < pad; ++i)
                counted = counted && text[text.size() - 2 - pad + i] == i + 1;
            if (!counted) continue;
            SaOptions options;
            options.spi = Spi{spi};
            options.suite = *suite;
            options.key = crypto::SecretBytes(joined(key, hex_field(test, "salt")));
            options.extended_sequence = test["esn"].get<bool>();
            Blob packet(8);
            Header{options.spi, static_cast<std::uint32_t>(number)}.emit(packet);
            packet = joined(joined(packet, hex_field(test, "iv")),
                            joined(hex_field(test, "ciphertext"), hex_field(test, "icv")));
            const auto in = f.inbound(options, number - 1);
            auto p = f.packet(packet, 0);
            const auto next_header = test["next_header"].get<int>();
            const DropReason reason = f.open(*in, p);
            if (next_header == kNextHeaderDummy) {
                CHECK(reason == DropReason::esp_dummy);
                continue;
            }
            REQUIRE(reason == DropReason::none);
            CHECK(p.meta.next_header == next_header);
            CHECK(std::ranges::equal(p.data(), Bytes(text).first(text.size() - 2 - pad)));
        }
        CHECK(run == 9);
    }
}

namespace {

struct CbcPacket {
    Suite suite;
    Blob material;
    Bytes esp;  ///< header, IV, ciphertext, ICV
    Blob text;  ///< with padding and trailer
};

/// Seals and opens a whole packet at the cipher, for SPIs that an SA must refuse.
void check_cbc_packet(EspFixture& f, const CbcPacket& v) {
    const SuiteShape shape = shape_of(v.suite);
    auto sealer = f.provider->make(v.suite, Direction::seal, v.material);
    auto opener = f.provider->make(v.suite, Direction::open, v.material);
    REQUIRE(sealer);
    REQUIRE(opener);
    Blob packet(v.esp.begin(), v.esp.end());
    const auto describe = [&](Blob& bytes) {
        PacketJob job;
        job.aad = Bytes(bytes).first(8);
        job.nonce = Bytes(bytes).subspan(8, 16);
        job.in = Bytes(bytes).subspan(24, v.text.size());
        job.out = bytes.data() + 24;
        job.tag = MutableBytes(bytes).last(shape.icv);
        return job;
    };
    REQUIRE(packet.size() == 24 + v.text.size() + shape.icv);
    PacketJob open = describe(packet);
    (*opener)->open({&open, 1});
    CHECK(open.ok);
    CHECK(std::ranges::equal(Bytes(packet).subspan(24, v.text.size()), v.text));

    Blob rebuilt(v.esp.begin(), v.esp.begin() + 24);
    rebuilt = joined(rebuilt, joined(v.text, Blob(shape.icv, 0)));
    PacketJob seal = describe(rebuilt);
    (*sealer)->seal({&seal, 1});
    CHECK(seal.ok);
    CHECK(std::ranges::equal(rebuilt, v.esp));
}

}  // namespace

TEST_CASE("DPDK's whole ESP packets come out byte for byte") {
    const json vectors = load_vectors("kat/esp_packets_dpdk.json");
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        std::string skipped;
        for (const auto& test : vectors["tests"]) {
            CAPTURE(test["id"].get<std::string>());
            const auto key = hex_field(test, "key");
            const auto cipher = test["cipher"].get<std::string>();
            const auto packet = hex_field(test, "output_text");
            const Bytes esp = Bytes(packet).subspan((packet[0] >> 4) == 6 ? 40 : 20);
            const auto text = joined(hex_field(test, "input_text"), hex_field(test, "trailer"));
            const bool gcm = cipher == "AES_GCM" && key.size() != 24;
            const bool cbc_sha256 = cipher == "AES_CBC" && test["auth"] == "SHA256_HMAC" && key.size() == 16;
            if (cbc_sha256) {
                // SPI 52 is reserved, so not through an SA.
                check_cbc_packet(f, {Suite::aes128_cbc_hmac_sha256_128,
                                     joined(key, hex_field(test, "auth_key")), esp, text});
                ++run;
            } else if (gcm) {
                SaOptions options;
                options.spi = Spi{test["spi"].get<std::uint32_t>()};
                options.suite = *aead_suite("gcm", key.size());
                options.key = crypto::SecretBytes(joined(key, hex_field(test, "salt")));
                options.extended_sequence = false;
                auto p = f.packet(esp, 0);
                const auto in = f.inbound(options);
                REQUIRE(f.open(*in, p) == DropReason::none);
                CHECK(std::ranges::equal(p.data(), hex_field(test, "input_text")));
                CHECK(p.meta.next_header == text.back());
                ++run;
            } else {
                skipped += " " + test["id"].get<std::string>();
            }
        }
        CHECK(run == 4);
        MESSAGE(run << " run; skipped, as the suites deliberately do not exist:" << skipped);
    }
}

TEST_CASE("AES-CBC gives the answers of RFC 3602 and NIST SP 800-38A") {
    // Only the cipher is known here; the HMAC behind it is whatever it is.
    const json vectors = load_vectors("kat/cipher_cbc_ctr.json");
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        for (const auto& test : vectors["tests"]) {
            const auto key = hex_field(test, "key");
            if (test["alg"] != "ENCR_AES_CBC" || key.size() == 24) continue;
            const Suite suite =
                key.size() == 16 ? Suite::aes128_cbc_hmac_sha256_128 : Suite::aes256_cbc_hmac_sha256_128;
            auto sealer = f.provider->make(suite, Direction::seal, joined(key, Blob(32, 1)));
            REQUIRE(sealer);
            const auto iv = hex_field(test, "iv");
            const auto text = hex_field(test, "plaintext");
            Blob packet = joined(joined(Blob(8, 0), iv), joined(text, Blob(16, 0)));
            PacketJob job;
            job.aad = Bytes(packet).first(8);
            job.nonce = Bytes(packet).subspan(8, 16);
            job.in = Bytes(packet).subspan(24, text.size());
            job.out = packet.data() + 24;
            job.tag = MutableBytes(packet).last(16);
            (*sealer)->seal({&job, 1});
            CHECK(std::ranges::equal(Bytes(packet).subspan(24, text.size()), hex_field(test, "ciphertext")));
            ++run;
        }
        CHECK(run == 4);
    }
}

TEST_CASE("Wycheproof: AES-CBC, the valid ones (ESP has padding of its own, so PKCS#5 errors do not apply)") {
    const json vectors = load_vectors("wycheproof/aes_cbc_pkcs5_test.json");
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        int run = 0;
        for (const auto& group : vectors["testGroups"]) {
            const auto key_size = group["keySize"].get<std::size_t>() / 8;
            if (key_size == 24) continue;
            const Suite suite =
                key_size == 16 ? Suite::aes128_cbc_hmac_sha256_128 : Suite::aes256_cbc_hmac_sha256_128;
            for (const auto& test : group["tests"]) {
                if (test["result"] != "valid") continue;
                Blob text = hex_field(test, "msg");
                const std::size_t pad = 16 - text.size() % 16;
                text.insert(text.end(), pad, static_cast<std::uint8_t>(pad));
                auto sealer =
                    f.provider->make(suite, Direction::seal, joined(hex_field(test, "key"), Blob(32, 1)));
                REQUIRE(sealer);
                Blob packet = joined(joined(Blob(8, 0), hex_field(test, "iv")), joined(text, Blob(16, 0)));
                PacketJob job;
                job.aad = Bytes(packet).first(8);
                job.nonce = Bytes(packet).subspan(8, 16);
                job.in = Bytes(packet).subspan(24, text.size());
                job.out = packet.data() + 24;
                job.tag = MutableBytes(packet).last(16);
                (*sealer)->seal({&job, 1});
                CHECK(std::ranges::equal(Bytes(packet).subspan(24, text.size()), hex_field(test, "ct")));
                ++run;
            }
        }
        CHECK(run == 48);
    }
}
