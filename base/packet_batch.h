// The unit that stages work on: up to kCapacity packets.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <utility>

#include "base/counters.h"
#include "base/packet_buffer.h"

namespace isthmus {

class PacketBatch {
  public:
    static constexpr std::size_t kCapacity = 256;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t room() const noexcept { return kCapacity - size_; }
    [[nodiscard]] PacketBuffer& operator[](std::size_t i) noexcept { return packets_[i]; }
    [[nodiscard]] const PacketBuffer& operator[](std::size_t i) const noexcept { return packets_[i]; }
    [[nodiscard]] PacketBuffer* begin() noexcept { return packets_.data(); }
    [[nodiscard]] PacketBuffer* end() noexcept { return packets_.data() + size_; }
    [[nodiscard]] const PacketBuffer* begin() const noexcept { return packets_.data(); }
    [[nodiscard]] const PacketBuffer* end() const noexcept { return packets_.data() + size_; }

    /// There must be room().
    PacketBuffer& push(PacketBuffer packet) noexcept {
        assert(size_ < kCapacity);
        return packets_[size_++] = std::move(packet);
    }

    /// Removes packets whose meta.drop is set, books each, and keeps the others' order. A packet that a stage has taken
    /// (punted, held back: moved from, so empty) goes without being booked.
    void sweep(DropLedger& ledger) noexcept {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < size_; ++i) {
            PacketBuffer& p = packets_[i];
            if (!p) continue;
            if (p.meta.drop != DropReason::none) {
                ledger.count(p.meta.drop, p.meta.tunnel, p.meta.session);
                p = PacketBuffer();
                continue;
            }
            if (kept != i) packets_[kept] = std::move(p);
            ++kept;
        }
        size_ = kept;
    }

    void clear() noexcept {
        for (std::size_t i = 0; i < size_; ++i) packets_[i] = PacketBuffer();
        size_ = 0;
    }

  private:
    std::array<PacketBuffer, kCapacity> packets_;
    std::size_t size_ = 0;
};

}  // namespace isthmus
