// The inside of GuardEngine. Its members are spread over the files by concern:
//   guard_engine.cpp     the public face, ports, timers, what arrives
//   guard_verdict.cpp    from probes that came back to blocks
//   guard_rounds.cpp     clean rounds, opening, suspension, siblings
//   guard_exchange.cpp   what gateways tell each other
//   guard_watch.cpp      storms, BPDUs, hosts, people: what makes the probes look closer
//   guard_circles.cpp    frames that come round or go astray, and asking hosts where they are
//   guard_restore.cpp    over a restart
//   guard_report.cpp     sentences and status
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "stp-guard/guard_engine.h"
#include "stp-guard/guard_message.h"
#include "stp-guard/host_question.h"
#include "stp-guard/loop_evidence.h"
#include "stp-guard/mac_moves.h"
#include "stp-guard/opening.h"
#include "stp-guard/peer_link.h"
#include "stp-guard/place_hash.h"
#include "stp-guard/probe_ledger.h"
#include "stp-guard/probe_scheduler.h"
#include "stp-guard/question_pace.h"
#include "stp-guard/saved_state.h"
#include "stp-guard/sibling_election.h"
#include "stp-guard/sightings.h"

namespace isthmus::stp_guard {

/// Why something was blocked.
struct Proof {
    std::string text;
    std::uint32_t witnesses = 0;
};

/// Rounds of probes over the places that a decision depends on.
struct Rounds {
    std::optional<TimePoint> start;
    std::optional<TimePoint> all_probed;  ///< since the start
    std::uint32_t clean = 0;
    std::string waiting_for;  ///< why the last one did not count

    void restart() { *this = {}; }
};

/// One VLAN on one session.
struct Edge {
    enum class Phase : std::uint8_t { opening, open, blocked, standby, refused, held };

    explicit Edge(const BlockOptions& options) : backoff(options) {}

    Phase phase = Phase::opening;
    Cause cause = Cause::starting;
    VlanState published = VlanState::closed;
    TimePoint since{};
    TimePoint hold_until{};                ///< of a block
    std::optional<TimePoint> order_until;  ///< of a person's hold; nullopt: until cleared
    bool suspended = false;
    bool on_our_own = false;  ///< blocked although the peer says that it blocks: the loop went on
    Backoff backoff;
    Rounds rounds;
    std::uint32_t proven_rounds = 0;     ///< in a row, although somebody blocks
    std::optional<TimePoint> decide_by;  ///< proven; who should decide has until then
    Cause pending = Cause::none;
    std::optional<TimePoint> proof_at;
    std::optional<TimePoint> broken_at;  ///< when the policy was last broken that it is suspended for
    Proof evidence;
    bool opened_before = false;
    bool absent = false;  ///< the peer does not carry this VLAN: nothing to look for, and nothing to tell
    bool told_waiting = false;
    bool peer_blocked = false;  ///< as of the last round
    TimePoint cut_short{};      ///< the hold was cut short then
};

/// Whom to ask where it is, once the loop is cut, or once more.
struct Question {
    Place place;
    Addressee who;
    TimePoint since{};
    [[nodiscard]] bool is_about(Place other, const Addressee& whom) const {
        return place.vid == other.vid && who.address == whom.address;
    }
};

/// One VLAN on one LAN port.
struct LanBlock {
    explicit LanBlock(const BlockOptions& options) : backoff(options) {}

    bool active = false;
    bool flush_due = false;  ///< what was learned in the loop is to be forgotten, once the block is in force
    TimePoint since{};
    TimePoint hold_until{};
    Backoff backoff;
    Rounds rounds;
    Proof evidence;
};

struct Port {
    Port(const GuardPort& from, const OpeningOptions& options, Identity self, std::uint64_t nonce)
        : spec(from), readiness(options), peer(self, nonce, options) {}

    GuardPort spec;
    std::vector<std::uint16_t> vids;
    bool up = false;
    LanReadiness readiness;  ///< LAN ports
    std::uint64_t link = 0;  ///< which one, as the caller names it
    bool told_ready = false;
    PeerLink peer;  ///< sessions
    bool opened_before = false;
    TimePoint message_due{};
    std::optional<TimePoint> message_sent;
    std::uint32_t say_again = 0;  ///< soon, since the peer must not miss it
    bool told_guard = false;
    bool refused = false;  ///< sessions: some of its edges may be in that phase
    bool absent = false;   ///< sessions: some of its VLANs may be absent at the peer
    std::map<std::uint16_t, TimePoint>
        asked;        ///< VLANs that the peer has and we have not, by their number on the wire
    Place root_told;  ///< the last one that was told of

