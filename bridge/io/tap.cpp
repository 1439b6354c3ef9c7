#include "bridge/io/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/vnet_header.h"

namespace isthmus::bridge {

namespace {

// Linux 6.2 and later; older headers lack them.
constexpr unsigned kUso4 = 0x20;
constexpr unsigned kUso6 = 0x40;

constexpr const char* kDevice = "/dev/net/tun";

std::string words(const TapOffloads& o) {
    std::string out;
    const auto add = [&out](bool on, const char* word) {
        if (!on) return;
        if (!out.empty()) out += ' ';
        out += word;
    };
    add(o.checksum, "checksum");
    add(o.tso4, "tso4");
    add(o.tso6, "tso6");
    add(o.tso_ecn, "tso-ecn");
    add(o.uso4, "uso4");
    add(o.uso6, "uso6");
    return out;
}

std::string open_error(int error) {
    if (error == EACCES || error == EPERM)
        return std::string(kDevice) + ": not permitted; run as root or with CAP_NET_ADMIN";
    if (error == ENOENT || error == ENODEV || error == ENXIO) {
        return std::string(kDevice) + ": no TUN/TAP driver in this kernel; load it with 'modprobe tun'";
    }
    return std::string(kDevice) + ": " + std::strerror(error);
}

std::string attach_error(const std::string& name, int error) {
    if (error == EPERM || error == EACCES)
        return name + ": not permitted to make a TAP; run as root or with CAP_NET_ADMIN";
    if (error == EBUSY || error == EEXIST) {
        return name + ": an interface of that name exists already; remove it or choose another name";
    }
    if (error == EINVAL)
        return name + ": the kernel takes no interface of that name, or no TAP with vnet headers";
    return name + ": cannot make the TAP: " + std::strerror(error);
}

/// Each offload is added to what was taken before, so that one that is refused takes no other with it.
TapOffloads negotiate(int fd, const TapOffloads& wanted) {
    unsigned taken = 0;
    const auto ask = [fd, &taken](bool want, unsigned bits) {
        if (!want || ::ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(taken | bits)) != 0) return false;
        taken |= bits;
        return true;
    };
    TapOffloads got;
    got.checksum = ask(wanted.checksum, TUN_F_CSUM);
    if (!got.checksum) return got;  // the others make no sense without it, and the kernel ignores them
    got.tso4 = ask(wanted.tso4, TUN_F_TSO4);
    got.tso6 = ask(wanted.tso6, TUN_F_TSO6);
    got.tso_ecn = (got.tso4 || got.tso6) && ask(wanted.tso_ecn, TUN_F_TSO_ECN);
    // Linux up to now takes both or none.
    got.uso4 = got.uso6 = wanted.uso4 && wanted.uso6 && ask(true, kUso4 | kUso6);
    if (!got.uso4) {
        got.uso4 = ask(wanted.uso4, kUso4);
        got.uso6 = ask(wanted.uso6, kUso6);
    }
    return got;
}

/// Closes on every early return.
class Descriptor {
  public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int value() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

std::optional<std::string> attach(int fd, const std::string& name) {
    ifreq request{};
    std::memcpy(request.ifr_name, name.data(), name.size());
    // IFF_TUN_EXCL: never take over a persistent device that somebody else made.
    request.ifr_flags =
        static_cast<short>(static_cast<unsigned short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL));
    if (::ioctl(fd, TUNSETIFF, &request) != 0) return attach_error(name, errno);
    int size = static_cast<int>(kVnetHeaderSize);
    int little_endian = 1;
    if (::ioctl(fd, TUNSETVNETHDRSZ, &size) != 0 || ::ioctl(fd, TUNSETVNETLE, &little_endian) != 0) {
        return name + ": the kernel's TAP has no little-endian vnet header: " + std::strerror(errno);
    }
    return std::nullopt;
}

/// Where a tunnel is the bottleneck, frames wait in the TAP's queue. The kernel's default of 1,000 is 7 ms at 1.5 Gbit/s
/// and 120 ms at 100 Mbit/s, all of it added to every ping.
constexpr int kQueueFrames = 256;

/// Without it all works as well, only with longer waits: no reason to fail.
void shorten_queue(const std::string& name) {
    const Descriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, name.data(), name.size());
    request.ifr_qlen = kQueueFrames;
    (void)::ioctl(any.value(), SIOCSIFTXQLEN, &request);
}

