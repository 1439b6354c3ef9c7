#include "crypto/esp/inbound_sa.h"

#include "crypto/esp/header.h"
#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {
constexpr std::uint64_t kStretch = std::uint64_t{1} << 32;

/// An ESP packet whose text, padding included, is `text`: a peer that pads as it likes.
std::vector<std::uint8_t> sealed_text(EspFixture& f, const SaOptions& options, Bytes text) {
    const SuiteShape shape = shape_of(options.suite);
    REQUIRE(text.size() % shape.alignment == 0);
    auto cipher = f.provider->make(options.suite, crypto::Direction::seal, options.key.reveal());
    REQUIRE(cipher);
    std::vector<std::uint8_t> packet(8 + shape.iv + text.size() + shape.icv, 0x11);
    Header{options.spi, 1}.emit(packet);
    std::ranges::copy(text, packet.begin() + static_cast<std::ptrdiff_t>(8 + shape.iv));
    std::vector<std::uint8_t> nonce;
    if (shape.is_aead()) {
        const Bytes salt = options.key.reveal().last(4);
        nonce.assign(salt.begin(), salt.end());
    }
    nonce.insert(nonce.end(), packet.begin() + 8, packet.begin() + static_cast<std::ptrdiff_t>(8 + shape.iv));
    crypto::PacketJob job;
    job.nonce = nonce;
    job.aad = Bytes(packet).first(8);
    job.in = Bytes(packet).subspan(8 + shape.iv, text.size());
    job.out = packet.data() + 8 + shape.iv;
    job.tag = MutableBytes(packet).last(shape.icv);
    (*cipher)->seal({&job, 1});
    REQUIRE(job.ok);
    return packet;
}
}  // namespace

TEST_CASE(
    "what one half seals the other opens, for every suite, provider, size and both kinds of sequence "
    "number") {
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        for (const Suite suite : kAllSuites)
            for (const bool extended : {false, true}) {
                const auto options = options_for(suite, extended);
                const auto out = f.outbound(options);
                const auto in = f.inbound(options);
                for (std::size_t size = 0; size < 70; ++size) {
                    const auto payload = counted_bytes(size, 0x80);
                    const auto esp =
                        f.sealed(*out, payload, static_cast<std::uint8_t>(size == 59 ? 115 : size));
                    CHECK(esp.size() == sealed_size(suite, size));
                    auto p = f.packet(esp, 0);
                    REQUIRE(f.open(*in, p) == DropReason::none);
                    CHECK(std::ranges::equal(p.data(), payload));
                    CHECK(p.meta.next_header == (size == 59 ? 115 : size));
                }
                CHECK(in->highest_sequence() == 70);
                CHECK(in->counters().packets.read() == 70);
            }
    }
}

TEST_CASE("every single altered bit is refused") {
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        for (const Suite suite : kAllSuites) {
            const auto options = options_for(suite);
            const auto out = f.outbound(options);
            const auto in = f.inbound(options);
            auto esp = f.sealed(*out, counted_bytes(21));
            // Bits of the SPI are for OpenStage to look up; under this SA they fail the ICV all the same.
            for (std::size_t bit = 0; bit < esp.size() * 8; ++bit) {
                esp[bit / 8] = static_cast<std::uint8_t>(esp[bit / 8] ^ (1U << (bit % 8)));
                const DropReason reason = f.opened(*in, esp);
                const bool in_sequence = bit / 8 >= 4 && bit / 8 < 8;
                CHECK((reason == DropReason::esp_bad_icv ||
                       (in_sequence && reason == DropReason::esp_outside_window)));
                esp[bit / 8] = static_cast<std::uint8_t>(esp[bit / 8] ^ (1U << (bit % 8)));
            }
            CHECK(in->highest_sequence() == 0);
            CHECK(f.opened(*in, esp) == DropReason::none);
        }
    }
}

TEST_CASE("a packet cut anywhere is refused") {
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        for (const Suite suite : kAllSuites) {
            const auto options = options_for(suite);
            const auto out = f.outbound(options);
            const auto in = f.inbound(options);
            const auto esp = f.sealed(*out, counted_bytes(40));
            for (std::size_t size = 0; size < esp.size(); ++size) {
                const DropReason reason = f.opened(*in, Bytes(esp).first(size));
                const SuiteShape s = shape_of(suite);
                const std::size_t fixed = 8 + s.iv + s.icv;
                const bool whole = size >= fixed + s.alignment && (size - fixed) % s.alignment == 0;
                CHECK(reason == (whole ? DropReason::esp_bad_icv : DropReason::esp_truncated));
            }
        }
    }
}

