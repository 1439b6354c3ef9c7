// The journal on disk: replaced as a whole, and durable before save() returns.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "bridge/journal.h"

namespace isthmus::bridge {

/// This boot and the network namespace that we run in.
[[nodiscard]] JournalScope current_scope();

/// An empty journal if there is no file. Error: a sentence; the file is left as it is.
[[nodiscard]] Result<Journal, std::string> load_journal(const std::filesystem::path& file,
                                                        const JournalScope& scope);
/// An empty journal removes the file.
[[nodiscard]] Result<void, std::string> save_journal(const std::filesystem::path& file,
                                                     const Journal& journal, const JournalScope& scope);

}  // namespace isthmus::bridge
