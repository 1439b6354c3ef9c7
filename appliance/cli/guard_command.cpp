#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"
#include "appliance/guard_status.h"

namespace isthmus::appliance::cli {

namespace {

using nlohmann::json;

constexpr std::uint32_t kLongestHold = 30U * 24 * 3600;

class GuardCommand final : public Command {
  public:
    explicit GuardCommand(CLI::App& app)
        : command_(
              *app.add_subcommand("guard", "loops between the sites: what is blocked, why, and until when")) {
        options_.add_to(command_);
        add("clear", "ends blocks and holds; what was blocked opens after three clean rounds of probes")
            ->add_flag("--force", force_, "opens at once, without looking first");
        add("hold", "blocks broadcast, unknown unicast and multicast until cleared")
            ->add_option("--seconds", seconds_, "or for so long")
            ->check(CLI::Range(1U, kLongestHold));
        command_.add_subcommand("observe", "from now on loops are told, and nothing is blocked")
            ->fallthrough();
        command_.add_subcommand("enforce", "the opposite: loops are blocked again")->fallthrough();
        command_.require_subcommand(0, 1);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        json request{{"request", "guard"}};
        const auto chosen = command_.get_subcommands();
        if (!chosen.empty()) request["what"] = chosen.front()->get_name();
        if (vlan_) request["vlan"] = *vlan_;
        if (!port_.empty()) request["port"] = port_;
        if (seconds_) request["seconds"] = *seconds_;
        request["force"] = force_;
        const auto answer = ask_daemon(options_.socket, request);
        if (!answer) return fail(answer.error());
        if (options_.as_json)
            std::cout << answer->dump(2) << '\n';
        else
            std::cout << render_guard(*answer, on_terminal());
        return 0;
    }

  private:
    CLI::App* add(const char* name, const char* about) {
        CLI::App* order =
            command_.add_subcommand(name, about)->fallthrough();  // --socket and --json may stand behind it
        order->add_option("--vlan", vlan_, "of this VLAN only; 0: untagged frames")
            ->check(CLI::Range(0, 4094));
        order->add_option("--port", port_, "of this session or LAN port only");
        return order;
    }
    CLI::App& command_;
    DaemonOptions options_;
    bool force_ = false;
    std::optional<std::uint32_t> vlan_;
    std::optional<std::uint32_t> seconds_;
    std::string port_;
};

}  // namespace

std::unique_ptr<Command> make_guard_command(CLI::App& app) {
    return std::make_unique<GuardCommand>(app);
}

}  // namespace isthmus::appliance::cli
