// The guard as a control plane of the gateway: one BridgeGuard for each bridge with guarded sessions, and what they share.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "appliance/bridge_guard.h"
#include "appliance/control_plane.h"
#include "bridge/guard_rules.h"
#include "bridge/io/fdb_monitor.h"
#include "bridge/io/nft_socket.h"

namespace isthmus::appliance {

class GuardControl final : public ControlPlane {
  public:
    explicit GuardControl(ControlServices& services);
    ~GuardControl() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "guard"; }
    void configure(const config::Configuration& configuration) override;
    void on_kernel_change() override;
    /// For whoever watches storms.
    void on_storm(SessionIndex session, std::uint16_t vid, bool active);
    void stop() override;
    [[nodiscard]] nlohmann::json status() const override;

  private:
    void look();
    [[nodiscard]] GuardSetup setup_of(const config::Configuration& configuration,
                                      const std::string& bridge) const;
    void open_monitor();
    void wait_for_hosts();
    void read_hosts();
    [[nodiscard]] Result<nlohmann::json, std::string> on_request(const nlohmann::json& request);

    /// Blocks of LAN ports, in the kernel, if they are not there as they should be.
    void apply_rules();
    [[nodiscard]] bridge::GuardRules wanted_rules() const;

    ControlServices& services_;
    const config::Configuration* configuration_ = nullptr;
    crypto::SecretBytes own_key_;                                 ///< where no key is configured
    std::uint32_t own_domain_ = 0;                                ///< likewise
    std::map<std::string, std::unique_ptr<BridgeGuard>> guards_;  ///< by bridge
    std::unique_ptr<Deadline> look_again_;
    std::optional<bridge::FdbMonitor> monitor_;
    asio::posix::stream_descriptor hosts_;
    std::optional<bridge::NftSocket> nft_;
    std::string table_;        ///< our table's name: two gateways of one namespace have two
    std::string applied_;      ///< the rules that the kernel has, and the interfaces that they are for
    std::string nft_problem_;  ///< as last told
};

}  // namespace isthmus::appliance
