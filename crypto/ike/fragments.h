// Puts fragments of an IKE message together (RFC 7383 section 2.6). Cutting is done where messages are sealed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// One message at a time; fragments must have been authenticated. Memory is bounded by kMaxMessage.
class FragmentAssembler {
  public:
    static constexpr std::size_t kMaxMessage = 65'535;

    struct Fragment {
        MessageId id{};
        std::uint16_t number = 0;  ///< from 1
        std::uint16_t total = 0;
        PayloadType first = PayloadType::none;  ///< of the whole message; in fragment 1 only
        Bytes plaintext;
    };
    struct Whole {
        PayloadType first = PayloadType::none;
        std::vector<std::uint8_t> plaintext;
    };

    /// The whole message when this was the last piece missing. Duplicates and contradictions are ignored. A larger total
    /// begins anew: the sender has cut the message into smaller pieces (section 2.6).
    [[nodiscard]] std::optional<Whole> add(const Fragment& fragment);
    void forget() noexcept;

  private:
    void begin(const Fragment& fragment);

    MessageId id_{};
    std::size_t missing_ = 0;
    std::size_t bytes_ = 0;
    PayloadType first_ = PayloadType::none;
    std::vector<std::optional<std::vector<std::uint8_t>>> pieces_;  ///< empty: no message begun
};

}  // namespace isthmus::crypto::ike
