// One IKE SA: what it agreed on, what it is doing, and the children that it keeps (RFC 7296). Data only: what happens to it
// is in one file for each concern (init, auth, child_create, child_rekey, ike_rekey, deletion, liveness, ...).
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "crypto/dh.h"
#include "crypto/ike/child_sa.h"
#include "crypto/ike/exchanges.h"
#include "crypto/ike/fragment_assembler.h"
#include "crypto/ike/key_schedule.h"
#include "crypto/ike/nat.h"
#include "crypto/ike/options.h"
#include "crypto/ike/sk_cipher.h"
#include "crypto/ike/tasks.h"

namespace isthmus::crypto::ike {

enum class IkeState : std::uint8_t {
    init_sent,  ///< we sent IKE_SA_INIT
    auth_sent,  ///< we sent IKE_AUTH
    half_open,  ///< we answered IKE_SA_INIT; the peer has yet to say who it is
    established,
    replaced,  ///< another IKE SA has its children; waits for the deletion
    deleting,  ///< our deletion waits for its answer
    closed,    ///< over; answers repeated requests for a while
};
[[nodiscard]] std::string_view name_of(IkeState state) noexcept;

/// What only the first exchanges need.
struct Setup {
    Nonce own_nonce;
    Nonce peer_nonce;
    std::optional<KeyExchange> key_exchange;
    std::vector<std::uint8_t> own_init;  ///< whole datagrams, which AUTH covers
    std::vector<std::uint8_t> peer_init;
    std::vector<std::uint8_t> cookie;
    SaPayload offered;
    std::string hearsay;           ///< an error in clear that came in answer to IKE_AUTH
    unsigned tries = 0;            ///< COOKIE and INVALID_KE_PAYLOAD seen
    std::optional<IkeKeys> plain;  ///< RFC 8784: SK_d, SK_pi, SK_pr without the PPK, should the peer lack it
};

struct IkeSa {
    explicit IkeSa(std::shared_ptr<const PeerOptions> peer_options)
        : options(std::move(peer_options)), exchanges(options->retransmission) {}

    std::shared_ptr<const PeerOptions> options;  ///< half_open: of one that it may be
    SpiPair spis;
    bool we_initiated = false;
    IkeState state = IkeState::init_sent;

    Endpoint local;
    Endpoint remote;
    bool floated = false;  ///< on port 4500: messages carry the non-ESP marker
    bool in_udp = false;   ///< ESP too
    NatState nat;

    IkeSuite suite;
    IkeKeys keys;
    std::optional<SkSealer> sealer;
    std::optional<SkOpener> opener;
    Exchanges exchanges;
    FragmentAssembler request_fragments;
    FragmentAssembler response_fragments;

    // What the peer can do.
    bool peer_fragments = false;
    bool peer_childless = false;
    bool peer_ppk = false;
    std::optional<std::vector<SignatureHash>> peer_hashes;

    std::unique_ptr<Setup> setup = std::make_unique<Setup>();
    std::optional<Identification> peer_id;  ///< authenticated
    std::string local_auth;                 ///< how, in words
    std::string remote_auth;
    bool ppk_used = false;
    std::vector<CertificatePayload>
        peer_certificates;  ///< by which it was authenticated; empty: a shared key

    std::deque<QueuedTask> queue;
    std::optional<Request> request;  ///< under way
    std::list<ChildSa> children;

    Nonce lowest_nonce;                 ///< of the exchange that made it, if it replaced another
    std::optional<IkeSpi> replaced_by;  ///< our SPI of the one that has the children
    /// The peer\'s rekeying made it while ours was under way: which of the two counts is not known yet.
    bool pending = false;

    TimePoint born;
    TimePoint up_at;  ///< authenticated
    TimePoint rekey_at;
    TimePoint expires_at;
    // Reauthentication: when all begins anew beside it, and when it ends if that has not worked. Kept when it is rekeyed.
    TimePoint reauthenticate_at = TimePoint::max();
    TimePoint authentic_until = TimePoint::max();
    TimePoint heard_at;  ///< last packet that authenticated, ESP included
    TimePoint sent_at;   ///< last datagram of ours
    std::optional<TimePoint>
        hinted_at;              ///< somebody said that the peer has forgotten us; no sign of life since
    TimePoint hint_taken_at{};  ///< last time that such a hint was listened to
    bool doubted = false;       ///< we have begun anew because of that hint
    std::optional<TimePoint> leave_at;  ///< half_open, replaced, closed: when it is given up

    [[nodiscard]] IkeSpi own_spi() const noexcept { return we_initiated ? spis.initiator : spis.responder; }
    [[nodiscard]] const std::string& peer() const noexcept { return options->name; }
    /// Authenticated, and in charge of the children.
    [[nodiscard]] bool is_up() const noexcept { return state == IkeState::established && !pending; }
    [[nodiscard]] bool in_progress() const noexcept {
        return state == IkeState::init_sent || state == IkeState::auth_sent;
    }
    [[nodiscard]] bool is_authenticated() const noexcept { return peer_id.has_value(); }
    [[nodiscard]] EspPath esp_path() const noexcept;
    /// Why the deletion under way is.
    [[nodiscard]] ChildDownReason deletion_reason() const noexcept;

    [[nodiscard]] ChildSa* child_in(Spi inbound) noexcept;
    [[nodiscard]] ChildSa* child_out(Spi outbound) noexcept;
    /// The live pair of that name that was made last; null: none.
    [[nodiscard]] ChildSa* live_child(std::string_view name) noexcept;
    [[nodiscard]] const ChildOptions* child_options(std::string_view name) const noexcept;

    void enqueue(Task task, TimePoint not_before = {});
    template <class T>
    [[nodiscard]] bool is_queued() const noexcept {
        for (const QueuedTask& queued : queue)
            if (std::holds_alternative<T>(queued.task)) return true;
        return false;
    }
    /// The request under way, if it is of that kind.
    template <class T>
    [[nodiscard]] T* under_way() noexcept {
        return request ? std::get_if<T>(&*request) : nullptr;
    }
    template <class T>
    [[nodiscard]] const T* under_way() const noexcept {
        return request ? std::get_if<T>(&*request) : nullptr;
    }
};

}  // namespace isthmus::crypto::ike
