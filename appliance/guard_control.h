// The guard as a control plane of the gateway: one BridgeGuard for each bridge with guarded sessions, and what they share.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "appliance/bridge_guard.h"
#include "appliance/control_plane.h"
#include "appliance/storm_control.h"
#include "bridge/guard_rules.h"
#include "bridge/io/fdb_monitor.h"
#include "bridge/io/nft_monitor.h"
#include "bridge/io/nft_socket.h"

namespace isthmus::appliance {

class GuardControl final : public ControlPlane {
  public:
    /// `storms` outlives this: it takes the captures, and what speaks of loops makes more of a storm.
    GuardControl(ControlServices& services, StormControl& storms);
    ~GuardControl() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "guard"; }
    void configure(const config::Configuration& configuration) override;
    void on_kernel_change() override;
    /// For whoever watches storms.
    void on_storm(SessionIndex session, std::uint16_t vid, bool active);
    void on_heavy_storm(SessionIndex session, std::uint16_t vid);
    /// Blocks of LAN ports are in the kernel again, if they were among it: the tables that were put back.
    [[nodiscard]] std::vector<std::string> on_rules_lost(const bridge::RuleLosses& losses);
    void stop() override;
    [[nodiscard]] nlohmann::json status() const override;

  private:
    void listen();
    void look();
    /// Of the session's bridge; nullptr: it has none, or that session is not guarded.
    [[nodiscard]] BridgeGuard* guard_of(SessionIndex session);
    [[nodiscard]] GuardSetup setup_of(const config::Configuration& configuration,
                                      const std::string& bridge) const;
    void open_monitor();
    void wait_for_hosts();
    [[nodiscard]] bool read_hosts();
    void ask_for_hosts(TimePoint now);
    [[nodiscard]] Result<nlohmann::json, std::string> on_request(const nlohmann::json& request);

    /// Blocks of LAN ports, in the kernel, if they are not there as they should be.
    void apply_rules();
    void apply_filter_rules();
    void tell_problem(const std::string& problem);
    [[nodiscard]] bridge::GuardRules wanted_rules() const;

    ControlServices& services_;
    StormControl& storms_;
    const config::Configuration* configuration_ = nullptr;
    crypto::SecretBytes own_key_;                                 ///< where no key is configured
    std::uint32_t own_domain_ = 0;                                ///< likewise
    std::map<std::string, std::unique_ptr<BridgeGuard>> guards_;  ///< by bridge
    std::unique_ptr<Deadline> look_again_;
    std::unique_ptr<Deadline> hosts_again_;
    std::optional<bridge::FdbMonitor> monitor_;
    asio::posix::stream_descriptor hosts_;
    TimePoint ask_again_{};     ///< for all hosts: bridges do not say when they hear one again
    bool kernel_seen_ = false;  ///< ports are known from then on; until then a predecessor's rules stay
    bool stopping_ = false;
    std::optional<bridge::NftSocket> nft_;
    std::string table_;  ///< our table's name: two gateways of one namespace have two
    /// The rules that the kernel has, and the interfaces that they are for; nullopt: not known.
    std::optional<std::string> applied_;
    std::string nft_problem_;  ///< as last told
};

}  // namespace isthmus::appliance
