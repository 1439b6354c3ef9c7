#include "crypto/esp/inbound_sa.h"

#include "crypto/esp/checks.h"
#include "crypto/esp/header.h"

namespace isthmus::crypto::esp {

namespace {
DropReason reason_of(ReplayWindow::Verdict verdict) noexcept {
    switch (verdict) {
        case ReplayWindow::Verdict::fresh: return DropReason::none;
        case ReplayWindow::Verdict::replayed: return DropReason::esp_replayed;
        case ReplayWindow::Verdict::outside: return DropReason::esp_outside_window;
    }
    return DropReason::esp_internal;
}
}  // namespace

Result<std::unique_ptr<InboundSa>, std::string> InboundSa::create(const SaOptions& options,
                                                                  std::uint64_t highest_seen,
                                                                  CipherProvider& provider) {
    if (auto good = check_options(options); !good) return Unexpected(std::move(good).error());
    const std::uint32_t window = options.replay_window;
    if (window < kMinReplayWindow || window > kMaxReplayWindow || window % 64 != 0)
        return Unexpected("a replay window of " + std::to_string(window) +
                          " packets does not exist; 64 to 32768, a multiple of 64");
    auto cipher = provider.make(options.suite, Direction::open, options.key.reveal());
    if (!cipher) return Unexpected(std::move(cipher).error());
    return std::unique_ptr<InboundSa>(new InboundSa(options, highest_seen, std::move(cipher).value()));
}

InboundSa::InboundSa(const SaOptions& options, std::uint64_t highest_seen,
                     std::unique_ptr<PacketCipher> cipher)
    : spi_(options.spi),
      suite_(options.suite),
      shape_(shape_of(options.suite)),
      extended_(options.extended_sequence),
      salt_(salt_of(options)),
      cipher_(std::move(cipher)),
      window_(options.replay_window, highest_seen),
      highest_(highest_seen) {}

void InboundSa::open(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept {
    // Always on: two threads in here would corrupt the window and let replays in.
    if (opening_.exchange(true, std::memory_order_acquire)) {
        stopped_.store(true, std::memory_order_relaxed);
        for (PacketBuffer* packet : packets) packet->meta.drop = DropReason::esp_internal;
        return;
    }
    open_owned(packets, scratch);
    opening_.store(false, std::memory_order_release);
}

void InboundSa::open_owned(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept {
    std::size_t count = 0;
    for (PacketBuffer* packet : packets) {
        if (packet->meta.drop != DropReason::none) continue;
        const DropReason reason =
            count < scratch.packets.size() ? prepare(*packet, count, scratch) : DropReason::esp_internal;
        if (reason != DropReason::none) {
            drop(*packet, reason);
            continue;
        }
        scratch.packets[count++] = packet;
    }
    if (count == 0) return;
    cipher_->open({scratch.jobs.data(), count});
    for (std::size_t i = 0; i < count; ++i) finish(*scratch.packets[i], i, scratch);
    highest_.store(window_.highest(), std::memory_order_relaxed);
}

// Everything that can be told before the cipher runs.
DropReason InboundSa::prepare(PacketBuffer& packet, std::size_t index, JobScratch& scratch) noexcept {
    if (stopped_.load(std::memory_order_relaxed)) return DropReason::esp_internal;
    if (expired_.load(std::memory_order_relaxed)) return DropReason::esp_sa_expired;
    const MutableBytes data = packet.data();
    const std::size_t fixed = kHeaderSize + shape_.iv + shape_.icv;
    if (data.size() < fixed + shape_.alignment) return DropReason::esp_truncated;
    const std::size_t text = data.size() - fixed;
    if (text % shape_.alignment != 0) return DropReason::esp_truncated;

    const auto header = Header::parse(data);
    const auto low = header->sequence_low;
    const auto sequence = extended_ ? window_.extend(low) : std::optional<std::uint64_t>(low);
    if (!sequence) return DropReason::esp_outside_window;
    if (const auto verdict = window_.check(*sequence); verdict != ReplayWindow::Verdict::fresh)
        return reason_of(verdict);

    scratch.sequences[index] = *sequence;
    PacketJob& job = describe({shape_, salt_, extended_}, data, *sequence, scratch, index);
    const MutableBytes body = data.subspan(kHeaderSize + shape_.iv, text);
    job.in = body;
    job.out = body.data();
    return DropReason::none;
}

void InboundSa::finish(PacketBuffer& packet, std::size_t index, const JobScratch& scratch) noexcept {
    const std::uint64_t sequence = scratch.sequences[index];
    if (!scratch.jobs[index].ok) {
        drop(packet, implausibly_far(sequence) ? DropReason::esp_outside_window : DropReason::esp_bad_icv);
        return;
    }
    DropReason reason = reason_of(window_.commit(sequence));
    if (reason == DropReason::none) reason = strip(packet);
    if (reason != DropReason::none) {
        drop(packet, reason);
        return;
    }
    counters_.passed(packet.size());
}

// Padding is 1, 2, 3, ... (RFC 4303 section 2.4); it was authentic, so anything else is the peer's fault.
DropReason InboundSa::strip(PacketBuffer& packet) const noexcept {
    packet.trim_front(kHeaderSize + shape_.iv);
    packet.trim_back(shape_.icv);
    const Bytes text = packet.data();
    const std::size_t pad = text[text.size() - 2];
    const std::uint8_t next_header = text[text.size() - 1];
    if (pad + kTrailerSize > text.size()) return DropReason::esp_bad_padding;
    const Bytes padding = text.last(pad + kTrailerSize).first(pad);
    for (std::size_t i = 0; i < pad; ++i)
        if (padding[i] != static_cast<std::uint8_t>(i + 1)) return DropReason::esp_bad_padding;
    if (next_header == kNextHeaderDummy) return DropReason::esp_dummy;
    packet.trim_back(pad + kTrailerSize);
    packet.meta.next_header = next_header;
    return DropReason::none;
}

// With ESN a number below the window reads as one nearly 2^32 ahead (RFC 4303 appendix A2.2) and so fails the
// ICV. Counting it as altered would mislead whoever looks for the cause of a loss.
bool InboundSa::implausibly_far(std::uint64_t sequence) const noexcept {
    constexpr std::uint64_t kHalfStretch = std::uint64_t{1} << 31;
    return extended_ && sequence > window_.highest() && sequence - window_.highest() >= kHalfStretch;
}

void InboundSa::drop(PacketBuffer& packet, DropReason reason) noexcept {
    packet.meta.drop = reason;
    counters_.dropped(reason);
}

}  // namespace isthmus::crypto::esp
