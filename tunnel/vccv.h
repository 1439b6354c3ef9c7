// The channel inside a pseudowire that tests its data path: VCCV (RFC 5085 section 6), its messages and how they are told
// from data (docs/adr/0009-channel-in-the-pseudowire.md).
//
// With the Default L2-Specific Sublayer, bit V of the sublayer says that a channel message follows (section 6.1):
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |V|0 0 0|Version|   Reserved    |         Channel Type          |   V = 1; Version = 0; types: RFC 4385 section 5
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Without a sublayer, between gateways that both announce the Channel Capability AVP, the same word follows a cookie in
// which every bit is inverted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "tunnel/avp_values.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

inline constexpr std::size_t kChannelWordSize = 4;

enum class ChannelType : std::uint16_t {
    bfd = 0x0007,   ///< BFD without IP and UDP headers (RFC 5885 section 3.2)
    echo = 0x7ff8,  ///< ours, of the range for experiments (RFC 5586): tunnel/pseudowire_echo.h
};

/// Bit V of a sublayer, or of the word behind an inverted cookie.
inline constexpr std::uint32_t kChannelBit = 0x8000'0000;

/// The inverse of a cookie: as hard to guess, and never the same.
[[nodiscard]] constexpr Cookie inverted(Cookie cookie) noexcept {
    for (std::size_t i = 0; i < cookie.size; ++i)
        cookie.bytes[i] = static_cast<std::uint8_t>(~cookie.bytes[i]);
    return cookie;
}

/// Whether a session can use the channel, given what both ends announced (nullopt: nothing in common).
/// RFC 5085's needs the sublayer both ways; ours the sublayer or a cookie in each direction.
[[nodiscard]] bool channel_usable(const SessionOptions& session, const std::optional<VccvCapability>& vccv,
                                  const std::optional<VccvCapability>& own) noexcept;

/// A message of the channel: the word and what is behind it. View into what was parsed.
struct ChannelMessage {
    ChannelType type{};
    Bytes payload;

    /// nullopt: shorter than the word, V is 0, or a version other than 0. Reserved bits are ignored.
    [[nodiscard]] static std::optional<ChannelMessage> parse(Bytes message) noexcept;
    /// What is to be injected into the session.
    [[nodiscard]] std::vector<std::uint8_t> emit() const;
};

}  // namespace isthmus::tunnel
