#include "crypto/esp/early_packets.h"

#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr Spi kOurs{0x0123'4567};
constexpr Spi kOther{0x0777'0001};
const Endpoint kPeer{*IpAddress::parse("192.0.2.2"), 4500};

SaOptions sa_options(Spi spi) {
    auto options = options_for(Suite::aes256_gcm16);
    options.spi = spi;
    return options;
}

/// An opening stage that keeps early packets, and a peer that has its SAs already.
struct Stand {
    Stand() {
        stage.keep_early(&early);
        expected.insert(kOurs);
    }

    EspFixture f;
    PuntRings rings;
    SharedIds<Spi> expected;
    EarlyPackets early{expected};
    OpenStage stage{&rings};
    std::shared_ptr<InboundTable> table = std::make_shared<InboundTable>(std::vector<InboundTable::Entry>());
    DropLedger ledger;
    TimePoint now{100s};
    Path path{{*IpAddress::parse("192.0.2.1"), 4500}, kPeer, std::nullopt};
    PacketBatch batch;

    /// As the worker does: what is left in the batch afterwards went through.
    std::size_t arrives(Bytes esp) {
        batch.clear();
        batch.push(f.packet(esp)).meta.path = &path;
        stage.process(batch, now);
        batch.sweep(ledger);
        return batch.size();
    }
    void know(std::vector<std::shared_ptr<InboundSa>> sas) {
        std::vector<InboundTable::Entry> entries;
        for (auto& sa : sas) entries.push_back({std::move(sa), TunnelIndex{3}, Mode::transport, kPeer, true});
        table = std::make_shared<InboundTable>(std::move(entries));
        stage.set_sas(table);
    }
    /// Payload's first bytes of what was kept and opens now, in order.
    std::vector<std::uint8_t> deliver() {
        batch.clear();
        early.take(*table, batch, now, ledger);
        stage.process(batch, now);
        batch.sweep(ledger);
        std::vector<std::uint8_t> firsts;
        for (PacketBuffer& packet : batch) firsts.push_back(packet.data()[0]);
        batch.clear();
        return firsts;
    }
    [[nodiscard]] std::uint64_t dropped(DropReason reason) const {
        return ledger.total().dropped_for(reason);
    }
    [[nodiscard]] std::uint64_t all_dropped() const {
        std::uint64_t sum = 0;
        for (const Counter& counter : ledger.total().drops) sum += counter.read();
        return sum;
    }
    std::vector<PuntClass> reports() {
        std::vector<PuntClass> out;
        rings.drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage&) { out.push_back(c); });
        return out;
    }
};

}  // namespace

TEST_CASE("packets that come before their SA are opened in order when it is there") {
    Stand s;
    const auto peer = s.f.outbound(sa_options(kOurs));
    for (std::uint8_t i = 1; i <= 5; ++i) CHECK(s.arrives(s.f.sealed(*peer, counted_bytes(40, i))) == 0);
    CHECK(s.dropped(DropReason::esp_unknown_spi) == 0);
    CHECK(s.deliver().empty());  // a change that has nothing to do with it
    CHECK_FALSE(s.early.empty());
    s.now += 150ms;
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{1, 2, 3, 4, 5});
    CHECK(s.early.empty());
    CHECK(s.reports() == std::vector{PuntClass::first_packet});
    CHECK(s.arrives(s.f.sealed(*peer, counted_bytes(40, 6))) == 1);
    CHECK(s.all_dropped() == 0);
}

TEST_CASE("a copy of an early packet, or a forged one, is refused when its SA is there") {
    Stand s;
    const auto peer = s.f.outbound(sa_options(kOurs));
    const auto packet = s.f.sealed(*peer, counted_bytes(40, 1));
    auto forged = s.f.sealed(*peer, counted_bytes(40, 2));
    forged.back() ^= 1;
    for (const auto& esp : {packet, packet, forged}) CHECK(s.arrives(esp) == 0);
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{1});
    CHECK(s.dropped(DropReason::esp_replayed) == 1);
    CHECK(s.dropped(DropReason::esp_bad_icv) == 1);
    CHECK(s.arrives(packet) == 0);
    CHECK(s.dropped(DropReason::esp_replayed) == 2);
}

