// A TAP device: whole Ethernet frames to and from the kernel's bridge, with offloads, so that one system call
// moves up to 64 KiB (Documentation/networking/tuntap.rst in Linux; virtio 1.1 section 5.1.6 for the header).
// The device is gone when the Tap is. Master, MTU and state of the interface are set by netlink, not here.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/packet_buffer.h"
#include "base/result.h"

namespace isthmus::bridge {

/// What the kernel took of what we can do for it: each was asked for by itself.
struct TapOffloads {
    bool checksum = false;  ///< frames may come with incomplete checksums
    bool tso4 = false;
    bool tso6 = false;
    bool tso_ecn = false;
    bool uso4 = false;  ///< Linux 6.2 and later; also says that UDP runs may be written
    bool uso6 = false;

    /// "checksum tso4 tso6 tso-ecn uso4 uso6", or "none".
    [[nodiscard]] std::string text() const;
    /// What the kernel refused, in the same words; empty if nothing.
    [[nodiscard]] std::string refused() const;
    friend constexpr bool operator==(const TapOffloads&, const TapOffloads&) = default;
};

class Tap {
  public:
    /// Largest frame that read() can return: 64 KiB of IP packet with an Ethernet header and two tags.
    static constexpr std::size_t kMaxFrame = 65535 + 22;
    /// Most pieces of one write.
    static constexpr std::size_t kMaxPieces = 1000;

    /// `name`: 1 to 15 characters. `wanted`: offloads to ask for; those refused are left out.
    /// Error: one sentence that says what to do.
    [[nodiscard]] static Result<Tap, std::string> open(const std::string& name,
                                                       const TapOffloads& wanted = kAllOffloads);

    Tap(Tap&& other) noexcept;
    Tap& operator=(Tap&& other) noexcept;
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;
    ~Tap();

    [[nodiscard]] int fd() const noexcept { return fd_; }  ///< non-blocking; for poll and epoll
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] IfIndex index() const noexcept { return index_; }
    [[nodiscard]] const TapOffloads& offloads() const noexcept { return offloads_; }

    enum class Read : std::uint8_t {
        empty,     ///< nothing waits
        in_slot,   ///< the frame is in `slot`
        in_large,  ///< the frame is in `large`; `slot` is empty again
        refused,  ///< a frame came that cannot be used: its reason is in slot.meta.drop, and both are as they
                  ///< were
        gone,     ///< the device was removed by somebody else
    };
    /// Reads one frame, with its offload in meta.offload. Frames that fit into `slot`'s tailroom land there
    /// without a further copy; larger ones come whole in `large`. Both must be empty; `large` needs headroom
    /// for what it keeps plus slot.tailroom(), and both together tailroom for kMaxFrame.
    [[nodiscard]] Read read(PacketBuffer& slot, PacketBuffer& large) noexcept;

    /// Writes one frame that lies in up to kMaxPieces pieces. `none`: taken. tap_refused: the interface is
    /// down or the kernel does not like the frame; send_queue_full: no room now.
    [[nodiscard]] DropReason write(const Offload& offload, std::span<const Bytes> pieces) noexcept;

    static constexpr TapOffloads kAllOffloads{true, true, true, true, true, true};

  private:
    Tap(int fd, std::string name, IfIndex index, TapOffloads offloads);

    int fd_ = -1;
    std::string name_;
    IfIndex index_{};
    TapOffloads offloads_;
};

}  // namespace isthmus::bridge
