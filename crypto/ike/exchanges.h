// Numbers, retransmits and answers the messages of one IKE SA (RFC 7296 sections 2.1 to 2.3), with a window of one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "crypto/ike/options.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// A message as it goes out: one datagram, or its fragments (RFC 7383).
using Datagrams = std::vector<std::vector<std::uint8_t>>;

class Exchanges {
  public:
    explicit Exchanges(const RetransmissionOptions& options) noexcept : options_(options) {}

    void set_options(const RetransmissionOptions& options) noexcept { options_ = options; }

    // Our requests.

    [[nodiscard]] bool is_idle() const noexcept { return !pending_; }
    [[nodiscard]] MessageId next_request() const noexcept { return next_request_; }
    /// The request goes out now for the first time: keep it until it is answered. Replaces one with the same id
    /// (IKE_SA_INIT again, with a cookie or another group).
    void on_request_sent(ExchangeType type, Datagrams datagrams, TimePoint now, Rng& rng);
    /// Is this the id and the exchange of the response we wait for?
    [[nodiscard]] bool awaits(MessageId id, ExchangeType type) const noexcept;
    /// The response was accepted.
    void on_answered() noexcept;
    /// Nothing is waited for any more, and no further request will be sent.
    void abandon() noexcept { pending_.reset(); }

    /// When to send the request again; nullopt: none waits.
    [[nodiscard]] std::optional<TimePoint> retransmit_at() const noexcept;
    /// The request once more; the next time is set. Only while one waits.
    [[nodiscard]] const Datagrams& retransmit(TimePoint now, Rng& rng);
    /// Send again as soon as possible: the peer seems to be there. At most once in the first interval's time.
    void hasten(TimePoint now) noexcept;
    [[nodiscard]] std::optional<TimePoint> waiting_since() const noexcept;
    [[nodiscard]] std::uint32_t retransmissions() const noexcept { return pending_ ? pending_->repeats : 0; }

    // The peer's requests.

    enum class Incoming : std::uint8_t {
        fresh,     ///< the next one: to be carried out and answered
        repeated,  ///< the last one again: send the response again
        outside,   ///< neither: to be ignored
    };
    [[nodiscard]] Incoming judge(MessageId id) const noexcept;
    /// Keep the response in case that it is lost.
    void on_response_sent(Datagrams datagrams);
    [[nodiscard]] const Datagrams& last_response() const noexcept { return last_response_; }
    [[nodiscard]] MessageId expected_request() const noexcept { return expected_; }

  private:
    struct Pending {
        ExchangeType type = ExchangeType::informational;
        Datagrams datagrams;
        TimePoint first_sent;
        TimePoint again_at;
        Duration interval{};
        std::uint32_t repeats = 0;
    };
    [[nodiscard]] Duration jittered(Duration interval, Rng& rng) const;

    RetransmissionOptions options_;
    MessageId next_request_{0};
    std::optional<Pending> pending_;
    std::optional<TimePoint> hastened_at_;
    MessageId expected_{0};
    Datagrams last_response_;
};

}  // namespace isthmus::crypto::ike
