// IKEv2 (RFC 7296): keeps ESP SAs with every configured peer, whatever happens to either. Sans-IO: see docs/architecture.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/options.h"
#include "crypto/ike/snapshot.h"

namespace isthmus::crypto::ike {

/// A way to a peer that the driver found: the peer's address, and ours that leads there (unspecified: not known).
struct ResolvedAddress {
    IpAddress remote;
    IpAddress local;
};

/// What the datapath knows of a pair of ESP SAs; totals since the pair came up.
struct SaUsage {
    std::uint64_t packets_in = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_out = 0;
    std::optional<TimePoint> last_in;  ///< newest packet that authenticated
};

class Engine {
  public:
    Engine(EngineOptions options, Rng& rng);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// The peers from now on. Unchanged ones keep their SAs; changed ones are built again; those that are gone are told so.
    /// Other credentials count from the next authentication on, but a peer whose certificate they refuse is dropped at once.
    void configure(std::vector<PeerOptions> peers, TimePoint now);
    /// Inbound SPIs that others use (manual keys), from now on: never chosen here.
    void reserve_spis(std::span<const Spi> inbound);
    /// A moment that has certainly passed; the latest counts. A clock behind it is wrong: certificates are then accepted
    /// only with Credentials::accept_without_clock.
    void on_certain_time(WallTime passed);
    /// The clock is right now: whoever was accepted by certificates while it was in doubt is looked at again.
    void check_certificates(TimePoint now, WallTime wall);
    /// Tells every peer that all SAs end, once and without waiting for answers. Then only poll_action() makes sense.
    void shut_down(TimePoint now);

    /// One IKE message, without the non-ESP marker. `path.local.port` says which of our two ports it came to.
    void on_datagram(Bytes message, const Path& path, TimePoint now, WallTime wall);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<Action> poll_action();

    /// Answers Resolve; best address first, empty: the name is not known (yet), which is tried again.
    void on_resolved(std::string_view peer, std::span<const ResolvedAddress> addresses, TimePoint now);
    /// Call about once a second for each pair, and at once when the first packet opens under a new one.
    void on_sa_usage(Spi inbound, const SaUsage& usage, TimePoint now);
    /// An ESP packet came for an SPI that nobody has. Answered with INVALID_SPI, seldom (RFC 7296 section 1.5).
    void on_unknown_spi(Spi spi, const Path& path, TimePoint now);
    /// An ESP packet that authenticated came from elsewhere than where we send to (RFC 7296 section 2.23).
    void on_esp_path_moved(Spi inbound, const Endpoint& remote, TimePoint now);

    // For operators. Error: a sentence.
    /// Begins now, whatever the back-off says; also with a peer that we otherwise wait for.
    [[nodiscard]] Result<void, std::string> initiate(std::string_view peer, TimePoint now);
    /// New keys for the IKE SA, or (with `child`) for that child: make before break.
    [[nodiscard]] Result<void, std::string> rekey(std::string_view peer,
                                                  std::optional<std::string_view> child, TimePoint now);
    /// Closes all with the peer, which is told. A peer that we initiate to is then built up again.
    [[nodiscard]] Result<void, std::string> terminate(std::string_view peer, TimePoint now);

    [[nodiscard]] Snapshot snapshot(TimePoint now) const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace isthmus::crypto::ike