    [[nodiscard]] bool is_lan() const noexcept { return spec.kind == PortKind::lan; }
    [[nodiscard]] PortId id() const noexcept { return spec.id; }
};

class GuardCore {
  public:
    GuardCore(Identity self, const GuardOptions& options, const FrameAuthenticator& authenticator, Rng& rng);

    // guard_engine.cpp
    void on_port(const GuardPort& spec, TimePoint now);
    void on_port_gone(PortId id, TimePoint now);
    void on_link(PortId id, bool up, TimePoint now, std::uint64_t link = 0);
    void on_guard_frame(PortId id, std::uint16_t vid, Bytes frame, TimePoint now);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<GuardAction> poll_action();
    [[nodiscard]] VlanState vlan_state(Place place) const;
    [[nodiscard]] bool lan_blocked(Place place) const;
    /// Time never runs backwards for us, whatever the caller's does.
    [[nodiscard]] TimePoint steady(TimePoint now);

    // guard_watch.cpp
    void on_bum(std::uint16_t vid, TimePoint now);
    void on_lan_frame(PortId id, TimePoint now);
    void on_storm(Place place, bool active, TimePoint now);
    void on_bpdu(PortId id, const BpduFrame& frame, TimePoint now);
    void on_tunnel_bpdu(Place place, TimePoint now);
    void on_heavy_storm(Place place, TimePoint now);
    void on_lan_rules(bool in_force) { lan_rules_ = in_force; }
    void on_host(Place place, const MacAddress& mac, TimePoint now);
    void on_host_gone(std::uint16_t vid, const MacAddress& mac);
    void on_fdb_overrun(TimePoint now);
    void on_bridge(bool filters_vlans) { filters_vlans_ = filters_vlans; }
    std::size_t on_command(const GuardCommand& command, TimePoint now);

    // guard_circles.cpp
    void on_circling_frame(Place place, Bytes frame, TimePoint now);
    void on_stray_unicast(Place place, Bytes frame, TimePoint now);

    // guard_restore.cpp
    [[nodiscard]] Result<void, std::string> restore(Bytes saved, std::uint64_t boot, TimePoint now);
    [[nodiscard]] std::vector<std::uint8_t> save(std::uint64_t boot, TimePoint now) const;

    // guard_report.cpp
    [[nodiscard]] GuardStatus status(TimePoint now) const;

  private:
    using Phase = Edge::Phase;
    struct Shape {
        std::uint32_t count = 0;
        TimePoint heard_at{};
        TimePoint changed_at{};
    };
    enum class RoundResult : std::uint8_t { running, clean, dirty, blind };

    // guard_engine.cpp
    void add_places(Port& port, TimePoint now);
    void drop_place(Port& port, std::uint16_t vid);
    void begin_opening(Place place, Edge& edge, Cause cause, TimePoint now);
    void send_probes(TimePoint now);
    void on_probe(Port& port, std::uint16_t vid, Bytes frame, TimePoint now);
    void on_refused_probe(Port& port, std::uint16_t vid, const ReceivedProbe& received, ProbeRefusal why,
                          TimePoint now);
    void on_foreign_probe(Port& port, const LoopProbe& probe, TimePoint now);
    void burst_port(const Port& port, TimePoint now);
    void burst_vid(std::uint16_t vid, TimePoint now);
    void housekeeping(TimePoint now);
    [[nodiscard]] Port* port(PortId id);
    [[nodiscard]] const Port* port(PortId id) const;
    [[nodiscard]] Edge* edge(Place place);
    [[nodiscard]] std::size_t sessions_up() const;
    /// Some session that is up carries it.
    [[nodiscard]] bool could_forward(std::uint16_t vid) const;
    void note_numbering();
    /// Everything but the blocks there.
    [[nodiscard]] bool observes(PortId id) const;
    template <class F>
    void each_lan(std::uint16_t vid, F&& f) const {
        for (const auto& [id, port] : ports_)
            if (port.is_lan() && edge_vids(port, vid)) f(port);
    }
    [[nodiscard]] static bool edge_vids(const Port& port, std::uint16_t vid) {
        return vid == 0 ? port.spec.untagged : port.spec.vlans.contains_vid(vid);
    }

    // guard_watch.cpp
    void note_stray(Place place, const MacAddress& mac, PortId from);

