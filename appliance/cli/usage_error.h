// What is wrong with a command line, and what would be right.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace isthmus::appliance::cli {

/// Sentences with a newline at their end, for CLI::App::failure_message.
[[nodiscard]] std::string usage_error(const CLI::App* app, const CLI::Error& error);

}  // namespace isthmus::appliance::cli
