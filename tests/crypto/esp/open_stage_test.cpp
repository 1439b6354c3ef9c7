#include "crypto/esp/open_stage.h"

#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

constexpr Spi kSpi{0x1000};
const Endpoint kHome{*IpAddress::parse("192.0.2.2"), 4500};
const Endpoint kMoved{*IpAddress::parse("192.0.2.2"), 61000};

SaOptions sa_options() {
    auto options = options_for(Suite::aes256_gcm16);
    options.spi = kSpi;
    return options;
}

/// One SA behind an opening stage that reports.
struct Stand {
    EspFixture f;
    PuntRings rings;
    OpenStage stage{&rings};
    std::unique_ptr<OutboundSa> peer = f.outbound(sa_options());
    std::shared_ptr<InboundSa> sa = f.inbound(sa_options());
    Path path{{*IpAddress::parse("192.0.2.1"), 4500}, kHome, std::nullopt};
    TimePoint now{std::chrono::seconds(100)};
    PacketBatch batch;
    bool tell_first = false;

    void know(std::optional<Mode> mode, std::optional<Endpoint> home) {
        std::vector<InboundTable::Entry> entries;
        entries.push_back({sa, TunnelIndex{3}, mode, home, tell_first});
        stage.set_sas(std::make_shared<InboundTable>(std::move(entries)));
    }
    DropReason arrives(Bytes esp, const Endpoint& from) {
        path.remote = from;
        batch.clear();
        batch.push(f.packet(esp)).meta.path = &path;
        stage.process(batch, now);
        return batch[0].meta.drop;
    }
    DropReason next_arrives(const Endpoint& from, std::uint8_t next_header = 17) {
        return arrives(f.sealed(*peer, counted_bytes(40), next_header), from);
    }
    std::vector<std::pair<PuntClass, PuntMessage>> reports() {
        std::vector<std::pair<PuntClass, PuntMessage>> out;
        rings.drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& m) { out.emplace_back(c, m); });
        return out;
    }
};

}  // namespace

TEST_CASE("an authentic packet from elsewhere is told with its SA and path; one from home is not") {
    Stand s;
    s.know(std::nullopt, kHome);
    CHECK(s.next_arrives(kHome) == DropReason::none);
    CHECK(s.reports().empty());
    CHECK(s.next_arrives(kMoved) == DropReason::none);
    const auto reports = s.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].first == PuntClass::peer_moved);
    CHECK(reports[0].second.tunnel == TunnelIndex{3});
    CHECK(reports[0].second.path.remote == kMoved);
    CHECK(reports[0].second.path.authenticated_by == kSpi);
}

TEST_CASE("a move is told ten times a second at most") {
    Stand s;
    s.know(std::nullopt, kHome);
    for (int i = 0; i < 50; ++i) (void)s.next_arrives(kMoved);
    CHECK(s.reports().size() == 1);
    s.now += OpenStage::kReportInterval;
    (void)s.next_arrives(kMoved);
    CHECK(s.reports().size() == 1);
}

TEST_CASE("a replayed or forged packet from elsewhere moves nobody") {
    Stand s;
    s.know(std::nullopt, kHome);
    const auto packet = s.f.sealed(*s.peer, counted_bytes(40));
    CHECK(s.arrives(packet, kHome) == DropReason::none);
    CHECK(s.arrives(packet, kMoved) == DropReason::esp_replayed);
    auto forged = s.f.sealed(*s.peer, counted_bytes(40));
    forged.back() ^= 1;
    CHECK(s.arrives(forged, kMoved) == DropReason::esp_bad_icv);
    CHECK(s.reports().empty());
}

TEST_CASE("an old packet that comes late by the old way does not move the peer back") {
    Stand s;
    const auto late = s.f.sealed(*s.peer, counted_bytes(40));
    s.know(std::nullopt, kMoved);
    CHECK(s.next_arrives(kMoved) == DropReason::none);
    CHECK(s.arrives(late, kHome) == DropReason::none);
    CHECK(s.reports().empty());
}

TEST_CASE("an SA whose peer nobody follows reports nothing") {
    Stand s;
    s.know(std::nullopt, std::nullopt);
    CHECK(s.next_arrives(kMoved) == DropReason::none);
    CHECK(s.reports().empty());
}

TEST_CASE("an unknown SPI is hinted at once a second for a sender, with the packet's first bytes") {
    Stand s;
    s.know(std::nullopt, kHome);
    std::vector<std::uint8_t> stranger(60, 0);
    stranger[2] = 0x77;
    for (int i = 0; i < 10; ++i) CHECK(s.arrives(stranger, kHome) == DropReason::esp_unknown_spi);
    const auto reports = s.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].first == PuntClass::unknown_spi);
    CHECK(reports[0].second.path.remote == kHome);
    CHECK(reports[0].second.data().size() == OpenStage::kHintSize);
    CHECK(load_be32(reports[0].second.data().data()) == 0x7700);
    s.now += OpenStage::kHintInterval;
    (void)s.arrives(stranger, kHome);
    CHECK(s.reports().size() == 1);
}

TEST_CASE("a flood of made-up SPIs is hinted at no more often than the table has places") {
    Stand s;
    s.know(std::nullopt, kHome);
    std::vector<std::uint8_t> stranger(60, 0);
    std::size_t told = 0;
    for (std::uint32_t spi = 0x10000; spi < 0x10000 + 2'000; ++spi) {
        store_be32(stranger.data(), spi);
        (void)s.arrives(stranger, kHome);
        told += s.reports().size();
    }
    CHECK(told <= 64);
    CHECK(told > 16);
}

TEST_CASE("an SA takes only what its mode carries") {
    Stand s;
    s.know(Mode::transport, kHome);
    CHECK(s.next_arrives(kHome, 17) == DropReason::none);
    CHECK(s.next_arrives(kHome, 115) == DropReason::none);
    CHECK(s.next_arrives(kHome, 4) == DropReason::inner_protocol);
    CHECK(s.next_arrives(kHome, 41) == DropReason::inner_protocol);
    s.know(Mode::tunnel, kHome);
    CHECK(s.next_arrives(kHome, 4) == DropReason::none);
    CHECK(s.next_arrives(kHome, 41) == DropReason::none);
    CHECK(s.next_arrives(kHome, 17) == DropReason::inner_protocol);
}

TEST_CASE("an SA remembers when it last heard something new") {
    Stand s;
    s.know(std::nullopt, kHome);
    CHECK_FALSE(s.sa->last_heard());
    const auto packet = s.f.sealed(*s.peer, counted_bytes(40));
    (void)s.arrives(packet, kHome);
    const TimePoint first = s.now;
    CHECK(s.sa->last_heard() == first);
    s.now += std::chrono::seconds(5);
    (void)s.arrives(packet, kHome);  // a replay says nothing about the peer
    CHECK(s.sa->last_heard() == first);
}

TEST_CASE("the first authentic packet of an SA is told, once") {
    Stand s;
    s.tell_first = true;
    s.know(std::nullopt, kHome);
    auto forged = s.f.sealed(*s.peer, counted_bytes(40));
    forged.back() ^= 1;
    (void)s.arrives(forged, kHome);
    CHECK(s.reports().empty());
    for (int i = 0; i < 3; ++i) (void)s.next_arrives(kHome);
    const auto reports = s.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].first == PuntClass::first_packet);
    CHECK(reports[0].second.path.authenticated_by == kSpi);
}
