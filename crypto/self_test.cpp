// Known answers at start-up. The text is 96 bytes of i * 7 + 3, the keying material 1, 2, 3, ..., SPI
// 0xc0000001, sequence number 0x100000002 (extended), CBC's IV e0, e1, ... The answers were computed with
// another implementation.
#include <algorithm>
#include <array>
#include <vector>

#include "crypto/packet_cipher.h"

namespace isthmus::crypto {

namespace {

constexpr std::size_t kTextSize = 96;
constexpr std::size_t kHead = esp::kHeaderSize + esp::kMaxIvSize;
constexpr std::size_t kBatch = 9;  // odd, so that a multi-buffer library has a lane left over

struct KnownAnswer {
    esp::Suite suite;
    std::string_view sealed;  ///< ciphertext and ICV
};

constexpr std::array<KnownAnswer, 7> kAnswers{{
    {esp::Suite::aes128_gcm16,
     "9b4b95ad55b49d42a92a1dd85235ab8d3bdb4427e676d0cac63a8e377fd650688fc465b1db95481f214a0dd23493343585f8"
     "3f3193c0b10ffd22b84fca661eb06ecf89e6e235950978cf71cf27ed12fe896c99cdbbc460e0b1d56b44ad81ca0394c2017b"
     "f1e922f970c7aba59c1fb4d4"},
    {esp::Suite::aes256_gcm16,
     "e59b06e763460b53318b6d084d1880db4b32cc63850d6abccd4546a4a9faf5e53714c27dd7403ec635c4fb246e1dbf74ab48"
     "4f66fd0529ff7f33dfdc2ae4f5ee8ec395c8b6d6674c5353b1b6ad503d827e4b93a5f37845d3fc9e50b3ece5067d060149e5"
     "7b0926731eb32cfb07e3c7c8"},
    {esp::Suite::chacha20_poly1305,
     "ef4b6b7587e6c444be5b645ce71a796e5130415499f5504542128dae919ffae21bacfd2653ebf08017d362a8a52e6bc44164"
     "8f5d2e900d10baa49ea2a2f0b393213bb3e8418cdfd012448387c417907ae5e3f11341143f63483ad28c7174350af9afcefd"
     "707ec6aa42e64f4325376a64"},
    {esp::Suite::aes128_cbc_hmac_sha256_128,
     "04e7cc0b1934223b5a51869f4da753ec117b692fe6a56fa3c5898d83057df9ad5a49f39989f2b181f8af60b20753abc0c73c"
     "15f7e50afc3bceb4cdcccf7c9f1521ee83b6c14208a255ff156960c2d208a1bbd97a6295722ba053aa2b05f850fd50f5e7d6"
     "035130e49667e9f964771123"},
    {esp::Suite::aes256_cbc_hmac_sha256_128,
     "dc93a8e3b9880bb583b6f7addb1272fc1d8be2f7c6866e984aeb254d15b7a7233792483c94d83a5e4f9b25a1468f6f593285"
     "d8b548408b039d0807b9d329607ad9a3e35ae2975515f7574e9bbf8dab249b1475f83843444ba3b65dedb775ecd419141d20"
     "ccbbae77c191218771fce9e7"},
    {esp::Suite::aes256_cbc_hmac_sha384_192,
     "dc93a8e3b9880bb583b6f7addb1272fc1d8be2f7c6866e984aeb254d15b7a7233792483c94d83a5e4f9b25a1468f6f593285"
     "d8b548408b039d0807b9d329607ad9a3e35ae2975515f7574e9bbf8dab249b1475f83843444ba3b65dedb775ecd469b8018d"
     "aba1dbbbb8c4e104ebe0648eea84b100cddfe8f2"},
    {esp::Suite::aes256_cbc_hmac_sha512_256,
     "dc93a8e3b9880bb583b6f7addb1272fc1d8be2f7c6866e984aeb254d15b7a7233792483c94d83a5e4f9b25a1468f6f593285"
     "d8b548408b039d0807b9d329607ad9a3e35ae2975515f7574e9bbf8dab249b1475f83843444ba3b65dedb775ecd4f97519bd"
     "b2845ad2be34426f532559bfa81e9932c3a24f273986ce349b60b149"},
}};

constexpr std::array<std::uint8_t, 12> kExtendedAad{0xc0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2};
constexpr std::array<std::uint8_t, 8> kHeader{0xc0, 0, 0, 1, 0, 0, 0, 2};

std::vector<std::uint8_t> plain_text() {
    std::vector<std::uint8_t> text(kTextSize);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::uint8_t>(i * 7 + 3);
    return text;
}

/// Packets laid out as on the wire (header, 16 bytes of IV, text, ICV), and jobs for them.
class Batch {
  public:
    Batch(const esp::SuiteShape& shape, Bytes material, Bytes text_and_icv) : shape_(shape) {
        std::ranges::copy(material.subspan(shape.encryption_key, shape.salt), nonce_.begin());
        std::ranges::copy(Bytes(kExtendedAad).subspan(4), nonce_.begin() + 4);
        for (auto& packet : packets_) {
            packet.assign(kHead + kTextSize + shape.icv, 0);
            std::ranges::copy(kHeader, packet.begin());
            for (std::size_t i = 0; i < esp::kMaxIvSize; ++i)
                packet[esp::kHeaderSize + i] = static_cast<std::uint8_t>(0xe0 + i);
            std::ranges::copy(text_and_icv, packet.begin() + kHead);
        }
    }

