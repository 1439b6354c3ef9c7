#include "crypto/esp/early_packets.h"

#include <algorithm>
#include <utility>

namespace isthmus::crypto::esp {

bool EarlyPackets::keep(const PacketBuffer& packet, Spi spi, TimePoint now) noexcept {
    if (size_ == kMost || packet.meta.path == nullptr || kept_of(spi) >= kMostOfOne) return false;
    PacketBuffer copy = copy_of(packet);
    if (!copy) return false;
    Kept& kept = kept_[size_++];
    kept.packet = std::move(copy);
    kept.path = *packet.meta.path;
    kept.spi = spi;
    kept.came = now;
    return true;
}

void EarlyPackets::take(const InboundTable& table, PacketBatch& batch, TimePoint now,
                        DropLedger& ledger) noexcept {
    expire(now, ledger);
    std::size_t stay = 0;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        Kept& kept = kept_[i];
        if (table.find(kept.spi) == nullptr) {
            if (stay != i) kept_[stay] = std::move(kept);
            ++stay;
            continue;
        }
        paths_[taken] = kept.path;
        batch.push(std::move(kept.packet)).meta.path = &paths_[taken];
        ++taken;
    }
    size_ = stay;
    if (size_ == 0) clear();
}

void EarlyPackets::expire(TimePoint now, DropLedger& ledger) noexcept {
    std::size_t gone = 0;
    while (gone < size_ && kept_[gone].came + kPatience <= now) {
        ledger.count(DropReason::esp_unknown_spi, kNoTunnel, kNoSession);
        kept_[gone++].packet = PacketBuffer();
    }
    if (gone == 0) return;
    std::move(kept_.begin() + static_cast<std::ptrdiff_t>(gone),
              kept_.begin() + static_cast<std::ptrdiff_t>(size_), kept_.begin());
    size_ -= gone;
    if (size_ == 0) clear();
}

/// Packets lie one behind the other in a block, which is free again when the last of them has left.
PacketBuffer EarlyPackets::copy_of(const PacketBuffer& packet) noexcept {
    const std::size_t size = packet.size();
    if (!filling_ || filling_.tailroom() < size) {
        filling_ = PacketBuffer();
        if (auto block = blocks_.allocate(0); block && block->tailroom() >= size)
            filling_ = std::move(*block);
        if (!filling_) return {};
    }
    const std::size_t at = filling_.size();
    std::ranges::copy(packet.data(), filling_.append(size).begin());
    PacketBuffer copy = filling_.share(at, size);
    copy.meta = packet.meta;
    copy.meta.path = nullptr;
    return copy;
}

std::size_t EarlyPackets::kept_of(Spi spi) const noexcept {
    return static_cast<std::size_t>(std::count_if(kept_.begin(),
                                                  kept_.begin() + static_cast<std::ptrdiff_t>(size_),
                                                  [&](const Kept& kept) { return kept.spi == spi; }));
}

void EarlyPackets::clear() noexcept {
    for (Kept& kept : kept_) kept.packet = PacketBuffer();
    size_ = 0;
    filling_ = PacketBuffer();
}

}  // namespace isthmus::crypto::esp
