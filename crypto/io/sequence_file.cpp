#include "crypto/io/sequence_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

namespace isthmus::crypto::io {

namespace {

namespace fs = std::filesystem;

class FileDescriptor {
  public:
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() { close(); }
    [[nodiscard]] int raw() const { return fd_; }
    [[nodiscard]] bool open() const { return fd_ >= 0; }
    bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

  private:
    int fd_;
};

std::string failure(const std::string& doing, const fs::path& path) {
    return "cannot " + doing + " " + path.string() + ": " + std::strerror(errno);
}

/// nullopt: no such file. State files are a few hundred bytes; anything large is damaged and read no further.
Result<std::optional<std::vector<std::uint8_t>>, std::string> read_file(const fs::path& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.open()) {
        if (errno == ENOENT) return std::optional<std::vector<std::uint8_t>>();
        return Unexpected(failure("open", path));
    }
    std::vector<std::uint8_t> content(4096);
    std::size_t size = 0;
    while (size < content.size()) {
        const ssize_t n = ::read(file.raw(), content.data() + size, content.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Unexpected(failure("read", path));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    content.resize(size);
    return std::optional(std::move(content));
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

Result<void, std::string> sync_directory(const fs::path& directory) {
    const FileDescriptor dir(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir.open() || ::fsync(dir.raw()) != 0) return Unexpected(failure("sync", directory));
    return {};
}

/// A temporary with the content, on disk, beside `path`.
Result<fs::path, std::string> write_temporary(const fs::path& path, const std::string& content) {
    fs::path temporary = path;
    temporary += ".new";
    FileDescriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.open()) return Unexpected(failure("create", temporary));
    if (!write_all(file.raw(), content) || ::fsync(file.raw()) != 0 || !file.close())
        return Unexpected(failure("write", temporary));
    return temporary;
}

/// When this returns success the new content survives a power cut; before, the old one does.
Result<void, std::string> replace_durably(const fs::path& path, const std::string& content) {
    auto temporary = write_temporary(path, content);
    if (!temporary) return Unexpected(std::move(temporary).error());
    if (::rename(temporary->c_str(), path.c_str()) != 0) return Unexpected(failure("replace", path));
    return sync_directory(path.parent_path());
}

/// As replace_durably, but fails if `path` exists: link() does what rename() cannot.
Result<void, std::string> create_durably(const fs::path& path, const std::string& content) {
    auto temporary = write_temporary(path, content);
    if (!temporary) return Unexpected(std::move(temporary).error());
    const bool linked = ::link(temporary->c_str(), path.c_str()) == 0;
    const std::string problem = linked ? "" : failure("create", path);
    ::unlink(temporary->c_str());
    if (!linked) return Unexpected(problem);
    return sync_directory(path.parent_path());
}

Result<esp::SequenceState, std::string> read_state(const fs::path& path, const esp::SaIdentity& identity) {
    auto file = read_file(path);
    if (!file) return Unexpected(std::move(file).error());
    if (!file->has_value())
        return Unexpected(
            path.string() +
            " does not exist, so nobody knows which sequence numbers this key has used. If the key has "
            "never been used, run `isthmus sa init`; otherwise make new keys on both sides");
    auto state = esp::resume(**file, identity);
    if (!state)
        return Unexpected(
            path.string() + ": " + state.error() +
            ". Make new keys on both sides, or bring back the right file if it is not from a backup");
    return state;
}

/// The name of another state file with the same key.
std::optional<std::string> other_use_of(const esp::KeyFingerprint& fingerprint, const fs::path& directory) {
    std::error_code error;
    for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
        if (at->path().extension() != ".state") continue;
        const auto file = read_file(at->path());
        if (!file || !file->has_value()) continue;
        const auto state = esp::SequenceState::parse(**file);
        if (state && state->identity.fingerprint == fingerprint) return at->path().string();
    }
    return std::nullopt;
}

}  // namespace

fs::path sequence_file_path(const fs::path& state_dir, esp::SaDirection direction, Spi spi) {
    std::array<char, 64> name{};
    std::snprintf(name.data(), name.size(), "sa-%s-%08x.state",
                  direction == esp::SaDirection::out ? "out" : "in", ::isthmus::raw(spi));
    return state_dir / name.data();
}

Result<void, std::string> initialise_sequence_file(const fs::path& state_dir,
                                                   const esp::SaIdentity& identity) {
    const fs::path path = sequence_file_path(state_dir, identity.direction, identity.spi);
    std::error_code error;
    if (fs::exists(fs::symlink_status(path, error)))
        return Unexpected(
            path.string() +
            " exists: this SA has been initialised before. To start afresh make new keys on both sides, "
            "then remove the file");
    if (const auto other = other_use_of(identity.fingerprint, state_dir))
        return Unexpected(
            "this key is already in use, by " + *other +
            ": under another SPI or in the other direction its nonces would repeat. Make a new key");
    return create_durably(path, esp::SequenceState{identity, 0}.emit());
}

Result<DurableSequence, std::string> DurableSequence::open(const fs::path& state_dir,
                                                           const esp::SaOptions& options) {
    const esp::SaIdentity identity = identity_of(options, esp::SaDirection::out);
    const auto state = read_state(sequence_file_path(state_dir, identity.direction, identity.spi), identity);
    if (!state) return Unexpected(state.error());
    const auto reservation = esp::SequenceReservation::after(state->sequence, options.extended_sequence);
    if (!reservation)
        return Unexpected(std::string(
            "all sequence numbers of this key are used or reserved: make new keys on both sides"));
    DurableSequence sequence(state_dir, identity, *reservation);
    if (auto first = sequence.advance(state->sequence); !first) return Unexpected(std::move(first).error());
    return sequence;
}

Result<std::optional<std::uint64_t>, std::string> DurableSequence::advance(std::uint64_t last_used) {
    const auto through = reservation_.wanted(last_used);
    if (!through) return std::optional<std::uint64_t>();
    const fs::path path = sequence_file_path(state_dir_, identity_.direction, identity_.spi);
    auto written = replace_durably(path, esp::SequenceState{identity_, *through}.emit());
    if (!written) return Unexpected(std::move(written).error());
    reservation_.on_written(*through);
    return through;
}

Result<DurableReplayFloor, std::string> DurableReplayFloor::open(const fs::path& state_dir,
                                                                 const esp::SaOptions& options) {
    const esp::SaIdentity identity = identity_of(options, esp::SaDirection::in);
    auto state = read_state(sequence_file_path(state_dir, identity.direction, identity.spi), identity);
    if (!state) return Unexpected(std::move(state).error());
    return DurableReplayFloor(state_dir, *state);
}

Result<void, std::string> DurableReplayFloor::save(std::uint64_t highest) {
    if (highest <= saved_) return {};
    const fs::path path = sequence_file_path(state_dir_, identity_.direction, identity_.spi);
    auto written = replace_durably(path, esp::SequenceState{identity_, highest}.emit());
    if (!written) return written;
    saved_ = highest;
    return {};
}

}  // namespace isthmus::crypto::io