    [[nodiscard]] PacketJob job(std::size_t i) {
        const MutableBytes packet(packets_[i]);
        PacketJob job;
        job.nonce =
            shape_.is_aead() ? Bytes(nonce_) : Bytes(packet.subspan(esp::kHeaderSize, esp::kMaxIvSize));
        job.aad = shape_.is_aead() ? Bytes(kExtendedAad) : Bytes(packet.first(esp::kHeaderSize));
        if (!shape_.is_aead()) job.aad_tail = Bytes(kExtendedAad).subspan(4, 4);
        job.in = packet.subspan(kHead, kTextSize);
        job.out = packet.data() + kHead;
        job.tag = packet.last(shape_.icv);
        return job;
    }
    [[nodiscard]] Bytes text_and_icv(std::size_t i) const { return Bytes(packets_[i]).subspan(kHead); }
    [[nodiscard]] MutableBytes packet(std::size_t i) { return packets_[i]; }

  private:
    esp::SuiteShape shape_;
    std::array<std::uint8_t, 12> nonce_{};
    std::array<std::vector<std::uint8_t>, kBatch> packets_;
};

bool seals_right(PacketCipher& cipher, Batch batch, Bytes expected) {
    std::array<PacketJob, kBatch> jobs;
    for (std::size_t i = 0; i < kBatch; ++i) jobs[i] = batch.job(i);
    // The last one goes elsewhere: out of place.
    std::array<std::uint8_t, kTextSize> elsewhere{};
    jobs.back().out = elsewhere.data();
    cipher.seal({jobs.data(), 1});
    cipher.seal({jobs.data() + 1, kBatch - 1});
    for (std::size_t i = 0; i < kBatch; ++i) {
        const Bytes text(jobs[i].out, kTextSize);
        if (!jobs[i].ok || !std::ranges::equal(text, expected.first(kTextSize)) ||
            !std::ranges::equal(jobs[i].tag, expected.subspan(kTextSize)))
            return false;
    }
    return true;
}

bool opens_right(PacketCipher& cipher, Batch batch, Bytes expected) {
    std::array<PacketJob, kBatch> jobs;
    for (std::size_t i = 0; i < kBatch; ++i) jobs[i] = batch.job(i);
    constexpr std::size_t kAltered = 4;
    batch.packet(kAltered)[kHead + 17] ^= 1;
    cipher.open({jobs.data(), 1});
    cipher.open({jobs.data() + 1, kBatch - 1});
    for (std::size_t i = 0; i < kBatch; ++i) {
        if (jobs[i].ok == (i == kAltered)) return false;
        if (i != kAltered && !std::ranges::equal(Bytes(jobs[i].out, kTextSize), expected)) return false;
    }
    return true;
}

}  // namespace

Result<void, std::string> self_test(CipherProvider& provider, esp::Suite suite) {
    const esp::SuiteShape shape = shape_of(suite);
    const std::string who = std::string(provider.name()) + ", " + std::string(shape.name) + ": ";
    const auto* answer = std::ranges::find(kAnswers, suite, &KnownAnswer::suite);
    const auto sealed = from_hex(answer->sealed);
    std::vector<std::uint8_t> material(shape.key_material());
    for (std::size_t i = 0; i < material.size(); ++i) material[i] = static_cast<std::uint8_t>(i + 1);

    auto sealer = provider.make(suite, Direction::seal, material);
    if (!sealer) return Unexpected(who + sealer.error());
    auto opener = provider.make(suite, Direction::open, material);
    if (!opener) return Unexpected(who + opener.error());
    const auto plain = plain_text();
    if (!seals_right(**sealer, Batch(shape, material, plain), *sealed))
        return Unexpected(who + "sealing gives a wrong answer");
    if (!opens_right(**opener, Batch(shape, material, *sealed), plain))
        return Unexpected(who + "opening gives a wrong answer or takes an altered packet");
    return {};
}

Result<void, std::string> self_test(CipherProvider& provider) {
    for (const esp::Suite suite : esp::kAllSuites)
        if (auto passed = self_test(provider, suite); !passed) return passed;
    return {};
}

}  // namespace isthmus::crypto
