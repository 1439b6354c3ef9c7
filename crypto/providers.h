// The OpenSSL provider's parts. Not for others: use make_provider().
#pragma once

#include <memory>

#include "crypto/packet_cipher.h"

namespace isthmus::crypto {

/// AES-GCM and ChaCha20-Poly1305.
[[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make_openssl_aead(esp::Suite suite,
                                                                                   Direction direction,
                                                                                   Bytes material);
/// AES-CBC with HMAC-SHA-2, encrypt then MAC.
[[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make_openssl_cbc_hmac(esp::Suite suite,
                                                                                       Direction direction,
                                                                                       Bytes material);
[[nodiscard]] std::unique_ptr<CipherProvider> make_openssl_provider();

/// Built with libipsec-mb or not: says why it cannot be had.
[[nodiscard]] Result<std::unique_ptr<CipherProvider>, std::string> make_ipsec_mb_provider();

}  // namespace isthmus::crypto
