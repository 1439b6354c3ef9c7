// Files that a configuration names.
#include "config/draft.h"

namespace isthmus::config {

namespace {
constexpr std::size_t kMaxShownPath = 200;
constexpr std::uint32_t kReadableByOthers = 077;
}  // namespace

std::string in_folder_of(const std::string& file, const std::string& path) {
    const auto slash = file.rfind('/');
    if (path.starts_with('/') || slash == std::string::npos) return path;
    return file.substr(0, slash + 1) + path;
}

/// A secret that somebody else may read or write is none.
bool is_private(const Section& section, std::string_view key, const std::string& path, const File& file,
                const Environment& environment) {
    const std::uint32_t us = environment.user_id();
    const bool trusted_owner = file.owner == 0 || file.owner == us;
    if (!trusted_owner)
        section.problem(
            key, quoted(path, kMaxShownPath) + " belongs to user " + std::to_string(file.owner),
            "it has to belong to root" + (us == 0 ? std::string() : " or to user " + std::to_string(us)));
    if ((file.mode & kReadableByOthers) == 0) return trusted_owner;
    std::string mode(4, '0');
    for (std::size_t i = 0; i < 4; ++i) mode[i] = static_cast<char>('0' + ((file.mode >> (9 - 3 * i)) & 7));
    section.problem(key, quoted(path, kMaxShownPath) + " has mode " + mode + ", open to others",
                    "make it 0600 or 0400: chmod 600");
    return false;
}

}  // namespace isthmus::config
