// Puts the fragments of one message together (RFC 7383 section 2.6). Only fragments that SkOpener has opened get here, but
// before IKE_AUTH is over their sender may still be anybody: memory is bounded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike {

class FragmentAssembler {
  public:
    static constexpr std::uint16_t kMaxFragments = 256;
    static constexpr std::size_t kMaxMessage = 65'535;  ///< bytes of all fragments' content

    enum class Outcome : std::uint8_t {
        stored,     ///< more are to come
        complete,   ///< take() has the message
        duplicate,  ///< nothing new
        stale,      ///< of an older division into fewer fragments
        too_many,   ///< total above kMaxFragments: ignored
        too_long,   ///< kMaxMessage would be passed: all are forgotten
    };
    /// `part.fragment` is set. A larger total than before is a new division (the sender has learnt a smaller path MTU) and
    /// replaces what is here.
    Outcome add(MessageId id, const EncryptedPart& part, Bytes content);

    /// After `complete`: the payloads of the message, for parse_payloads(). The assembler is empty then.
    [[nodiscard]] PayloadChain take();

    /// Fragments that are here; 0: none.
    [[nodiscard]] std::size_t size() const noexcept { return fragments_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    void clear() noexcept;

  private:
    MessageId id_{};
    std::uint16_t total_ = 0;
    PayloadType first_ = PayloadType::none;
    std::map<std::uint16_t, std::vector<std::uint8_t>> fragments_;
    std::size_t bytes_ = 0;
};

}  // namespace isthmus::crypto::ike
