// From frames of the wire to one big frame for the kernel: what GRO does, so that one write to the TAP
// carries up to 64 KiB. A pump between two pipelines, not a Stage: many frames in, fewer out.
//
// Merged are consecutive TCP segments or UDP datagrams of one flow that the kernel's own segmenting would
// make of the merged frame again, bit for bit; and only with good checksums. So all headers are the same
// (MACs, tags, DSCP, ECN, TTL, DF, flow label, ACK and window, options) but for lengths, checksums, IPv4
// identifications that count up by one, sequence numbers that follow each other, CWR on the first and PSH or
// FIN on the last. All but the last payload are equally long. Everything else goes out unchanged. Frames of
// one flow (addresses, protocol, ports) never change order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/counters.h"
#include "base/ids.h"
#include "base/packet_batch.h"
#include "base/packet_buffer.h"
#include "base/transport_view.h"
#include "tunnel/offload/flow_headers.h"

namespace isthmus::tunnel {

/// One frame to write, in pieces. Valid during the call only.
struct GatheredFrame {
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    Offload offload;
    std::span<const Bytes> pieces;
    std::uint32_t size = 0;     ///< sum of the pieces
    std::uint16_t packets = 1;  ///< how many frames it was
};

/// Where frames go: a TAP, or a test.
class FrameSink {
  public:
    virtual ~FrameSink() = default;
    virtual void on_frame(const GatheredFrame& frame) noexcept = 0;
};

/// What may be merged: what the TAP's kernel takes. UDP needs Linux 6.2 (TapOffloads::uso4 and uso6).
struct CoalesceOptions {
    bool tcp4 = true;
    bool tcp6 = true;
    bool udp4 = false;
    bool udp6 = false;
};

class Coalescer {
  public:
    static constexpr std::size_t kMaxHeld = 512;        ///< frames that wait for others
    static constexpr std::size_t kMaxFlows = 64;        ///< flows that frames wait in
    static constexpr std::size_t kMaxSegments = 128;    ///< frames in one; 64 KiB are 45 of 1,448 bytes
    static constexpr std::size_t kMaxUdpSegments = 64;  ///< as Linux's own GRO (UDP_GRO_CNT_MAX)

    explicit Coalescer(CoalesceOptions options) noexcept;

    /// Takes all of the batch's packets; the batch is empty afterwards. Some go to the sink at once, others
    /// are held.
    void add(PacketBatch& batch, FrameSink& sink) noexcept;
    void add(PacketBuffer packet, FrameSink& sink) noexcept;

    /// Sends all that is held: at the end of each wake-up, as held frames age.
    void flush(FrameSink& sink) noexcept;

    [[nodiscard]] bool holds_frames() const noexcept { return open_ != 0; }

    [[nodiscard]] const Counter& frames_in() const noexcept { return frames_in_; }
    [[nodiscard]] const Counter& frames_out() const noexcept { return frames_out_; }

  private:
    using Index = std::uint16_t;
    static constexpr Index kNone = 0xffff;
    static constexpr std::size_t kTableSize = 2 * kMaxFlows;

    /// Frames of one flow that make one; remains, empty, when they are out.
    struct Flow {
        std::uint32_t hash = 0;
        Index head = kNone;  ///< kNone: nothing is held
        Index tail = kNone;
        std::uint16_t count = 0;
        std::uint16_t next_identification = 0;
        std::uint32_t next_sequence = 0;
        std::uint32_t size = 0;  ///< of the merged frame
        std::uint16_t segment_size = 0;
        bool verified = false;  ///< the first one's checksums; those of the others are
        TransportView view;     ///< of the first one
    };

    void add_candidate(Flow& flow, PacketBuffer& packet, const Candidate& candidate,
                       FrameSink& sink) noexcept;
    void open(Flow& flow, PacketBuffer& packet, const Candidate& candidate, bool verified,
              FrameSink& sink) noexcept;
    [[nodiscard]] bool fits(const Flow& flow, const Candidate& candidate) const noexcept;
    void append(Flow& flow, PacketBuffer& packet, const Candidate& candidate, FrameSink& sink) noexcept;
    void send(Flow& flow, FrameSink& sink) noexcept;
    void send_alone(PacketBuffer& packet, FrameSink& sink) noexcept;
    [[nodiscard]] Offload offload_of(const Flow& flow) const noexcept;

    [[nodiscard]] std::optional<Candidate> candidate_of(Bytes frame,
                                                        const TransportView& view) const noexcept;
    [[nodiscard]] Flow* find(std::uint32_t hash, const PacketBuffer& packet,
                             const TransportView& view) noexcept;
    [[nodiscard]] Flow& insert(std::uint32_t hash, FrameSink& sink) noexcept;

    CoalesceOptions options_;
    std::array<PacketBuffer, kMaxHeld> held_;
    std::array<Index, kMaxHeld> next_;
    std::size_t held_count_ = 0;  ///< places used since the last time that nothing was held
    std::array<Flow, kMaxFlows> flows_;
    std::size_t flow_count_ = 0;
    std::size_t open_ = 0;                        ///< flows that hold frames
    std::array<std::uint8_t, kTableSize> table_;  ///< open addressing by hash: index into flows_, or 0xff
    std::array<Bytes, kMaxSegments> pieces_;
    Counter frames_in_;
    Counter frames_out_;
};

}  // namespace isthmus::tunnel
