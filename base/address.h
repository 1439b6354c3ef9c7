// MAC and IP addresses, UDP endpoints, and the path a datagram took.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"

namespace isthmus {

struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    [[nodiscard]] constexpr bool is_group() const noexcept { return (bytes[0] & 1) != 0; }
    [[nodiscard]] constexpr bool is_broadcast() const noexcept {
        return (bytes[0] & bytes[1] & bytes[2] & bytes[3] & bytes[4] & bytes[5]) == 0xff;
    }
    /// "02:00:5e:10:00:01"; nullopt for anything else.
    [[nodiscard]] static std::optional<MacAddress> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

/// An IPv4 or IPv6 address, in network byte order.
class IpAddress {
  public:
    constexpr IpAddress() = default;  ///< 0.0.0.0
    [[nodiscard]] static constexpr IpAddress v4(std::array<std::uint8_t, 4> b) noexcept {
        IpAddress a;
        for (std::size_t i = 0; i < 4; ++i) a.bytes_[i] = b[i];
        return a;
    }
    [[nodiscard]] static constexpr IpAddress v6(std::array<std::uint8_t, 16> b) noexcept {
        IpAddress a;
        a.bytes_ = b;
        a.is_v6_ = true;
        return a;
    }
    /// Dotted quad or RFC 4291 text, without a zone; nullopt for anything else.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
    [[nodiscard]] std::string text() const;

    [[nodiscard]] constexpr bool is_v6() const noexcept { return is_v6_; }
    [[nodiscard]] constexpr bool is_v4() const noexcept { return !is_v6_; }
    [[nodiscard]] constexpr bool is_unspecified() const noexcept {
        for (const auto b : bytes_)
            if (b != 0) return false;
        return true;
    }
    /// 4 or 16 bytes.
    [[nodiscard]] constexpr Bytes bytes() const noexcept { return {bytes_.data(), is_v6_ ? 16U : 4U}; }
    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    bool is_v6_ = false;
    std::array<std::uint8_t, 16> bytes_{};
};

/// An address and a UDP port (0 where the transport has none: IP protocol 50 or 115).
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    [[nodiscard]] std::string text() const;  ///< "192.0.2.1:4500", "[2001:db8::1]:4500"
    friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// Where a datagram came from and to, and the SA under which it was authenticated (nullopt: none, so nobody vouches for it).
struct Path {
    Endpoint local;
    Endpoint remote;
    std::optional<Spi> authenticated_by;

    friend constexpr bool operator==(const Path&, const Path&) = default;
};

}  // namespace isthmus
