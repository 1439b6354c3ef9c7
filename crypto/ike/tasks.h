// What an IKE SA has to do, and what it is in the middle of: one request at a time (RFC 7296 section 2.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "crypto/dh.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/child_sa.h"
#include "crypto/ike/wire/security_association.h"

namespace isthmus::crypto::ike {

// Tasks wait in the IKE SA's queue.

struct CreateChildTask {
    std::string child;
};
struct RekeyChildTask {
    Spi inbound{};
};
struct RekeyIkeTask {};
struct DeleteChildTask {
    Spi inbound{};
    ChildDownReason reason = ChildDownReason::terminated;
};
struct DeleteIkeTask {
    ChildDownReason reason = ChildDownReason::terminated;
};
/// An empty request: is the peer there?
struct LivenessTask {};
/// Tells the peer what was wrong with its last response, and the IKE SA ends (RFC 7296 section 2.21.2).
struct RefuseTask {
    NotifyType error{};
};
using Task = std::variant<CreateChildTask, RekeyChildTask, RekeyIkeTask, DeleteChildTask, DeleteIkeTask,
                          LivenessTask, RefuseTask>;

struct QueuedTask {
    Task task;
    TimePoint not_before{};
};

// Requests under way: what is needed when the response comes.

/// Our offer of a child: in IKE_AUTH, in CREATE_CHILD_SA, or to replace a pair.
struct ChildOffer {
    std::string child;
    Spi inbound{};
    Nonce nonce;  ///< in IKE_AUTH: that of the IKE SA
    SaPayload offered;
    std::optional<KeyExchange> key_exchange;
    std::optional<Spi> rekeys;  ///< inbound SPI of the pair to replace
    unsigned tries = 1;         ///< groups tried
    /// The peer replaced the same pair meanwhile.
    struct Crossing {
        Spi inbound{};  ///< of the pair that its exchange made
    };
    std::optional<Crossing> crossing;
    /// Outbound SPIs that the peer has deleted meanwhile: the answer may still tell of such a pair.
    std::vector<Spi> deleted;
};

struct IkeRekey {
    IkeSpi new_spi{};
    Nonce nonce;
    SaPayload offered;
    std::optional<KeyExchange> key_exchange;
    unsigned tries = 1;
    /// The peer rekeyed too: the IKE SA that its exchange made, by our SPI.
    std::optional<IkeSpi> crossing;
};

struct ChildDeletion {
    Spi inbound{};
    ChildDownReason reason = ChildDownReason::terminated;
};
struct IkeDeletion {
    ChildDownReason reason = ChildDownReason::terminated;
};
struct LivenessProbe {};
struct Refusal {};

using Request = std::variant<ChildOffer, IkeRekey, ChildDeletion, IkeDeletion, LivenessProbe, Refusal>;

}  // namespace isthmus::crypto::ike
