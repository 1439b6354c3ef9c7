// What the guard's stage costs a frame: nanoseconds, for what a tunnel mostly carries and for storms; and what its tables weigh.
// Build with the target micro_guard, in release; run on a quiet core.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "stp-guard/admission_stage.h"
#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

constexpr int kRounds = 31;
constexpr int kRunsPerRound = 300;
constexpr std::size_t kBatch = 64;

TimePoint now() {
    return TimePoint{std::chrono::steady_clock::now().time_since_epoch()};
}

/// Median over rounds of the time of one run, in nanoseconds.
double measure(const std::function<void()>& run) {
    std::vector<double> rounds;
    for (int i = 0; i < kRounds; ++i) {
        const TimePoint start = now();
        for (int k = 0; k < kRunsPerRound; ++k) run();
        rounds.push_back(std::chrono::duration<double, std::nano>(now() - start).count() / kRunsPerRound);
    }
    std::sort(rounds.begin(), rounds.end());
    return rounds[rounds.size() / 2];
}

SessionAdmission session() {
    SessionAdmission out;
    out.options.any_vlan = true;
    out.state = PortState::open;
    out.vlans = std::make_shared<const VlanStates>(VlanState::open);
    out.meters = std::make_shared<SessionMeters>(1);
    out.bridge = SessionIndex{7};
    return out;
}

/// A batch of frames through the stage that sends them, `hosts` of them known in the tunnel.
struct Run {
    PacketPool pool{2048, kBatch};
    KnownHosts hosts{1};
    AdmissionStage stage{Direction::to_tunnel, nullptr, {&hosts.lan, &hosts.tunnel, nullptr, &hosts.floods}};
    PacketBatch batch;

    explicit Run(SessionAdmission admission) {
        stage.set_sessions(std::make_shared<const AdmissionTable>(AdmissionTable{std::move(admission)}));
    }
    void fill(const std::function<Frame(std::size_t)>& frame) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            PacketBuffer packet = packet_of(pool, frame(i));
            packet.meta.session = SessionIndex{0};
            batch.push(std::move(packet));
        }
    }
    void know_destinations() {
        for (const PacketBuffer& packet : batch) {
            MacAddress mac;
            std::memcpy(mac.bytes.data(), packet.data().data(), 6);
            (void)hosts.tunnel.heard(SessionIndex{0}, 0, mac, {0, 0}, now());
        }
    }
    void report(const char* what) {
        const double took = measure([&] {
            for (PacketBuffer& packet : batch) packet.meta.drop = DropReason::none;
            stage.process(batch, now());
        });
        std::printf("%-58s %7.1f ns/frame\n", what, took / kBatch);
    }
};

Frame udp(std::uint8_t host) {
    FrameSpec spec;
    spec.protocol = 17;
    spec.host = host;
    spec.payload = pattern(18);
    return build(spec);
}

Frame to(std::string_view destination, Frame frame, std::uint32_t source = 1) {
    const auto mac = MacAddress::parse(destination).value();
    std::copy(mac.bytes.begin(), mac.bytes.end(), frame.begin());
    store_be32(frame.data() + 8, source);
    return frame;
}

void known_unicast(const char* what, std::size_t hosts, const SessionAdmission& admission) {
    Run run(admission);
    run.fill([&](std::size_t i) {
        Frame frame = udp(1);
        store_be32(frame.data() + 2, static_cast<std::uint32_t>(i % hosts));
        store_be32(frame.data() + 8, static_cast<std::uint32_t>(i % hosts));
        frame[0] = 2;
        frame[6] = 2;
        return frame;
    });
    run.know_destinations();
    run.report(what);
}

}  // namespace

int main() {
    known_unicast("known unicast, one pair of hosts", 1, session());
    known_unicast("known unicast, 64 pairs", kBatch, session());
    SessionAdmission isolated = session();
    GatewayOptions gateways;
    gateways.dual_untagged = true;
    gateways.gateways = {{0, IpAddress::v4({192, 0, 2, 1}), MacAddress{{2, 0, 0, 0, 0, 9}}},
                         {0, IpAddress::v4({192, 0, 2, 2}), MacAddress{{2, 0, 0, 0, 0, 8}}}};
    isolated.gateways = std::make_shared<const GatewayFilter>(gateways);
    known_unicast("known unicast, 64 pairs, two gateways kept apart", kBatch, isolated);
    {
        Run run(session());
        run.fill(
            [](std::size_t i) { return to("ff:ff:ff:ff:ff:ff", udp(1), static_cast<std::uint32_t>(i)); });
        run.report("broadcast storm, 64 senders");
    }
    {
        Run run(session());
        run.fill([](std::size_t i) {
            Frame frame = to("ff:ff:ff:ff:ff:ff", udp(1), static_cast<std::uint32_t>(i));
            store_be16(frame.data() + 12, 0x0806);
            return frame;
        });
        run.report("ARP storm, 64 senders");
    }
    {
        Run run(session());
        run.fill(
            [](std::size_t i) { return to("02:00:00:00:00:77", udp(1), static_cast<std::uint32_t>(i)); });
        run.report("unknown unicast storm");
    }
    const KnownHosts hosts(1);
    std::printf("\nhost tables                       %zu KiB, and 16 KiB for each session that counts\n",
                3 * hosts.lan.memory() / 1024);
    std::printf(
        "meters, 4,094 VLANs x 5 classes    %zu KiB a direction when all are used, 4 KiB each 21 of them\n",
        4'096 * StormMeters::kCellSize / 1024);
    std::printf("VLAN states                       %zu bytes a session\n", sizeof(VlanStates));
    return 0;
}
