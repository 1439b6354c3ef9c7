// isthmusd: the gateway's daemon, in the foreground.
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "appliance/clock.h"
#include "appliance/gateway.h"
#include "appliance/ike_setup.h"
#include "appliance/logging.h"
#include "appliance/privileges.h"
#include "appliance/state_directory.h"
#include "appliance/version.h"
#include "config/io/system_environment.h"

namespace {

using namespace isthmus;
using namespace isthmus::appliance;

constexpr int kRefusedConfiguration = 2;
constexpr int kFailed = 1;

int fail(const std::string& sentence) {
    std::cerr << "isthmusd: " << sentence << '\n';
    return kFailed;
}

void print(const config::Problems& problems, std::string_view kind) {
    for (const auto& problem : problems) std::cerr << problem.text() << kind << '\n';
}

int run(config::Configuration configuration, const std::string& file, const std::string& key_log) {
    if (!key_log.empty() && !configuration.gateway.allow_key_log)
        return fail(
            "--key-log is refused: whoever has the keys reads all traffic; if that is meant, write "
            "allow_key_log = true in [gateway]");
    if (const auto allowed = check_privileges(); !allowed) return fail(allowed.error());
    go_before_others();
    auto logger = make_logger(configuration.gateway);
    if (!logger) return fail(logger.error());
    const auto state = StateDirectory::open(configuration.gateway.state_dir, configuration.gateway.name);
    if (!state) return fail(state.error());
    for (const auto& warning : configuration.warnings) (*logger)->warn("{}", warning.text());

    asio::io_context io;
    const auto load = [file] { return load_configuration(file, config::SystemEnvironment(), wall_now()); };
    auto gateway = Gateway::open(io, std::move(configuration), load, *state, *logger, key_log);
    if (!gateway) return fail(gateway.error());
    if (const auto dropped = drop_privileges(); !dropped) return fail(dropped.error());
    (*gateway)->start();
    io.run();
    (*gateway)->stop();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("isthmusd: a gateway that stretches VLANs over L2TPv3 in IPsec");
    std::string file = "/etc/isthmus/isthmus.toml";
    std::string key_log;
    bool check_only = false;
    app.add_option("--config", file, "configuration (docs/configuration.md)")->capture_default_str();
    app.add_option("--key-log", key_log,
                   "folder for the keys of IKE and ESP, in Wireshark's tables: for looking for faults only")
        ->check(CLI::ExistingDirectory);
    app.add_flag("--check", check_only,
                 "read the configuration, say what is wrong with it, and stop: 0 good, 2 refused");
    app.set_version_flag("--version", std::string("isthmusd ") + std::string(kVersion));
    CLI11_PARSE(app, argc, argv);

    try {
        harden_process();
        auto configuration = load_configuration(file, config::SystemEnvironment(), wall_now());
        if (!configuration) {
            print(configuration.error(), "");
            std::cerr << "isthmusd: " << file << " is refused: " << configuration.error().size()
                      << " problem(s) above; nothing was applied\n";
            return kRefusedConfiguration;
        }
        if (check_only) {
            print(configuration->warnings, " (warning)");
            std::cout << file << " is good: " << configuration->bridges.size() << " bridge(s), "
                      << configuration->tunnels.size() << " tunnel(s), " << configuration->sessions.size()
                      << " session(s)\n";
            return 0;
        }
        return run(std::move(*configuration), file, key_log);
    } catch (const std::exception& e) {
        return fail(e.what());
    }
}
