// One engine alone, with two LAN ports and a session to a peer without a guard. Whole networks are in tests/sim/guard_sim_test.cpp.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "stp-guard/guard_engine.h"
#include "stp-guard/loop_probe.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/toy_authenticator.h"

namespace isthmus::test {

using namespace stp_guard;  // NOLINT(google-build-using-namespace): tests only
using namespace std::chrono_literals;

inline constexpr TimePoint kStart{1000s};
inline constexpr PortId kLan{1};
inline constexpr PortId kOtherLan{2};
inline constexpr PortId kTunnel{3};
inline constexpr std::uint16_t kVid = 110;
inline constexpr Place kEdge{kTunnel, kVid};
inline constexpr std::uint64_t kBoot = 42;

inline GuardPort port(PortId id, PortKind kind, const std::string& name,
                      const std::string& vlans = "110,120") {
    GuardPort out;
    out.id = id;
    out.kind = kind;
    out.name = name;
    out.vlans = VlanSet::parse(vlans).value();
    return out;
}

/// A gateway with two LAN ports and a session to a peer without a guard.
struct Gateway {
    explicit Gateway(const GuardOptions& options = {}, std::uint64_t seed = 1)
        : rng(seed), engine({DomainId{1}, SiteId{1}, NodeId{1}}, options, authenticator, rng) {}

    void bring_up() {
        engine.on_port(port(kLan, PortKind::lan, "ens5"), now);
        engine.on_port(port(kOtherLan, PortKind::lan, "ens6"), now);
        engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), now);
        for (const PortId id : {kLan, kOtherLan, kTunnel}) engine.on_link(id, true, now);
        engine.on_lan_frame(kLan, now);
        engine.on_lan_frame(kOtherLan, now);
        collect();
    }
    void run(Duration duration) {
        const TimePoint end = now + duration;
        while (const auto at = engine.next_timeout()) {
            if (*at > end) break;
            now = std::max(now, *at);
            engine.on_timeout(now);
            collect();
        }
        now = end;
    }
    void collect() {
        while (auto action = engine.poll_action()) {
            if (auto* event = std::get_if<GuardEvent>(&*action)) events.push_back(*event);
            if (auto* flush = std::get_if<FlushRemoteMacs>(&*action)) flushes.push_back(*flush);
            if (auto* pin = std::get_if<PinMac>(&*action)) pins.push_back(*pin);
            if (auto* state = std::get_if<SetVlanState>(&*action)) states.push_back(*state);
            if (auto* lan = std::get_if<BlockLanPort>(&*action)) lan_blocks.push_back(*lan);
            if (std::holds_alternative<PersistState>(*action)) ++persists;
            if (auto* probe = std::get_if<SendProbe>(&*action)) on_probe(*probe);
        }
    }
    /// What was sent on `looped_from` comes back on `looped_to`, as long as that lasts.
    void on_probe(const SendProbe& probe) {
        if (!peek_guard_frame(probe.frame)) return questions.push_back(probe);
        ++probes;
        const bool returns = looped_from && probe.place == Place{*looped_from, kVid};
        if (!returns) return;
        engine.on_guard_frame(looped_to, kVid, probe.frame, now + 1ms);
    }
    void loop(PortId from, PortId to) {
        looped_from = from;
        looped_to = to;
    }
    [[nodiscard]] std::size_t count(GuardEventId id) const {
        return static_cast<std::size_t>(std::count_if(
            events.begin(), events.end(), [id](const GuardEvent& event) { return event.id == id; }));
    }
    [[nodiscard]] const GuardEvent& last(GuardEventId id) const {
        const auto found = std::find_if(events.rbegin(), events.rend(),
                                        [id](const GuardEvent& event) { return event.id == id; });
        REQUIRE_MESSAGE(found != events.rend(), std::string(name_of(id)));
        return *found;
    }

    ToyAuthenticator authenticator;
    SeededRng rng;
    GuardEngine engine;
    TimePoint now = kStart;
    std::vector<GuardEvent> events;
    std::vector<FlushRemoteMacs> flushes;
    std::vector<PinMac> pins;
    std::vector<SetVlanState> states;
    std::vector<BlockLanPort> lan_blocks;
    std::vector<SendProbe> questions;  ///< to hosts
    std::size_t persists = 0;
    std::size_t probes = 0;
    std::optional<PortId> looped_from;
    PortId looped_to{};
};

inline void block(Gateway& gateway) {
    gateway.run(10s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(3s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
}

inline BpduFrame bpdu(bool topology_change = false, std::uint8_t root = 1) {
    BpduFrame out;
    out.bpdu.kind = BpduKind::rapid;
    out.bpdu.flags.bits = topology_change ? 0x3d : 0x3c;
    out.bpdu.forward_delay = 15s;
    out.bpdu.root = {0x8000, MacAddress{{0, 0, 0, 0, 0, root}}};
    return out;
}

inline GuardCommand command(GuardCommand::What what, std::optional<std::uint16_t> vid = std::nullopt) {
    GuardCommand out;
    out.what = what;
    out.vid = vid;
    return out;
}

}  // namespace isthmus::test
