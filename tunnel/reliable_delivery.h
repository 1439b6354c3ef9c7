// Reliable delivery of control messages (RFC 3931 section 4.2, appendix A): sequence numbers, windows, slow start,
// retransmission, acknowledgement. It moves opaque bodies; headers, digests and their meaning are others'.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "tunnel/control_options.h"

namespace isthmus::tunnel {

/// What became of a message that came in.
enum class DeliveryVerdict : std::uint8_t {
    accepted,         ///< in order: poll_received() has it, and perhaps others that waited for it
    held,             ///< ahead of its turn, kept until the gap closes
    acknowledgement,  ///< ACK or ZLB: takes no number
    duplicate,        ///< acknowledged again, not processed
    beyond_window,    ///< further ahead than our window allows: dropped
    invalid_nr,       ///< acknowledges what was never sent: dropped
};

class ReliableDelivery {
  public:
    struct Counters {
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        std::uint64_t retransmissions = 0;
        std::uint64_t duplicates = 0;
        std::uint64_t out_of_order = 0;
        std::uint64_t beyond_window = 0;
        std::uint64_t invalid_nr = 0;
    };

    ReliableDelivery(const Retransmission& retransmission, std::uint16_t receive_window);

    /// Receive Window Size of the peer (RFC 3931 section 5.4.3); 4 until told. 0 is taken for 1.
    void set_peer_window(std::uint16_t window) noexcept;
    /// From the next message on.
    void set_retransmission(const Retransmission& retransmission) noexcept;
    /// Puts a body at the end of the queue.
    void send(std::vector<std::uint8_t> body);

    /// `message` is kept if it is not a duplicate or acknowledgement.
    DeliveryVerdict on_message(std::uint16_t ns, std::uint16_t nr, bool is_acknowledgement, Bytes message,
                               TimePoint now);
    /// The next message in order, as it was handed in.
    [[nodiscard]] std::optional<std::vector<std::uint8_t>> poll_received();

    struct Outgoing {
        std::uint16_t ns = 0;
        std::uint16_t nr = 0;
        std::optional<Bytes> body;  ///< nullopt: an explicit acknowledgement. Valid until the next call.
    };
    /// What may be sent now. After the caller has reacted to what it received, so that answers carry acknowledgements.
    [[nodiscard]] std::optional<Outgoing> poll_send(TimePoint now);

    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const noexcept;

    /// The peer did not acknowledge a message however often it was sent.
    [[nodiscard]] bool failed() const noexcept { return retries_ > retransmission_.tries; }
    /// Nothing waits for an acknowledgement, nor to be sent.
    [[nodiscard]] bool idle() const noexcept { return queue_.empty(); }
    /// Waits for the first acknowledgement of what was sent: 0, or how often it was sent again.
    [[nodiscard]] std::uint32_t retries() const noexcept { return retries_; }
    /// Gives up sooner: after `tries` more retransmissions, one each `interval`. Any sign of life ends the hurry; to ask
    /// for it again before that changes nothing.
    void hurry(Duration interval, std::uint32_t tries, TimePoint now);
    [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
    [[nodiscard]] std::uint32_t congestion_window() const noexcept { return congestion_window_; }

  private:
    [[nodiscard]] Duration interval() const noexcept;
    [[nodiscard]] bool acknowledge(std::uint16_t nr, TimePoint now);
    void open_window() noexcept;

    Retransmission retransmission_;
    Retransmission unhurried_;
    bool in_a_hurry_ = false;
    std::uint16_t receive_window_;
    Counters counters_;

    // towards the peer
    std::deque<std::vector<std::uint8_t>> queue_;  ///< the front has number first_unacknowledged_
    std::uint16_t first_unacknowledged_ = 0;
    std::size_t in_flight_ = 0;  ///< of the queue's front, sent and not timed out
    std::size_t ever_sent_ = 0;  ///< of the queue's front
    std::uint16_t peer_window_ = 4;
    std::uint32_t congestion_window_ = 1;
    std::uint32_t slow_start_threshold_ = 4;
    std::uint32_t acknowledged_in_avoidance_ = 0;
    std::uint32_t retries_ = 0;
    std::optional<TimePoint> resend_at_;

    // from the peer
    std::uint16_t next_expected_ = 0;
    std::map<std::uint16_t, std::vector<std::uint8_t>>
        held_;  ///< by distance from next_expected_, at least 1
    std::deque<std::vector<std::uint8_t>> received_;
    bool acknowledgement_due_ = false;
};

}  // namespace isthmus::tunnel
