// Control messages in words, for `isthmus trace` and logs: message and AVP names, values, secrets masked.
#pragma once

#include <string>
#include <vector>

#include "tunnel/avp_hiding.h"
#include "tunnel/control_header.h"

namespace isthmus::tunnel {

struct ControlText {
    std::string summary;  ///< "ICRQ to 0x11223344, Ns 2, Nr 1, 75 bytes"
    /// One line an AVP: "Host Name: left.example", "Assigned Cookie: 8 bytes (masked)", "Router ID: 192.0.2.1 (hidden)".
    /// An AVP against the table, and bytes that cannot be read, are said as they are found.
    std::vector<std::string> avps;
};

/// Any bytes that came or go as a control message; `packet` as for ControlPacket::parse(). Cookies, digests and
/// nonces are never shown. `hider`: reveals hidden values; null: they stay so.
[[nodiscard]] ControlText describe(Encapsulation encapsulation, Bytes packet,
                                   const AvpHider* hider = nullptr);

}  // namespace isthmus::tunnel
