// Where a bridge's guard keeps its blocks over a restart.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::appliance {

/// This boot of the machine, as a number.
[[nodiscard]] std::uint64_t this_boot();

[[nodiscard]] std::filesystem::path guard_state_file(const std::filesystem::path& state_dir,
                                                     const std::string& bridge);

/// Empty if there is no file. Error: a sentence.
[[nodiscard]] Result<std::vector<std::uint8_t>, std::string> load_guard_state(
    const std::filesystem::path& file);
/// Replaces the file as a whole, durably. Error: a sentence.
[[nodiscard]] Result<void, std::string> save_guard_state(const std::filesystem::path& file, Bytes state);

}  // namespace isthmus::appliance
