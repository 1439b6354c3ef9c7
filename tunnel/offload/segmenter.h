// From one big frame of the kernel to frames that fit the wire: what a network card does for TSO and USO, and
// the checksums that the kernel left incomplete. A pump between two pipelines, not a Stage: one frame in,
// many out.
//
// As Linux segments (tcp_gso_segment, __udp_gso_segment): every segment carries the frame's headers with
// lengths, IPv4 identification (counting up by one), TCP sequence number and checksums of its own; CWR stays
// on the first TCP segment only (RFC 3168 section 6.1.2), FIN and PSH on the last only.
#pragma once

#include <cstdint>
#include <optional>

#include "base/drop_reason.h"
#include "base/packet_batch.h"
#include "base/packet_buffer.h"
#include "base/transport_view.h"

namespace isthmus::tunnel {

/// Finishes a frame with needs_checksum in place (to the frame's end, RFC 1071) and clears the flag.
/// bad_offload_header: the checksum's place is not inside the frame.
[[nodiscard]] DropReason complete_checksum(PacketBuffer& frame) noexcept;

class Segmenter {
  public:
    /// Segments are written into blocks of `slots`, with `headroom` and at least `tailroom` bytes around
    /// them.
    Segmenter(PacketPool& slots, std::size_t headroom, std::size_t tailroom) noexcept;

    /// Takes a frame with its meta.offload; nothing of an earlier one may be left. A frame that needs no
    /// segmenting comes out of next() as it is, with its checksum complete. bad_offload_header: headers and
    /// offload do not match; exceeds_path_mtu: a segment would not fit a slot.
    [[nodiscard]] DropReason start(PacketBuffer frame) noexcept;

    /// The next frame, with the metadata of the first and no offload. nullopt: all are out, or `slots` is
    /// empty just now, in which case busy() stays true and a later call goes on.
    [[nodiscard]] std::optional<PacketBuffer> next() noexcept;

    /// Moves frames into the batch until it is full, all are out, or `slots` is empty.
    void fill(PacketBatch& batch) noexcept;

    [[nodiscard]] bool busy() const noexcept { return static_cast<bool>(frame_); }
    /// Segments not yet taken.
    [[nodiscard]] std::size_t remaining() const noexcept;
    /// Gives up on the rest of the frame.
    void abandon() noexcept { frame_ = PacketBuffer(); }

  private:
    void prepare() noexcept;
    void finish_ip(std::uint8_t* ip, std::size_t segment_end) const noexcept;
    void finish_tcp(std::uint8_t* tcp, std::size_t size, bool last, std::uint16_t payload_sum) const noexcept;
    void finish_udp(std::uint8_t* udp, std::size_t size, std::uint16_t payload_sum) const noexcept;

    PacketPool& slots_;
    std::size_t headroom_;
    std::size_t tailroom_;

    PacketBuffer frame_;  ///< empty when idle; its fields that differ by segment are zeroed
    TransportView view_;
    std::size_t segment_size_ = 0;  ///< 0: the frame passes as it is
    std::size_t at_ = 0;            ///< where the next segment's payload begins
    std::uint32_t index_ = 0;
    std::uint32_t sequence_ = 0;
    std::uint16_t identification_ = 0;
    std::uint16_t data_offset_and_flags_ = 0;
    std::uint16_t ip_sum_ = 0;         ///< of the IPv4 header but for its fields that differ
    std::uint16_t transport_sum_ = 0;  ///< of the pseudo header and the transport header, likewise
};

}  // namespace isthmus::tunnel