TEST_CASE("another key, or extended numbers on one side only, fails the ICV") {
    EspFixture f;
    for (const Suite suite : kAllSuites) {
        const auto out = f.outbound(options_for(suite, true));
        auto other = options_for(suite, true);
        other.key = crypto::SecretBytes(counted_bytes(key_size(suite), 8));
        const auto wrong_key = f.inbound(other);
        CHECK(f.opened(*wrong_key, f.sealed(*out, counted_bytes(9))) == DropReason::esp_bad_icv);
        // CBC with ESN authenticates 4 bytes more, AEAD as well: the two ends must agree.
        const auto short_numbers = f.inbound(options_for(suite, false));
        CHECK(f.opened(*short_numbers, f.sealed(*out, counted_bytes(9))) == DropReason::esp_bad_icv);
    }
}

TEST_CASE("a duplicate is dropped, also within one batch") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16);
    const auto out = f.outbound(options);
    const auto in = f.inbound(options);
    const auto esp = f.sealed(*out, counted_bytes(9));
    auto a = f.packet(esp);
    auto b = f.packet(esp);
    std::array<PacketBuffer*, 2> both{&a, &b};
    in->open(both, *f.scratch);
    CHECK(a.meta.drop == DropReason::none);
    CHECK(b.meta.drop == DropReason::esp_replayed);
    CHECK(f.opened(*in, esp) == DropReason::esp_replayed);
    CHECK(in->counters().dropped_for(DropReason::esp_replayed) == 2);
}

TEST_CASE("a packet older than the window is named so, with short and extended numbers") {
    EspFixture f;
    for (const bool extended : {false, true}) {
        const auto options = options_for(Suite::aes256_gcm16, extended);
        const auto out = f.outbound(options);
        const auto in = f.inbound(options);
        const auto old = f.sealed(*out, counted_bytes(9));
        for (int i = 0; i < 64; ++i)
            CHECK(f.opened(*in, f.sealed(*out, counted_bytes(9))) == DropReason::none);
        CHECK(f.opened(*in, old) == DropReason::esp_outside_window);
    }
}

TEST_CASE("a forged packet far ahead does not move the window") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16);
    const auto out = f.outbound(options);
    const auto in = f.inbound(options);
    auto forged = f.sealed(*out, counted_bytes(9));
    store_be32(forged.data() + 4, 1'000'000);
    CHECK(f.opened(*in, forged) == DropReason::esp_bad_icv);
    CHECK(in->highest_sequence() == 0);
    CHECK(f.opened(*in, f.sealed(*out, counted_bytes(9))) == DropReason::none);
}

TEST_CASE("padding that is not 1, 2, 3 or that is longer than the text is refused after authentication") {
    EspFixture f;
    for (const Suite suite : {Suite::aes256_gcm16, Suite::aes128_cbc_hmac_sha256_128}) {
        const auto options = options_for(suite, false);
        std::vector<std::uint8_t> good{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3, 3, 17};
        CHECK(f.opened(*f.inbound(options), sealed_text(f, options, good)) == DropReason::none);
        auto zeros = good;
        zeros[11] = zeros[12] = zeros[13] = 0;
        CHECK(f.opened(*f.inbound(options), sealed_text(f, options, zeros)) == DropReason::esp_bad_padding);
        auto too_long = good;
        too_long[14] = 15;
        CHECK(f.opened(*f.inbound(options), sealed_text(f, options, too_long)) ==
              DropReason::esp_bad_padding);
        auto all_padding = counted_bytes(16, 1);
        all_padding[14] = 14;
        all_padding[15] = 17;
        auto p = f.packet(sealed_text(f, options, all_padding));
        CHECK(f.open(*f.inbound(options), p) == DropReason::none);
        CHECK(p.size() == 0);
    }
}

TEST_CASE("padding longer than alignment needs, as some peers send, is fine") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16, false);
    std::vector<std::uint8_t> text{1, 2, 3, 4};
    for (std::uint8_t i = 1; i <= 254; ++i) text.push_back(i);
    text.push_back(254);
    text.push_back(115);
    auto p = f.packet(sealed_text(f, options, text));
    CHECK(f.open(*f.inbound(options), p) == DropReason::none);
    CHECK(std::ranges::equal(p.data(), counted_bytes(4, 1)));
}

