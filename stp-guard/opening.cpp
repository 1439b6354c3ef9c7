#include "stp-guard/opening.h"

#include <algorithm>

namespace isthmus::stp_guard {

void LanReadiness::on_link(bool up, TimePoint now) {
    if (up == has_link()) return;
    link_since_ = up ? std::optional(now) : std::nullopt;
    first_frame_.reset();
    first_bpdu_.reset();
    forwarding_.reset();
    was_ready_ = false;
}

void LanReadiness::resume(TimePoint now) {
    if (!has_link()) return;
    forwarding_ = now;
    was_ready_ = true;
}

void LanReadiness::on_frame(TimePoint now) {
    if (has_link() && !first_frame_) first_frame_ = now;
}

void LanReadiness::on_bpdu(const Bpdu& bpdu, TimePoint now) {
    if (!has_link()) return;
    // Readiness that the silence before its first BPDU gave would stand; a bridge heard later does not take it back.
    (void)ready(now);
    if (!first_bpdu_) first_bpdu_ = now;
    if (bpdu.kind == BpduKind::topology_change) return;
    forward_delay_ =
        std::clamp<Duration>(bpdu.forward_delay, std::chrono::seconds(4), std::chrono::seconds(30));
    if (!forwarding_ && bpdu.flags.forwarding()) forwarding_ = now;
}

std::optional<TimePoint> LanReadiness::ready_at() const {
    if (!link_since_) return std::nullopt;
    if (forwarding_) return forwarding_;
    if (first_bpdu_) {
        const Duration two = forward_delay_ > Duration{} ? 2 * forward_delay_ : options_.two_forward_delays;
        return *first_bpdu_ + two;
    }
    const TimePoint silent = *link_since_ + options_.silent_lan;
    return first_frame_ ? std::min(silent, *first_frame_ + options_.after_first_frame) : silent;
}

bool LanReadiness::ready(TimePoint now) const {
    const auto at = ready_at();
    if (!at) return false;
    was_ready_ = was_ready_ || *at <= now;
    return was_ready_;
}

Duration Backoff::trip(TimePoint now) {
    trips_ = std::min(trips(now) + 1, 16U);
    last_ = now;
    Duration hold = options_.first;
    for (std::uint32_t i = 1; i < trips_ && hold < options_.longest; ++i) hold *= 2;
    return std::min(hold, options_.longest);
}

std::uint32_t Backoff::trips(TimePoint now) const {
    if (trips_ == 0 || now <= last_) return trips_;
    // Half the time is one doubling less.
    const auto quiet = static_cast<std::uint64_t>((now - last_) / options_.repeat_within);
    return quiet >= trips_ ? 0 : trips_ - static_cast<std::uint32_t>(quiet);
}

}  // namespace isthmus::stp_guard
