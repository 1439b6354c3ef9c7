// Storm control's control side: reads the workers' meters once a second, says what is a storm and when it is over.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "appliance/guard_captures.h"
#include "appliance/kernel_cuts.h"
#include "appliance/lan_limits.h"
#include "bridge/guard_rules.h"
#include "bridge/io/nft_monitor.h"
#include "bridge/io/nft_socket.h"
#include "stp-guard/storm_watch.h"

namespace isthmus::appliance {

/// What the kernel limits at a session's interface: enough for a TAP's queue to keep its room for known unicast, while the workers say
/// exactly what passes. Address resolution is limited by its source in the kernel too, sources that it does not know together, and as
/// a whole only far above the class's rate: a lower limit there would take honest hosts' ARP with the flooders'.
[[nodiscard]] bridge::FloodLimits kernel_limits(const stp_guard::StormLimits& limits);

class StormControl final : public ControlPlane {
  public:
    /// A storm of any class began in a VLAN of a session, or the last one is over.
    using OnStorm = std::function<void(SessionIndex session, std::uint16_t vid, bool active)>;

    /// All outlive this. The rings are what the workers' guards record.
    StormControl(ControlServices& services, const stp_guard::FrameRing& to_tunnel,
                 const stp_guard::FrameRing& from_tunnel);

    [[nodiscard]] std::string_view name() const noexcept override { return "storms"; }
    void configure(const config::Configuration& configuration) override;
    void on_kernel_change() override;
    void on_storm(OnStorm handler) { on_storm_ = std::move(handler); }
    /// One of those is so heavy, with signs of a loop, that the configuration wants its VLAN to be suspended.
    using OnHeavyStorm = std::function<void(SessionIndex session, std::uint16_t vid)>;
    void on_heavy_storm(OnHeavyStorm handler) { on_heavy_storm_ = std::move(handler); }
    /// For other events of the guard too.
    [[nodiscard]] GuardCaptures& captures() noexcept { return captures_; }
    /// A probe came back there, or hosts move: what may turn a storm into a suspension, where that is wished.
    void on_evidence(SessionIndex session, std::uint16_t vid);
    /// Much unknown unicast until then is no storm: StormWatch::expect_flood().
    void expect_flood(SessionIndex session, std::uint16_t vid, TimePoint until);
    /// Limits are in the kernel again, if they were among it: the tables that were put back.
    [[nodiscard]] std::vector<std::string> on_rules_lost(const bridge::RuleLosses& losses);
    void stop() override;
    /// Classes that carry something, storms, top talkers, hosts by session, events.
    [[nodiscard]] nlohmann::json status() const override;

  private:
    struct Event {
        WallTime at;
        std::string id;
        std::string session;  ///< or
        std::string port;     ///< of the LAN
        std::uint16_t vid = 0;
        std::string sentence;
        std::string capture;
        std::string storm_class;
        std::string direction;  ///< of a session: "out", "in"
    };
    void sample(TimePoint now);
    void sample_session(SessionControl& session, TimePoint now);
    void sample_lan(TimePoint now);
    /// What the kernel's limits drop on the way to a session's interface, where that makes a difference.
    void note_cuts(TimePoint now);
    void on_event(const stp_guard::StormEvent& event, TimePoint now);
    void on_lan_event(const stp_guard::StormEvent& event, const std::string& port, TimePoint now);
    /// Logs and keeps it, with a capture if it is a storm.
    void tell(Event event, const stp_guard::StormState& state, TimePoint now);
    [[nodiscard]] std::string sentence_of(const stp_guard::StormEvent& event,
                                          const SessionControl& session) const;
    /// nullptr: a session's.
    [[nodiscard]] const std::string* lan_port_of(stp_guard::PortId id) const;
    /// Limits at the sessions' interfaces, in the kernel, if they are not there as they should be.
    void apply_rules();
    void note_problem(std::string sentence);
    [[nodiscard]] bridge::GuardRules wanted_rules() const;
    [[nodiscard]] nlohmann::json session_status(const SessionControl& session) const;
    [[nodiscard]] nlohmann::json lan_status() const;
    /// One line about storms that go on; empty without any.
    [[nodiscard]] std::string summary() const;

    ControlServices& services_;
    GuardCaptures captures_;
    OnStorm on_storm_;
    OnHeavyStorm on_heavy_storm_;
    stp_guard::StormWatch watch_;
    LanLimits lan_;
    KernelCuts cuts_;  ///< at sessions' interfaces
    bool suspends_ = false;
    std::vector<std::string> lan_ports_;  ///< by what their PortId has more than kFirstLanPort
    std::vector<SessionIndex> known_;
    std::deque<Event> events_;
    Deadline sample_;
    bool stopping_ = false;
    bool in_kernel_ = true;                 ///< asked for
    std::optional<bridge::NftSocket> nft_;  ///< once it was needed
    std::string table_;                     ///< beside the guard's own, which has what it blocks
    std::string applied_;                   ///< what the kernel has, and the interfaces that it is for
    std::string nft_problem_;               ///< as last told
};

}  // namespace isthmus::appliance
