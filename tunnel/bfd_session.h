// BFD in asynchronous mode over one pseudowire (RFC 5880 section 6, RFC 5885 section 3): is its data path alive, in both
// directions? Sans-IO. Both ends are active; there is no echo function, no demand mode of ours (a peer's is honoured), no
// authentication (ESP or the cookie vouches for packets).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>

#include "base/rng.h"
#include "base/time.h"
#include "tunnel/bfd_options.h"
#include "tunnel/bfd_packet.h"

namespace isthmus::tunnel {

/// A BFD Control packet, for ChannelType::bfd.
struct BfdSend {
    std::array<std::uint8_t, BfdPacket::kSize> bytes{};
};
/// `why`: ours when we left Up, else the peer's.
struct BfdChanged {
    BfdState state{};
    BfdState before{};
    BfdDiagnostic why{};
};
using BfdAction = std::variant<BfdSend, BfdChanged>;

struct BfdStatus {
    BfdState state{};
    BfdState peer_state{};
    BfdDiagnostic diagnostic{};
    BfdDiagnostic peer_diagnostic{};
    Duration send_interval{};   ///< before jitter
    Duration detection_time{};  ///< 0: nothing was heard yet
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t refused = 0;  ///< malformed, or for another session
    std::uint32_t times_up = 0;
    std::uint32_t times_lost = 0;  ///< left Up
};

class BfdSession {
  public:
    /// `discriminator`: not 0, unique in this system, hard to guess.
    BfdSession(BfdOptions options, BfdDiscriminator discriminator, Rng& rng, TimePoint now);

    /// What came in the session's channel under ChannelType::bfd.
    void on_packet(Bytes packet, TimePoint now);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<BfdAction> poll_action();

    /// Down on purpose (the peer is told and does not take it for a failure), and back.
    void set_admin_down(bool down, TimePoint now);
    /// New intervals, agreed with the peer by a poll sequence (section 6.8.3); the state stays. While another sequence is
    /// under way they wait until it is over.
    void set_options(BfdOptions options, TimePoint now);

    [[nodiscard]] BfdState state() const noexcept { return state_; }
    [[nodiscard]] BfdStatus status() const noexcept;

  private:
    enum Timer : std::uint8_t { kTransmit, kDetection, kTimers };
    static constexpr Duration kNotHeardMinRx = std::chrono::microseconds(1);  ///< section 6.8.1

    void receive(const BfdPacket& packet, TimePoint now);
    [[nodiscard]] std::optional<BfdState> next_state(BfdState received) const noexcept;
    void change(BfdState next, BfdDiagnostic why, TimePoint now);
    void send(bool final, TimePoint now);
    void schedule_transmit(TimePoint now);
    void arm_detection(TimePoint now);
    void on_silence(TimePoint now);
    void end_poll();
    /// Nothing is to be sent periodically (section 6.8.7).
    [[nodiscard]] bool peer_wants_silence() const noexcept;
    [[nodiscard]] Duration desired_min_tx() const noexcept;
    [[nodiscard]] Duration send_interval() const noexcept;
    [[nodiscard]] Duration detection_time() const noexcept;

    BfdOptions options_;
    BfdDiscriminator mine_;
    Rng& rng_;
    std::array<std::optional<TimePoint>, kTimers> timers_{};
    std::deque<BfdAction> actions_;

    BfdState state_ = BfdState::down;
    BfdDiagnostic diagnostic_{};
    bool polling_ = false;
    /// The interval before the poll sequence that is under way: until the peer has confirmed the new one, it may still send
    /// as slowly as we asked before, and still expects us to send as fast (section 6.8.3).
    Duration polled_from_;
    std::optional<BfdOptions> next_options_;

    // What the peer said last.
    BfdDiscriminator yours_{};
    BfdState peer_state_ = BfdState::down;
    BfdDiagnostic peer_diagnostic_{};
    bool peer_demand_ = false;
    std::uint8_t peer_multiplier_ = 0;  // 0: nothing heard yet
    Duration peer_desired_min_tx_{};
    Duration peer_required_min_rx_ = kNotHeardMinRx;

    BfdStatus counters_;
    TimePoint last_sent_{};
};

}  // namespace isthmus::tunnel
