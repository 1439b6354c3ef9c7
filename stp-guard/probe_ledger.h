// The probes that this process sent, and whether one that arrives may be believed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "stp-guard/guard_options.h"
#include "stp-guard/loop_probe.h"
#include "stp-guard/place_hash.h"

namespace isthmus::stp_guard {

/// Whose probe arrived, and that it is fresh.
struct AcceptedProbe {
    LoopProbe probe;
    bool own = false;
    Duration travelled{};  ///< own ones only
    MacAddress arrival_source;
};

/// How the VLAN is numbered where a probe arrives.
enum class Numbering : std::uint8_t {
    same,          ///< as where it was sent
    others_other,  ///< other sites may have another number for it
    any,           ///< it came out of a session that numbers it as it likes at each end
};

class ProbeLedger {
  public:
    /// The boot nonce is drawn here and never stored: it is what makes a probe this process's own.
    ProbeLedger(Identity self, const ProbeOptions& options, Rng& rng);

    /// The next probe of a place; its destination alternates, with decoys at random.
    [[nodiscard]] LoopProbe next(Place place, PortKind kind, std::uint16_t flags, TimePoint now);
    [[nodiscard]] std::optional<TimePoint> last_sent(Place place) const;
    void forget_port(PortId port);

    /// In this order: domain, MAC, and for our own the nonce, the port, its number among the last 64, its age, its VLAN, its
    /// addresses. Others' only have to be no older than what was heard of them.
    /// One that may have another number where it was sent is of the VLAN that it arrived in.
    [[nodiscard]] Result<AcceptedProbe, ProbeRefusal> judge(const ReceivedProbe& received,
                                                            std::uint16_t arrival_vid,
                                                            const FrameAuthenticator& authenticator,
                                                            TimePoint now,
                                                            Numbering numbering = Numbering::same);
    /// A peer proved that this is its nonce.
    void know_peer(NodeId node, std::uint64_t nonce, TimePoint now);

    [[nodiscard]] std::uint64_t boot_nonce() const noexcept { return boot_nonce_; }
    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_count_; }

  private:
    struct Sent {
        std::uint64_t last_seq = 0;
        TimePoint at{};
        bool broadcast_next = false;
    };
    struct Foreign {
        std::uint64_t nonce = 0;
        TimePoint heard_at{};
        std::unordered_map<Place, std::uint64_t> highest;
    };

    [[nodiscard]] std::optional<ProbeRefusal> refuse_own(const ReceivedProbe& received, TimePoint now) const;
    [[nodiscard]] std::optional<ProbeRefusal> refuse_foreign(const LoopProbe& probe, TimePoint now);
    [[nodiscard]] MacAddress next_destination(Sent& sent);

    Identity self_;
    ProbeOptions options_;
    Rng& rng_;
    std::uint64_t boot_nonce_;
    std::uint64_t sent_count_ = 0;
    std::unordered_map<Place, Sent> sent_;
    std::unordered_map<std::uint64_t, Foreign> foreign_;  ///< by node
};

}  // namespace isthmus::stp_guard
