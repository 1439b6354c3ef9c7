// Files that a configuration names.
#include <strings.h>

#include "config/draft.h"
#include "config/load.h"

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

std::string_view without_blanks(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::optional<File> read_secret_file(const Section& section, std::string_view key, const std::string& wanted,
                                     const Environment& environment) {
    const auto name = section.text(key);
    if (!name) return std::nullopt;
    const std::string path = in_folder_of(section.findings().file(), *name);
    auto file = environment.read_file(path, kMaxKeyFileSize);
    if (!file) {
        section.problem(key, quoted(path, kMaxShownPath) + ": " + file.error(),
                        "it holds " + wanted + ", belongs to root and has mode 0600");
        return std::nullopt;
    }
    if (is_private(section, key, path, *file, environment)) return std::move(*file);
    explicit_bzero(file->content.data(), file->content.size());
    return std::nullopt;
}

}  // namespace isthmus::config
