#include "appliance/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace isthmus::appliance {

namespace {

std::string holder_of(int lock) {
    std::array<char, 256> text{};
    const auto n = pread(lock, text.data(), text.size() - 1, 0);
    std::string holder(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return holder.empty() ? "another isthmusd" : holder;
}

}  // namespace

Result<StateDirectory, std::string> StateDirectory::open(const std::filesystem::path& path,
                                                         const std::string& gateway, Purpose purpose) {
    std::error_code error;
    const bool made = std::filesystem::create_directories(path, error);
    if (error) return Unexpected("state_dir " + path.string() + " cannot be made: " + error.message());
    if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);

    struct stat info {};
    if (stat(path.c_str(), &info) != 0)
        return Unexpected("state_dir " + path.string() + " cannot be read: " + std::strerror(errno));
    if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return Unexpected("state_dir " + path.string() +
                          " may be written by others; it must belong to the daemon's user with mode 0700");

    const char* const name = purpose == Purpose::run ? "lock" : "prepare.lock";
    FileDescriptor lock(::open((path / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock)
        return Unexpected("state_dir " + path.string() + " cannot be written: " + std::strerror(errno));
    if (flock(lock.value(), LOCK_EX | LOCK_NB) != 0)
        return Unexpected("state_dir " + path.string() + " is in use by " + holder_of(lock.value()) +
                          "; stop it first, or give this gateway a state_dir of its own");

    const std::string holder = "gateway \"" + gateway + "\" (process " + std::to_string(getpid()) + ")\n";
    if (ftruncate(lock.value(), 0) != 0 || pwrite(lock.value(), holder.data(), holder.size(), 0) < 0)
        return Unexpected("state_dir " + path.string() + " cannot be written: " + std::strerror(errno));
    return StateDirectory(path, std::move(lock));
}

}  // namespace isthmus::appliance
