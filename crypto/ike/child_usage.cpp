#include <algorithm>

#include "crypto/ike/child.h"
#include "crypto/ike/engine.h"

namespace isthmus::crypto::ike::child {

namespace {

/// libreswan 4.10 makes the outbound SA of a pair before the inbound one, and sends with it meanwhile: what we answered at
/// once under the new pair would be lost. The old one is good until it is deleted (RFC 7296 section 2.8), so there is no haste.
constexpr std::chrono::milliseconds kBeforeUse{200};

bool passes(std::uint64_t in, std::uint64_t out, std::uint64_t limit) noexcept {
    return limit != 0 && std::max(in, out) >= limit;
}

}  // namespace

void on_usage(Core& core, IkeSa& sa, ChildSa& pair, const SaUsage& usage) {
    const bool is_first = pair.packets_in == 0 && usage.packets_in > 0;
    pair.packets_in = usage.packets_in;
    pair.packets_out = usage.packets_out;
    pair.bytes_in = usage.bytes_in;
    pair.bytes_out = usage.bytes_out;
    if (usage.last_in && *usage.last_in > sa.heard_at) {
        sa.heard_at = std::min(*usage.last_in, core.now);
        if (sa.hinted_at && sa.heard_at > *sa.hinted_at) sa.hinted_at.reset();
    }
    // The peer sends with it, so it also receives with it.
    if (usage.packets_in > 0) pair.settled_at = {};
    if (is_first && pair.is_live() && !pair.sends) pair.use_at = core.now + kBeforeUse;
    const bool used_up = passes(pair.packets_in, pair.packets_out, pair.packet_limit) ||
                         passes(pair.bytes_in, pair.bytes_out, pair.byte_limit);
    if (used_up && pair.is_live() && pair.rekey_at != TimePoint::max()) pair.rekey_at = core.now;
    core.mark(sa);
}

}  // namespace isthmus::crypto::ike::child
