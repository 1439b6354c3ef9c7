#include "tunnel/bfd_session.h"

#include <algorithm>
#include <utility>

namespace isthmus::tunnel {

namespace {

/// RFC 5880 section 6.8.3: no faster than this while the session is not up.
constexpr Duration kSlowInterval = std::chrono::seconds(1);

Microseconds microseconds(Duration d) noexcept {
    return std::chrono::duration_cast<Microseconds>(d);
}

}  // namespace

BfdSession::BfdSession(BfdOptions options, BfdDiscriminator discriminator, Rng& rng, TimePoint now)
    : options_(options), mine_(discriminator), rng_(rng), polled_from_(options.interval) {
    send(false, now);
}

void BfdSession::on_packet(Bytes bytes, TimePoint now) {
    const auto packet = BfdPacket::parse(bytes);
    const bool for_us = packet && (packet->yours == BfdDiscriminator{} || packet->yours == mine_);
    if (!for_us) {
        ++counters_.refused;
        return;
    }
    ++counters_.received;
    receive(*packet, now);
}

// RFC 5880 section 6.8.6, in its order.
void BfdSession::receive(const BfdPacket& packet, TimePoint now) {
    const Duration old_interval = send_interval();
    const bool was_silenced = peer_wants_silence();
    yours_ = packet.mine;
    peer_state_ = packet.state;
    peer_diagnostic_ = packet.diagnostic;
    peer_demand_ = packet.demand;
    peer_required_min_rx_ = packet.required_min_rx;
    peer_desired_min_tx_ = packet.desired_min_tx;
    peer_multiplier_ = packet.detect_multiplier;
    // Whose poll a Final answers is clear only once a packet without it has come (section 6.8.3, its third choice).
    const bool next_is_clear = next_options_ && !polling_ && !packet.final;
    if (polling_ && packet.final) end_poll();
    arm_detection(now);
    if (state_ == BfdState::admin_down) return;
    if (packet.state == BfdState::admin_down) {
        if (state_ != BfdState::down) change(BfdState::down, BfdDiagnostic::neighbour_down, now);
    } else if (const auto next = next_state(packet.state)) {
        change(*next, *next == BfdState::down ? BfdDiagnostic::neighbour_down : BfdDiagnostic::none, now);
    }
    if (packet.poll) send(true, now);
    // The peer may have asked for another pace.
    if (was_silenced != peer_wants_silence() || send_interval() != old_interval) schedule_transmit(now);
    if (next_is_clear) set_options(*std::exchange(next_options_, std::nullopt), now);
}

void BfdSession::end_poll() {
    polling_ = false;
    polled_from_ = options_.interval;
}

std::optional<BfdState> BfdSession::next_state(BfdState received) const noexcept {
    const bool peer_hears_us = received == BfdState::init || received == BfdState::up;
    switch (state_) {
        case BfdState::down:
            if (received == BfdState::down) return BfdState::init;
            if (received == BfdState::init) return BfdState::up;
            return std::nullopt;
        case BfdState::init: return peer_hears_us ? std::optional(BfdState::up) : std::nullopt;
        case BfdState::up: return peer_hears_us ? std::nullopt : std::optional(BfdState::down);
        case BfdState::admin_down: break;
    }
    return std::nullopt;
}

void BfdSession::change(BfdState next, BfdDiagnostic why, TimePoint now) {
    const BfdState before = state_;
    const Duration wish_before = desired_min_tx();
    state_ = next;
    if (before == BfdState::up) {
        // What was not confirmed yet counts at once.
        if (next_options_) options_ = *std::exchange(next_options_, std::nullopt);
        polled_from_ = options_.interval;
    }
    if (before == BfdState::up) ++counters_.times_lost;
    if (next == BfdState::up) ++counters_.times_up;
    if (next != BfdState::init) diagnostic_ = why;
    // Coming up we may send faster, and going down slower: both are told by polling (section 6.8.3).
    if (desired_min_tx() != wish_before) polling_ = true;
    actions_.emplace_back(BfdChanged{next, before, why});
    send(false, now);
}

void BfdSession::on_timeout(TimePoint now) {
    if (timers_[kDetection] && *timers_[kDetection] <= now) on_silence(now);
    if (timers_[kTransmit] && *timers_[kTransmit] <= now) send(false, now);
}

/// A Detection Time without a packet (sections 6.8.1, 6.8.4 and 6.8.18): what the peer asked for counts no more, nor does
/// a wish for silence.
void BfdSession::on_silence(TimePoint now) {
    timers_[kDetection].reset();
    yours_ = BfdDiscriminator{};
    peer_multiplier_ = 0;
    peer_state_ = BfdState::down;
    peer_demand_ = false;
    peer_required_min_rx_ = kNotHeardMinRx;
    if (state_ == BfdState::up || state_ == BfdState::init)
        change(BfdState::down, BfdDiagnostic::detection_expired, now);
    else
        schedule_transmit(now);
}

std::optional<TimePoint> BfdSession::next_timeout() const {
    std::optional<TimePoint> earliest;
    for (const auto& timer : timers_)
        if (timer && (!earliest || *timer < *earliest)) earliest = timer;
    return earliest;
}

std::optional<BfdAction> BfdSession::poll_action() {
    if (actions_.empty()) return std::nullopt;
    BfdAction out = actions_.front();
    actions_.pop_front();
    return out;
}

void BfdSession::set_admin_down(bool down, TimePoint now) {
    if (down == (state_ == BfdState::admin_down)) return;
    change(down ? BfdState::admin_down : BfdState::down,
           down ? BfdDiagnostic::administratively_down : BfdDiagnostic::none, now);
}

void BfdSession::set_options(BfdOptions options, TimePoint now) {
    if (polling_ && state_ == BfdState::up) {
        next_options_ = options;
        return;
    }
    next_options_.reset();
    if (options == options_) return;
    polled_from_ = state_ == BfdState::up ? options_.interval : options.interval;
    // Another multiplier needs no poll (section 6.8.12).
    if (options.interval != options_.interval) polling_ = true;
    options_ = options;
    send(false, now);
}

void BfdSession::send(bool final, TimePoint now) {
    // A silenced session answers polls only.
    if (!peer_wants_silence() || final) {
        BfdPacket packet;
        packet.diagnostic = diagnostic_;
        packet.state = state_;
        packet.final = final;
        packet.poll = polling_ && !final;
        packet.detect_multiplier = options_.multiplier;
        packet.mine = mine_;
        packet.yours = yours_;
        packet.desired_min_tx = microseconds(desired_min_tx());  // as we wish, not as is in force yet
        packet.required_min_rx = microseconds(options_.interval);
        actions_.emplace_back(BfdSend{packet.emit()});
        ++counters_.sent;
        last_sent_ = now;
    }
    schedule_transmit(now);
}

// RFC 5880 section 6.8.7: reduced at random by up to a quarter; with a multiplier of 1 by at least a tenth.
void BfdSession::schedule_transmit(TimePoint now) {
    timers_[kTransmit].reset();
    if (peer_wants_silence()) return;
    const std::uint32_t least = options_.multiplier == 1 ? 100 : 0;
    const std::uint32_t thousandths = least + rng_.u32() % (251 - least);
    const Duration interval = send_interval();
    const TimePoint due = last_sent_ + interval - interval * thousandths / 1000;
    timers_[kTransmit] = std::max(due, now);
}

void BfdSession::arm_detection(TimePoint now) {
    timers_[kDetection] = now + detection_time();
}

Duration BfdSession::desired_min_tx() const noexcept {
    return state_ == BfdState::up ? options_.interval : std::max(options_.interval, kSlowInterval);
}

bool BfdSession::peer_wants_silence() const noexcept {
    const bool demand_is_active =
        peer_demand_ && state_ == BfdState::up && peer_state_ == BfdState::up && !polling_;
    return peer_required_min_rx_ == Duration{} || demand_is_active;
}

Duration BfdSession::send_interval() const noexcept {
    const Duration wish =
        state_ == BfdState::up ? std::min(options_.interval, polled_from_) : desired_min_tx();
    return std::max(wish, peer_required_min_rx_);
}

Duration BfdSession::detection_time() const noexcept {
    return peer_multiplier_ * std::max({options_.interval, polled_from_, peer_desired_min_tx_});
}

BfdStatus BfdSession::status() const noexcept {
    BfdStatus out = counters_;
    out.state = state_;
    out.peer_state = peer_state_;
    out.diagnostic = diagnostic_;
    out.peer_diagnostic = peer_diagnostic_;
    out.send_interval = send_interval();
    out.detection_time = detection_time();
    return out;
}

}  // namespace isthmus::tunnel
