// Watches the data paths of all pseudowires that have a channel (tunnel/vccv.h): BFD of each, answers to echoes, runs of
// `isthmus ping`. Sans-IO.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/rng.h"
#include "tunnel/bfd_session.h"
#include "tunnel/deadlines.h"
#include "tunnel/pseudowire_echo.h"
#include "tunnel/rate_limit.h"
#include "tunnel/vccv.h"

namespace isthmus::tunnel {

/// A run of echoes, chosen by who asks.
enum class PingId : std::uint64_t {};

/// To be injected into the session's channel, from the channel word on.
struct SendChannel {
    SessionIndex session = kNoSession;
    std::vector<std::uint8_t> message;
};
/// Whether frames reach the peer and come back. Said when it changes; a path that was never found alive is not said to be
/// dead: the peer may not have come so far yet.
struct PathChanged {
    SessionIndex session = kNoSession;
    bool alive = true;
    BfdDiagnostic why{};
};
struct PingReport {
    PingId ping{};
    std::variant<PingOutcome, PingFinished> what;
};
using WatchAction = std::variant<SendChannel, PathChanged, PingReport>;

class PseudowireWatch {
  public:
    explicit PseudowireWatch(Rng& rng) : rng_(rng) {}

    /// Begins to watch with BFD, or goes on with other intervals. nullopt: no BFD, only echoes.
    void watch(SessionIndex session, std::optional<BfdOptions> bfd, TimePoint now);
    /// The session is gone: its runs of echoes end with what has come.
    void forget(SessionIndex session);
    /// A message of the session's channel, from its word on. Of sessions that are not watched it is ignored.
    void on_message(SessionIndex session, Bytes message, TimePoint now);
    /// The session has to be watched. False: it is not, or a run has that id.
    [[nodiscard]] bool ping(PingId id, SessionIndex session, PingOptions options, TimePoint now);
    void cancel(PingId id);

    /// Tells all peers that BFD ends on purpose.
    void stop(TimePoint now);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<WatchAction> poll_action();

    [[nodiscard]] bool is_watched(SessionIndex session) const { return sessions_.contains(session); }
    /// nullopt: no BFD.
    [[nodiscard]] std::optional<BfdStatus> status(SessionIndex session) const;

  private:
    static constexpr std::uint32_t kEchoesPerSecond = 200;
    struct Watched {
        std::optional<BfdSession> bfd;
        RateLimit echoes{kEchoesPerSecond, kEchoesPerSecond};
        std::optional<bool> alive;  ///< as it was told last
    };
    struct Run {
        SessionIndex session = kNoSession;
        PseudowirePing ping;
    };
    void settle(SessionIndex session, Watched& watched);
    void settle(PingId id);
    void on_change(SessionIndex session, Watched& watched, const BfdChanged& change);
    void on_echo(SessionIndex session, Watched& watched, Bytes payload, TimePoint now);
    void send(SessionIndex session, ChannelType type, Bytes payload);

    Rng& rng_;
    std::map<SessionIndex, Watched> sessions_;
    Deadlines<SessionIndex> deadlines_;  ///< of BFD
    std::map<PingId, Run> pings_;
    Deadlines<PingId> ping_deadlines_;
    std::deque<WatchAction> actions_;
};

}  // namespace isthmus::tunnel
