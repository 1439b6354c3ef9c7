#include "appliance/guard_state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "appliance/file_descriptor.h"
#include "crypto/digest.h"

namespace isthmus::appliance {

namespace {

namespace fs = std::filesystem;

std::string failure(const char* doing, const fs::path& file) {
    return std::string("cannot ") + doing + " " + file.string() + ": " +
           std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
}

bool write_all(int fd, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

std::uint64_t this_boot() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string text;
    if (!(in >> text)) return 0;
    const auto hash = crypto::digest(crypto::Hash::sha256,
                                     {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return load_be64(hash.data());
}

fs::path guard_state_file(const fs::path& state_dir, const std::string& bridge) {
    return state_dir / ("guard-" + bridge + ".state");
}

Result<std::vector<std::uint8_t>, std::string> load_guard_state(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        if (errno == ENOENT) return std::vector<std::uint8_t>{};
        return Unexpected(failure("read", file));
    }
    return std::vector<std::uint8_t>{std::istreambuf_iterator<char>(in), {}};
}

Result<void, std::string> save_guard_state(const fs::path& file, Bytes state) {
    fs::path temporary = file;
    temporary += ".new";
    {
        const FileDescriptor fd(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!fd || !write_all(fd.value(), state) || ::fsync(fd.value()) != 0)
            return Unexpected(failure("write", temporary));
    }
    if (::rename(temporary.c_str(), file.c_str()) != 0) return Unexpected(failure("replace", file));
    return {};
}

}  // namespace isthmus::appliance
