#include "config/io/system_environment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace isthmus::config {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    int fd_;
};

std::string words_for(int error) {
    switch (error) {
        case ENOENT: return "no such file";
        case EACCES: return "this user may not read it";
        case EISDIR: return "it is a folder";
        case ELOOP: return "too many symbolic links";
        default: return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): start-up, one thread
    }
}

/// Reads one byte more than `limit`, to notice a file that is longer.
Result<std::string, std::string> read_all(int fd, std::size_t limit) {
    std::string content(limit + 1, '\0');
    std::size_t filled = 0;
    while (filled < content.size()) {
        const ssize_t n = read(fd, content.data() + filled, content.size() - filled);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Unexpected(words_for(errno));
        if (n == 0) break;
        filled += static_cast<std::size_t>(n);
    }
    if (filled > limit) return Unexpected("larger than " + std::to_string(limit) + " bytes");
    content.resize(filled);
    return content;
}

}  // namespace

Result<File, std::string> SystemEnvironment::read_file(const std::string& path, std::size_t limit) const {
    // Without O_NONBLOCK a FIFO of that name would wait for a writer.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.fd() < 0) return Unexpected(words_for(errno));
    struct stat about {};
    if (fstat(file.fd(), &about) != 0) return Unexpected(words_for(errno));
    if (S_ISDIR(about.st_mode)) return Unexpected(words_for(EISDIR));
    if (!S_ISREG(about.st_mode)) return Unexpected(std::string("it is no regular file"));
    auto content = read_all(file.fd(), limit);
    if (!content) return Unexpected(std::move(content).error());
    return File{std::move(content).value(), about.st_uid, about.st_mode & 07777U};
}

std::uint32_t SystemEnvironment::user_id() const {
    return geteuid();
}

std::string SystemEnvironment::host_name() const {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "isthmus";
    return name.data();
}

}  // namespace isthmus::config