void make_empty(PacketBuffer& packet) noexcept {
    packet.trim_back(packet.size());
}

}  // namespace

std::string TapOffloads::text() const {
    auto out = words(*this);
    return out.empty() ? "none" : out;
}

std::string TapOffloads::refused() const {
    return words({!checksum, !tso4, !tso6, !tso_ecn, !uso4, !uso6});
}

Result<Tap, std::string> Tap::open(const std::string& name, const TapOffloads& wanted) {
    if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/ %") != std::string::npos) {
        return Unexpected("'" + name +
                          "' is no interface name: 1 to 15 characters without space, slash or percent sign");
    }
    Descriptor fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (fd.value() < 0) return Unexpected(open_error(errno));
    if (auto error = attach(fd.value(), name)) return Unexpected(std::move(*error));
    shorten_queue(name);
    const auto offloads = negotiate(fd.value(), wanted);
    const unsigned index = ::if_nametoindex(name.c_str());
    if (index == 0) return Unexpected(name + ": gone as soon as it was made");
    return Tap(fd.release(), name, IfIndex{index}, offloads);
}

Tap::Tap(int fd, std::string name, IfIndex index, TapOffloads offloads)
    : fd_(fd), name_(std::move(name)), index_(index), offloads_(offloads) {}

Tap::Tap(Tap&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      name_(std::move(other.name_)),
      index_(other.index_),
      offloads_(other.offloads_) {}

Tap& Tap::operator=(Tap&& other) noexcept {
    if (this == &other) return *this;
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    name_ = std::move(other.name_);
    index_ = other.index_;
    offloads_ = other.offloads_;
    return *this;
}

Tap::~Tap() {
    if (fd_ >= 0) ::close(fd_);
}

Tap::Read Tap::read(PacketBuffer& slot, PacketBuffer& large) noexcept {
    VnetHeader header;
    const std::size_t slot_room = slot.tailroom();
    const MutableBytes first = slot.append(slot_room);
    const MutableBytes rest = large.append(large.tailroom());
    std::array<iovec, 3> pieces{iovec{header.data(), header.size()}, iovec{first.data(), first.size()},
                                iovec{rest.data(), rest.size()}};
    ssize_t got = 0;
    do {
        got = ::readv(fd_, pieces.data(), static_cast<int>(pieces.size()));
    } while (got < 0 && errno == EINTR);

    slot.meta = large.meta = PacketMeta{};
    if (got < static_cast<ssize_t>(kVnetHeaderSize + 1)) {
        const bool none_waits = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EIO);
        make_empty(slot);
        make_empty(large);
        if (got < 0) return none_waits ? Read::empty : Read::gone;
        slot.meta.drop = DropReason::malformed_frame;
        return Read::refused;
    }
    const std::size_t size = static_cast<std::size_t>(got) - kVnetHeaderSize;
    const bool fits = size <= slot_room;
    PacketBuffer& frame = fits ? slot : large;
    if (fits) {
        slot.trim_back(slot_room - size);
        make_empty(large);
    } else {
        large.trim_back(rest.size() - (size - slot_room));
        std::memcpy(large.prepend(slot_room).data(), first.data(), slot_room);
        make_empty(slot);
    }
    const auto offload = decode_vnet_header(header, frame.data());
    if (offload) {
        frame.meta.offload = *offload;
        return fits ? Read::in_slot : Read::in_large;
    }
    if (!fits) large.trim_front(slot_room);
    make_empty(frame);
    slot.meta.drop = DropReason::bad_offload_header;
    return Read::refused;
}

DropReason Tap::write(const Offload& offload, std::span<const Bytes> pieces) noexcept {
    std::array<iovec, kMaxPieces + 1> vector;
    if (pieces.empty() || pieces.size() > kMaxPieces) return DropReason::tap_refused;
    VnetHeader header = encode_vnet_header(offload);
    vector[0] = {header.data(), header.size()};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        vector[i + 1] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()};
    }
    ssize_t put = 0;
    do {
        put = ::writev(fd_, vector.data(), static_cast<int>(pieces.size() + 1));
    } while (put < 0 && errno == EINTR);
    if (put >= 0) return DropReason::none;
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? DropReason::send_queue_full
                                                                  : DropReason::tap_refused;
}

}  // namespace isthmus::bridge
