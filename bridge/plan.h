// From what should be and what is to the steps in between. Pure: applying the steps and planning again yields
// none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bridge/journal.h"
#include "bridge/model.h"
#include "bridge/operation.h"
#include "bridge/options.h"
#include "bridge/port_vlans.h"

namespace isthmus::bridge {

/// What should be. A Desired without bridges and TAPs is the plan to stop: all is removed or restored.
struct Desired {
    std::string gateway;  ///< bridges of ours carry the alias "isthmus:GATEWAY", by which a restart knows its
                          ///< own leftovers
    std::vector<BridgeOptions> bridges;
    std::vector<TapPort> taps;
};

enum class StateWord : std::uint8_t {
    up,
    waiting,   ///< for something that may come by itself: an interface, a bridge
    down,      ///< present and ours, but no carrier or a step failed
    conflict,  ///< somebody has to change the configuration or the host
};
[[nodiscard]] std::string_view to_string(StateWord word) noexcept;

struct State {
    StateWord word = StateWord::waiting;
    std::string reason;  ///< empty when up
    friend bool operator==(const State&, const State&) = default;
};

struct PortReport {
    std::string name;
    bool tap = false;
    State state;
    bool forwards = true;  ///< false: a spanning tree of the kernel keeps it closed, or somebody does by hand
    PortVlans vlans{};     ///< of LAN ports
    friend bool operator==(const PortReport&, const PortReport&) = default;
};

struct BridgeReport {
    std::string name;
    Ownership ownership = Ownership::create;
    State state;
    bool vlan_filtering = false;
    std::string vlan_filtering_reason;  ///< why on or off
    /// VLAN that sessions' untagged frames live in, inside a bridge that filters VLANs; none: no session carries any
    std::optional<VlanId> native;
    bool tree = false;  ///< a spanning tree, the kernel's or another program's, has the say over its ports
    std::uint32_t mtu = 0;  ///< that its ports have or get
    std::vector<PortReport> ports;
    std::vector<PortReport>
        others;  ///< ports that an adopted bridge has of its own: watched, and left as they are
    friend bool operator==(const BridgeReport&, const BridgeReport&) = default;
};

struct Plan {
    std::vector<Operation> operations;
    Journal journal;                    ///< to be on disk before the first operation
    std::vector<BridgeReport> bridges;  ///< as of `actual`: before the operations
    std::vector<std::string> warnings;  ///< sentences with a remedy
};

/// Never fails: what cannot be done is a state with a reason, and stops nothing else.
[[nodiscard]] Plan plan(const Desired& desired, const ActualState& actual, const Journal& journal);

/// The mark on bridges of ours: "isthmus:GATEWAY", cut to what an alias takes.
[[nodiscard]] std::string ownership_mark(std::string_view gateway);

}  // namespace isthmus::bridge
