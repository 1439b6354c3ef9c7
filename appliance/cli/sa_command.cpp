#include <iostream>

#include "appliance/cli/command.h"
#include "appliance/sa_init.h"
#include "config/io/system_environment.h"
#include "config/load.h"

namespace isthmus::appliance::cli {

namespace {

constexpr int kRefused = 2;

class SaCommand final : public Command {
  public:
    explicit SaCommand(CLI::App& app) : command_(*app.add_subcommand("sa", "security associations")) {
        command_.require_subcommand(1);
        CLI::App* init = command_.add_subcommand("init",
                                                 "first use of manual keys: makes the state files that keep "
                                                 "any sequence number from being used twice");
        init->add_option("--config", file_, "the daemon's configuration")->capture_default_str();
        init->add_option("--tunnel", tunnel_, "this tunnel only");
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const auto configuration = config::load_file(file_, config::SystemEnvironment());
        if (!configuration) {
            for (const auto& problem : configuration.error()) std::cerr << problem.text() << '\n';
            std::cerr << "isthmus: " << file_ << " is refused; nothing was made\n";
            return kRefused;
        }
        const auto report = initialise_sas(*configuration, tunnel_);
        if (!report) return fail(report.error());
        for (const auto& line : report->made) std::cout << "made " << line << '\n';
        for (const auto& line : report->refused) std::cerr << "isthmus: " << line << '\n';
        if (report->made.empty() && report->refused.empty())
            std::cout << "no tunnel has manual keys: nothing to do\n";
        return report->refused.empty() ? 0 : 1;
    }

  private:
    CLI::App& command_;
    std::string file_ = "/etc/isthmus/isthmus.toml";
    std::string tunnel_;
};

}  // namespace

std::unique_ptr<Command> make_sa_command(CLI::App& app) {
    return std::make_unique<SaCommand>(app);
}

}  // namespace isthmus::appliance::cli
