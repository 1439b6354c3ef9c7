// Echo inside a pseudowire, for `isthmus ping SESSION`: round trip and loss of the very path that frames take.
//
// Behind the channel word of tunnel/vccv.h, ChannelType::echo:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |    Version    |     Kind      |           Sequence            |   Version = 1; Kind: 1 request, 2 reply
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                     Token (64 bits, random)                   |   of one run: replies to others count for nothing
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |    Padding ...                                                    comes back as it went
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"

namespace isthmus::tunnel {

struct EchoPacket {
    static constexpr std::size_t kHeaderSize = 12;
    enum class Kind : std::uint8_t { request = 1, reply = 2 };

    Kind kind{};
    std::uint16_t sequence = 0;
    std::uint64_t token = 0;
    Bytes padding;  ///< a view into what was parsed

    /// Error: the field and what is wrong.
    [[nodiscard]] static Result<EchoPacket, std::string_view> parse(Bytes payload) noexcept;
    [[nodiscard]] std::vector<std::uint8_t> emit() const;
    [[nodiscard]] EchoPacket reply() const noexcept { return {Kind::reply, sequence, token, padding}; }
};

struct PingOptions {
    std::uint16_t count = 5;
    Duration interval = std::chrono::milliseconds(200);
    Duration patience = std::chrono::seconds(2);  ///< after which a reply counts as lost
    std::size_t padding = 0;                      ///< bytes behind the header
};

/// A request for ChannelType::echo.
struct PingSend {
    std::vector<std::uint8_t> payload;
};
/// A reply came, or did not in time (then without round trip).
struct PingOutcome {
    std::uint16_t sequence = 0;
    std::optional<Duration> round_trip;
};
struct PingFinished {
    std::uint16_t sent = 0;
    std::uint16_t received = 0;
    Duration least{};
    Duration mean{};
    Duration most{};
};
using PingAction = std::variant<PingSend, PingOutcome, PingFinished>;

/// One run of requests over one session. Sans-IO.
class PseudowirePing {
  public:
    PseudowirePing(PingOptions options, Rng& rng, TimePoint now);

    /// Replies of other runs, and second replies, count for nothing.
    void on_reply(const EchoPacket& packet, TimePoint now);
    void on_timeout(TimePoint now);
    /// What has not come is lost, and nothing more is sent.
    void give_up();
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<PingAction> poll_action();
    [[nodiscard]] bool finished() const noexcept { return finished_; }

  private:
    struct Waiting {
        std::uint16_t sequence = 0;
        TimePoint sent{};
    };
    void send(TimePoint now);
    void finish_if_done();

    PingOptions options_;
    std::uint64_t token_;
    std::vector<std::uint8_t> padding_;
    std::deque<Waiting> waiting_;  ///< oldest first
    TimePoint next_send_{};
    std::deque<PingAction> actions_;
    PingFinished result_;
    Duration sum_{};
    bool finished_ = false;
};

}  // namespace isthmus::tunnel
