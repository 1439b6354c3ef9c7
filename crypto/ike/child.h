// What every exchange that makes a pair of ESP SAs has in common: the offer, the agreement, the installation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/key_schedule.h"
#include "crypto/ike/negotiation.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::child {

/// Both sides' will, on one pair of SAs.
struct Agreement {
    std::string name;
    ChildSuite suite;
    esp::Mode mode = esp::Mode::transport;
    Selectors local;
    Selectors remote;
    Spi inbound{};
    Spi outbound{};
    std::optional<SecretBytes> shared;  ///< of a key exchange of its own
};

// The initiator of the exchange.

/// Reserves an SPI. `group`: for the KE payload; nullopt in IKE_AUTH, and without forward secrecy.
[[nodiscard]] ChildOffer make_offer(Core& core, const IkeSa& sa, const ChildOptions& options,
                                    ChildExchange exchange, std::optional<Spi> rekeys,
                                    std::optional<DhGroup> group);
/// The group to begin with; nullopt: no key exchange.
[[nodiscard]] std::optional<DhGroup> first_group(const IkeSa& sa, const ChildOptions& options);
/// SA, Nonce, KE, TSi, TSr, USE_TRANSPORT_MODE.
[[nodiscard]] std::vector<Payload> payloads_of(const IkeSa& sa, const ChildOffer& offer,
                                               ChildExchange exchange);
/// Error: a sentence; the pair that the peer may have made must then be deleted.
[[nodiscard]] Result<Agreement, std::string> accept(const IkeSa& sa, const ChildOffer& offer,
                                                    ChildExchange exchange,
                                                    std::span<const Payload> payloads);
/// What the peer's refusal of an offer may mean; proposals that it did not take are remembered.
[[nodiscard]] std::string refusal_text(Core& core, const IkeSa& sa, const ChildOffer& offer,
                                       const NotifyPayload& error);

// The responder.

struct Refused {
    NotifyPayload answer;
    std::string why;
};
struct Agreed {
    Agreement agreement;
    std::vector<Payload> reply;  ///< SA, Nonce, KE, TSi, TSr, USE_TRANSPORT_MODE
};
/// `only`: the child that must be meant (a rekey); nullopt: whichever fits. Reserves an SPI.
[[nodiscard]] Result<Agreed, Refused> agree(Core& core, IkeSa& sa, ChildExchange exchange,
                                            std::span<const Payload> payloads,
                                            std::optional<std::string_view> only);

// Both.

struct Making {
    Bytes initiator_nonce;
    Bytes responder_nonce;
    bool by_us = false;  ///< we sent the request
    std::optional<Spi> replaces;
    bool sends = true;
};
ChildSa& install(Core& core, IkeSa& sa, const Agreement& agreement, const Making& making);
/// Its outbound SA from now on; the child's other pairs send no more.
void use(Core& core, IkeSa& sa, ChildSa& pair);
/// ChildDown, and it is gone.
void remove(Core& core, IkeSa& sa, Spi inbound, ChildDownReason reason);
/// It is deleted, but packets may be under way: removed a little later.
void retire(Core& core, IkeSa& sa, ChildSa& pair);
/// What the datapath has counted: a sign of life, a reason to switch over, or to make new keys.
void on_usage(Core& core, IkeSa& sa, ChildSa& pair, const SaUsage& usage);
void remove_all(Core& core, IkeSa& sa, ChildDownReason reason);

/// The lower of two nonces, byte by byte.
[[nodiscard]] Nonce lower_nonce(Bytes a, Bytes b);

}  // namespace isthmus::crypto::ike::child
