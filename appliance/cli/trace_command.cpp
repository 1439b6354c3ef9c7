#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"
#include "appliance/l2tp_view.h"

namespace isthmus::appliance::cli {

namespace {

/// `isthmus trace TUNNEL`: control messages as they come and go, until interrupted.
class TraceCommand final : public Command {
  public:
    explicit TraceCommand(CLI::App& app)
        : command_(*app.add_subcommand("trace", "a tunnel's control messages as they come and go, decoded")) {
        command_.add_option("tunnel", tunnel_, "name of the tunnel")->required();
        command_.add_option("--count", count_, "stop after so many messages");
        options_.add_to(command_);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const nlohmann::json request{{"request", "trace"}, {"tunnel", tunnel_}};
        std::size_t shown = 0;
        const auto end = follow_daemon(options_.socket, request, [&](const nlohmann::json& part) {
            std::cout << (options_.as_json ? part.dump() + "\n" : render_trace(part)) << std::flush;
            return count_ == 0 || ++shown < count_;
        });
        return end ? 0 : fail(end.error());
    }

  private:
    CLI::App& command_;
    DaemonOptions options_;
    std::string tunnel_;
    std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_trace_command(CLI::App& app) {
    return std::make_unique<TraceCommand>(app);
}

}  // namespace isthmus::appliance::cli
