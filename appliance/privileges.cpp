#include "appliance/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace isthmus::appliance {

namespace {

constexpr std::uint32_t kKept = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW | 1U << CAP_NET_BIND_SERVICE;

struct Capabilities {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
};

std::string system_error() {
    return std::strerror(errno);
}

}  // namespace

Result<void, std::string> check_privileges() {
    Capabilities caps;
    if (syscall(SYS_capget, &caps.header, caps.data.data()) != 0)
        return Unexpected("cannot read capabilities: " + system_error());
    constexpr std::uint32_t kNeeded = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW;
    if ((caps.data[0].effective & kNeeded) != kNeeded)
        return Unexpected<std::string>(
            "isthmusd needs CAP_NET_ADMIN and CAP_NET_RAW to make bridges, TAPs and raw sockets; run it as "
            "root or through "
            "its systemd unit");
    return {};
}

void harden_process() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void go_before_others() noexcept {
    constexpr int kNice = -10;
    if (getpriority(PRIO_PROCESS, 0) == 0) (void)setpriority(PRIO_PROCESS, 0, kNice);
}

Result<void, std::string> drop_privileges() {
    Capabilities caps;
    if (syscall(SYS_capget, &caps.header, caps.data.data()) != 0)
        return Unexpected("cannot read capabilities: " + system_error());
    for (int capability = 0; capability <= 63; ++capability) {
        if (capability < 32 && (kKept >> capability & 1) != 0) continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EINVAL) break;  // past the last one
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    caps.data[0].permitted &= kKept;
    caps.data[0].effective = caps.data[0].permitted;
    caps.data[0].inheritable = 0;
    caps.data[1] = {};
    if (syscall(SYS_capset, &caps.header, caps.data.data()) != 0)
        return Unexpected("cannot give up capabilities: " + system_error());
    return {};
}

}  // namespace isthmus::appliance
