// One netlink message, attribute by attribute, over libmnl with a buffer that grows. Host byte order, as
// netlink is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace isthmus::bridge::netlink {

/// A whole message, ready to send; the socket puts in the sequence number.
struct Request {
    std::vector<std::uint8_t> bytes;
};

class MessageBuilder {
  public:
    /// `flags` beyond NLM_F_REQUEST.
    MessageBuilder(std::uint16_t type, std::uint16_t flags);

    /// The fixed header after nlmsghdr (ifinfomsg, ifaddrmsg); first of all and once.
    template <class Header>
    MessageBuilder& header(const Header& h) {
        return raw_header({reinterpret_cast<const std::uint8_t*>(&h), sizeof(h)});
    }
    /// A structure without an attribute header, as some attributes have it in front of those inside (VETH_INFO_PEER).
    template <class Structure>
    MessageBuilder& raw(const Structure& s) {
        return raw_header({reinterpret_cast<const std::uint8_t*>(&s), sizeof(s)});
    }
    MessageBuilder& u8(std::uint16_t type, std::uint8_t value) { return attribute(type, {&value, 1}); }
    MessageBuilder& u16(std::uint16_t type, std::uint16_t value) { return scalar(type, value); }
    MessageBuilder& u32(std::uint16_t type, std::uint32_t value) { return scalar(type, value); }
    MessageBuilder& u64(std::uint16_t type, std::uint64_t value) { return scalar(type, value); }
    /// With its terminating zero.
    MessageBuilder& text(std::uint16_t type, std::string_view value);
    MessageBuilder& attribute(std::uint16_t type, Bytes value);

    /// Everything until the matching close() goes inside.
    MessageBuilder& open(std::uint16_t type);
    MessageBuilder& close();

    [[nodiscard]] Request take() &&;

  private:
    template <class T>
    MessageBuilder& scalar(std::uint16_t type, T value) {
        return attribute(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)});
    }
    MessageBuilder& raw_header(Bytes header);
    void reserve(std::size_t payload);

    std::vector<std::uint8_t> buffer_;
    std::vector<std::size_t> open_;  ///< offsets of nests
};

}  // namespace isthmus::bridge::netlink
