// What the guard engine wants done.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/guard_event.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/guard_states.h"

namespace isthmus::stp_guard {

/// A whole frame, out of that port: past every rule of the guard itself.
struct SendProbe {
    Place place;
    std::vector<std::uint8_t> frame;
};
/// A whole frame into that session's pseudowire, for the peer alone.
struct SendPeer {
    PortId session{};
    std::vector<std::uint8_t> frame;
};
/// From now on, both directions.
struct SetVlanState {
    Place place;  ///< a session and a VLAN
    VlanState state = VlanState::closed;
};
/// One VLAN on one LAN port, both directions: everything but our probes.
struct BlockLanPort {
    Place place;
    bool blocked = false;
};
/// Hosts that were learned through tunnels may be elsewhere now.
struct FlushRemoteMacs {
    std::optional<std::uint16_t> vid;  ///< nullopt: of all VLANs
    /// Hosts that were learned on LAN ports too: after a loop, they may be there for having come the wrong way round.
    bool local_too = false;
};
/// Keep that host on that port until it is told otherwise.
struct PinMac {
    Place place;
    MacAddress mac;
    bool pinned = true;
};
/// That host went from a LAN port to a session of a split-horizon group, so other sites may still send frames for it to us, out of
/// sessions that the bridge passes none on from. Not stray: it went elsewhere, or fell silent.
struct StrayHost {
    Place place;
    MacAddress mac;
    bool stray = true;
};
/// The peer's site had a topology change: flooding until then is no storm. VID kAllVlans (guard_message.h): in all VLANs.
struct ExpectFlood {
    Place place;
    TimePoint until{};
};
/// Something speaks of a loop in that VLAN, though it may prove nothing: a probe of ours came back, or hosts move in crowds. At most
/// once a second for each VLAN.
struct LoopSign {
    std::uint16_t vid = 0;
};
/// GuardEngine::save() says something else than before.
struct PersistState {};

using GuardAction = std::variant<SendProbe, SendPeer, SetVlanState, BlockLanPort, FlushRemoteMacs, PinMac,
                                 StrayHost, ExpectFlood, LoopSign, GuardEvent, PersistState>;

}  // namespace isthmus::stp_guard