TEST_CASE("a dummy packet is dropped under its own name and still takes its place in the window") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16);
    const auto out = f.outbound(options);
    const auto in = f.inbound(options);
    const auto dummy = f.sealed(*out, counted_bytes(30), 59);
    CHECK(f.opened(*in, dummy) == DropReason::esp_dummy);
    CHECK(f.opened(*in, dummy) == DropReason::esp_replayed);
}

TEST_CASE("extended numbers carry on across 2^32, packets lost and reordered around it") {
    EspFixture f;
    for (const Suite suite : kAllSuites) {
        const auto options = options_for(suite, true, 128);
        const auto out = f.outbound(options, {kStretch - 50, UINT64_MAX});
        const auto in = f.inbound(options, kStretch - 60);
        std::vector<std::vector<std::uint8_t>> sent;
        for (int i = 0; i < 100; ++i) sent.push_back(f.sealed(*out, counted_bytes(12)));
        // Odd ones first, then even ones: each is up to 99 behind the newest.
        for (std::size_t i = 1; i < sent.size(); i += 2) REQUIRE(f.opened(*in, sent[i]) == DropReason::none);
        for (std::size_t i = 0; i < sent.size(); i += 2) REQUIRE(f.opened(*in, sent[i]) == DropReason::none);
        for (const auto& esp : sent) REQUIRE(f.opened(*in, esp) == DropReason::esp_replayed);
        CHECK(in->highest_sequence() == kStretch + 49);
    }
}

TEST_CASE("a receiver that restarts knows the stretch from its saved number; without it every packet fails") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16);
    const auto out = f.outbound(options, {3 * kStretch + 1000, UINT64_MAX});
    const auto esp = f.sealed(*out, counted_bytes(12));
    CHECK(f.opened(*f.inbound(options, 0), esp) == DropReason::esp_bad_icv);
    CHECK(f.opened(*f.inbound(options, 3 * kStretch + 10), esp) == DropReason::none);
}

TEST_CASE("an expired SA opens nothing") {
    EspFixture f;
    const auto options = options_for(Suite::aes256_gcm16);
    const auto out = f.outbound(options);
    const auto in = f.inbound(options);
    in->expire();
    CHECK(f.opened(*in, f.sealed(*out, {})) == DropReason::esp_sa_expired);
}

TEST_CASE("a window that does not exist is refused in words") {
    EspFixture f;
    for (const std::uint32_t window : {0U, 32U, 100U, 32832U}) {
        const auto sa = InboundSa::create(options_for(Suite::aes256_gcm16, true, window), 0, *f.provider);
        REQUIRE_FALSE(sa);
        CHECK(sa.error().find("64 to 32768") != std::string::npos);
    }
}

TEST_CASE(
    "loss, reordering and duplication: every fresh packet within the window arrives once, nothing else "
    "does") {
    EspFixture f;
    SeededRng rng(99);
    const auto options = options_for(Suite::aes128_gcm16, true, 256);
    const auto out = f.outbound(options, {kStretch - 2000, UINT64_MAX});
    const auto in = f.inbound(options, kStretch - 2001);
    std::vector<std::vector<std::uint8_t>> in_flight;
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
    std::uint64_t arrived = 0;
    const auto deliver_one = [&] {
        const auto at = static_cast<std::ptrdiff_t>(rng.below(in_flight.size()));
        const auto esp = in_flight[static_cast<std::size_t>(at)];
        const bool duplicate = rng.below(20) == 0;
        in_flight.erase(in_flight.begin() + at);
        const DropReason reason = f.opened(*in, esp);
        REQUIRE((reason == DropReason::none));
        ++arrived;
        if (duplicate) REQUIRE(f.opened(*in, esp) == DropReason::esp_replayed);
    };
    while (sent < 4000) {
        auto esp = f.sealed(*out, counted_bytes(4));
        ++sent;
        if (rng.below(50) == 0) {
            ++lost;
        } else {
            in_flight.push_back(std::move(esp));
        }
        // At most 8 in flight, drawn at random: staying longer than 200 turns is (7/8)^200, which the seed avoids.
        while (in_flight.size() > 8) deliver_one();
    }
    while (!in_flight.empty()) deliver_one();
    CHECK(arrived == sent - lost);
    CHECK(in->highest_sequence() >= kStretch + 1900);
}
