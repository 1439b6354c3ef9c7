#include "bridge/io/journal_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace isthmus::bridge {

namespace {

namespace fs = std::filesystem;

std::string failure(const std::string& what, const fs::path& file) {
    return "cannot " + what + " " + file.string() + ": " + std::strerror(errno) +
           "; the state directory must be there and writable for us";
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

bool sync_directory(const fs::path& directory) {
    const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool synced = ::fsync(fd) == 0;
    ::close(fd);
    return synced;
}

bool write_durably(const fs::path& file, std::string_view text) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    const bool written = write_all(fd, text) && ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    return written;
}

}  // namespace

JournalScope current_scope() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string boot_id;
    if (!(in >> boot_id)) boot_id = "unknown";
    std::error_code error;
    const auto link = fs::read_symlink("/proc/thread-self/ns/net", error);
    return {boot_id, error ? "unknown" : link.string()};
}

Result<Journal, std::string> load_journal(const fs::path& file, const JournalScope& scope) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        if (errno == ENOENT) return Journal{};
        return Unexpected(failure("read", file));
    }
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto journal = parse_journal(text, scope);
    if (journal) return journal;
    return Unexpected(
        file.string() + ": " + journal.error() +
        "; it says how interfaces were before this gateway used them. Remove the file to go on without");
}

Result<void, std::string> save_journal(const fs::path& file, const Journal& journal,
                                       const JournalScope& scope) {
    if (journal.empty()) {
        if (::unlink(file.c_str()) != 0 && errno != ENOENT) return Unexpected(failure("remove", file));
        return {};
    }
    fs::path temporary = file;
    temporary += ".new";
    if (!write_durably(temporary, serialize(journal, scope))) return Unexpected(failure("write", temporary));
    if (::rename(temporary.c_str(), file.c_str()) != 0) return Unexpected(failure("replace", file));
    if (!sync_directory(file.parent_path())) return Unexpected(failure("sync the directory of", file));
    return {};
}

}  // namespace isthmus::bridge
