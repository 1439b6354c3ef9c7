#include "crypto/esp/open_stage.h"

#include <algorithm>
#include <bit>

#include "crypto/esp/header.h"

namespace isthmus::crypto::esp {

namespace {
// SPIs are often chosen at random, sometimes counted up: multiply to spread both.
std::size_t place_of(Spi spi, std::size_t slots) noexcept {
    return static_cast<std::size_t>((raw(spi) * std::uint64_t{0x9e3779b97f4a7c15}) >> 32) & (slots - 1);
}
}  // namespace

InboundTable::InboundTable(std::vector<Entry> entries) : slots_(std::bit_ceil(entries.size() * 2 + 1)) {
    for (Entry& entry : entries) {
        if (entry.sa == nullptr) continue;
        std::size_t at = place_of(entry.sa->spi(), slots_.size());
        while (slots_[at].sa != nullptr) at = (at + 1) & (slots_.size() - 1);
        slots_[at] = std::move(entry);
    }
}

const InboundTable::Entry* InboundTable::find(Spi spi) const noexcept {
    for (std::size_t at = place_of(spi, slots_.size()); slots_[at].sa != nullptr;
         at = (at + 1) & (slots_.size() - 1))
        if (slots_[at].sa->spi() == spi) return &slots_[at];
    return nullptr;
}

void OpenStage::process(PacketBatch& batch, TimePoint /*now*/) noexcept {
    std::array<PacketBuffer*, kJobsAtOnce> run;
    std::size_t length = 0;
    InboundSa* sa = nullptr;
    const auto flush = [&] {
        if (length > 0) sa->open({run.data(), length}, *scratch_);
        length = 0;
    };
    for (PacketBuffer& packet : batch) {
        if (packet.meta.drop != DropReason::none) continue;
        const InboundTable::Entry* entry = entry_for(packet);
        if (entry == nullptr) continue;
        if (entry->sa.get() != sa || length == run.size()) flush();
        sa = entry->sa.get();
        packet.meta.tunnel = entry->tunnel;
        run[length++] = &packet;
    }
    flush();
}

// Null: the packet's drop is set.
const InboundTable::Entry* OpenStage::entry_for(PacketBuffer& packet) const noexcept {
    const auto header = Header::parse(packet.data());
    if (!header) {
        packet.meta.drop = DropReason::esp_truncated;
        return nullptr;
    }
    const InboundTable::Entry* entry = table_ != nullptr ? table_->find(header->spi) : nullptr;
    if (entry == nullptr) packet.meta.drop = DropReason::esp_unknown_spi;
    return entry;
}

}  // namespace isthmus::crypto::esp
