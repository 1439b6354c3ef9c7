// Strong identifiers: two bare integers never stand side by side.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace isthmus {

/// L2TPv3 Session ID (RFC 3931 section 4.1), chosen by the receiver; 0 is reserved for control messages.
enum class SessionId : std::uint32_t {};
/// L2TPv3 Control Connection ID (RFC 3931 section 3.2.1), chosen by the receiver.
enum class ControlConnectionId : std::uint32_t {};
/// ESP Security Parameters Index (RFC 4303 section 2.1); 0 to 255 are reserved.
enum class Spi : std::uint32_t {};
/// Kernel interface index; 0 is none.
enum class IfIndex : std::uint32_t {};
/// Places in the datapath's tables: dense, chosen by the control thread, stable while the object lives.
enum class TunnelIndex : std::uint16_t {};
enum class SessionIndex : std::uint32_t {};
enum class WorkerIndex : std::uint8_t {};

inline constexpr TunnelIndex kNoTunnel{0xffff};
inline constexpr SessionIndex kNoSession{0xffff'ffff};

template <class Id>
[[nodiscard]] constexpr auto raw(Id id) noexcept {
    return static_cast<std::underlying_type_t<Id>>(id);
}

/// An 802.1Q VLAN identifier of a tagged frame: 1 to 4094 (IEEE 802.1Q-2018 table 9-2; 0 is priority-tagged, 4095 reserved).
class VlanId {
  public:
    [[nodiscard]] static constexpr std::optional<VlanId> parse(std::uint32_t v) noexcept {
        if (v < 1 || v > 4094) return std::nullopt;
        return VlanId(static_cast<std::uint16_t>(v));
    }
    [[nodiscard]] constexpr std::uint16_t value() const noexcept { return value_; }
    friend constexpr auto operator<=>(VlanId, VlanId) = default;

  private:
    explicit constexpr VlanId(std::uint16_t v) noexcept : value_(v) {}
    std::uint16_t value_;
};

}  // namespace isthmus
