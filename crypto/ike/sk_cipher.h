// Protection of IKE messages: the SK payload (RFC 7296 section 3.14; AEAD: RFC 5282) and the SKF payload of fragments
// (RFC 7383).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/ike/suites.h"
#include "crypto/ike/wire/message.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto::ike {

using Datagram = std::vector<std::uint8_t>;

/// One direction of an IKE SA, outgoing. With AEAD the IVs are a counter of this object's: hence it cannot be copied, and
/// no two may share a key. A retransmission sends the same bytes again and is not sealed again.
class SkSealer {
  public:
    SkSealer(const IkeCipher& cipher, SecretBytes encryption_key, SecretBytes integrity_key);
    SkSealer(SkSealer&&) noexcept = default;
    SkSealer& operator=(SkSealer&&) noexcept = default;

    /// The whole message in one datagram, without port 4500's four zero bytes.
    [[nodiscard]] Datagram seal(const Header& header, const PayloadChain& inner, Rng& rng);

    /// As one datagram if it is no longer than `most` bytes, otherwise as fragments that are (RFC 7383 section 2.5).
    /// `most` is at least kMinFragment.
    [[nodiscard]] std::vector<Datagram> seal_within(const Header& header, const PayloadChain& inner,
                                                    std::size_t most, Rng& rng);
    static constexpr std::size_t kMinFragment = 256;

  private:
    [[nodiscard]] Datagram seal_part(const Header& header, PayloadType first,
                                     const EncryptedPart::Fragment* fragment, Bytes text, Rng& rng);
    IkeCipher cipher_;
    SecretBytes encryption_key_;
    SecretBytes integrity_key_;
    std::uint64_t next_iv_ = 0;
};

/// One direction of an IKE SA, incoming.
class SkOpener {
  public:
    SkOpener(const IkeCipher& cipher, SecretBytes encryption_key, SecretBytes integrity_key);

    /// The content of the encrypted part that parse_message() found in `datagram`, without padding: payloads for
    /// parse_payloads(), or a fragment for FragmentAssembler. Error: a sentence: too short, not authentic, bad padding.
    [[nodiscard]] Result<std::vector<std::uint8_t>, std::string> open(Bytes datagram,
                                                                      const EncryptedPart& part) const;

  private:
    IkeCipher cipher_;
    SecretBytes encryption_key_;
    SecretBytes integrity_key_;
};

}  // namespace isthmus::crypto::ike
