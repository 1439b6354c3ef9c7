// Packets without allocation or copy: views into reference-counted blocks from a fixed slab.
//
//   block   |<------------------------- capacity ------------------------>|
//   packet        |<- headroom ->|<---- data ---->|<- tailroom ->|
//
// A stage prepends into the headroom and appends into the tailroom. Several packets may share one block (one UDP_GRO
// receive holds some forty); each may then write only inside its own bounds.
// A pool and all of its packets belong to one thread.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/address.h"
#include "base/bytes.h"
#include "base/drop_reason.h"
#include "base/ids.h"

namespace isthmus {

class PacketPool;

/// What the kernel left for us to do on a frame from a TAP, or we leave to it on a frame to a TAP
/// (virtio 1.1 section 5.1.6: struct virtio_net_hdr).
struct Offload {
    enum class Kind : std::uint8_t { none, tcp4, tcp6, udp };
    Kind kind = Kind::none;
    bool needs_checksum = false;        ///< checksum field holds the pseudo header's sum only
    bool ecn = false;                   ///< TCP with CWR set on the first segment only
    std::uint16_t segment_size = 0;     ///< payload bytes of each segment, if kind is not none
    std::uint16_t header_size = 0;      ///< bytes in front of the payload
    std::uint16_t checksum_start = 0;   ///< from the frame's start
    std::uint16_t checksum_offset = 0;  ///< from checksum_start
};

/// What stages tell each other about a packet.
struct PacketMeta {
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    DropReason drop = DropReason::none;
    std::uint8_t next_header = 0;    ///< IP protocol of the data, between ESP and L2TP
    std::uint8_t traffic_class = 0;  ///< outer DSCP and ECN: to send with, or received with
    std::uint16_t inner_source_port =
        0;  ///< received in ESP: of the UDP header inside, which is gone already
    std::uint16_t inner_destination_port = 0;
    bool control = false;        ///< ours (control message, probe, keepalive): goes ahead of data
    bool channel = false;        ///< with control: a message of the session's channel (RFC 5085), not a frame
    const Path* path = nullptr;  ///< received packets: how they came; lives as long as the batch
    Offload offload;
};

/// Memory that packets share. Made by PacketPool only.
struct PacketBlock {
    PacketPool* pool;
    PacketBlock* next_free;
    std::uint32_t capacity;
    std::uint32_t references;
    std::uint8_t* bytes;
};

/// A packet: owns one reference to its block. Move-only; empty after a move.
class PacketBuffer {
  public:
    PacketBuffer() = default;
    PacketBuffer(PacketBuffer&& other) noexcept { *this = std::move(other); }
    PacketBuffer& operator=(PacketBuffer&& other) noexcept;
    PacketBuffer(const PacketBuffer&) = delete;
    PacketBuffer& operator=(const PacketBuffer&) = delete;
    ~PacketBuffer() { release(); }

    [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
    [[nodiscard]] MutableBytes data() noexcept { return {block_->bytes + begin_, end_ - begin_}; }
    [[nodiscard]] Bytes data() const noexcept { return {block_->bytes + begin_, end_ - begin_}; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::size_t headroom() const noexcept { return begin_ - lower_; }
    [[nodiscard]] std::size_t tailroom() const noexcept { return upper_ - end_; }

    /// Grows the data to the front or back and returns the new bytes, uninitialised.
    /// The room must be there: the pipeline checked the sum of all stages' overheads at start.
    MutableBytes prepend(std::size_t n) noexcept {
        assert(n <= headroom());
        begin_ -= static_cast<std::uint32_t>(n);
        return {block_->bytes + begin_, n};
    }
    MutableBytes append(std::size_t n) noexcept {
        assert(n <= tailroom());
        const auto at = end_;
        end_ += static_cast<std::uint32_t>(n);
        return {block_->bytes + at, n};
    }
    void trim_front(std::size_t n) noexcept {
        assert(n <= size());
        begin_ += static_cast<std::uint32_t>(n);
    }
    void trim_back(std::size_t n) noexcept {
        assert(n <= size());
        end_ -= static_cast<std::uint32_t>(n);
    }

    /// Another packet over bytes [offset, offset + size) of this one's data, sharing the block and confined to those bytes.
    [[nodiscard]] PacketBuffer share(std::size_t offset, std::size_t size) const noexcept;

    PacketMeta meta;

  private:
    friend class PacketPool;
    void release() noexcept;

    PacketBlock* block_ = nullptr;
    std::uint32_t lower_ = 0;
    std::uint32_t begin_ = 0;
    std::uint32_t end_ = 0;
    std::uint32_t upper_ = 0;
};

/// A fixed number of blocks of one size. Never grows: an empty pool is a counted drop (no_buffer).
/// Outlives all of its packets.
class PacketPool {
  public:
    /// `block_size` bytes each, `count` blocks; both at least 1.
    PacketPool(std::size_t block_size, std::size_t count);
    ~PacketPool();
    PacketPool(const PacketPool&) = delete;
    PacketPool& operator=(const PacketPool&) = delete;

    /// An empty packet with `headroom` bytes before its data and the rest of the block behind; nullopt if none is free.
    [[nodiscard]] std::optional<PacketBuffer> allocate(std::size_t headroom) noexcept;

    [[nodiscard]] std::size_t block_size() const noexcept { return block_size_; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::size_t available() const noexcept { return available_; }
    [[nodiscard]] std::size_t memory() const noexcept { return block_size_ * count_; }

  private:
    friend class PacketBuffer;
    void give_back(PacketBlock* block) noexcept;

    std::size_t block_size_;
    std::size_t count_;
    std::size_t available_;
    std::unique_ptr<std::uint8_t[]> bytes_;
    std::unique_ptr<PacketBlock[]> blocks_;
    PacketBlock* free_ = nullptr;
};

inline PacketBuffer& PacketBuffer::operator=(PacketBuffer&& other) noexcept {
    if (this == &other) return *this;
    release();
    meta = other.meta;
    block_ = std::exchange(other.block_, nullptr);
    lower_ = other.lower_;
    begin_ = other.begin_;
    end_ = other.end_;
    upper_ = other.upper_;
    return *this;
}

inline void PacketBuffer::release() noexcept {
    if (block_ == nullptr) return;
    if (--block_->references == 0) block_->pool->give_back(block_);
    block_ = nullptr;
}

inline PacketBuffer PacketBuffer::share(std::size_t offset, std::size_t size) const noexcept {
    assert(offset + size <= this->size());
    PacketBuffer other;
    other.meta = meta;
    other.block_ = block_;
    ++block_->references;
    other.lower_ = other.begin_ = begin_ + static_cast<std::uint32_t>(offset);
    other.upper_ = other.end_ = other.begin_ + static_cast<std::uint32_t>(size);
    return other;
}

}  // namespace isthmus
