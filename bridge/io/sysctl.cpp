#include "bridge/io/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace isthmus::bridge {

namespace {

constexpr const char* kReadOnly =
    "/proc/sys is read-only here; run with a writable one (systemd: ProtectKernelTunables=no)";

struct Flag {
    const char* path;
    std::optional<bool> BridgeNetfilter::*member;
};
constexpr std::array<Flag, 3> kBridgeNetfilter{{
    {"/proc/sys/net/bridge/bridge-nf-call-iptables", &BridgeNetfilter::iptables},
    {"/proc/sys/net/bridge/bridge-nf-call-ip6tables", &BridgeNetfilter::ip6tables},
    {"/proc/sys/net/bridge/bridge-nf-call-arptables", &BridgeNetfilter::arptables},
}};

class File {
  public:
    File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

std::string ipv6_sysctl(std::string_view interface, std::string_view name) {
    return "/proc/sys/net/ipv6/conf/" + std::string(interface) + "/" + std::string(name);
}

std::optional<bool> read_flag(const std::string& path) {
    const File file(path, O_RDONLY);
    char text[8] = {};
    if (file.fd() < 0) return std::nullopt;
    const ssize_t n = ::read(file.fd(), text, sizeof(text));
    if (n < 1 || (n > 1 && text[1] != '\n') || text[0] < '0' || text[0] > '1') return std::nullopt;
    return text[0] == '1';
}

Result<void, NetlinkError> write_flag(const std::string& path, bool value) {
    const std::string doing = "write " + std::string(value ? "1" : "0") + " to " + path;
    const File file(path, O_WRONLY);
    const bool written = file.fd() >= 0 && ::write(file.fd(), value ? "1\n" : "0\n", 2) == 2;
    if (written) return {};
    return Unexpected(NetlinkError{errno, doing, errno == EROFS ? kReadOnly : ""});
}

BridgeNetfilter read_bridge_netfilter() {
    BridgeNetfilter out;
    for (const auto& flag : kBridgeNetfilter) out.*flag.member = read_flag(flag.path);
    return out;
}

Result<void, NetlinkError> write_bridge_netfilter(const BridgeNetfilter& value) {
    for (const auto& flag : kBridgeNetfilter) {
        const auto& wanted = value.*flag.member;
        if (!wanted) continue;
        if (auto written = write_flag(flag.path, *wanted); !written) return written;
    }
    return {};
}

bool sysctls_writable() {
    // Opened, not written. IPv6 may be absent; then there is nothing to write there, and br_netfilter is optional too.
    const File file(ipv6_sysctl("default", "disable_ipv6"), O_WRONLY);
    return file.fd() >= 0 || errno == ENOENT;
}

}  // namespace isthmus::bridge
