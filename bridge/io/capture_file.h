// Frames in a file that tcpdump and Wireshark read (libpcap's format).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::bridge {

struct CapturedFrame {
    std::chrono::nanoseconds at{};  ///< since 1970, to the microsecond
    std::uint32_t size = 0;         ///< of the whole frame
    Bytes head;                     ///< what was kept of it
};

/// Writes a new file next to `path` and renames it, mode 0600. Error: a sentence.
[[nodiscard]] Result<void, std::string> write_capture(const std::filesystem::path& path,
                                                      const std::vector<CapturedFrame>& frames);

}  // namespace isthmus::bridge
