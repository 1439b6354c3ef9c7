// Control engines and data stages together: while ids and cookies change again and again, every frame arrives.
#include <deque>
#include <map>

#include "tests/tunnel/control_net.h"
#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;
using isthmus::tunnel::test::Octets;
using isthmus::tunnel::test::table;

namespace {

constexpr SessionIndex kOnly{0};
constexpr Duration kDelay = 5ms;

/// The data stages of one gateway, told of each change as the appliance tells them.
struct Site : tunnel::test::Worker {
    Site(SimGateway& g, const IpAddress& peer)
        : gateway(g), path{{g.address, 1701}, {peer, 1701}, std::nullopt} {
        tunnel.index = TunnelIndex{0};
        tunnel.options.local = g.address;
        tunnel.options.remote = peer;
    }
    void settle() {
        const NegotiatedSession& agreed = gateway.sessions.at(kOnly);
        SessionEntry entry;
        entry.index = kOnly;
        entry.tunnel = TunnelIndex{0};
        entry.options = agreed.options;
        entry.incarnation = agreed.incarnation;
        if (agreed.also_accepted) {
            entry.other_local_id = agreed.also_accepted->local_id;
            entry.other_local_cookie = agreed.also_accepted->local_cookie;
        }
        auto sessions = table({tunnel}, {entry});
        if (!encap) {
            encap = std::make_unique<EncapStage>(sessions);
            decap = std::make_unique<DecapStage>(sessions, *rings);
            return;
        }
        encap->set_sessions(sessions);
        decap->set_sessions(sessions);
    }
    Octets send(Bytes frame) {
        batch.clear();
        add(frame).meta.session = kOnly;
        encap->process(batch, {});
        REQUIRE(batch[0].meta.drop == DropReason::none);
        return tunnel::test::copy(batch[0].data());
    }
    DropReason receive(Bytes packet) {
        batch.clear();
        PacketBuffer& p = add(packet);
        p.meta.next_header = kIpProtocolUdp;
        p.meta.path = &path;
        decap->process(batch, {});
        return batch[0].meta.drop;
    }

    SimGateway& gateway;
    Path path;
    TunnelEntry tunnel;
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    std::unique_ptr<EncapStage> encap;
    std::unique_ptr<DecapStage> decap;
};

struct OnItsWay {
    TimePoint arrives;
    Site* to;
    Octets packet;
};

}  // namespace

TEST_CASE(
    "no frame is lost or out of sequence while cookies change, whoever changes them and in whatever "
    "weather") {
    for (const double control_loss : {0.0, 0.3}) {
        CAPTURE(control_loss);
        Pair pair(17);
        for (auto* gateway : {&pair.a, &pair.b}) {
            gateway->plan.pseudowires[0].receive_sublayer = Sublayer::standard;
            gateway->plan.pseudowires[0].receive_sequencing = ReceiveSequencing::drop_out_of_order;
        }
        pair.start();
        REQUIRE(pair.run_until_converged(10s));
        pair.net.weather = {control_loss, 0.1, kDelay, control_loss > 0 ? Duration(20ms) : Duration(0)};
        Site a(pair.a, pair.b.address);
        Site b(pair.b, pair.a.address);
        SeededRng when(5);
        std::deque<OnItsWay> flying;
        const Octets frame = tunnel::test::frame();
        std::map<DropReason, std::uint64_t> fates;
        for (int ms = 0; ms < 60'000; ++ms) {
            if (when.below(1500) == 0)
                (when.below(2) == 0 ? pair.a : pair.b).engine->rotate_cookies(kOnly, pair.net.now);
            pair.net.run_for(1ms);
            a.settle();
            b.settle();
            for (; !flying.empty() && flying.front().arrives <= pair.net.now; flying.pop_front())
                ++fates[flying.front().to->receive(flying.front().packet)];
            flying.push_back({pair.net.now + kDelay, &b, a.send(frame)});
            flying.push_back({pair.net.now + kDelay, &a, b.send(frame)});
        }
        CHECK(fates[DropReason::none] > 119'000);
        CHECK(fates.size() == 1);
        for (const auto& [reason, count] : fates)
            if (reason != DropReason::none) FAIL_CHECK(name_of(reason) << ": " << count);
        CHECK(pair.a.engine->snapshot(pair.net.now).sessions.at(0).rotations > 10);
        CHECK(pair.a.downs + pair.b.downs == 0);
    }
}
