#include "crypto/ike/liveness.h"

#include <algorithm>

#include "crypto/ike/connect.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::liveness {

namespace {

/// A hint that was not answered by a sign of life in this time makes us begin anew beside the old IKE SA.
constexpr std::chrono::milliseconds kDoubt{700};
constexpr std::chrono::seconds kBetweenDoubts{5};
constexpr std::chrono::seconds kBetweenHints{2};
/// A peer that lives but does not answer a request.
constexpr std::chrono::minutes kObstinate{1};

TimePoint probe_at(const IkeSa& sa) {
    return sa.hinted_at ? *sa.hinted_at : sa.heard_at + sa.options->liveness.detect * 2 / 5;
}

/// When the peer counts as lost; max() while no request waits for an answer.
TimePoint lost_at(const IkeSa& sa) {
    const auto since = sa.exchanges.waiting_since();
    if (!since) return TimePoint::max();
    const LivenessOptions& options = sa.options->liveness;
    TimePoint at = std::max(sa.heard_at + options.detect, *since + options.detect * 3 / 5);
    if (sa.hinted_at) at = std::min(at, std::max(*sa.hinted_at, *since) + options.detect_after_hint);
    return std::min(at, *since + kObstinate);
}

bool doubts(const IkeSa& sa) {
    return sa.is_up() && sa.hinted_at && sa.hinted_at >= sa.heard_at;
}

bool is_watched(const IkeSa& sa) noexcept {
    return sa.is_authenticated() && sa.state != IkeState::closed;
}

/// Beside the old IKE SA, which stays until the new one is authenticated: a hint alone takes nothing down.
void begin_anew(Core& core, IkeSa& sa) {
    sa.doubted = true;
    Peer* peer = core.peer_named(sa.peer());
    if (peer == nullptr || !peer->begins()) return;
    if (peer->hinted_at && core.now - *peer->hinted_at < kBetweenDoubts) return;
    peer->hinted_at = core.now;
    core.note(NoteLevel::info, sa.peer(), "the peer seems to have restarted: beginning anew");
    connect::begin_attempt(core, *peer);
}

}  // namespace

void on_time(Core& core, IkeSa& sa) {
    if (!is_watched(sa)) return;
    if (lost_at(sa) <= core.now) {
        const auto silent = std::chrono::duration_cast<std::chrono::seconds>(core.now - sa.heard_at);
        return upkeep::lose(core, sa, ChildDownReason::peer_lost,
                            "the peer is lost: no sign of life for " + std::to_string(silent.count()) + " s");
    }
    if (doubts(sa) && !sa.doubted && *sa.hinted_at + kDoubt <= core.now) begin_anew(core, sa);
    const bool wants_probe = sa.is_up() && probe_at(sa) <= core.now && sa.exchanges.is_idle();
    if (wants_probe && !sa.is_queued<LivenessTask>()) sa.enqueue(LivenessTask{});
}

TimePoint deadline(const IkeSa& sa) {
    if (!is_watched(sa)) return TimePoint::max();
    TimePoint at = lost_at(sa);
    if (sa.is_up() && sa.exchanges.is_idle() && !sa.is_queued<LivenessTask>())
        at = std::min(at, probe_at(sa));
    if (doubts(sa) && !sa.doubted) at = std::min(at, *sa.hinted_at + kDoubt);
    return at;
}

bool start(Core& core, IkeSa& sa) {
    if (!sa.is_up() || probe_at(sa) > core.now) return false;
    send_request(core, sa, ExchangeType::informational, {});
    sa.request = LivenessProbe{};
    return true;
}

void on_hint(Core& core, IkeSa& sa, std::string_view what) {
    if (sa.state == IkeState::deleting) {
        // Our deletion asks already; its answer is not waited for as long.
        if (!sa.hinted_at) sa.hinted_at = core.now;
        return core.mark(sa);
    }
    const bool listened = sa.is_up() && core.now - sa.hint_taken_at >= kBetweenHints;
    if (!listened) return;
    sa.hint_taken_at = core.now;
    sa.hinted_at = core.now;
    sa.doubted = false;
    sa.exchanges.hasten(core.now);
    core.note(NoteLevel::debug, sa.peer(), std::string(what) + ": asking whether the peer is there");
    core.mark(sa);
}

void on_unprotected(Core& core, const Message& message, const Path& path) {
    const auto* notify = find_notify(message.payloads, NotifyType::invalid_spi);
    const auto spi = notify != nullptr ? unknown_spi_in(*notify) : std::nullopt;
    if (!spi) {
        ++core.counters.dropped;
        return;
    }
    for (auto& [own, sa] : core.sas) {
        if (sa->remote.address != path.remote.address || sa->child_out(*spi) == nullptr) continue;
        return on_hint(core, *sa, "INVALID_SPI for " + text_of(*spi));
    }
}

void answer_unknown_spi(Core& core, Spi spi, const Path& path) {
    const bool has_sa = std::ranges::any_of(core.sas, [&](const auto& entry) {
        return entry.second->is_up() && entry.second->remote.address == path.remote.address;
    });
    // With an IKE SA in place this is a packet that was late.
    if (has_sa || !core.strangers.allows(core.now)) return;
    ++core.counters.invalid_spi_sent;
    Header header;
    header.initiator_spi = IkeSpi{core.rng.u64() | 1};
    header.responder_spi = IkeSpi{core.rng.u64() | 1};
    header.exchange = ExchangeType::informational;
    header.from_initiator = true;
    Path back = path;
    if (back.local.port == 0) back.local.port = core.options.ike_port;
    if (back.remote.port == 0) back.remote.port = 500;
    const std::vector<Payload> payloads{invalid_spi_notify(spi)};
    transmit_back(core, back, {emit_message(header, payloads)});
}

void answer_unknown_ike_sa(Core& core, const Header& header, const Path& path) {
    ++core.counters.dropped;
    if (header.is_response || !core.strangers.allows(core.now)) return;
    Header answer = header;
    answer.from_initiator = !header.from_initiator;
    answer.is_response = true;
    answer.higher_version = false;
    const std::vector<Payload> payloads{notify(NotifyType::invalid_ike_spi)};
    transmit_back(core, path, {emit_message(answer, payloads)});
}

}  // namespace isthmus::crypto::ike::liveness
