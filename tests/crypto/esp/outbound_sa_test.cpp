#include "crypto/esp/outbound_sa.h"

#include <set>
#include <string>
#include <thread>

#include "crypto/esp/header.h"
#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("packets are numbered from the range's first and carry the number as IV under AEAD suites") {
    EspFixture f;
    for (const Suite suite : {Suite::aes128_gcm16, Suite::aes256_gcm16, Suite::chacha20_poly1305}) {
        const auto sa = f.outbound(options_for(suite), {0x1'0000'0007, UINT64_MAX});
        const auto esp = f.sealed(*sa, counted_bytes(10));
        CHECK(Header::parse(esp) == Header{Spi{0xc0000001}, 7});
        CHECK(load_be64(esp.data() + 8) == 0x1'0000'0007);
        CHECK(sa->last_sequence() == 0x1'0000'0007);
        CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 8);
    }
}

TEST_CASE("IVs of CBC suites never repeat and do not count") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes128_cbc_hmac_sha256_128));
    std::set<std::vector<std::uint8_t>> ivs;
    std::set<std::vector<std::uint8_t>> differences;
    std::vector<std::uint8_t> before(16, 0);
    for (int i = 0; i < 200; ++i) {
        const auto esp = f.sealed(*sa, counted_bytes(3));
        const std::vector<std::uint8_t> iv(esp.begin() + 8, esp.begin() + 24);
        std::vector<std::uint8_t> difference(16);
        for (std::size_t k = 0; k < 16; ++k) difference[k] = static_cast<std::uint8_t>(iv[k] ^ before[k]);
        before = iv;
        ivs.insert(iv);
        differences.insert(difference);
    }
    CHECK(ivs.size() == 200);
    CHECK(differences.size() == 200);
}

TEST_CASE("two SA objects with one key, as after a restart, draw different CBC IVs") {
    EspFixture f;
    const auto first = f.outbound(options_for(Suite::aes256_cbc_hmac_sha256_128));
    const auto second = f.outbound(options_for(Suite::aes256_cbc_hmac_sha256_128));
    CHECK(f.sealed(*first, counted_bytes(8)) != f.sealed(*second, counted_bytes(8)));
}

TEST_CASE("the last sequence number is used, and then the SA stops for good") {
    EspFixture f;
    for (const bool extended : {false, true}) {
        const std::uint64_t last = last_sequence_of(extended);
        CHECK(last == (extended ? UINT64_MAX : 0xffffffffU));
        const auto sa = f.outbound(options_for(Suite::aes256_gcm16, extended), {last - 1, UINT64_MAX});
        CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 0xfffffffe);
        CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 0xffffffff);
        for (int i = 0; i < 3; ++i) {
            auto p = f.packet({});
            CHECK(f.seal(*sa, p) == DropReason::esp_sequence_exhausted);
        }
        CHECK(sa->last_sequence() == last);
        CHECK(sa->counters().packets.read() == 2);
        CHECK(sa->counters().dropped_for(DropReason::esp_sequence_exhausted) == 3);
        CHECK_FALSE(sa->stopped_by_bug());
    }
}

TEST_CASE("exhaustion in the middle of a batch lets the packets before go") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes256_gcm16, false), {0xfffffffe, UINT64_MAX});
    std::vector<PacketBuffer> packets;
    std::vector<PacketBuffer*> pointers;
    for (int i = 0; i < 5; ++i) packets.push_back(f.packet(counted_bytes(20)));
    for (auto& p : packets) pointers.push_back(&p);
    sa->seal(pointers, *f.scratch);
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(packets[i].meta.drop == (i < 2 ? DropReason::none : DropReason::esp_sequence_exhausted));
}

TEST_CASE("nothing goes beyond the reserved numbers until more are reserved") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes256_gcm16), {11, 12});
    CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 11);
    CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 12);
    auto p = f.packet({});
    CHECK(f.seal(*sa, p) == DropReason::esp_not_reserved);
    sa->raise_limit(5);
    auto q = f.packet({});
    CHECK(f.seal(*sa, q) == DropReason::esp_not_reserved);
    sa->raise_limit(13);
    CHECK(Header::parse(f.sealed(*sa, {}))->sequence_low == 13);
    CHECK(sa->counters().dropped_for(DropReason::esp_not_reserved) == 2);
}

TEST_CASE("an expired SA seals nothing") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes256_gcm16));
    sa->expire();
    auto p = f.packet(counted_bytes(5));
    CHECK(f.seal(*sa, p) == DropReason::esp_sa_expired);
}

TEST_CASE("a packet without room around it is refused before it costs a number") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes256_gcm16));
    auto whole = f.packet(counted_bytes(100));
    auto confined = whole.share(10, 50);
    CHECK(f.seal(*sa, confined) == DropReason::esp_internal);
    CHECK(sa->last_sequence() == 0);
    CHECK(std::ranges::equal(whole.data(), counted_bytes(100)));
}

TEST_CASE("wrong options are refused in words") {
    EspFixture f;
    auto options = options_for(Suite::aes256_gcm16);
    SUBCASE("reserved SPI") {
        options.spi = Spi{255};
        const auto sa = OutboundSa::create(options, {}, *f.provider, f.rng);
        REQUIRE_FALSE(sa);
        CHECK(sa.error() == "SPI 255 is reserved (RFC 4303 section 2.1); use 256 or more");
    }
    SUBCASE("key length") {
        options.key = crypto::SecretBytes(counted_bytes(35));
        const auto sa = OutboundSa::create(options, {}, *f.provider, f.rng);
        REQUIRE_FALSE(sa);
        CHECK(sa.error() == "aes-256-gcm takes 36 bytes of keying material, not 35");
    }
    SUBCASE("no number left") {
        options.extended_sequence = false;
        const auto sa = OutboundSa::create(options, {0x1'0000'0000, UINT64_MAX}, *f.provider, f.rng);
        REQUIRE_FALSE(sa);
        CHECK(sa.error().find("new keys") != std::string::npos);
    }
}

TEST_CASE("two threads sealing under one SA never number two packets alike, and the SA stops if they meet") {
    EspFixture f;
    const auto sa = f.outbound(options_for(Suite::aes256_gcm16));
    const auto run = [&](std::vector<std::uint32_t>& numbers) {
        PacketPool pool(2304, 8);
        const auto scratch = std::make_unique<JobScratch>();
        for (int i = 0; i < 3000; ++i) {
            auto p = pool.allocate(64);
            p->append(1000);
            PacketBuffer* one = &*p;
            sa->seal({&one, 1}, *scratch);
            if (p->meta.drop == DropReason::none) numbers.push_back(Header::parse(p->data())->sequence_low);
        }
    };
    std::vector<std::uint32_t> a;
    std::vector<std::uint32_t> b;
    std::thread other([&] { run(a); });
    run(b);
    other.join();
    std::set<std::uint32_t> all(a.begin(), a.end());
    all.insert(b.begin(), b.end());
    CHECK(all.size() == a.size() + b.size());
    CHECK((sa->stopped_by_bug() || all.size() == 6000));
}
