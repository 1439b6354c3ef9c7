// The BFD Control packet (RFC 5880 section 4.1), without authentication.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |   Vers = 1; A = D = M = 0; Length = 24
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |                       My Discriminator                        |
//   |                      Your Discriminator                       |
//   |           Desired Min TX Interval, microseconds               |
//   |          Required Min RX Interval, microseconds               |
//   |        Required Min Echo RX Interval, microseconds            |   0: no echo function
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::tunnel {

enum class BfdState : std::uint8_t { admin_down = 0, down = 1, init = 2, up = 3 };

/// Why the session last left Up (RFC 5880 section 4.1).
enum class BfdDiagnostic : std::uint8_t {
    none = 0,
    detection_expired = 1,  ///< nothing was heard in time
    echo_failed = 2,
    neighbour_down = 3,  ///< the peer says that its session is down
    forwarding_reset = 4,
    path_down = 5,
    concatenated_path_down = 6,
    administratively_down = 7,
    reverse_concatenated_path_down = 8,
};

/// Tells BFD sessions of one system apart; 0 is unknown.
enum class BfdDiscriminator : std::uint32_t {};

using Microseconds = std::chrono::duration<std::uint32_t, std::micro>;

struct BfdPacket {
    static constexpr std::size_t kSize = 24;

    BfdDiagnostic diagnostic{};  ///< 9 to 31 are reserved, and kept as they come
    BfdState state{};
    bool poll = false;
    bool final = false;
    bool control_plane_independent = false;
    bool demand = false;
    std::uint8_t detect_multiplier = 3;
    BfdDiscriminator mine{};
    BfdDiscriminator yours{};
    Microseconds desired_min_tx{};
    Microseconds required_min_rx{};
    Microseconds required_min_echo_rx{};

    /// The checks of RFC 5880 section 6.8.6 that need no session. Error: the field and what is wrong; the packet is
    /// dropped. A packet with an authentication section is refused, since we use none.
    [[nodiscard]] static Result<BfdPacket, std::string_view> parse(Bytes packet) noexcept;
    [[nodiscard]] std::array<std::uint8_t, kSize> emit() const noexcept;

    friend bool operator==(const BfdPacket&, const BfdPacket&) = default;
};

/// "up"; "nothing was heard in time"
[[nodiscard]] std::string_view words(BfdState state) noexcept;
[[nodiscard]] std::string_view words(BfdDiagnostic diagnostic) noexcept;

}  // namespace isthmus::tunnel
