// What the guard engine is told about ports, and by people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "base/vlan_set.h"
#include "stp-guard/guard_ids.h"

namespace isthmus::stp_guard {

/// A LAN port of the bridge, or a tunnel session.
struct GuardPort {
    PortId id{};
    PortKind kind = PortKind::lan;
    std::string name;  ///< for people and the state file: stable across restarts, unlike the id
    VlanSet vlans;
    bool untagged = false;
    /// A session of one VLAN, which the two sites may number differently: what arrives out of it is of our number.
    bool renumbers = false;
    /// Of such a session: its VLAN's number between the gateways. 0: frames have no tag there.
    std::uint16_t wire_vid = 0;
    /// VID of the tag without which messages to the peer do not fit the session's pseudowire; 0 is a priority tag. nullopt: none.
    std::optional<std::uint16_t> message_tag;
    /// A session that lets BPDUs cross: both sites are meant to have one root.
    bool one_tree = false;
    /// A session of a split-horizon group: the bridge hands nothing on from one to another.
    bool isolated = false;
    /// A session that only observes, or that does not although the others do. nullopt: as GuardOptions says.
    std::optional<bool> observe;
    friend bool operator==(const GuardPort&, const GuardPort&) = default;
};

/// A person's.
struct GuardCommand {
    enum class What : std::uint8_t {
        clear,        ///< end a block or a hold; open after clean rounds
        clear_force,  ///< open at once
        hold,         ///< block until cleared
        observe,      ///< compute everything, block nothing
        enforce,      ///< the opposite
    };
    What what = What::clear;
    std::optional<PortId> port;  ///< nullopt: all
    std::optional<std::uint16_t> vid;
    Duration hold_for{};  ///< of hold; 0: until cleared
};

}  // namespace isthmus::stp_guard
