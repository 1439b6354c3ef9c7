// The guard of one bridge: drives an engine with what its LAN ports, its sessions and the kernel tell.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "appliance/guard_authenticator.h"
#include "appliance/guard_captures.h"
#include "appliance/guard_observers.h"
#include "appliance/guard_status.h"
#include "base/buffered_rng.h"
#include "bridge/guard_rules.h"
#include "bridge/io/netlink_socket.h"
#include "bridge/io/port_watch.h"
#include "bridge/netlink/fdb_messages.h"
#include "stp-guard/event_gatherer.h"
#include "stp-guard/guard_engine.h"
#include "stp-guard/token_bucket.h"
#include "stp-guard/vlan_states.h"

namespace isthmus::appliance {

/// What makes one guard unlike another; a change of it makes a new engine, which takes over what the old one saved.
struct GuardSetup {
    std::string bridge;
    stp_guard::Identity identity;
    stp_guard::GuardOptions options;
    stp_guard::BpduObserverOptions bpdus;
};

/// What a guard has others do.
struct GuardHelp {
    std::function<void()> rules_changed;  ///< the kernel should block other places than before
    /// Something speaks of a loop there: what may make more of a storm.
    std::function<void(SessionIndex session, std::uint16_t vid)> evidence;
    /// Much unknown unicast until then is no storm: a spanning tree changed behind the peer. VID 4,095: in all VLANs.
    std::function<void(SessionIndex session, std::uint16_t vid, TimePoint until)> expect_flood;
    GuardCaptures& captures;
};

class BridgeGuard {
  public:
    /// All outlive this.
    BridgeGuard(ControlServices& services, GuardSetup setup, Bytes domain_key, GuardHelp help);
    ~BridgeGuard();

    /// Ports and sessions, links and VLANs, as they are now; `sessions`: the guarded ones of the bridge. Call when something may have
    /// changed, and now and then.
    void look(const std::vector<SessionControl*>& sessions, TimePoint now);
    /// A frame of the guard that a worker took out of a session's tunnel.
    void on_punted(SessionIndex session, Bytes frame, TimePoint now);
    /// A spanning tree's frame that came out of a session's tunnel.
    void on_tunnel_bpdu(SessionIndex session, Bytes frame, TimePoint now);
    /// A gateway's frame (HSRP, router advertisement, ...) that a worker saw.
    void on_gateway_frame(SessionIndex session, bool from_tunnel, Bytes frame, TimePoint now);
    /// A frame that a worker saw come round through a session again and again.
    void on_circling_frame(SessionIndex session, Bytes frame, TimePoint now);
    /// A unicast frame that a worker saw meet a block, or go to a host behind another session of a split-horizon group.
    void on_stray_unicast(SessionIndex session, Bytes frame, TimePoint now);
    /// A storm of any class began in a VLAN of a session, or the last one is over.
    void on_storm(SessionIndex session, std::uint16_t vid, bool active, TimePoint now);
    void on_heavy_storm(SessionIndex session, std::uint16_t vid, TimePoint now);
    /// Whether the kernel's packet filter blocks VLANs on LAN ports. If not, a bridge that filters VLANs does: puts its ports' VLANs
    /// into the state that they should have.
    void on_lan_rules(bool in_force);
    [[nodiscard]] IfIndex bridge_index() const noexcept { return bridge_index_; }
    /// Hosts of this bridge; all of them at once, since there may be very many.
    void on_hosts(const std::vector<bridge::netlink::FdbMessage>& hosts, TimePoint now);
    void on_fdb_overrun(TimePoint now);
    /// Returns how many VLANs of how many ports it concerned.
    std::size_t on_command(const stp_guard::GuardCommand& command, TimePoint now);

    /// VLANs to block on LAN ports, by the port's name.
    [[nodiscard]] std::map<std::string, bridge::VlanSelection> lan_blocks() const;
    /// Names of the LAN ports, whether they have a link or not: rules are there before the first frame is.
    [[nodiscard]] std::vector<std::string> lan_ports() const;
    [[nodiscard]] stp_guard::NodeId node() const noexcept { return setup_.identity.node; }
    [[nodiscard]] std::optional<stp_guard::PortId> port_named(const std::string& name) const;
    /// Whether a guard made with these would be the same.
    [[nodiscard]] bool is_still(const GuardSetup& setup, Bytes domain_key) const;
    [[nodiscard]] nlohmann::json status(TimePoint now) const;
    /// The kernel's table of the bridge is known, or not any more.
    void set_hosts_known(bool known) { hosts_known_ = known; }
    void save(TimePoint now);

