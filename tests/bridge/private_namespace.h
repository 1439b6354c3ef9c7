// A network namespace of the test's own, for as long as the object lives, and what tests put into it.
#pragma once

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "bridge/io/netlink_socket.h"
#include "bridge/netlink/link_requests.h"

namespace isthmus::bridge {

class PrivateNamespace {
  public:
    PrivateNamespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        if (before_ < 0 || ::unshare(CLONE_NEWNET) != 0) {
            why_not_ =
                std::string("no network namespace of our own (") + std::strerror(errno) + "): run as root";
            return;
        }
        entered_ = true;
        auto socket = NetlinkSocket::open();
        if (!socket) return;
        const auto lo = socket->link("lo");
        if (lo) (void)socket->change(netlink::set_up(lo->index, true), "set lo up");
    }
    ~PrivateNamespace() {
        if (entered_ && ::setns(before_, CLONE_NEWNET) != 0) std::abort();
        if (before_ >= 0) ::close(before_);
    }
    PrivateNamespace(const PrivateNamespace&) = delete;
    PrivateNamespace& operator=(const PrivateNamespace&) = delete;

    /// False: says so on a line of its own, as the test runner wants it.
    [[nodiscard]] bool usable_for(const char* test) const {
        if (!entered_) std::printf("SKIP %s: %s\n", test, why_not_.c_str());
        return entered_;
    }

  private:
    int before_;
    bool entered_ = false;
    std::string why_not_;
};

/// Changes made from outside the code under test.
class Hands {
  public:
    Hands() : socket_(std::move(NetlinkSocket::open()).value()) {}

    [[nodiscard]] Link link(const std::string& name) { return socket_.link(name).value(); }
    [[nodiscard]] bool exists(const std::string& name) { return socket_.link(name).has_value(); }
    [[nodiscard]] bool change(netlink::Request request) {
        const auto done = socket_.change(std::move(request), "prepare the test");
        if (!done) std::printf("%s\n", done.error().text().c_str());
        return done.has_value();
    }
    [[nodiscard]] bool veth(const std::string& name, const std::string& peer) {
        netlink::MessageBuilder b(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        b.header(ifinfomsg{}).text(IFLA_IFNAME, name).open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "veth");
        b.open(IFLA_INFO_DATA).open(VETH_INFO_PEER);
        b.raw(ifinfomsg{}).text(IFLA_IFNAME, peer).close().close().close();
        return change(std::move(b).take()) && change(netlink::set_up(link(peer).index, true));
    }
    [[nodiscard]] bool bridge(const std::string& name) {
        return change(netlink::create_bridge(name, {{2, 0, 0, 0, 0, 9}}));
    }
    [[nodiscard]] bool address(const std::string& name, std::array<std::uint8_t, 4> v4) {
        ifaddrmsg header{};
        header.ifa_family = AF_INET;
        header.ifa_prefixlen = 24;
        header.ifa_index = raw(link(name).index);
        netlink::MessageBuilder b(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        b.header(header).attribute(IFA_LOCAL, v4).attribute(IFA_ADDRESS, v4);
        return change(std::move(b).take());
    }
    [[nodiscard]] ActualState look() { return dump_state(socket_).value(); }
    [[nodiscard]] NetlinkSocket& socket() { return socket_; }

  private:
    NetlinkSocket socket_;
};

/// A TAP with a reader, so that it has a carrier; gone with the object.
class TestTap {
  public:
    explicit TestTap(const std::string& name) : fd_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
        ifreq request{};
        std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        good_ = fd_ >= 0 && ::ioctl(fd_, TUNSETIFF, &request) == 0;
    }
    ~TestTap() {
        if (fd_ >= 0) ::close(fd_);
    }
    TestTap(const TestTap&) = delete;
    TestTap& operator=(const TestTap&) = delete;
    [[nodiscard]] bool good() const { return good_; }

  private:
    int fd_;
    bool good_ = false;
};

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "isthmus-bridge-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace isthmus::bridge
