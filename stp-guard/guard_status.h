// What the guard knows, for people: a snapshot of values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "base/vlan_set.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/guard_states.h"
#include "stp-guard/loop_probe.h"

namespace isthmus::stp_guard {

/// One VLAN on one session.
struct VlanStatus {
    Place place;
    VlanState state = VlanState::closed;  ///< what is in force; in observe mode what would be
    Cause cause = Cause::none;
    TimePoint since{};
    std::optional<TimePoint> held_until;  ///< not open before; nullopt: not held, or until a person clears it
    std::uint32_t clean_rounds = 0;       ///< so far, of those it takes to open
    std::string waiting_for;              ///< why the last round did not count; empty if it did
    std::uint32_t trips = 0;              ///< blocks within the time that makes them longer
    bool peer_blocks = false;
    std::optional<VlanState> peer_state;
    std::string evidence;  ///< of the last block
};

/// VLANs of a session that its peer does not carry. They stay closed, and nothing is waited for.
struct AbsentStatus {
    PortId session{};
    VlanSet vlans;
    bool untagged = false;
};

struct LanBlockStatus {
    Place place;
    TimePoint since{};
    TimePoint held_until{};
    std::string evidence;
};

struct PeerStatus {
    PortId session{};
    bool has_guard = false;
    bool refused = false;
    Identity identity;
    std::optional<TimePoint> heard_at;
};

struct RootStatus {
    PortId port{};
    std::uint16_t vid = 0;
    BridgeId root;
    TimePoint seen_at{};
};

struct ProbeRoundStatus {
    std::size_t active_places = 0;
    std::size_t idle_places = 0;
    Duration active_round{};  ///< to probe all active places once
    Duration full_round{};    ///< to probe all places once
    std::uint64_t sent = 0;
    std::uint64_t own_returned = 0;
    std::array<std::uint64_t, kProbeRefusalCount> refused{};
};

struct GuardStatus {
    Identity self;
    bool observe = false;
    std::vector<VlanStatus> vlans;          ///< those that are not simply open
    std::size_t open_vlans = 0;             ///< (session, VLAN) pairs that are
    std::vector<AbsentStatus> not_at_peer;  ///< and those that could not be
    std::vector<LanBlockStatus> lan_blocks;
    std::vector<PeerStatus> peers;
    std::vector<RootStatus> roots;
    ProbeRoundStatus probes;
    std::uint64_t mac_moves = 0;
    std::uint64_t duplicate_macs = 0;
    std::uint64_t refused_messages = 0;
    std::uint64_t hosts_asked = 0;  ///< where they are
    std::vector<NodeId> siblings;
};

}  // namespace isthmus::stp_guard
