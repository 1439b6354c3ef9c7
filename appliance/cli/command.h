// One subcommand of `isthmus`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

namespace isthmus::appliance::cli {

class Command {
  public:
    virtual ~Command() = default;
    /// Whether the command line names it.
    [[nodiscard]] virtual bool chosen() const = 0;
    /// The exit status: 0 done, 1 failed, 2 refused for what was asked.
    virtual int run() = 0;
};

/// All of them, added to `app`.
[[nodiscard]] std::vector<std::unique_ptr<Command>> make_commands(CLI::App& app);

/// Each adds itself to `app`. One file each: cli/NAME_command.cpp.
[[nodiscard]] std::unique_ptr<Command> make_status_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_tunnels_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_sessions_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_trace_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_ping_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_reload_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_sa_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_ike_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_pki_command(CLI::App& app);
[[nodiscard]] std::unique_ptr<Command> make_guard_command(CLI::App& app);

/// A sentence on stderr, and exit status 1.
int fail(const std::string& sentence);

/// The option --socket of commands that ask the daemon, and --json of those that show something.
struct DaemonOptions {
    std::string socket = "/run/isthmus/isthmus.sock";
    bool as_json = false;
    void add_to(CLI::App& command);
};

/// Whether stdout is for a person at a terminal.
[[nodiscard]] bool on_terminal();

}  // namespace isthmus::appliance::cli
