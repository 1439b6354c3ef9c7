#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"
#include "appliance/l2tp_view.h"

namespace isthmus::appliance::cli {

namespace {

/// `isthmus tunnels` and `isthmus sessions`: one request, shown as a table or as it is.
class ListCommand final : public Command {
  public:
    using Render = std::string (*)(const nlohmann::json&, bool);
    ListCommand(CLI::App& app, const std::string& name, const std::string& about, Render render)
        : command_(*app.add_subcommand(name, about)), name_(name), render_(render) {
        options_.add_to(command_);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const auto answer = ask_daemon(options_.socket, {{"request", name_}});
        if (!answer) return fail(answer.error());
        std::cout << (options_.as_json ? answer->dump(2) + "\n" : render_(*answer, on_terminal()));
        return 0;
    }

  private:
    CLI::App& command_;
    DaemonOptions options_;
    std::string name_;
    Render render_;
};

}  // namespace

std::unique_ptr<Command> make_tunnels_command(CLI::App& app) {
    return std::make_unique<ListCommand>(app, "tunnels", "control connections: peers, messages, quirks",
                                         render_tunnels);
}

std::unique_ptr<Command> make_sessions_command(CLI::App& app) {
    return std::make_unique<ListCommand>(app, "sessions", "negotiated sessions: ids, circuits, data paths",
                                         render_sessions);
}

}  // namespace isthmus::appliance::cli