    // guard_verdict.cpp
    void on_own_return(Port& seen_at, const AcceptedProbe& accepted, TimePoint now);
    void sign_of_loop(std::uint16_t vid, TimePoint now);
    void on_same_port(std::uint16_t vid, const Port& port, const Trace& trace, std::uint32_t witnesses,
                      TimePoint now);
    /// Probes again, but not for each that comes back: who echoes them must not make us send ever more.
    void look_closer(Place place, TimePoint now);
    void suspect(std::uint16_t vid, const Trace& trace, TimePoint now);
    [[nodiscard]] std::uint32_t witnesses(std::uint16_t vid, const Trace& trace, TimePoint now) const;
    void prove_backdoor(std::uint16_t vid, const Trace& trace, const Proof& proof, TimePoint now);
    void prove_sites_loop(std::uint16_t vid, const Trace& trace, const Proof& proof, TimePoint now);
    void prove(Place place, Cause cause, const Proof& proof, NodeId decider, TimePoint now);
    [[nodiscard]] NodeId decider(std::uint16_t vid, const std::vector<PortId>& sessions, TimePoint now) const;
    void block(Place place, Edge& edge, Cause cause, const Proof& proof, TimePoint now);
    Duration begin_block(Place place, Edge& edge, Cause cause, const Proof& proof, TimePoint now);
    void suspend(Place place, Cause cause, const std::string& why, TimePoint now);
    void block_outside(std::uint16_t vid, const Proof& proof, TimePoint now);
    void block_lan(Place place, const Proof& proof, TimePoint now);
    void cannot_block_lan(Place place, const Proof& proof, TimePoint now);
    void decide_pending(Place place, Edge& edge, TimePoint now);
    [[nodiscard]] bool storm_in(std::uint16_t vid) const;
    [[nodiscard]] bool proven_now(const Edge& edge, TimePoint now) const;

    // guard_rounds.cpp
    void tick(TimePoint now);
    void tick_edge(Place place, Edge& edge, TimePoint now);
    void tick_lan_block(Place place, LanBlock& block, TimePoint now);
    [[nodiscard]] RoundResult run_round(Rounds& rounds, const std::vector<Place>& places, TimePoint now);
    [[nodiscard]] RoundResult judge_edge(Place place, const Edge& edge, TimePoint since, std::string& why,
                                         TimePoint now) const;
    [[nodiscard]] std::string why_dirty(Place place, const Edge& edge, TimePoint since, TimePoint now) const;
    [[nodiscard]] bool closes_circle(const Trace& trace, Place place) const;
    [[nodiscard]] bool forwards(Place place) const;
    [[nodiscard]] bool seen_elsewhere(const Port& session, std::uint16_t vid, TimePoint since) const;
    void recount(Place opened);
    [[nodiscard]] std::string why_blind(Place place, TimePoint now) const;
    void after_round(Place place, Edge& edge, RoundResult result, TimePoint now);
    void watch_blocked(Place place, Edge& edge, TimePoint now);
    void watch_open(Place place, Edge& edge, TimePoint now);
    void open(Place place, Edge& edge, TimePoint now);
    void elect(Place place, Edge& edge, TimePoint now);
    [[nodiscard]] bool is_forwarder(std::uint16_t vid) const;
    void stand_by(Place place, Edge& edge, TimePoint now);
    void elect_all(std::uint16_t vid, TimePoint now);
    [[nodiscard]] bool listening(std::uint16_t vid, TimePoint now) const;
    void publish(Place place, Edge& edge);
    [[nodiscard]] VlanState wanted_state(Place place, const Edge& edge) const;
    void cut_short(TimePoint now);

    // guard_exchange.cpp
    void on_message(Port& port, Bytes frame, TimePoint now);
    void refuse_peer(Port& port, const GuardMessage& message, TimePoint now);
    void greet_peer(Port& port, TimePoint now);
    void accept_peer(Port& port, const GuardMessage& message, TimePoint now);
    void note_peer(Port& port, TimePoint now);
    /// From the wire's numbers into ours. Returns VLANs of the peer's, in the wire's numbers, that we do not carry and it waits for.
    [[nodiscard]] static std::vector<std::uint16_t> renumber(const Port& port, GuardMessage& message);
    [[nodiscard]] static std::optional<std::uint16_t> our_number(const Port& port, std::uint16_t wire_vid,
                                                                 bool one_vlan);
    [[nodiscard]] static std::uint16_t on_wire(const Port& port, std::uint16_t vid) {
        return port.spec.renumbers ? port.spec.wire_vid : vid;
    }
    void on_peer_entry(Port& port, const VlanEntry& entry, TimePoint now);
    void set_absent(Port& port, Place place, Edge& edge, TimePoint now);
    void wake(Place place, Edge& edge);
    void wake_all(Port& port);
    [[nodiscard]] bool blocked_lately(std::uint16_t vid, TimePoint now) const;
    void on_shapes(const Port& from, const std::vector<ShapeEntry>& shapes, TimePoint now);
    void on_peer_roots(const Port& port, const std::vector<RootEntry>& roots, TimePoint now);
    void on_peer_changes(const Port& port, const std::vector<std::uint16_t>& vids, TimePoint now);
    void shape_changed(TimePoint now);
    void announce(PortId session, TimePoint now);
    void announce_all(TimePoint now);
    void send_messages(TimePoint now);
    void send_message(Port& port, std::uint64_t echo, TimePoint now);
    void add_entries(Port& port, GuardMessage& message, TimePoint now, const std::function<void()>& full);
    void add_roots(Port& port, GuardMessage& message);
    [[nodiscard]] VlanEntry entry_for(const Port& port, std::uint16_t vid, TimePoint now) const;

