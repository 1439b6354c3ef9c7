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
    void configure(const config::Configuration& configuration) override;
    void stop() override;
    [[nodiscard]] nlohmann::json status() const override;

    /// It was negotiated, or is gone: told by who negotiates, since looking at thousands again and again would cost time
    /// that nobody has.
    void on_session(SessionIndex session);
    /// nullopt: not watched.
    [[nodiscard]] std::optional<tunnel::BfdStatus> status_of(SessionIndex session) const {
        return watch_.status(session);
    }

  private:
    using Answer = Result<void, std::string>;
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
};

}  // namespace isthmus::appliance
