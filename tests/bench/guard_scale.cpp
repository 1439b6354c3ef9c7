// What the guard takes as VLANs grow: how long a round of probes is, what it costs, and what the meters of all VLANs weigh. One JSON
// object on standard output. Time is simulated, so a round of a minute takes a moment.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <unordered_map>

#include "stp-guard/admission_stage.h"
#include "stp-guard/guard_engine.h"
#include "stp-guard/place_hash.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/toy_authenticator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId kLan{1};
constexpr PortId kTunnel{2};

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

GuardPort port(PortId id, PortKind kind, int vlans) {
    GuardPort out;
    out.id = id;
    out.kind = kind;
    out.name = kind == PortKind::lan ? "lan0" : "peer";
    out.vlans = VlanSet::parse("1-" + std::to_string(vlans)).value();
    return out;
}

/// A gateway with a LAN port and a session, both with that many VLANs, none of which carries anything.
struct Gateway {
    ToyAuthenticator authenticator;
    SeededRng rng{1};
    GuardEngine engine{{DomainId{1}, SiteId{1}, NodeId{1}}, {}, authenticator, rng};
    TimePoint now{1000s};
    std::uint64_t probes = 0;
    std::unordered_map<Place, TimePoint> last;
    Duration longest{};  ///< between two probes of one place

    explicit Gateway(int vlans) {
        engine.on_port(port(kLan, PortKind::lan, vlans), now);
        engine.on_port(port(kTunnel, PortKind::tunnel, vlans), now);
        engine.on_link(kLan, true, now);
        engine.on_link(kTunnel, true, now);
        engine.on_lan_frame(kLan, now);
    }
    void run(Duration duration) {
        const TimePoint end = now + duration;
        while (const auto at = engine.next_timeout()) {
            if (*at > end) break;
            now = std::max(now, *at);
            engine.on_timeout(now);
            while (const auto action = engine.poll_action())
                if (const auto* probe = std::get_if<SendProbe>(&*action)) note(probe->place);
        }
        now = end;
    }
    void note(Place place) {
        ++probes;
        const auto [known, first] = last.try_emplace(place, now);
        if (first) return;
        longest = std::max(longest, now - known->second);
        known->second = now;
    }
};

double seconds(Duration d) {
    return std::chrono::duration<double>(d).count();
}

void print_round(int vlans, bool last) {
    const std::size_t before = resident_bytes();
    Gateway gateway(vlans);
    // Until all are open.
    for (int i = 0; i < 60 && gateway.engine.status(gateway.now).open_vlans < static_cast<std::size_t>(vlans);
         ++i)
        gateway.run(5s);
    const std::size_t weighs = resident_bytes() - std::min(before, resident_bytes());
    const std::size_t open = gateway.engine.status(gateway.now).open_vlans;
    gateway.last.clear();
    gateway.longest = {};
    gateway.probes = 0;
    const double cpu = processor_seconds();
    const Duration told = gateway.engine.status(gateway.now).probes.full_round;
    const Duration watched = std::max<Duration>(3 * told, 10s);
    gateway.run(watched);
    const double used = processor_seconds() - cpu;
    std::printf(
        "  {\"vlans\": %d, \"open\": %zu, \"places\": %zu, \"told_round_s\": %.3f, \"longest_gap_s\": %.3f, "
        "\"probes_per_s\": %.1f, \"cpu_us_per_probe\": %.2f, \"bytes\": %zu}%s\n",
        vlans, open, gateway.last.size(), seconds(told), seconds(gateway.longest),
        static_cast<double>(gateway.probes) / seconds(watched),
        gateway.probes != 0 ? used * 1e6 / static_cast<double>(gateway.probes) : 0.0, weighs,
        last ? "" : ",");
}

/// Every class of so many VLANs used, both ways.
std::size_t weight_of_meters(int vlans) {
    const std::size_t before = resident_bytes();
    SessionMeters meters(1);
    FloodedFrame frame;
    frame.source = MacAddress{{2, 0, 0, 0, 0, 1}};
    frame.bytes = 60;
    const StormLimits limits;
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel})
        for (int vid = 1; vid <= vlans; ++vid)
            for (std::size_t c = 0; c < kStormClassCount; ++c) {
                frame.vid = static_cast<std::uint16_t>(vid);
                frame.storm_class = static_cast<StormClass>(c);
                (void)meters.of(direction).admit(limits, frame, TimePoint{1000s});
            }
    return resident_bytes() - before;
}

}  // namespace

int main() {
    std::printf("{\"classes\": %zu, \"meters\": [\n", kStormClassCount);
    for (const int vlans : {1, 100, 1'000, 4'094})
        std::printf("  {\"vlans\": %d, \"bytes\": %zu}%s\n", vlans, weight_of_meters(vlans),
                    vlans == 4'094 ? "" : ",");
    std::printf(" ],\n \"rounds\": [\n");
    for (const int vlans : {1, 10, 50, 100, 1'000, 4'094}) print_round(vlans, vlans == 4'094);
    std::printf(" ]}\n");
    return 0;
}
