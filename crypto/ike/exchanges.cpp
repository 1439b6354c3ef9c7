#include "crypto/ike/exchanges.h"

#include <algorithm>
#include <cassert>

#include "crypto/ike/jitter.h"

namespace isthmus::crypto::ike {

void Exchanges::on_request_sent(ExchangeType type, Datagrams datagrams, TimePoint now, Rng& rng) {
    // An IKE_SA_INIT that is sent again with a cookie is the same attempt: what was waited counts.
    const TimePoint since = pending_ ? pending_->first_sent : now;
    pending_ =
        Pending{type, std::move(datagrams), since, now + jittered(options_.first, rng), options_.first, 0};
}

bool Exchanges::awaits(MessageId id, ExchangeType type) const noexcept {
    return pending_ && id == next_request_ && type == pending_->type;
}

void Exchanges::on_answered() noexcept {
    pending_.reset();
    next_request_ = MessageId(raw(next_request_) + 1);
}

std::optional<TimePoint> Exchanges::retransmit_at() const noexcept {
    if (!pending_) return std::nullopt;
    return pending_->again_at;
}

const Datagrams& Exchanges::retransmit(TimePoint now, Rng& rng) {
    assert(pending_);
    ++pending_->repeats;
    pending_->interval =
        std::min<Duration>(pending_->interval * options_.growth_percent / 100, options_.longest);
    pending_->again_at = now + jittered(pending_->interval, rng);
    return pending_->datagrams;
}

void Exchanges::hasten(TimePoint now) noexcept {
    // Now and then only: anybody can make us hurry, and must not make us shout at the peer.
    const bool too_soon = hastened_at_ && now - *hastened_at_ < options_.first;
    if (!pending_ || too_soon) return;
    hastened_at_ = now;
    pending_->again_at = std::min(pending_->again_at, now);
}

std::optional<TimePoint> Exchanges::waiting_since() const noexcept {
    if (!pending_) return std::nullopt;
    return pending_->first_sent;
}

Exchanges::Incoming Exchanges::judge(MessageId id) const noexcept {
    if (id == expected_) return Incoming::fresh;
    const bool is_last = raw(expected_) != 0 && raw(id) == raw(expected_) - 1;
    return is_last && !last_response_.empty() ? Incoming::repeated : Incoming::outside;
}

void Exchanges::on_response_sent(Datagrams datagrams) {
    last_response_ = std::move(datagrams);
    expected_ = MessageId(raw(expected_) + 1);
}

Duration Exchanges::jittered(Duration interval, Rng& rng) const {
    return spread(interval, options_.jitter_percent, rng);
}

}  // namespace isthmus::crypto::ike
