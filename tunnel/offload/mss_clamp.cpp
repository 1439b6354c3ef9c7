#include "tunnel/offload/mss_clamp.h"

#include <optional>

#include "base/checksum.h"
#include "base/transport_view.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionMss = 2;
constexpr std::size_t kMssOptionSize = 4;

/// Where the option's value is, from the TCP header's start; nullopt if there is no such option or the list
/// is unsound.
std::optional<std::size_t> find_mss(Bytes tcp) noexcept {
    std::size_t at = kTcpHeaderSize;
    while (at < tcp.size() && tcp[at] != kOptionEnd) {
        if (tcp[at] == kOptionNop) {
            ++at;
            continue;
        }
        if (at + 2 > tcp.size()) return std::nullopt;
        const std::size_t size = tcp[at + 1];
        if (size < 2 || at + size > tcp.size()) return std::nullopt;
        if (tcp[at] == kOptionMss) return size == kMssOptionSize ? std::optional(at + 2) : std::nullopt;
        at += size;
    }
    return std::nullopt;
}

constexpr std::uint16_t swapped(std::uint16_t v) noexcept {
    return static_cast<std::uint16_t>((v << 8) | (v >> 8));
}

/// RFC 1624: HC' = ~(~HC + ~m + m'). A value at an odd offset has its bytes in two words, which is the same
/// as swapped.
std::uint16_t updated(std::uint16_t checksum, std::uint16_t before, std::uint16_t after, bool odd) noexcept {
    if (odd) {
        before = swapped(before);
        after = swapped(after);
    }
    const std::uint32_t sum =
        std::uint32_t{static_cast<std::uint16_t>(~checksum)} + static_cast<std::uint16_t>(~before) + after;
    return static_cast<std::uint16_t>(~fold_sum(sum));
}

}  // namespace

bool clamp_mss(MutableBytes frame, const Offload& offload, MssLimits limits) noexcept {
    const auto view = TransportView::of(frame);
    if (!view.is_tcp() || (frame[view.l4 + 13U] & kSyn) == 0) return false;
    const std::uint16_t limit = view.ip_version == 4 ? limits.tcp4 : limits.tcp6;
    const MutableBytes tcp = frame.subspan(view.l4, std::size_t{view.payload} - view.l4);
    const auto at = find_mss(tcp);
    if (limit == 0 || !at) return false;
    const std::uint16_t before = load_be16(tcp.data() + *at);
    if (before <= limit) return false;
    store_be16(tcp.data() + *at, limit);
    if (offload.needs_checksum) return true;
    std::uint8_t* checksum = tcp.data() + kTcpChecksumOffset;
    store_be16(checksum, updated(load_be16(checksum), before, limit, *at % 2 != 0));
    return true;
}

void MssClampStage::process(PacketBatch& batch, TimePoint /*now*/) noexcept {
    if (!limits_) return;
    for (PacketBuffer& packet : batch) {
        const auto session = static_cast<std::size_t>(raw(packet.meta.session));
        if (session >= limits_->size()) continue;
        if (clamp_mss(packet.data(), packet.meta.offload, (*limits_)[session])) clamped_.add();
    }
}

}  // namespace isthmus::tunnel
