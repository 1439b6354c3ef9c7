// Lines for Wireshark's tables of IKEv2 and ESP keys. Whoever has them reads everything.
#pragma once

#include <optional>

#include "crypto/esp/options.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/key_schedule.h"

namespace isthmus::crypto::ike {

// nullopt: an algorithm that Wireshark does not decrypt.

/// ikev2_decryption_table: SPIs, SK_ei, SK_er, cipher, SK_ai, SK_ar, integrity.
[[nodiscard]] std::optional<KeyLog> ike_key_line(const SpiPair& spis, const IkeSuite& suite,
                                                 const IkeKeys& keys);

/// esp_sa: one direction's addresses, SPI, cipher, key, integrity, key.
[[nodiscard]] std::optional<KeyLog> esp_key_line(const IpAddress& from, const IpAddress& to,
                                                 const esp::SaOptions& sa);

}  // namespace isthmus::crypto::ike
