// What a manually keyed SA must remember across restarts, and when it must be written (docs/adr/0003).
//
// The keys stay the same after a restart, so a sequence number used twice is a nonce used twice. Numbers are
// therefore reserved in blocks: the file says "everything up to N may have been used" before any of the block
// is. Pure: bytes in, bytes out. crypto/io/sequence_file.h does the disk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "crypto/esp/options.h"
#include "crypto/esp/outbound_sa.h"

namespace isthmus::crypto::esp {

enum class SaDirection : std::uint8_t { out, in };

/// One-way: HMAC-SHA-256 of a fixed text under the key material. Tells keys apart, tells nobody a key. It
/// does not depend on SPI or direction, so that a key that moves to another SPI or the other direction is
/// recognised: its nonces would repeat.
using KeyFingerprint = std::array<std::uint8_t, 32>;
[[nodiscard]] KeyFingerprint fingerprint_of(const SecretBytes& key);

/// Whose numbers they are.
struct SaIdentity {
    SaDirection direction = SaDirection::out;
    Spi spi{};
    KeyFingerprint fingerprint{};
    friend bool operator==(const SaIdentity&, const SaIdentity&) = default;
};
[[nodiscard]] SaIdentity identity_of(const SaOptions& options, SaDirection direction);

/// The state file:
///
///     isthmus sa state 1
///     direction out
///     spi 0xc0000001
///     fingerprint 4f...          64 hex digits
///     sequence 16777216          out: reserved up to here; in: highest number accepted
///     check 91...                first 16 bytes of the SHA-256 of all lines above, 32 hex digits
struct SequenceState {
    SaIdentity identity;
    std::uint64_t sequence = 0;

    /// Takes exactly what emit() makes. Error: a sentence.
    [[nodiscard]] static Result<SequenceState, std::string> parse(Bytes file);
    [[nodiscard]] std::string emit() const;
    friend bool operator==(const SequenceState&, const SequenceState&) = default;
};

/// parse(), and the file must be this SA's. Error: a sentence naming what differs.
[[nodiscard]] Result<SequenceState, std::string> resume(Bytes file, const SaIdentity& identity);

/// Decides what an outbound SA must write, and when.
class SequenceReservation {
  public:
    /// `used_through`: from the state file. nullopt: no number is left, new keys are needed.
    [[nodiscard]] static std::optional<SequenceReservation> after(std::uint64_t used_through,
                                                                  bool extended_sequence) noexcept;

    /// The number that must be on disk before more packets may go, given the last one used; nullopt while
    /// half a block or more is left (that is seconds of traffic at line rate, so a healthy disk never stalls
    /// any). The first call always wants a block.
    [[nodiscard]] std::optional<std::uint64_t> wanted(std::uint64_t last_used) const noexcept;
    /// It is on disk.
    void on_written(std::uint64_t reserved_through) noexcept;

    /// For OutboundSa::create, after the first on_written().
    [[nodiscard]] SequenceRange range() const noexcept { return {first_, limit_}; }
    /// No number is left to reserve: the SA needs new keys.
    [[nodiscard]] bool exhausted() const noexcept { return limit_ == last_; }
    [[nodiscard]] std::uint64_t block() const noexcept { return block_; }

  private:
    SequenceReservation(std::uint64_t used_through, std::uint64_t last, std::uint64_t block) noexcept
        : first_(used_through + 1), limit_(used_through), last_(last), block_(block) {}

    std::uint64_t first_;
    std::uint64_t limit_;  ///< on disk; before the first block: used_through, so nothing may be sent
    std::uint64_t last_;
    std::uint64_t block_;
};

/// Numbers per block. A restart wastes what is left of one: nothing out of 2^64, and 1 in 4,096 of 2^32.
inline constexpr std::uint64_t kExtendedBlock = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kShortBlock = std::uint64_t{1} << 20;

}  // namespace isthmus::crypto::esp