    // guard_circles.cpp
    void on_circling_unicast(Place place, const Addressee& who, TimePoint now);
    void remember_to_ask(Place place, const Addressee& who, TimePoint now);
    void ask_remembered(TimePoint now);
    [[nodiscard]] bool is_blocked_by_peer(const Port& session, std::uint16_t vid, TimePoint now) const;
    [[nodiscard]] bool is_cut(std::uint16_t vid, TimePoint now) const;
    void on_lost_unicast(Place place, const Addressee& who, TimePoint now);
    [[nodiscard]] bool looped_lately(std::uint16_t vid, TimePoint now) const;
    bool ask(Place about, const Addressee& who, QuestionPace::Need need, TimePoint now);
    void say_question(Place about, const Addressee& who, std::uint32_t times, TimePoint now);
    void remember_to_repeat(Place about, const Addressee& who, TimePoint now);
    void repeat_questions(TimePoint now);

    // guard_report.cpp
    void event(GuardEventId id, Severity severity, Place place, std::string sentence, TimePoint now,
               std::uint32_t witnesses = 0);
    /// The same about the same place at most once in `interval`.
    void event_seldom(GuardEventId id, Severity severity, Place place, std::string sentence,
                      Duration interval, TimePoint now);
    [[nodiscard]] std::string name(PortId id) const;
    [[nodiscard]] std::string evidence_text(const Trace& trace, std::uint16_t vid) const;

    void act(GuardAction action) { actions_.push_back(std::move(action)); }

    Identity self_;
    GuardOptions options_;
    const FrameAuthenticator& authenticator_;
    Rng& rng_;
    ProbeScheduler scheduler_;
    ProbeLedger ledger_;
    LoopEvidence evidence_;
    Sightings sightings_;
    SiblingElection election_;
    MacMoves mac_moves_;
    QuestionPace questions_;

    std::map<PortId, Port> ports_;
    std::unordered_map<Place, Edge> edges_;
    std::unordered_map<Place, LanBlock> lan_blocks_;
    std::unordered_set<Place> busy_;  ///< edges that are not simply open
    std::unordered_map<Place, TimePoint> storms_;
    std::unordered_map<Place, TimePoint> looked_closer_;
    std::unordered_map<std::uint16_t, TimePoint> signs_;
    std::map<Place, RootStatus> roots_;
    std::unordered_map<std::uint16_t, TimePoint> flushed_;
    std::deque<Question> to_ask_;
    std::deque<Question> to_repeat_;                                    ///< asked; `since` is the last time
    std::vector<std::pair<std::uint16_t, TimePoint>> changes_to_tell_;  ///< and until when
    std::map<NodeId, Shape> shapes_;
    std::map<std::pair<GuardEventId, Place>, TimePoint> told_;
    bool filters_vlans_ = true;           ///< the bridge; if not, it has all hosts in VLAN 0
    std::set<std::uint16_t> renumbered_;  ///< VLANs that other sites may have another number for
    /// By port, VLAN, and whether it is one of a LAN port, which may have a session's name.
    std::map<std::tuple<std::string, std::uint16_t, bool>, SavedRecord> saved_;
    std::unordered_set<std::string> opened_before_;
    std::set<std::pair<std::string, std::uint64_t>>
        ready_before_;              ///< LAN ports by name, and the link that carried frames
    bool observe_ordered_ = false;  ///< by a person, whatever the configuration says
    bool lan_rules_ = true;         ///< a LAN port can be blocked

    std::deque<GuardAction> actions_;
    TimePoint latest_{};
    TimePoint tick_at_{};
    TimePoint housekeeping_at_{};
    std::array<std::uint64_t, kProbeRefusalCount> refusals_{};
    std::uint64_t own_returned_ = 0;
    std::uint64_t refused_messages_ = 0;
    std::uint64_t hosts_asked_ = 0;
};

}  // namespace isthmus::stp_guard
