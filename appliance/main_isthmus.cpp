// isthmus: asks a running isthmusd, and prepares what one needs.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/control_client.h"
#include "appliance/sa_init.h"
#include "appliance/status_view.h"
#include "appliance/version.h"
#include "config/io/system_environment.h"
#include "config/load.h"

namespace {

int fail(const std::string& sentence) {
    std::cerr << "isthmus: " << sentence << '\n';
    return 1;
}

int status(const std::string& socket, bool as_json) {
    const auto answer = isthmus::appliance::ask_daemon(socket, {{"request", "status"}});
    if (!answer) return fail(answer.error());
    if (as_json) {
        std::cout << answer->dump(2) << '\n';
    } else {
        std::cout << isthmus::appliance::render_status(*answer, isatty(STDOUT_FILENO) != 0);
    }
    return 0;
}

int sa_init(const std::string& file, const std::string& tunnel) {
    const auto configuration = isthmus::config::load_file(file, isthmus::config::SystemEnvironment());
    if (!configuration) {
        for (const auto& problem : configuration.error()) std::cerr << problem.text() << '\n';
        std::cerr << "isthmus: " << file << " is refused; nothing was made\n";
        return 2;
    }
    const auto report = isthmus::appliance::initialise_sas(*configuration, tunnel);
    if (!report) return fail(report.error());
    for (const auto& line : report->made) std::cout << "made " << line << '\n';
    for (const auto& line : report->refused) std::cerr << "isthmus: " << line << '\n';
    if (report->made.empty() && report->refused.empty())
        std::cout << "no tunnel has manual keys: nothing to do\n";
    return report->refused.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("isthmus: look into a running isthmusd, and prepare what it needs");
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("isthmus ") + std::string(isthmus::appliance::kVersion));

    std::string socket = "/run/isthmus/isthmus.sock";
    bool as_json = false;
    CLI::App* status_command =
        app.add_subcommand("status", "tunnels, SAs, sessions, bridges: state, counters, drops by name");
    status_command->add_option("--socket", socket, "the daemon's control_socket")->capture_default_str();
    status_command->add_flag("--json", as_json, "one JSON object instead of text");

    std::string file = "/etc/isthmus/isthmus.toml";
    std::string tunnel;
    CLI::App* sa_command = app.add_subcommand("sa", "security associations");
    sa_command->require_subcommand(1);
    CLI::App* init_command =
        sa_command->add_subcommand("init",
                                   "first use of manual keys: makes the state files that keep any sequence "
                                   "number from being used twice");
    init_command->add_option("--config", file, "the daemon's configuration")->capture_default_str();
    init_command->add_option("--tunnel", tunnel, "this tunnel only");

    CLI11_PARSE(app, argc, argv);
    return status_command->parsed() ? status(socket, as_json) : sa_init(file, tunnel);
}
