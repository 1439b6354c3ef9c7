// Ethernet II and 802.3 headers with up to two 802.1Q/802.1ad tags (IEEE 802.3 section 3.2, 802.1Q section 9).
//
//    0        6        12     14                     in front of the type: 0, 1 or 2 tags of 4 bytes
//   +--------+--------+------+----------
//   | dest   | source | type | payload               tag: TPID (0x8100, 0x88a8, 0x9100) | PCP 3 | DEI 1 | VID 12
//   +--------+--------+------+----------
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace isthmus {

inline constexpr std::size_t kEthernetHeaderSize = 14;
inline constexpr std::size_t kVlanTagSize = 4;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;
inline constexpr std::uint16_t kEtherTypeServiceVlan = 0x88a8;
inline constexpr std::uint16_t kEtherTypeOldQinQ = 0x9100;
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;

[[nodiscard]] constexpr bool is_vlan_tpid(std::uint16_t type) noexcept {
    return type == kEtherTypeVlan || type == kEtherTypeServiceVlan || type == kEtherTypeOldQinQ;
}

/// One tag. VID 0 is a priority tag, 4095 reserved.
struct VlanTag {
    std::uint16_t tpid = 0;
    std::uint16_t tci = 0;
    [[nodiscard]] constexpr std::uint16_t vid() const noexcept { return tci & 0x0fff; }
    [[nodiscard]] constexpr std::uint8_t pcp() const noexcept { return static_cast<std::uint8_t>(tci >> 13); }
};

/// Where things are in a frame. Deeper tags than two are left to the payload.
struct EthernetView {
    MacAddress destination;
    MacAddress source;
    std::uint8_t tag_count = 0;
    std::array<VlanTag, 2> tags{};     ///< outermost first
    std::uint16_t type = 0;            ///< EtherType, or an 802.3 length if below 0x600
    std::uint16_t payload_offset = 0;  ///< of what follows the type

    [[nodiscard]] constexpr bool is_llc() const noexcept { return type < 0x600; }

    /// nullopt: shorter than its headers say.
    [[nodiscard]] static std::optional<EthernetView> parse(Bytes frame) noexcept;
};

/// A copy whose outermost 802.1Q tag has that VID and the priority that it had; 0: without that tag. One without a tag gets `tci` with
/// that VID. The frame has its addresses and type.
[[nodiscard]] std::vector<std::uint8_t> with_vid(Bytes frame, std::uint16_t vid, std::uint16_t tci = 0);

}  // namespace isthmus
