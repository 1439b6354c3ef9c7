#include "crypto/esp/open_stage.h"

#include <algorithm>
#include <bit>

#include "crypto/esp/early_packets.h"
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

void OpenStage::process(PacketBatch& batch, TimePoint now) noexcept {
    std::array<PacketBuffer*, kJobsAtOnce> run;
    std::size_t length = 0;
    const InboundTable::Entry* of_run = nullptr;
    const auto flush = [&] {
        if (length > 0) open(*of_run, {run.data(), length}, now);
        length = 0;
    };
    for (PacketBuffer& packet : batch) {
        if (packet.meta.drop != DropReason::none) continue;
        const InboundTable::Entry* entry = entry_for(packet, now);
        if (entry == nullptr) continue;
        if (entry != of_run || length == run.size()) flush();
        of_run = entry;
        packet.meta.tunnel = entry->tunnel;
        run[length++] = &packet;
    }
    flush();
}

void OpenStage::open(const InboundTable::Entry& entry, Run run, TimePoint now) noexcept {
    InboundSa& sa = *entry.sa;
    const std::uint64_t newest_before = sa.highest_sequence();
    sa.open(run, *scratch_);
    if (sa.highest_sequence() != newest_before) {
        const bool first = !sa.last_heard();
        sa.note_heard(now);
        if (punt_ != nullptr) watch(entry, run, first, now);
    }
    if (!entry.mode) return;
    for (PacketBuffer* packet : run) {
        if (packet->meta.drop != DropReason::none) continue;
        const bool is_ip =
            packet->meta.next_header == kNextHeaderIpv4 || packet->meta.next_header == kNextHeaderIpv6;
        if (is_ip != (*entry.mode == Mode::tunnel)) packet->meta.drop = DropReason::inner_protocol;
    }
}

// The last authentic packet of the run speaks for it: the newest, or one that overtook it by a hair.
void OpenStage::watch(const InboundTable::Entry& entry, Run run, bool first, TimePoint now) noexcept {
    const auto is_authentic = [](const PacketBuffer* packet) {
        return packet->meta.drop == DropReason::none && packet->meta.path != nullptr;
    };
    const auto last = std::find_if(run.rbegin(), run.rend(), is_authentic);
    if (last == run.rend()) return;
    Path path = *(*last)->meta.path;
    path.authenticated_by = entry.sa->spi();
    if (first && entry.tell_first)
        (void)punt_->offer(PuntClass::first_packet, entry.tunnel, kNoSession, path, {});
    if (entry.peer && path.remote != *entry.peer && entry.sa->may_report(now, kReportInterval))
        (void)punt_->offer(PuntClass::peer_moved, entry.tunnel, kNoSession, path, {});
}

// Whoever sends forged ones gets one slot of the table, and may at worst keep a few others' hints for a second.
void OpenStage::hint_unknown(const PacketBuffer& packet, Spi spi, TimePoint now) noexcept {
    if (punt_ == nullptr || packet.meta.path == nullptr) return;
    std::size_t mixed = raw(spi);
    for (const std::uint8_t byte : packet.meta.path->remote.address.bytes()) mixed = mixed * 31 + byte;
    TimePoint& next = next_hint_[place_of(Spi{static_cast<std::uint32_t>(mixed)}, next_hint_.size())];
    if (now < next) return;
    next = now + kHintInterval;
    (void)punt_->offer(PuntClass::unknown_spi, kNoTunnel, kNoSession, *packet.meta.path,
                       packet.data().first(kHintSize));
}

void OpenStage::refuse_unknown(PacketBuffer& packet, Spi spi, TimePoint now) noexcept {
    const bool is_early = early_ != nullptr && early_->expects(spi);
    if (is_early && early_->keep(packet, spi, now)) {
        packet = PacketBuffer();
        return;
    }
    packet.meta.drop = DropReason::esp_unknown_spi;
    if (!is_early) hint_unknown(packet, spi, now);
}

// Null: the packet's drop is set, or it is kept for later.
const InboundTable::Entry* OpenStage::entry_for(PacketBuffer& packet, TimePoint now) noexcept {
    const auto header = Header::parse(packet.data());
    if (!header) {
        packet.meta.drop = DropReason::esp_truncated;
        return nullptr;
    }
    const InboundTable::Entry* entry = table_ != nullptr ? table_->find(header->spi) : nullptr;
    if (entry == nullptr) refuse_unknown(packet, header->spi, now);
    return entry;
}

}  // namespace isthmus::crypto::esp