  private:
    struct Lan {
        std::string name;
        bridge::PortVlans vlans;
        std::optional<bridge::PortWatch> watch;
        IfIndex index = bridge::kNoInterface;
        std::unique_ptr<asio::posix::stream_descriptor> readable;
        bool up = false;
        bool heard = false;          ///< a frame came since the link is up
        std::uint64_t received = 0;  ///< packets when it came up
        /// Who floods us with what we want to see takes nobody's time but a little.
        stp_guard::TokenBucket
            own_frames;  ///< apart: others' must not take the place of those that prove a loop
        stp_guard::TokenBucket guard_frames;
        stp_guard::TokenBucket other_frames;
    };
    struct Tunnel {
        std::string name;
        bool up = false;
        stp_guard::VlanStates states{stp_guard::VlanState::closed};
        std::map<std::uint16_t, std::uint64_t> flooded;  ///< offered, as last read
        bool changed = false;
        bool root_guard = false;
    };
    using SessionList = std::vector<SessionControl*>;

    void look_at_lans(const SessionList& sessions, TimePoint now);
    void look_at_sessions(const SessionList& sessions, TimePoint now);
    [[nodiscard]] std::vector<bridge::PortReport> reported_ports() const;
    void drop_lan(stp_guard::PortId id, TimePoint now);
    void drop_tunnel(stp_guard::PortId id, TimePoint now);
    void open_lan(stp_guard::PortId id, Lan& lan, IfIndex index, TimePoint now);
    void close_lan(stp_guard::PortId id, Lan& lan, TimePoint now);
    void wait_for_lan(stp_guard::PortId id);
    void read_lan(stp_guard::PortId id);
    void on_lan_frame(stp_guard::PortId id, Lan& lan, Bytes frame, TimePoint now);
    void listen_for_first_frames(TimePoint now);
    void note_floods(const SessionControl& session, Tunnel& tunnel, TimePoint now);
    [[nodiscard]] stp_guard::GuardPort lan_port(stp_guard::PortId id, const bridge::PortReport& reported,
                                                const SessionList& sessions) const;
    [[nodiscard]] static stp_guard::GuardPort tunnel_port(stp_guard::PortId id,
                                                          const SessionControl& session);

    /// Which link it is, for the engine: 0 if the kernel does not say.
    [[nodiscard]] std::uint64_t link_of(IfIndex index);

    /// Carries out all actions, tells the workers, and arms the timer.
    void drain();
    void act(const stp_guard::SendProbe& action);
    void act(const stp_guard::SendPeer& action);
    void act(const stp_guard::SetVlanState& action);
    void act(const stp_guard::BlockLanPort& action);
    void act(const stp_guard::FlushRemoteMacs& action);
    void act(const stp_guard::PinMac& action);
    void act(const stp_guard::StrayHost& action);
    void act(const stp_guard::ExpectFlood& action);
    void act(const stp_guard::LoopSign& action);
    void act(const stp_guard::GuardEvent& action);
    void act(const stp_guard::PersistState& action);
    void tell(const stp_guard::GatheredEvent& gathered);
    void publish_orders();
    [[nodiscard]] GuardOrders orders_of(
        const SessionControl& session, const Tunnel& tunnel,
        const std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>>& roots) const;
    /// `vid`: 0 for untagged frames; nullopt: all VLANs.
    void flush(stp_guard::PortId id, std::optional<std::uint16_t> vid);
    bool set_in_bridge(stp_guard::Place place, VlanId vlan, bridge::PortState state);
    void note_problem(const std::string& sentence);
    [[nodiscard]] std::string name_of(stp_guard::PortId id) const;
    [[nodiscard]] std::optional<IfIndex> interface_of(stp_guard::PortId id) const;

    ControlServices& services_;
    GuardSetup setup_;
    crypto::SecretBytes domain_key_;
    GuardAuthenticator authenticator_;
    GuardHelp help_;
    BufferedRng rng_;  ///< of probes' addresses and instants
    std::unique_ptr<stp_guard::GuardEngine> engine_;
    GuardObservers observers_;
    Deadline deadline_;
    Deadline save_soon_;
    std::map<std::string, stp_guard::PortId> lan_ids_;
    std::map<stp_guard::PortId, Lan> lans_;
    std::map<stp_guard::PortId, Tunnel> tunnels_;
    std::map<stp_guard::PortId, stp_guard::GuardPort> told_;  ///< ports as the engine knows them
    std::set<stp_guard::Place> blocked_;
    bool rules_changed_ = false;
    bool orders_changed_ = false;
    IfIndex bridge_index_ = bridge::kNoInterface;
    bool bridge_filters_vlans_ = false;
    std::uint16_t native_vid_ = 0;  ///< of a bridge that filters VLANs: its own number for untagged frames
    bool tree_ = false;             ///< has the say over the states of the bridge's ports
    bool flushes_vlans_ = true;     ///< the kernel can; until it says that it cannot
    bool sets_vlan_states_ = true;  ///< likewise
    /// In the kernel's bridge, since its packet filter does not; and the VLAN's number there.
    std::map<stp_guard::Place, VlanId> blocked_in_bridge_;
    bool hosts_known_ = false;
    std::optional<bridge::NetlinkSocket> netlink_;
    stp_guard::EventGatherer gatherer_;
    GuardEvents events_;
    std::string last_problem_;
    bool unsaved_ = false;
};

}  // namespace isthmus::appliance
