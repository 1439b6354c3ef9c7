// The libipsec-mb provider's parts. Included by crypto/ipsec_mb*.cpp only: it brings the library's header.
#pragma once

#ifdef ISTHMUS_HAS_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <memory>
#include <string>

#include "crypto/packet_cipher.h"

namespace isthmus::crypto {

struct FreeManager {
    void operator()(IMB_MGR* manager) const noexcept { free_mb_mgr(manager); }
};
/// The library's tables of functions for this CPU, and lanes for multi-buffer work: 200 KB. One a provider, shared by its
/// ciphers, so used by one thread; key expansion only reads it.
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

[[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make_ipsec_mb_aead(
    std::shared_ptr<IMB_MGR> manager, esp::Suite suite, Direction direction, Bytes material);
[[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make_ipsec_mb_cbc_hmac(
    std::shared_ptr<IMB_MGR> manager, esp::Suite suite, Direction direction, Bytes material);

}  // namespace isthmus::crypto

#endif
