// isthmus: asks a running isthmusd, and prepares what one needs.
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/cli/usage_error.h"
#include "appliance/version.h"

int main(int argc, char** argv) {
    CLI::App app("isthmus: look into a running isthmusd, and prepare what it needs");
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("isthmus ") + std::string(isthmus::appliance::kVersion));
    app.failure_message(isthmus::appliance::cli::usage_error);
    const auto commands = isthmus::appliance::cli::make_commands(app);
    CLI11_PARSE(app, argc, argv);
    try {
        for (const auto& command : commands)
            if (command->chosen()) return command->run();
    } catch (const nlohmann::json::exception& problem) {
        // An isthmusd of another version may answer in another shape: that is no crash.
        std::cerr << "isthmus: the answer was not understood (" << problem.what()
                  << "); is isthmusd of another version?\n";
    } catch (const std::exception& problem) {
        std::cerr << "isthmus: " << problem.what() << '\n';
    }
    return 1;
}
