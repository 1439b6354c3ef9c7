// Watches the data paths of negotiated sessions with BFD, and answers `isthmus ping`.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "tunnel/pseudowire_watch.h"

namespace isthmus::appliance {

class LivenessPlane final : public ControlPlane {
  public:
    explicit LivenessPlane(ControlServices& services);

    [[nodiscard]] std::string_view name() const noexcept override { return "liveness"; }
    void configure(const config::Configuration&) override { look(); }
    void on_kernel_change() override { look(); }
    void stop() override;
    [[nodiscard]] nlohmann::json status() const override;

    /// nullopt: not watched.
    [[nodiscard]] std::optional<tunnel::BfdStatus> status_of(SessionIndex session) const {
        return watch_.status(session);
    }

  private:
    using Answer = Result<void, std::string>;
    void look();
    void look_at(SessionControl& session, TimePoint now);
    void forget_the_gone();
    void act(TimePoint now);
    void on_path(const tunnel::PathChanged& change);
    void on_report(const tunnel::PingReport& report);
    [[nodiscard]] Answer ping(const nlohmann::json& request, std::shared_ptr<AnswerStream> stream);

    ControlServices& services_;
    tunnel::PseudowireWatch watch_;
    std::map<SessionIndex, std::optional<tunnel::BfdOptions>> watched_;
    std::map<tunnel::PingId, std::shared_ptr<AnswerStream>> askers_;
    std::uint64_t last_ping_ = 0;
    Deadline due_;
    Deadline next_look_;
};

}  // namespace isthmus::appliance
