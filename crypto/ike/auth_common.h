// What both sides of IKE_AUTH do.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "crypto/ike/authentication.h"
#include "crypto/ike/core.h"
#include "crypto/ike/credentials.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::auth {

/// SK_d, SK_pi and SK_pr alone, which a PPK changes.
[[nodiscard]] IkeKeys keys_for_auth(const IkeKeys& keys);
void take_auth_keys(IkeKeys& keys, IkeKeys&& changed);

struct Proof {
    AuthPayload payload;
    std::string how;  ///< "shared key", "ECDSA signature with a P-256 key"
};
/// Our AUTH. Error: a sentence.
[[nodiscard]] Result<Proof, std::string> prove(const IkeSa& sa, const PeerOptions& options,
                                               const IkeKeys& keys);
/// Checks the peer's AUTH; the value is how it did it. Error: a sentence.
[[nodiscard]] Result<std::string, std::string> verify(const Core& core, const IkeSa& sa,
                                                      const PeerOptions& options, const IkeKeys& keys,
                                                      const Identification& id, const AuthPayload& auth,
                                                      std::span<const Payload> payloads);
/// Our certificates, if we sign.
[[nodiscard]] std::vector<Payload> certificates(const PeerOptions& options);

/// CERT payloads, if the peer signed.
[[nodiscard]] std::vector<CertificatePayload> certificates_in(const AuthPayload& auth,
                                                              std::span<const Payload> payloads);
/// The peer's certificates are still good by the credentials of now? Error: a sentence.
[[nodiscard]] Result<void, std::string> check_again(const Core& core, const IkeSa& sa);

struct Established {
    Identification peer_id;
    std::string local_auth;
    std::string remote_auth;
    std::vector<CertificatePayload> peer_certificates;
};
/// The IKE SA is up from now on.
void establish(Core& core, IkeSa& sa, Established facts);

/// When it is to be rekeyed, and when it ends.
void set_ike_lifetimes(Core& core, IkeSa& sa);

/// Is this the only IKE SA with the peer, as far as we know?
[[nodiscard]] bool is_initial_contact(Core& core, const IkeSa& sa);

}  // namespace isthmus::crypto::ike::auth
