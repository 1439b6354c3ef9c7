// The header in front of each frame of a TAP with IFF_VNET_HDR (virtio 1.1 section 5.1.6; struct
// virtio_net_hdr, legacy layout of 10 bytes, here always little-endian). The kernel's own header has a field
// named `class` and lacks newer constants, so the layout and the numbers are written out.
//
//    0       1          2         4          6            8              10
//   +-------+----------+---------+----------+------------+---------------+
//   | flags | GSO type | hdr_len | GSO size | csum_start | csum_offset   |
//   +-------+----------+---------+----------+------------+---------------+
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/packet_buffer.h"

namespace isthmus {

inline constexpr std::size_t kVnetHeaderSize = 10;
using VnetHeader = std::array<std::uint8_t, kVnetHeaderSize>;

/// What a header says, checked against its frame (from the destination MAC on): header_size is where the
/// payload really begins, whatever hdr_len claims (Linux puts its linear part's length there). nullopt: the
/// header describes something other than the frame: checksum field outside of it, type against the frame's
/// own headers, no segment size, unknown bits.
[[nodiscard]] std::optional<Offload> decode_vnet_header(const VnetHeader& header, Bytes frame) noexcept;

/// The header for a frame to a TAP. A default Offload gives zeros: nothing to do.
[[nodiscard]] VnetHeader encode_vnet_header(const Offload& offload) noexcept;

}  // namespace isthmus
