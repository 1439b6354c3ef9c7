// The L2TPv3 control message header (RFC 3931 section 3.2.1).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |T|L|x|x|S|x|x|x|x|x|x|x|  Ver  |             Length            |   T = L = S = 1; Ver = 3
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                     Control Connection ID                     |   the receiver's; 0 until it is known
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |               Ns              |               Nr              |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Over UDP it follows the UDP header (section 4.1.2.1); over IP protocol 115 it follows a Session ID of 0
// (section 4.1.1.2), which neither Length nor the Message Digest covers. Bits x are sent as 0 and ignored.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

inline constexpr std::size_t kControlHeaderSize = 12;
/// What the Length field can say.
inline constexpr std::size_t kMaxControlMessage = 0xffff;

struct ControlHeader {
    ControlConnectionId connection{};
    std::uint16_t ns = 0;  ///< sequence number of this message
    std::uint16_t nr = 0;  ///< sequence number expected next from the peer

    /// 12 bytes, Length filled in for a body of `body_size` bytes, at most kMaxControlMessage - 12.
    void emit(std::uint8_t* to, std::size_t body_size) const noexcept;

    friend bool operator==(const ControlHeader&, const ControlHeader&) = default;
};

/// A control message cut into header and AVPs. Views into what was parsed.
struct ControlPacket {
    ControlHeader header;
    Bytes message;             ///< header and AVPs, as long as Length says: what the Message Digest covers
    Bytes body;                ///< the AVPs; empty in a Zero Length Body message (section 6.15)
    std::size_t trailing = 0;  ///< bytes behind Length, which count for nothing

    /// `packet` begins behind the UDP header, or with the zero word behind the IP header.
    /// Error: a sentence that names the field; such a message is dropped without an answer (section 7.1).
    [[nodiscard]] static Result<ControlPacket, std::string> parse(Encapsulation encapsulation, Bytes packet);
};

}  // namespace isthmus::tunnel
