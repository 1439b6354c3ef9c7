// Offers and choices (RFC 7296 sections 2.7 and 3.3): what an initiator proposes, what a responder picks, and the
// initiator's check that it was given a subset of what it offered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "crypto/ike/suites.h"
#include "crypto/ike/wire/security_association.h"

namespace isthmus::crypto::ike {

struct IkeChoice {
    IkeSuite suite;
    std::uint8_t number = 1;  ///< of the proposal, for the answer
    IkeSpi peer_spi{};        ///< in rekeys; 0 in IKE_SA_INIT, where it is in the header
};
struct ChildChoice {
    ChildSuite suite;
    std::uint8_t number = 1;
    Spi peer_spi{};  ///< of the SA towards the peer
};

/// Which exchange a CHILD_SA is made in: IKE_AUTH has no key exchange of its own, so its proposals name no groups.
enum class ChildExchange : std::uint8_t { ike_auth, create_child_sa };

// The initiator's offers. `spi`: ours, for what we shall receive; nullopt in IKE_SA_INIT.
[[nodiscard]] SaPayload offer(const IkePolicy& policy, std::optional<IkeSpi> spi);
[[nodiscard]] SaPayload offer(const ChildPolicy& policy, Spi spi, ChildExchange exchange);

// The responder's choice: our order of preference, but a group that came in a KE payload (`ke_group`) is taken before
// another that would cost a round trip. If the chosen group is not `ke_group`, answer INVALID_KE_PAYLOAD.
// Error: a sentence for people with both sides' proposals and what does not match; the answer is NO_PROPOSAL_CHOSEN.
[[nodiscard]] Result<IkeChoice, std::string> choose(const IkePolicy& policy, const SaPayload& offered,
                                                    std::optional<std::uint16_t> ke_group);
[[nodiscard]] Result<ChildChoice, std::string> choose(const ChildPolicy& policy, const SaPayload& offered,
                                                      ChildExchange exchange,
                                                      std::optional<std::uint16_t> ke_group);

// The responder's SA payload. `spi`: ours; nullopt in IKE_SA_INIT.
[[nodiscard]] SaPayload answer(const IkeChoice& choice, std::optional<IkeSpi> spi);
[[nodiscard]] SaPayload answer(const ChildChoice& choice, Spi spi);

// The initiator's check of the answer against its own offer: one proposal, one transform of each type, all of them offered.
// Error: a sentence.
[[nodiscard]] Result<IkeChoice, std::string> accept_ike(const SaPayload& offered, const SaPayload& answered);
[[nodiscard]] Result<ChildChoice, std::string> accept_child(const SaPayload& offered,
                                                            const SaPayload& answered);

/// "1: IKE: AES_GCM_16_256/AES_GCM_16_128, PRF_HMAC_SHA2_256, ECP_256; 2: ..."
[[nodiscard]] std::string text_of(const SaPayload& sa);

}  // namespace isthmus::crypto::ike
