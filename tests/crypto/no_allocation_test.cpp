#include "tests/support/counting_allocator.h"

#include "crypto/esp/open_stage.h"
#include "crypto/esp/seal_stage.h"
#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("sealing and opening allocate nothing, whatever suite and provider") {
    for (const auto kind : provider_kinds())
        for (const Suite suite : kAllSuites) {
            EspFixture f(kind);
            auto table = std::make_shared<OutboundTable>();
            table->by_tunnel.push_back(f.outbound(options_for(suite, true, 4096)));
            SealStage seal;
            OpenStage open;
            seal.set_sas(table);
            std::vector<InboundTable::Entry> entries;
            entries.push_back({f.inbound(options_for(suite, true, 4096)), TunnelIndex{0}});
            open.set_sas(std::make_shared<InboundTable>(std::move(entries)));
            PacketBatch batch;
            const auto payload = counted_bytes(1400);
            const auto round = [&] {
                batch.clear();
                for (int i = 0; i < 200; ++i) batch.push(f.packet(payload)).meta.tunnel = TunnelIndex{0};
                seal.process(batch, {});
                open.process(batch, {});
                for (const auto& p : batch) REQUIRE(p.meta.drop == DropReason::none);
            };
            round();  // whatever the libraries make once
            const AllocationCount count;
            seal.process(batch, {});  // of opened packets: payloads again
            open.process(batch, {});
            CHECK(count.so_far() == 0);
            for (const auto& p : batch) REQUIRE(p.meta.drop == DropReason::none);
        }
}

TEST_CASE("the counting allocator counts") {
    const AllocationCount count;
    const auto one = std::make_unique<int>(1);
    CHECK(count.so_far() == 1);
    if (counts_malloc()) {
        void* volatile p = std::malloc(10);  // NOLINT
        std::free(p);                        // NOLINT
        CHECK(count.so_far() == 2);
    }
    CHECK(*one == 1);
}
