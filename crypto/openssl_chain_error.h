// Why there is no path to an authority, in words. Included by crypto's .cpp files only: it brings OpenSSL's headers.
#pragma once

#include <openssl/x509_vfy.h>

#include <optional>
#include <string>

#include "base/time.h"

namespace isthmus::crypto {

/// After X509_verify_cert() has failed: a sentence naming the certificate at fault, its field, and the value or date in it.
/// `leaf`: the subject of what was to be verified. `now`: nullopt where dates were not looked at.
[[nodiscard]] std::string chain_error(X509_STORE_CTX* context, const std::string& leaf,
                                      std::optional<WallTime> now);

}  // namespace isthmus::crypto
