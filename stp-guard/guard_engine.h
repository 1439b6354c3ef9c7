// The guard of one gateway: finds loops with probes, blocks as little as possible, and opens again by itself.
//
// What proves a loop is a fresh probe of this very process that came back, seen twice by different kinds of probes. Everything
// else (storms, moving hosts, BPDUs, forged frames) makes it look closer, and never blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/guard_action.h"
#include "stp-guard/guard_frame.h"
#include "stp-guard/guard_input.h"
#include "stp-guard/guard_options.h"
#include "stp-guard/guard_status.h"

namespace isthmus::stp_guard {

class GuardCore;

/// Sans-IO: time and events in, actions out. Unknown ports and VLANs are ignored, so that events may race with removals.
class GuardEngine {
  public:
    /// `authenticator` and `rng` outlive the engine.
    GuardEngine(Identity self, GuardOptions options, const FrameAuthenticator& authenticator, Rng& rng);
    ~GuardEngine();
    GuardEngine(const GuardEngine&) = delete;
    GuardEngine& operator=(const GuardEngine&) = delete;

    /// Before the ports: what save() returned to an earlier process. `boot`: identifies this boot of the machine, since times
    /// mean nothing across boots. Error: why it is of no use; the engine then starts afresh, closed.
    [[nodiscard]] Result<void, std::string> restore(Bytes saved, std::uint64_t boot, TimePoint now);
    [[nodiscard]] std::vector<std::uint8_t> save(std::uint64_t boot, TimePoint now) const;

    /// New, or its VLANs changed. Ports come without a link.
    void on_port(const GuardPort& port, TimePoint now);
    void on_port_gone(PortId port, TimePoint now);
    /// LAN: carrier. Tunnel: the session is established and may carry frames. `link`, of a LAN port: the same number as long as the
    /// link was not interrupted, also over a restart of ours; 0: not known. What carried frames before a restart need not be waited for.
    void on_link(PortId port, bool up, TimePoint now, std::uint64_t link = 0);
    /// This VLAN carries broadcast, unknown unicast or multicast: probed first for the next minute.
    void on_bum(std::uint16_t vid, TimePoint now);
    /// Any frame from a LAN port that is not ours: the LAN is alive. Once a second is plenty.
    void on_lan_frame(PortId port, TimePoint now);
    /// A frame of the guard's EtherType: from a LAN port, or out of a session's pseudowire. `vid`: the VLAN it arrived in.
    void on_guard_frame(PortId port, std::uint16_t vid, Bytes frame, TimePoint now);
    /// Storm control entered or left its storm state.
    void on_storm(Place place, bool active, TimePoint now);
    /// A frame came round through a session again and again; its first bytes will do. To a group: makes the probes look closer.
    /// Unicast, which was dropped for it: makes its host say where it is.
    void on_circling_frame(Place place, Bytes frame, TimePoint now);
    /// A unicast frame met a block of a session, whether it passed or not, or came out of one for a host that is behind another of the
    /// split-horizon group; its first bytes will do. Makes its host say where it is, so that all learn it by one way.
    void on_stray_unicast(Place place, Bytes frame, TimePoint now);
    void on_bpdu(PortId port, const BpduFrame& frame, TimePoint now);
    /// A BPDU came out of a session whose policy is that none may: its VLAN is suspended there until none comes any more.
    void on_tunnel_bpdu(Place place, TimePoint now);
    /// A storm far over its limit, with signs of a loop, where the policy is to suspend its VLAN on that session.
    void on_heavy_storm(Place place, TimePoint now);
    /// Whether LAN ports can be blocked at all; they can unless told otherwise. Else a loop between two of them keeps what is flooded
    /// from the sessions while it storms.
    void on_lan_rules(bool in_force);
    /// The bridge learned a host, or learned it elsewhere.
    void on_host(Place place, const MacAddress& mac, TimePoint now);
    void on_host_gone(std::uint16_t vid, const MacAddress& mac, TimePoint now);
    /// Notifications of the forwarding table were lost: a sign of a flap storm.
    void on_fdb_overrun(TimePoint now);
    /// One that does not filter VLANs says of hosts that they are in VLAN 0, whatever they are in. At first it does.
    void on_bridge(bool filters_vlans);
    /// Returns how many VLANs of how many ports it concerned; a hold of none is no event.
    std::size_t on_command(const GuardCommand& command, TimePoint now);

    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<GuardAction> poll_action();

    [[nodiscard]] VlanState vlan_state(Place place) const;
    [[nodiscard]] bool lan_blocked(Place place) const;
    [[nodiscard]] GuardStatus status(TimePoint now) const;

  private:
    std::unique_ptr<GuardCore> core_;
};

}  // namespace isthmus::stp_guard
