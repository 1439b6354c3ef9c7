// The latest moment that has certainly passed, kept in the state directory: a clock that is behind it is wrong.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace isthmus::appliance {

/// One clock that ran ahead must not make the right time doubtful for ever: only times that are vouched for belong here.
class KnownTime {
  public:
    /// Reads `newest-seen` in that folder; a file that is not there or not readable counts as no time at all.
    explicit KnownTime(const std::filesystem::path& state_dir);

    [[nodiscard]] WallTime newest() const noexcept { return newest_; }
    /// What was wrong with the file, in a sentence; empty: nothing.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

    /// It is `now`, says a clock that can be trusted. Written about once an hour. Error: a sentence.
    [[nodiscard]] Result<void, std::string> on_trusted_time(WallTime now);
    /// Writes what is not written yet. Error: a sentence.
    [[nodiscard]] Result<void, std::string> save();

  private:
    std::filesystem::path file_;
    WallTime newest_{};
    WallTime written_{};
    std::string problem_;
};

}  // namespace isthmus::appliance
