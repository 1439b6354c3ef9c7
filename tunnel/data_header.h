// The L2TPv3 data message header (RFC 3931 section 4.1) and its Default L2-Specific Sublayer (section 4.6).
//
// Over UDP (section 4.1.2.1), after the UDP header:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |T|x|x|x|x|x|x|x|x|x|x|x|  Ver  |          Reserved             |   T = 0: data, 1: control; Ver = 3
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                         Session ID                            |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |               Cookie (optional, 4 or 8 bytes) ...             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |          L2-Specific Sublayer (optional, 4 bytes)             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Over IP protocol 115 (section 4.1.1.1) the first word is absent; Session ID 0 says control
// (section 4.1.1.2).
//
// Default L2-Specific Sublayer (section 4.6):
//
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |x|S|x|x|x|x|x|x|              Sequence Number                  |   S = 1: Sequence Number is valid
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Bits x and Reserved are sent as 0 and ignored on receipt. Cookie and sublayer do not describe themselves:
// both sides know from the session whether they are there.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/result.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

inline constexpr std::uint8_t kIpProtocolUdp = 17;
inline constexpr std::uint8_t kIpProtocolL2tp = 115;
inline constexpr std::size_t kSublayerSize = 4;
inline constexpr std::size_t kMaxCookieSize = 8;
/// First word, Session ID, cookie, sublayer.
inline constexpr std::size_t kMaxDataHeaderSize = 4 + 4 + kMaxCookieSize + kSublayerSize;

/// Bytes up to and including the Session ID.
[[nodiscard]] constexpr std::size_t front_size(Encapsulation e) noexcept {
    return e == Encapsulation::udp ? 8 : 4;
}

/// What an L2TPv3 packet says about itself, without knowing its session.
struct DataHeaderFront {
    bool is_control = false;  ///< then there is no session
    SessionId session{};      ///< 0 over UDP belongs to no session
};

/// Errors: l2tp_truncated, l2tp_bad_version (any version but 3, in control messages too).
[[nodiscard]] Result<DataHeaderFront, DropReason> parse_front(Encapsulation encapsulation,
                                                              Bytes packet) noexcept;

/// The Default L2-Specific Sublayer: a sequence number (24 bits), or none.
struct SublayerWord {
    std::optional<std::uint32_t> sequence;

    [[nodiscard]] static constexpr SublayerWord parse(std::uint32_t word) noexcept {
        if ((word & kSequenced) == 0) return {};
        return {word & kSequenceMask};
    }
    [[nodiscard]] constexpr std::uint32_t emit() const noexcept {
        return sequence ? kSequenced | (*sequence & kSequenceMask) : 0;
    }

    static constexpr std::uint32_t kSequenced = 0x4000'0000;
    static constexpr std::uint32_t kSequenceMask = 0x00ff'ffff;
};

/// A cookie as one number, so that comparing takes the same time whatever differs.
/// `size` must be 0, 4 or 8, and that many bytes readable.
[[nodiscard]] inline std::uint64_t load_cookie(const std::uint8_t* at, std::size_t size) noexcept {
    if (size == 8) return load_be64(at);
    if (size == 4) return load_be32(at);
    return 0;
}

/// The whole header of a session in one direction.
struct DataHeader {
    SessionId session{};
    Cookie cookie;
    std::optional<SublayerWord> sublayer;

    /// Reads what a session with this cookie size (0, 4 or 8) and sublayer receives. Data only.
    /// Errors: those of parse_front; l2tp_truncated; l2tp_unknown_session for a control message.
    [[nodiscard]] static Result<DataHeader, DropReason> parse(Encapsulation encapsulation,
                                                              std::uint8_t cookie_size, Sublayer sublayer,
                                                              Bytes packet) noexcept;

    [[nodiscard]] std::size_t size(Encapsulation encapsulation) const noexcept {
        return front_size(encapsulation) + cookie.size + (sublayer ? kSublayerSize : 0);
    }
};

/// A header in wire form, made once for a session and copied in front of each packet.
class HeaderTemplate {
  public:
    HeaderTemplate() = default;
    HeaderTemplate(Encapsulation encapsulation, const DataHeader& header) noexcept;

    [[nodiscard]] Bytes view() const noexcept { return {bytes_.data(), size_}; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// `to` must have size() bytes.
    void copy_to(std::uint8_t* to) const noexcept { std::memcpy(to, bytes_.data(), size_); }
    /// The same with a sequence number in the sublayer, which must be there.
    void copy_to(std::uint8_t* to, std::uint32_t sequence) const noexcept {
        copy_to(to);
        store_be32(to + size_ - kSublayerSize, SublayerWord{sequence}.emit());
    }

  private:
    std::array<std::uint8_t, kMaxDataHeaderSize> bytes_{};
    std::uint8_t size_ = 0;
};

}  // namespace isthmus::tunnel
