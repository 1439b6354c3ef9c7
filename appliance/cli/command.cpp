#include "appliance/cli/command.h"

#include <unistd.h>

#include <iostream>

namespace isthmus::appliance::cli {

std::vector<std::unique_ptr<Command>> make_commands(CLI::App& app) {
    std::vector<std::unique_ptr<Command>> commands;
    for (const auto make : {make_status_command, make_tunnels_command, make_sessions_command,
                            make_trace_command, make_ping_command, make_reload_command, make_guard_command,
                            make_sa_command, make_ike_command, make_pki_command})
        commands.push_back(make(app));
    return commands;
}

int fail(const std::string& sentence) {
    std::cerr << "isthmus: " << sentence << '\n';
    return 1;
}

void DaemonOptions::add_to(CLI::App& command) {
    command.add_option("--socket", socket, "the daemon's control_socket")->capture_default_str();
    command.add_flag("--json", as_json, "JSON instead of text");
}

bool on_terminal() {
    return isatty(STDOUT_FILENO) != 0;
}

}  // namespace isthmus::appliance::cli
