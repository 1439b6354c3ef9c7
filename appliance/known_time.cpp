#include "appliance/known_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "appliance/file_descriptor.h"

namespace isthmus::appliance {

namespace {

constexpr std::chrono::hours kInterval{1};
/// The year 9999: beyond is no date that a certificate could have.
constexpr std::int64_t kLast = 253'402'300'799;

/// Seconds since 1970 in decimal, alone on the first line.
std::optional<WallTime> time_in(const std::string& line) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
    const bool whole = error == std::errc() && end == line.data() + line.size();
    if (!whole || seconds < 0 || seconds > kLast) return std::nullopt;
    return WallTime(std::chrono::seconds(seconds));
}

/// A crash leaves the old file or the new one.
bool write_file(const std::filesystem::path& file, const std::string& text) {
    const std::filesystem::path draft = file.string() + ".new";
    {
        const FileDescriptor out(
            ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        const bool written =
            out && ::write(out.value(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
            ::fsync(out.value()) == 0;
        if (!written) return false;
    }
    return ::rename(draft.c_str(), file.c_str()) == 0;
}

}  // namespace

KnownTime::KnownTime(const std::filesystem::path& state_dir) : file_(state_dir / "newest-seen") {
    std::ifstream in(file_);
    if (!in) return;
    std::string line;
    std::getline(in, line);
    if (const auto time = time_in(line))
        newest_ = written_ = *time;
    else
        problem_ = file_.string() + " does not hold a time in seconds since 1970; it is ignored";
}

Result<void, std::string> KnownTime::on_trusted_time(WallTime now) {
    newest_ = std::max(newest_, now);
    if (newest_ - written_ < kInterval) return {};
    return save();
}

Result<void, std::string> KnownTime::save() {
    if (newest_ == written_) return {};
    // Not again before the next interval, whether it works or not.
    written_ = newest_;
    if (write_file(file_, std::to_string(newest_.time_since_epoch().count()) + "\n")) return {};
    return Unexpected("cannot write " + file_.string() + ": " + std::strerror(errno) +
                      "; after a restart the time that has certainly passed is not known");
}

}  // namespace isthmus::appliance