TEST_CASE("early packets of one SA do not wait for those of another") {
    Stand s;
    s.expected.insert(kOther);
    const auto ours = s.f.outbound(sa_options(kOurs));
    const auto other = s.f.outbound(sa_options(kOther));
    for (std::uint8_t i = 0; i < 6; ++i)
        (void)s.arrives(s.f.sealed(i % 2 == 0 ? *ours : *other, counted_bytes(40, i)));
    const std::shared_ptr<InboundSa> first = s.f.inbound(sa_options(kOther));
    s.know({first});
    CHECK(s.deliver() == std::vector<std::uint8_t>{1, 3, 5});
    s.now += 50ms;
    s.know({first, s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{0, 2, 4});
    CHECK(s.all_dropped() == 0);
}

TEST_CASE("what has waited too long is dropped as of an unknown SPI, and nothing else") {
    Stand s;
    const auto peer = s.f.outbound(sa_options(kOurs));
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40, 1)));
    s.now += 100ms;
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40, 2)));
    s.now += EarlyPackets::kPatience - 100ms;
    s.early.expire(s.now, s.ledger);
    CHECK(s.dropped(DropReason::esp_unknown_spi) == 1);
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{2});

    Stand late;
    (void)late.arrives(s.f.sealed(*peer, counted_bytes(40)));
    late.now += EarlyPackets::kPatience;  // nobody looked in the meantime
    late.know({late.f.inbound(sa_options(kOurs))});
    CHECK(late.deliver().empty());
    CHECK(late.dropped(DropReason::esp_unknown_spi) == 1);
}

TEST_CASE(
    "a flood of strangers' SPIs is hinted at as ever, finds no room and takes none from an honest peer") {
    Stand s;
    std::vector<std::uint8_t> stranger(1'400, 0);
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        store_be32(stranger.data(), 0x2000'0000 + i);
        (void)s.arrives(stranger);
    }
    CHECK(s.early.empty());
    CHECK(s.dropped(DropReason::esp_unknown_spi) == 5'000);
    CHECK_FALSE(s.reports().empty());
    const auto peer = s.f.outbound(sa_options(kOurs));
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40, 9)));
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{9});
}

TEST_CASE("an SPI that was given back is a stranger's again: hinted at, not kept") {
    Stand s;
    const auto peer = s.f.outbound(sa_options(kOurs));
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40)));
    CHECK(s.reports().empty());
    s.expected.erase(kOurs);
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40)));
    CHECK(s.reports() == std::vector{PuntClass::unknown_spi});
    CHECK(s.dropped(DropReason::esp_unknown_spi) == 1);
}

TEST_CASE("a peer that floods before its SA is there takes bounded memory, and leaves room for others") {
    Stand s;
    s.expected.insert(kOther);
    std::vector<std::uint8_t> flood(300, 0x55);
    store_be32(flood.data(), raw(kOurs));
    for (int i = 0; i < 2'000; ++i) (void)s.arrives(flood);
    CHECK(s.dropped(DropReason::esp_unknown_spi) == 2'000 - EarlyPackets::kMostOfOne);
    CHECK(s.reports().empty());
    const auto other = s.f.outbound(sa_options(kOther));
    for (std::uint8_t i = 0; i < 10; ++i) (void)s.arrives(s.f.sealed(*other, counted_bytes(40, i)));
    s.know({s.f.inbound(sa_options(kOther))});
    CHECK(s.deliver().size() == 10);
    CHECK(s.f.pool.available() == s.f.pool.count());  // only copies are kept
}

TEST_CASE("packets of any size find room until the memory is used up, and it is all there again afterwards") {
    Stand s;
    for (int round = 0; round < 50; ++round) {
        const auto refused = s.dropped(DropReason::esp_unknown_spi);
        std::vector<std::uint8_t> large(2'200, static_cast<std::uint8_t>(round));
        store_be32(large.data(), raw(kOurs));
        for (int i = 0; i < 300; ++i) (void)s.arrives(large);
        const auto kept = 300 - (s.dropped(DropReason::esp_unknown_spi) - refused);
        CHECK(kept == EarlyPackets::kBlocks * (EarlyPackets::kBlockSize / large.size()));
        s.now += EarlyPackets::kPatience;
        s.early.expire(s.now, s.ledger);
        CHECK(s.early.empty());
    }
    const auto peer = s.f.outbound(sa_options(kOurs));
    (void)s.arrives(s.f.sealed(*peer, counted_bytes(40, 3)));
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver() == std::vector<std::uint8_t>{3});
}

TEST_CASE(
    "the SPI alone, and packets of other lengths that end in its header, are kept no worse and refused "
    "later") {
    Stand s;
    for (std::size_t size = 0; size < 40; ++size) {
        std::vector<std::uint8_t> stub(size, 0);
        if (size >= 4) store_be32(stub.data(), raw(kOurs));
        (void)s.arrives(stub);
    }
    const auto truncated = s.dropped(DropReason::esp_truncated);
    CHECK(truncated >= 4);
    s.know({s.f.inbound(sa_options(kOurs))});
    CHECK(s.deliver().empty());
    CHECK(s.all_dropped() == 40);
    CHECK(s.early.empty());
}
