// From a configuration's text to its values: TOML 1.0, schema 1 (docs/configuration.md).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/configuration.h"
#include "config/environment.h"
#include "config/problem.h"

namespace isthmus::config {

inline constexpr std::size_t kMaxConfigurationSize = 4U << 20;  ///< bytes
inline constexpr std::size_t kMaxKeyFileSize = 4096;            ///< bytes

/// `text` is the content of `file`, whose folder is where relative key files are looked for.
/// Error: every problem, not just the first; nothing of the configuration is usable then.
[[nodiscard]] Result<Configuration, Problems> load(std::string_view text, const std::string& file,
                                                   const Environment& environment);

/// Reads `file` first; a file that cannot be read is a problem like any other.
[[nodiscard]] Result<Configuration, Problems> load_file(const std::string& file,
                                                        const Environment& environment);

}  // namespace isthmus::config
