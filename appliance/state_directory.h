// The state directory, and the lock that keeps two daemons from sharing one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "appliance/file_descriptor.h"
#include "base/result.h"

namespace isthmus::appliance {

/// Held as long as it lives.
class StateDirectory {
  public:
    enum class Purpose : std::uint8_t {
        run,      ///< the daemon: one at a time
        prepare,  ///< adds files that were not there, beside a daemon that runs: one at a time
    };
    /// Makes the directory (mode 0700) if it is not there and locks it for that purpose.
    /// Error: one sentence; if somebody holds it, who that is.
    [[nodiscard]] static Result<StateDirectory, std::string> open(const std::filesystem::path& path,
                                                                  const std::string& gateway,
                                                                  Purpose purpose = Purpose::run);
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    StateDirectory(std::filesystem::path path, FileDescriptor lock)
        : path_(std::move(path)), lock_(std::move(lock)) {}
    std::filesystem::path path_;
    FileDescriptor lock_;
};

}  // namespace isthmus::appliance
