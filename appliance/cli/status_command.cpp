#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"
#include "appliance/status_view.h"

namespace isthmus::appliance::cli {

namespace {

class StatusCommand final : public Command {
  public:
    explicit StatusCommand(CLI::App& app)
        : command_(*app.add_subcommand("status",
                                       "tunnels, SAs, sessions, bridges: state, counters, drops by name")) {
        options_.add_to(command_);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const auto answer = ask_daemon(options_.socket, {{"request", "status"}});
        if (!answer) return fail(answer.error());
        if (options_.as_json)
            std::cout << answer->dump(2) << '\n';
        else
            std::cout << render_status(*answer, on_terminal());
        return 0;
    }

  private:
    CLI::App& command_;
    DaemonOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_status_command(CLI::App& app) {
    return std::make_unique<StatusCommand>(app);
}

}  // namespace isthmus::appliance::cli
