// Who a side is (RFC 7296 section 3.5, RFC 4945 section 3.1): as text, as the content of IDi and IDr, and compared.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/ike/wire/identification_payload.h"

namespace isthmus::crypto::ike {

/// "gw.example.org" is an FQDN, "ops@example.org" an e-mail address, "192.0.2.1" and "2001:db8::1" addresses,
/// "C=XX, O=Example, CN=gw" a distinguished name; "fqdn:", "email:", "address:", "dn:" or "keyid:" in front says so outright.
/// Error: a sentence with what would be right.
[[nodiscard]] Result<Identification, std::string> parse_identity(std::string_view text);

/// "gw.example.org", "C=XX, O=Example, CN=gw", "keyid:0a0b0c": unprintable bytes are shown as "\x07".
[[nodiscard]] std::string text_of(const Identification& id);

/// Same type and value. Domain names and e-mail domains without regard to case, distinguished names as X.500 compares them.
[[nodiscard]] bool same_identity(const Identification& a, const Identification& b);

/// Does the certificate speak for this identity (RFC 4945 section 3.1): FQDN, e-mail and addresses by its subject
/// alternative names (exactly: no wildcards), a distinguished name by its subject. Error: a sentence naming the
/// certificate and what names it has.
[[nodiscard]] Result<void, std::string> certificate_names(const Certificate& certificate,
                                                          const Identification& id);

}  // namespace isthmus::crypto::ike
