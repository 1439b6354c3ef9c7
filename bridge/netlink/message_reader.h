// Netlink messages and attributes in received bytes: bounds checked, no alignment assumed, no kernel needed.
// Host byte order.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace isthmus::bridge::netlink {

struct MessageView {
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    std::uint32_t sequence = 0;
    std::uint32_t port = 0;  ///< of the receiver; 0 = the kernel, unasked
    Bytes payload;           ///< after nlmsghdr
};

/// The messages of one datagram, front to back (linux/netlink.h: struct nlmsghdr).
class MessageReader {
  public:
    explicit MessageReader(Bytes datagram) noexcept : rest_(datagram) {}
    /// nullopt at the end, and where a length runs past the datagram.
    std::optional<MessageView> next() noexcept;
    /// Were there bytes left that make no message?
    [[nodiscard]] bool truncated() const noexcept { return truncated_; }

  private:
    Bytes rest_;
    bool truncated_ = false;
};

struct AttributeView {
    std::uint16_t type = 0;  ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    Bytes value;

    template <class T>
    [[nodiscard]] std::optional<T> number() const noexcept {
        if (value.size() != sizeof(T)) return std::nullopt;
        T out;
        std::memcpy(&out, value.data(), sizeof(T));
        return out;
    }
    [[nodiscard]] std::optional<bool> flag() const noexcept {
        const auto v = number<std::uint8_t>();
        return v ? std::optional<bool>(*v != 0) : std::nullopt;
    }
    /// Up to the first zero, or all of it.
    [[nodiscard]] std::string_view text() const noexcept;
};

/// Attributes in a row (struct nlattr), front to back.
class AttributeReader {
  public:
    explicit AttributeReader(Bytes attributes) noexcept : rest_(attributes) {}
    /// nullopt at the end, and where a length runs past the bytes.
    std::optional<AttributeView> next() noexcept;

  private:
    Bytes rest_;
};

/// Splits a fixed structure off the front; nullopt if there are too few bytes.
template <class T>
[[nodiscard]] std::optional<T> take_struct(Bytes& in) noexcept {
    if (in.size() < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, in.data(), sizeof(T));
    const std::size_t aligned = (sizeof(T) + 3) & ~std::size_t{3};
    in = in.subspan(aligned < in.size() ? aligned : in.size());
    return out;
}

}  // namespace isthmus::bridge::netlink
