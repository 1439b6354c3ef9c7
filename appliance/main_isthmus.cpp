// isthmus: asks a running isthmusd.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/control_client.h"
#include "appliance/status_view.h"

namespace {

int status(const std::string& socket, bool as_json) {
    const auto answer = isthmus::appliance::ask_daemon(socket, {{"request", "status"}});
    if (!answer) {
        std::cerr << "isthmus: " << answer.error() << '\n';
        return 1;
    }
    if (as_json) {
        std::cout << answer->dump(2) << '\n';
    } else {
        std::cout << isthmus::appliance::render_status(*answer, isatty(STDOUT_FILENO) != 0);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("isthmus: look into a running isthmusd");
    app.require_subcommand(1);
    std::string socket = "/run/isthmus/isthmus.sock";
    bool as_json = false;
    CLI::App* status_command = app.add_subcommand("status", "tunnels, SAs, sessions, bridges: state, counters, drops by name");
    status_command->add_option("--socket", socket, "the daemon's control_socket")->capture_default_str();
    status_command->add_flag("--json", as_json, "one JSON object instead of text");
    CLI11_PARSE(app, argc, argv);
    return status(socket, as_json);
}
