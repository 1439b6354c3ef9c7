#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"

namespace isthmus::appliance::cli {

namespace {

using nlohmann::json;

constexpr int kRefused = 2;

class ReloadCommand final : public Command {
  public:
    explicit ReloadCommand(CLI::App& app)
        : command_(*app.add_subcommand(
              "reload", "has the daemon read its configuration again and apply what is different")) {
        options_.add_to(command_);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const auto answer = ask_daemon(options_.socket, {{"request", "reload"}});
        if (!answer) return fail(answer.error());
        const bool applied = answer->value("applied", false);
        if (options_.as_json)
            std::cout << answer->dump(2) << '\n';
        else
            tell(*answer, applied);
        return applied ? 0 : kRefused;
    }

  private:
    static void tell(const json& answer, bool applied) {
        for (const auto& problem : answer.value("problems", json::array()))
            std::cerr << problem.get<std::string>() << '\n';
        if (!applied) {
            std::cerr << "isthmus: the configuration is refused; nothing was changed\n";
            return;
        }
        const json changes = answer.value("changes", json::array());
        for (const auto& change : changes) std::cout << change.get<std::string>() << '\n';
        if (changes.empty()) std::cout << "nothing is different\n";
    }
    CLI::App& command_;
    DaemonOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_reload_command(CLI::App& app) {
    return std::make_unique<ReloadCommand>(app);
}

}  // namespace isthmus::appliance::cli
