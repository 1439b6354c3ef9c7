// What all frames of the guard share: loop probes (loop_probe.h) and gateways' messages to each other (guard_message.h).
//
//   destination 6 | source 6 | [ 0x8100 | PCP 6, VID ] | 0x88B5 | payload
//
//    0      4   5   6      8        12       20       28          36
//   +------+---+---+------+--------+--------+--------+-----------+-------- - - - ---------+-----+
//   | L2LG | 1 |typ| flags| domain | site   | node   | boot nonce| by type                | MAC |
//   +------+---+---+------+--------+--------+--------+-----------+-------- - - - ---------+-----+
//   MAC: the first 16 bytes of HMAC-SHA256 over all of the payload before it, with a key of the domain.
//
// EtherType 0x88B5 is IEEE 802's "local experimental 1". Big endian throughout.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "stp-guard/guard_ids.h"

namespace isthmus::stp_guard {

inline constexpr std::uint16_t kEtherTypeGuard = 0x88b5;
inline constexpr std::uint32_t kGuardMagic = 0x4c324c47;  ///< "L2LG"
inline constexpr std::uint8_t kGuardVersion = 1;
inline constexpr std::size_t kGuardHeaderSize = 36;
inline constexpr std::size_t kGuardMacSize = 16;
inline constexpr std::uint8_t kGuardPriority = 6;  ///< PCP of tagged ones

enum class GuardFrameType : std::uint8_t { probe = 1, message = 2 };

/// The first 36 bytes of the payload, all but magic and version.
struct GuardHeader {
    GuardFrameType type = GuardFrameType::probe;
    std::uint16_t flags = 0;
    Identity sender;
    std::uint64_t boot_nonce = 0;
    friend bool operator==(const GuardHeader&, const GuardHeader&) = default;
};

/// A whole frame, not yet authenticated.
struct GuardFrameView {
    MacAddress destination;
    MacAddress source;
    std::uint16_t vid = 0;  ///< of the outermost tag; 0: none
    GuardHeader header;
    Bytes payload;  ///< from the magic on, with padding

    [[nodiscard]] Bytes body() const noexcept { return payload.subspan(kGuardHeaderSize); }
};

/// For the datapath too: no allocation, no cryptography. nullopt: not a frame of the guard, or not of this version.
/// What it says is a claim until the MAC was checked.
[[nodiscard]] std::optional<GuardFrameView> peek_guard_frame(Bytes frame) noexcept;

/// HMAC-SHA256 with the domain's key, cut to 16 bytes. The appliance implements it; this module knows no cryptography.
class FrameAuthenticator {
  public:
    using Tag = std::array<std::uint8_t, kGuardMacSize>;
    virtual ~FrameAuthenticator() = default;
    [[nodiscard]] virtual Tag tag(Bytes payload_before_tag) const = 0;
};

/// What the key of FrameAuthenticator is derived with: HKDF-SHA256(domain key, no salt, this), 32 bytes.
inline constexpr std::string_view kGuardKeyLabel = "loop-probe";

/// A locally administered address, the same for a node's port each time: 02:4c:47 and 24 bits of a hash.
[[nodiscard]] MacAddress guard_source(NodeId node, PortId port) noexcept;
/// Not a host: its moves say nothing.
[[nodiscard]] constexpr bool is_guard_source(const MacAddress& mac) noexcept {
    return mac.bytes[0] == 0x02 && mac.bytes[1] == 0x4c && mac.bytes[2] == 0x47;
}

/// Appends Ethernet header, tag unless `vid` is 0, type, and the first 36 bytes.
void emit_guard_header(ByteWriter& out, const MacAddress& destination, const MacAddress& source,
                       std::uint16_t vid, const GuardHeader& header);
/// Tags a whole untagged frame; its MAC does not cover the tag. VID 0 makes a priority tag.
void tag_guard_frame(std::vector<std::uint8_t>& frame, std::uint16_t vid);
/// Appends the MAC over what emit_guard_header() and the caller wrote.
void seal_guard_frame(ByteWriter& out, std::uint16_t vid, const FrameAuthenticator& authenticator);

}  // namespace isthmus::stp_guard
