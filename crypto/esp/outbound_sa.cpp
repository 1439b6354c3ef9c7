#include "crypto/esp/outbound_sa.h"

#include <algorithm>

#include "crypto/esp/checks.h"
#include "crypto/esp/header.h"

namespace isthmus::crypto::esp {

Result<std::unique_ptr<OutboundSa>, std::string> OutboundSa::create(const SaOptions& options,
                                                                    SequenceRange range,
                                                                    CipherProvider& provider, Rng& rng) {
    if (shape_of(options.suite).is_aead()) return create_with_ivs(options, range, provider, nullptr);
    auto ivs = make_cbc_iv_source(rng);
    if (!ivs) return Unexpected(std::move(ivs).error());
    return create_with_ivs(options, range, provider, std::move(ivs).value());
}

Result<std::unique_ptr<OutboundSa>, std::string> OutboundSa::create_with_ivs(const SaOptions& options,
                                                                             SequenceRange range,
                                                                             CipherProvider& provider,
                                                                             std::unique_ptr<IvSource> ivs) {
    if (auto good = check_options(options); !good) return Unexpected(std::move(good).error());
    if (range.first == 0 || range.first > last_sequence_of(options.extended_sequence))
        return Unexpected(std::string("no sequence number is left for this SA: it needs new keys"));
    if (!shape_of(options.suite).is_aead() && ivs == nullptr)
        return Unexpected(std::string("a CBC suite needs a source of IVs"));
    auto cipher = provider.make(options.suite, Direction::seal, options.key.reveal());
    if (!cipher) return Unexpected(std::move(cipher).error());
    return std::unique_ptr<OutboundSa>(
        new OutboundSa(options, range, std::move(cipher).value(), std::move(ivs)));
}

OutboundSa::OutboundSa(const SaOptions& options, SequenceRange range, std::unique_ptr<PacketCipher> cipher,
                       std::unique_ptr<IvSource> ivs)
    : spi_(options.spi),
      suite_(options.suite),
      shape_(shape_of(options.suite)),
      extended_(options.extended_sequence),
      salt_(salt_of(options)),
      cipher_(std::move(cipher)),
      ivs_(std::move(ivs)),
      next_(range.first),
      last_(range.first - 1),
      limit_(range.limit) {}

void OutboundSa::raise_limit(std::uint64_t limit) noexcept {
    if (limit > limit_.load(std::memory_order_relaxed)) limit_.store(limit, std::memory_order_relaxed);
}

void OutboundSa::seal(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept {
    // Always on: two threads in here would number packets twice. The one that finds the other inside stops
    // the SA.
    if (sealing_.exchange(true, std::memory_order_acquire)) {
        stopped_.store(true, std::memory_order_relaxed);
        for (PacketBuffer* packet : packets) packet->meta.drop = DropReason::esp_internal;
        return;
    }
    seal_owned(packets, scratch);
    sealing_.store(false, std::memory_order_release);
}

void OutboundSa::seal_owned(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept {
    const std::size_t count = claim_numbers(packets, scratch);
    if (count == 0) return;
    const std::span<const std::uint64_t> sequences(scratch.sequences.data(), count);
    // Always on: a number that does not grow would reuse a nonce. Better no traffic than that.
    if (!all_fresh(sequences)) {
        stopped_.store(true, std::memory_order_relaxed);
        for (std::size_t i = 0; i < count; ++i) drop(*scratch.packets[i], DropReason::esp_internal);
        return;
    }
    last_.store(sequences.back(), std::memory_order_relaxed);

    if (ivs_ != nullptr) ivs_->fill(sequences.front(), {scratch.ivs.data(), count * shape_.iv}, shape_.iv);
    for (std::size_t i = 0; i < count; ++i) build(i, scratch);
    cipher_->seal({scratch.jobs.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
        PacketBuffer& packet = *scratch.packets[i];
        if (scratch.jobs[i].ok) {
            counters_.passed(scratch.payload_sizes[i]);
        } else {
            drop(packet, DropReason::esp_internal);
        }
    }
}

// Numbers are given here and nowhere else, in the order of the packets.
std::size_t OutboundSa::claim_numbers(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept {
    std::size_t count = 0;
    for (PacketBuffer* packet : packets) {
        if (packet->meta.drop != DropReason::none) continue;
        if (const DropReason reason = refusal(*packet);
            reason != DropReason::none || count == scratch.packets.size()) {
            drop(*packet, reason == DropReason::none ? DropReason::esp_internal : reason);
            continue;
        }
        scratch.packets[count] = packet;
        scratch.sequences[count] = next_;
        scratch.payload_sizes[count] = packet->size();
        ++count;
        if (next_ == last_sequence_of(extended_)) {
            exhausted_ = true;  // and next_ is never looked at again
        } else {
            ++next_;
        }
    }
    return count;
}

DropReason OutboundSa::refusal(const PacketBuffer& packet) const noexcept {
    if (stopped_.load(std::memory_order_relaxed)) return DropReason::esp_internal;
    if (expired_.load(std::memory_order_relaxed)) return DropReason::esp_sa_expired;
    if (exhausted_) return DropReason::esp_sequence_exhausted;
    if (next_ > limit_.load(std::memory_order_relaxed)) return DropReason::esp_not_reserved;
    const std::size_t grown = sealed_size(suite_, packet.size());
    const std::size_t head = kHeaderSize + shape_.iv;
    // The pipeline checked the room at start; a packet that is confined to part of a block has none.
    if (packet.headroom() < head || packet.tailroom() < grown - head - packet.size())
        return DropReason::esp_internal;
    return DropReason::none;
}

bool OutboundSa::all_fresh(std::span<const std::uint64_t> sequences) const noexcept {
    std::uint64_t before = last_.load(std::memory_order_relaxed);
    for (const std::uint64_t sequence : sequences) {
        if (sequence <= before) return false;
        before = sequence;
    }
    return before <= limit_.load(std::memory_order_relaxed) && before <= last_sequence_of(extended_);
}

void OutboundSa::build(std::size_t index, JobScratch& scratch) noexcept {
    PacketBuffer& packet = *scratch.packets[index];
    const std::uint64_t sequence = scratch.sequences[index];
    const std::size_t payload = packet.size();
    const std::size_t text = sealed_size(suite_, payload) - kHeaderSize - shape_.iv - shape_.icv;
    const std::size_t pad = text - payload - kTrailerSize;

    const MutableBytes tail = packet.append(pad + kTrailerSize + shape_.icv);
    for (std::size_t i = 0; i < pad; ++i) tail[i] = static_cast<std::uint8_t>(i + 1);
    tail[pad] = static_cast<std::uint8_t>(pad);
    tail[pad + 1] = packet.meta.next_header;

    const MutableBytes head = packet.prepend(kHeaderSize + shape_.iv);
    Header{spi_, static_cast<std::uint32_t>(sequence)}.emit(head);
    const MutableBytes iv = head.subspan(kHeaderSize);
    if (ivs_ != nullptr) {
        std::copy_n(scratch.ivs.data() + index * shape_.iv, shape_.iv, iv.data());
    } else {
        store_be64(iv.data(), sequence);
    }
    const MutableBytes body = packet.data().subspan(head.size(), text);
    PacketJob& job = describe({shape_, salt_, extended_}, packet.data(), sequence, scratch, index);
    job.in = body;
    job.out = body.data();
}

void OutboundSa::drop(PacketBuffer& packet, DropReason reason) noexcept {
    packet.meta.drop = reason;
    counters_.dropped(reason);
}

}  // namespace isthmus::crypto::esp
