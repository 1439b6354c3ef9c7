#include "appliance/cli/pki_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "appliance/file_descriptor.h"

namespace isthmus::appliance::cli {

namespace {

constexpr std::size_t kMaxFile = 4U << 20;
constexpr mode_t kSecretMode = 0600;
constexpr mode_t kOpenMode = 0644;

std::string reason() {
    return std::strerror(errno);
}

Result<void, std::string> write_all(const FileDescriptor& file, const std::filesystem::path& path,
                                    Bytes content) {
    while (!content.empty()) {
        const auto n = ::write(file.value(), content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Unexpected(path.string() + " cannot be written: " + reason());
        content = content.subspan(static_cast<std::size_t>(n));
    }
    if (::fsync(file.value()) != 0) return Unexpected(path.string() + " cannot be written: " + reason());
    return {};
}

}  // namespace

Result<void, std::string> make_file(const std::filesystem::path& path, Bytes content, FileMode mode) {
    const mode_t bits = mode == FileMode::secret ? kSecretMode : kOpenMode;
    // O_EXCL: neither another's file nor what a symbolic link points to is written.
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, bits));
    if (!file && errno == EEXIST)
        return Unexpected(path.string() +
                          " is there already, and is never overwritten: name another, or move it away");
    if (!file) return Unexpected(path.string() + " cannot be made: " + reason());
    auto written = write_all(file, path, content);
    if (!written) ::unlink(path.c_str());
    return written;
}

Result<void, std::string> replace_file(const std::filesystem::path& path, Bytes content) {
    const std::filesystem::path fresh = path.string() + ".new";
    ::unlink(fresh.c_str());  // left by a run that was killed
    if (auto made = make_file(fresh, content, FileMode::open); !made) return made;
    if (::rename(fresh.c_str(), path.c_str()) == 0) return {};
    const std::string why = reason();
    ::unlink(fresh.c_str());
    return Unexpected(path.string() + " cannot be replaced: " + why);
}

Result<crypto::SecretBytes, std::string> read_whole(const std::filesystem::path& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Unexpected(path.string() + " cannot be read: " + reason());
    struct stat info {};
    if (::fstat(file.value(), &info) != 0 || !S_ISREG(info.st_mode))
        return Unexpected(path.string() + " is no regular file");
    if (info.st_size > static_cast<off_t>(kMaxFile))
        return Unexpected(path.string() + " is larger than " + std::to_string(kMaxFile) + " bytes");
    std::vector<std::uint8_t> content(static_cast<std::size_t>(info.st_size));
    std::size_t filled = 0;
    while (filled < content.size()) {
        const auto n = ::read(file.value(), content.data() + filled, content.size() - filled);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        filled += static_cast<std::size_t>(n);
    }
    crypto::SecretBytes out(Bytes(content).first(filled));
    if (!content.empty()) explicit_bzero(content.data(), content.size());
    return out;
}

}  // namespace isthmus::appliance::cli
