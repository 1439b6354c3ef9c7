#include "tunnel/reliable_delivery.h"

#include <algorithm>
#include <utility>

namespace isthmus::tunnel {

namespace {

/// How far `a` is ahead of `b`; negative: behind (RFC 3931 section 4.2: 32,767 values and the number itself are old).
int ahead(std::uint16_t a, std::uint16_t b) noexcept {
    return static_cast<std::int16_t>(static_cast<std::uint16_t>(a - b));
}

}  // namespace

ReliableDelivery::ReliableDelivery(const Retransmission& retransmission, std::uint16_t receive_window)
    : retransmission_(retransmission),
      unhurried_(retransmission),
      receive_window_(std::max<std::uint16_t>(receive_window, 1)) {}

void ReliableDelivery::set_peer_window(std::uint16_t window) noexcept {
    peer_window_ = std::max<std::uint16_t>(window, 1);
    slow_start_threshold_ = peer_window_;
    congestion_window_ = std::min<std::uint32_t>(congestion_window_, peer_window_);
}

void ReliableDelivery::set_retransmission(const Retransmission& retransmission) noexcept {
    retransmission_ = unhurried_ = retransmission;
    in_a_hurry_ = false;
}

void ReliableDelivery::send(std::vector<std::uint8_t> body) {
    queue_.push_back(std::move(body));
}

DeliveryVerdict ReliableDelivery::on_message(std::uint16_t ns, std::uint16_t nr, bool is_acknowledgement,
                                             Bytes message, TimePoint now) {
    if (!acknowledge(nr, now)) {
        ++counters_.invalid_nr;
        return DeliveryVerdict::invalid_nr;
    }
    if (is_acknowledgement) return DeliveryVerdict::acknowledgement;
    // Whatever comes is acknowledged: the peer may have missed what we said before.
    acknowledgement_due_ = true;
    const int distance = ahead(ns, next_expected_);
    if (distance < 0) {
        ++counters_.duplicates;
        return DeliveryVerdict::duplicate;
    }
    if (distance >= receive_window_) {
        ++counters_.beyond_window;
        return DeliveryVerdict::beyond_window;
    }
    if (distance > 0) {
        const bool is_new = held_.try_emplace(ns, message.begin(), message.end()).second;
        ++(is_new ? counters_.out_of_order : counters_.duplicates);
        return is_new ? DeliveryVerdict::held : DeliveryVerdict::duplicate;
    }
    received_.emplace_back(message.begin(), message.end());
    ++next_expected_;
    for (auto next = held_.find(next_expected_); next != held_.end(); next = held_.find(next_expected_)) {
        received_.push_back(std::move(next->second));
        held_.erase(next);
        ++next_expected_;
    }
    return DeliveryVerdict::accepted;
}

std::optional<std::vector<std::uint8_t>> ReliableDelivery::poll_received() {
    if (received_.empty()) return std::nullopt;
    auto message = std::move(received_.front());
    received_.pop_front();
    ++counters_.received;
    return message;
}

/// False: Nr names what was never sent.
bool ReliableDelivery::acknowledge(std::uint16_t nr, TimePoint now) {
    const int count = ahead(nr, first_unacknowledged_);
    if (count > static_cast<int>(ever_sent_)) return false;
    if (count <= 0) return true;  // an old message, or nothing new
    const auto n = static_cast<std::size_t>(count);
    queue_.erase(queue_.begin(), queue_.begin() + count);
    first_unacknowledged_ = nr;
    ever_sent_ -= n;
    in_flight_ -= std::min(in_flight_, n);
    retries_ = 0;
    retransmission_ = unhurried_;
    in_a_hurry_ = false;
    open_window();
    // What is still on its way has the full time again.
    resend_at_ = in_flight_ > 0 ? std::optional(now + interval()) : std::nullopt;
    return true;
}

/// RFC 3931 appendix A: by one with each acknowledgement, then by one with each window of them.
void ReliableDelivery::open_window() noexcept {
    if (congestion_window_ < slow_start_threshold_) {
        ++congestion_window_;
    } else if (++acknowledged_in_avoidance_ >= congestion_window_) {
        acknowledged_in_avoidance_ = 0;
        ++congestion_window_;
    }
    congestion_window_ = std::min<std::uint32_t>(congestion_window_, peer_window_);
}

std::optional<ReliableDelivery::Outgoing> ReliableDelivery::poll_send(TimePoint now) {
    if (failed()) return std::nullopt;
    const std::size_t window = std::min<std::size_t>(congestion_window_, peer_window_);
    if (in_flight_ < std::min(window, queue_.size())) {
        const std::size_t at = in_flight_++;
        ++(at < ever_sent_ ? counters_.retransmissions : counters_.sent);
        ever_sent_ = std::max(ever_sent_, in_flight_);
        if (!resend_at_) resend_at_ = now + interval();
        acknowledgement_due_ = false;
        return Outgoing{static_cast<std::uint16_t>(first_unacknowledged_ + at), next_expected_,
                        Bytes(queue_[at])};
    }
    if (!acknowledgement_due_) return std::nullopt;
    acknowledgement_due_ = false;
    // Carries the number of the next message without using it up.
    return Outgoing{static_cast<std::uint16_t>(first_unacknowledged_ + ever_sent_), next_expected_,
                    std::nullopt};
}

void ReliableDelivery::on_timeout(TimePoint now) {
    if (!resend_at_ || now < *resend_at_ || failed()) return;
    resend_at_.reset();
    ++retries_;
    slow_start_threshold_ = std::max<std::uint32_t>(congestion_window_ / 2, 1);
    congestion_window_ = 1;
    acknowledged_in_avoidance_ = 0;
    in_flight_ = 0;  // all of it is sent again, as the window opens
}

std::optional<TimePoint> ReliableDelivery::next_timeout() const noexcept {
    return failed() ? std::nullopt : resend_at_;
}

void ReliableDelivery::hurry(Duration interval, std::uint32_t tries, TimePoint now) {
    if (std::exchange(in_a_hurry_, true)) return;
    retransmission_.first = retransmission_.cap = interval;
    retransmission_.tries = retries_ + tries;
    if (resend_at_) resend_at_ = std::min(*resend_at_, now + interval);
}

Duration ReliableDelivery::interval() const noexcept {
    Duration wait = retransmission_.first;
    for (std::uint32_t i = 0; i < retries_ && wait < retransmission_.cap; ++i) wait *= 2;
    return std::min(wait, std::max(retransmission_.cap, retransmission_.first));
}

}  // namespace isthmus::tunnel
