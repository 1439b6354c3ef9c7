// Keeps our rules in the kernel's packet filter: whoever flushes it, or reloads a firewall that does, finds them there again at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "bridge/io/nft_monitor.h"

namespace isthmus::appliance {

class RulesWatch final : public ControlPlane {
  public:
    /// Puts back what is its own of what was lost; what it put back, by table.
    using OnLoss = std::function<std::vector<std::string>(const bridge::RuleLosses& losses)>;

    explicit RulesWatch(ControlServices& services);
    ~RulesWatch() override;

    void on_loss(OnLoss handler) { handlers_.push_back(std::move(handler)); }

    [[nodiscard]] std::string_view name() const noexcept override { return "rules"; }
    void configure(const config::Configuration& configuration) override;
    /// Before others remove their tables themselves: this plane is made last.
    void stop() override { close(); }
    [[nodiscard]] nlohmann::json status() const override;

  private:
    void open();
    void close();
    void wait();
    void read();
    void put_back(TimePoint now);
    void tell(const std::vector<std::string>& tables, TimePoint now);

    ControlServices& services_;
    std::vector<OnLoss> handlers_;
    std::optional<bridge::NftMonitor> monitor_;
    asio::posix::stream_descriptor notices_;
    Deadline due_;
    bridge::RuleLosses losses_;  ///< to be put back
    TimePoint not_before_{};  ///< somebody who takes them out again and again does not take all of our time
    TimePoint tell_again_{};
    std::uint64_t times_ = 0;
    std::string problem_;  ///< as told
};

}  // namespace isthmus::appliance
