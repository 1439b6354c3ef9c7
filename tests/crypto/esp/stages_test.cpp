#include "base/pipeline.h"
#include "crypto/esp/open_stage.h"
#include "crypto/esp/seal_stage.h"
#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {
SaOptions options_with_spi(std::uint32_t spi, Suite suite = Suite::aes256_gcm16) {
    auto options = options_for(suite);
    options.spi = Spi{spi};
    return options;
}
}  // namespace

TEST_CASE("packets of several tunnels in one batch go out and come in under their own SAs, in order") {
    EspFixture f;
    auto out_table = std::make_shared<OutboundTable>();
    std::vector<InboundTable::Entry> entries;
    for (std::uint16_t t = 0; t < 3; ++t) {
        const auto options = options_with_spi(0x1000U + t, kAllSuites[t * 2U]);
        out_table->by_tunnel.push_back(f.outbound(options));
        entries.push_back({f.inbound(options), TunnelIndex{t}});
    }
    SealStage seal;
    OpenStage open;
    seal.set_sas(out_table);
    open.set_sas(std::make_shared<InboundTable>(std::move(entries)));

    PacketBatch batch;
    SeededRng rng(5);
    std::vector<TunnelIndex> tunnels;
    for (std::size_t i = 0; i < 200; ++i) {
        auto p = f.packet(counted_bytes(i, static_cast<std::uint8_t>(i)), 17);
        p.meta.tunnel = TunnelIndex{static_cast<std::uint16_t>(rng.below(3))};
        tunnels.push_back(p.meta.tunnel);
        batch.push(std::move(p));
    }
    seal.process(batch, {});
    for (auto& p : batch) {
        CHECK(p.meta.drop == DropReason::none);
        p.meta.tunnel = TunnelIndex{2};  // wherever it came in, the SA decides
        p.meta.next_header = 0;
    }
    open.process(batch, {});
    for (std::size_t i = 0; i < batch.size(); ++i) {
        CHECK(batch[i].meta.drop == DropReason::none);
        CHECK(batch[i].meta.tunnel == tunnels[i]);
        CHECK(batch[i].meta.next_header == 17);
        CHECK(std::ranges::equal(batch[i].data(), counted_bytes(i, static_cast<std::uint8_t>(i))));
    }
    CHECK(out_table->by_tunnel[0]->last_sequence() + out_table->by_tunnel[1]->last_sequence() +
              out_table->by_tunnel[2]->last_sequence() ==
          200);
}

TEST_CASE("a tunnel without an SA, an unknown or reserved SPI and a runt are counted apart") {
    EspFixture f;
    SealStage seal;
    OpenStage open;
    PacketBatch batch;
    batch.push(f.packet(counted_bytes(10))).meta.tunnel = TunnelIndex{0};
    seal.process(batch, {});
    CHECK(batch[0].meta.drop == DropReason::esp_no_sa);

    seal.set_sas(std::make_shared<OutboundTable>(OutboundTable{{nullptr}}));
    batch[0].meta.drop = DropReason::none;
    seal.process(batch, {});
    CHECK(batch[0].meta.drop == DropReason::esp_no_sa);
    batch[0].meta = {};
    seal.process(batch, {});
    CHECK(batch[0].meta.drop == DropReason::esp_no_sa);
    batch.clear();

    std::vector<InboundTable::Entry> entries;
    entries.push_back({f.inbound(options_with_spi(0x1000)), TunnelIndex{4}});
    open.set_sas(std::make_shared<InboundTable>(std::move(entries)));
    batch.push(f.packet(counted_bytes(7)));
    batch.push(f.packet(counted_bytes(100)));
    batch.push(f.packet(std::vector<std::uint8_t>{0, 0, 0x10, 0, 0, 0, 0, 1}));
    batch.push(f.packet(std::vector<std::uint8_t>(80, 0)));
    open.process(batch, {});
    CHECK(batch[0].meta.drop == DropReason::esp_truncated);
    CHECK(batch[1].meta.drop == DropReason::esp_unknown_spi);
    CHECK(batch[1].meta.tunnel == kNoTunnel);
    CHECK(batch[2].meta.drop == DropReason::esp_truncated);
    CHECK(batch[2].meta.tunnel == TunnelIndex{4});
    CHECK(batch[3].meta.drop == DropReason::esp_unknown_spi);
}

TEST_CASE("during a rekey the old and the new inbound SA of one tunnel both open") {
    EspFixture f;
    const auto old_out = f.outbound(options_with_spi(0x1000));
    const auto new_out = f.outbound(options_with_spi(0x2000));
    std::vector<InboundTable::Entry> entries;
    entries.push_back({f.inbound(options_with_spi(0x1000)), TunnelIndex{1}});
    entries.push_back({f.inbound(options_with_spi(0x2000)), TunnelIndex{1}});
    OpenStage open;
    open.set_sas(std::make_shared<InboundTable>(std::move(entries)));
    PacketBatch batch;
    for (int i = 0; i < 20; ++i)
        batch.push(f.packet(f.sealed(i % 2 == 0 ? *old_out : *new_out, counted_bytes(30))));
    open.process(batch, {});
    for (const auto& p : batch) {
        CHECK(p.meta.drop == DropReason::none);
        CHECK(p.meta.tunnel == TunnelIndex{1});
    }
}

TEST_CASE("the inbound table finds each of a thousand SAs and nothing else") {
    EspFixture f;
    std::vector<InboundTable::Entry> entries;
    for (std::uint32_t i = 0; i < 1000; ++i)
        entries.push_back(
            {f.inbound(options_with_spi(0x1000 + i * 256)), TunnelIndex{static_cast<std::uint16_t>(i)}});
    const InboundTable table(std::move(entries));
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const auto* entry = table.find(Spi{0x1000 + i * 256});
        REQUIRE(entry != nullptr);
        CHECK(entry->tunnel == TunnelIndex{static_cast<std::uint16_t>(i)});
        CHECK(table.find(Spi{0x1001 + i * 256}) == nullptr);
    }
    CHECK(InboundTable({}).find(Spi{0x1000}) == nullptr);
}

TEST_CASE("a pipeline with the sealing stage asks for the room of the fattest suite") {
    std::vector<std::unique_ptr<Stage>> stages;
    stages.push_back(std::make_unique<SealStage>());
    const auto tight = Pipeline::build(std::move(stages), Overhead{23, 49});
    CHECK_FALSE(tight);
    stages.clear();
    stages.push_back(std::make_unique<SealStage>());
    CHECK(Pipeline::build(std::move(stages), Overhead{24, 49}));
}
