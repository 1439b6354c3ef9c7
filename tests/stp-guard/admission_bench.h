// One admission stage with its sessions, and what it says of single frames.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "stp-guard/admission_stage.h"
#include "tests/stp-guard/frames.h"

namespace isthmus::test {

using namespace stp_guard;  // NOLINT(google-build-using-namespace): tests only
using namespace std::chrono_literals;

inline constexpr TimePoint kNow{1h};
inline const Octets kUnicast = frame_to(kHost, kIpv4);
inline const Octets kFlooded = frame_to(kBroadcast, kIpv4);

/// Of an open session whose limits nothing here reaches.
inline SessionAdmission opened() {
    SessionAdmission session;
    session.state = PortState::open;
    session.vlans = std::make_shared<const VlanStates>(VlanState::open);
    session.meters = std::make_shared<SessionMeters>(1);
    for (auto& limit : session.options.storm.classes) limit.reset();
    session.options.storm.per_source = {1'000'000, 1'000'000};
    return session;
}

inline SessionAdmission trunk(std::string_view vlans, bool untagged = false) {
    SessionAdmission session = opened();
    session.options.vlans = VlanSet::parse(vlans).value();
    session.options.untagged = untagged;
    return session;
}

inline SessionAdmission whole_port() {
    SessionAdmission session = opened();
    session.options.any_vlan = true;
    return session;
}

/// Each class for itself.
inline SessionAdmission limited(std::uint64_t rate, std::uint64_t burst) {
    SessionAdmission session = whole_port();
    for (auto& limit : session.options.storm.classes)
        limit = StormLimit{StormLimit::Unit::packets, rate, burst, rate / 2};
    return session;
}

/// One stage with its sessions, and what it says of single frames.
struct Bench {
    PacketPool pool{70'000, 300};
    std::unique_ptr<PacketBatch> batch = std::make_unique<PacketBatch>();
    AdmissionStage stage;

    explicit Bench(AdmissionTable table, Direction direction = Direction::to_tunnel,
                   PuntRings* punt = nullptr, HostTables hosts = {})
        : stage(direction, punt, hosts) {
        set(std::move(table));
    }
    void set(AdmissionTable table) {
        stage.set_sessions(std::make_shared<const AdmissionTable>(std::move(table)));
    }

    PacketBuffer packet(const Octets& frame, std::uint32_t session = 0) {
        auto p = pool.allocate(0);
        REQUIRE(p);
        if (!frame.empty()) std::memcpy(p->append(frame.size()).data(), frame.data(), frame.size());
        p->meta.session = SessionIndex{session};
        return std::move(*p);
    }
    DropReason fate(PacketBuffer p, TimePoint now = kNow) {
        batch->clear();
        batch->push(std::move(p));
        stage.process(*batch, now);
        return (*batch)[0].meta.drop;
    }
    DropReason fate(const Octets& frame, std::uint32_t session = 0, TimePoint now = kNow) {
        return fate(packet(frame, session), now);
    }
    /// How many of `count` broadcasts pass at `now`.
    int passing(int count, TimePoint now, std::uint32_t session = 0) {
        int passed = 0;
        for (int i = 0; i < count; ++i) passed += fate(kFlooded, session, now) == DropReason::none ? 1 : 0;
        return passed;
    }
};

inline const Octets kArpRequest = frame_to(kBroadcast, kArp);

inline Octets tagged(std::uint16_t tci, std::uint16_t tpid = 0x8100) {
    return frame_to(kHost, kIpv4, {{tpid, tci}});
}

}  // namespace isthmus::test
