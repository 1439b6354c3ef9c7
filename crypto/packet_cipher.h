// Encrypts and authenticates packets in batches, with one key in one direction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/esp/suite.h"

namespace isthmus::crypto {

/// One packet's part in a batch. AEAD suites authenticate `aad` and the text. CBC with HMAC authenticates
/// aad | nonce | ciphertext | aad_tail (encrypt, then MAC), where the nonce is the IV.
struct PacketJob {
    Bytes nonce;     ///< AEAD: 12 bytes (salt, IV); CBC: the 16 bytes of the IV
    Bytes aad;       ///< AEAD: SPI and whole sequence number (8 or 12 bytes); CBC: the ESP header
    Bytes aad_tail;  ///< CBC with ESN: the sequence number's high 32 bits; otherwise empty
    Bytes in;        ///< CBC: a multiple of 16 bytes
    std::uint8_t* out = nullptr;  ///< in.size() bytes: `in` itself, or memory that does not overlap it
    MutableBytes
        tag;  ///< as long as the suite's ICV: written by seal, compared by open (which may scribble on it)
    bool ok = false;  ///< seal: done. open: authentic; if not, `out` is garbage that nobody may look at
};

/// Belongs to one thread at a time. No allocation, no system call, no lock in seal and open.
class PacketCipher {
  public:
    virtual ~PacketCipher() = default;
    virtual void seal(std::span<PacketJob> jobs) noexcept = 0;
    virtual void open(std::span<PacketJob> jobs) noexcept = 0;
};

enum class Direction : std::uint8_t { seal, open };

/// A library that does the work. One object per worker: ciphers of one provider are used by one thread at a
/// time; make() may be called from the control thread meanwhile.
class CipherProvider {
  public:
    virtual ~CipherProvider() = default;
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// `material` is key_size(suite) bytes; the salt in it is ignored (it is part of the nonce). A cipher
    /// made for one direction refuses the other (all jobs not ok). Error: a sentence.
    [[nodiscard]] virtual Result<std::unique_ptr<PacketCipher>, std::string> make(esp::Suite suite,
                                                                                  Direction direction,
                                                                                  Bytes material) = 0;
};

enum class ProviderKind : std::uint8_t { openssl, ipsec_mb };
[[nodiscard]] std::string_view name_of(ProviderKind kind) noexcept;

/// Error: why it cannot be had (not built in, CPU lacks instructions, self-test of the library failed). Does
/// not run our self_test().
[[nodiscard]] Result<std::unique_ptr<CipherProvider>, std::string> make_provider(ProviderKind kind);

/// Known answers for one suite, sealed and opened, in place and out of place, alone and in a batch; an
/// altered packet must be refused. Error: what went wrong. A provider that fails must not be used.
[[nodiscard]] Result<void, std::string> self_test(CipherProvider& provider, esp::Suite suite);
/// All suites.
[[nodiscard]] Result<void, std::string> self_test(CipherProvider& provider);

}  // namespace isthmus::crypto
