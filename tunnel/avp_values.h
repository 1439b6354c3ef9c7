// Values of AVPs that have a structure of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus::tunnel {

/// Circuit Status (RFC 3931 section 5.4.5, extended by RFC 5641 section 2).
///
///    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
///   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///   |     Reserved    |S|E|I|T|R|N|A|
///   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct CircuitStatus {
    bool active = true;                      ///< A: no faults, neither of the circuit nor of the pseudowire
    bool is_new = false;                     ///< N: told in requests as RFC 3931 wants; ignored (section 2)
    bool circuit_receive_fault = false;      ///< R: attachment circuit, ingress
    bool circuit_transmit_fault = false;     ///< T: attachment circuit, egress
    bool pseudowire_receive_fault = false;   ///< I: towards the packet network, ingress
    bool pseudowire_transmit_fault = false;  ///< E: towards the packet network, egress
    bool standby = false;                    ///< S: forwards nothing, whatever else it is

    /// A told together with a fault counts for nothing.
    [[nodiscard]] static constexpr CircuitStatus parse(std::uint16_t bits) noexcept {
        CircuitStatus s;
        s.active = (bits & 0x01) != 0 && (bits & 0x3c) == 0;
        s.is_new = (bits & 0x02) != 0;
        s.circuit_receive_fault = (bits & 0x04) != 0;
        s.circuit_transmit_fault = (bits & 0x08) != 0;
        s.pseudowire_receive_fault = (bits & 0x10) != 0;
        s.pseudowire_transmit_fault = (bits & 0x20) != 0;
        s.standby = (bits & 0x40) != 0;
        return s;
    }
    [[nodiscard]] constexpr bool has_fault() const noexcept {
        return circuit_receive_fault || circuit_transmit_fault || pseudowire_receive_fault ||
               pseudowire_transmit_fault;
    }
    /// A is never told together with a fault (RFC 5641 section 3): peers that know no other bit go by it.
    [[nodiscard]] constexpr std::uint16_t emit() const noexcept {
        return static_cast<std::uint16_t>(
            (active && !has_fault() ? 0x01 : 0) | (is_new ? 0x02 : 0) | (circuit_receive_fault ? 0x04 : 0) |
            (circuit_transmit_fault ? 0x08 : 0) | (pseudowire_receive_fault ? 0x10 : 0) |
            (pseudowire_transmit_fault ? 0x20 : 0) | (standby ? 0x40 : 0));
    }
    /// "active", "inactive, new, circuit receive fault"
    [[nodiscard]] std::string text() const;
    friend constexpr bool operator==(const CircuitStatus&, const CircuitStatus&) = default;
};

/// Which data packets the sender wants sequenced (section 5.4.4).
enum class SequencingLevel : std::uint16_t { none = 0, non_ip = 1, all = 2 };

/// VCCV Capability (RFC 5085 sections 4 and 6.3.1; CV types of RFC 5885 section 3.3): bit masks of what the sender takes.
struct VccvCapability {
    static constexpr std::uint8_t kSublayerChannel = 0x01;  ///< CC type: L2-Specific Sublayer with V bit
    static constexpr std::uint8_t kIcmpPing = 0x01;         ///< CV types from here on
    static constexpr std::uint8_t kBfdUdp = 0x04;
    static constexpr std::uint8_t kBfdUdpStatus = 0x08;
    static constexpr std::uint8_t kBfd = 0x10;  ///< without IP and UDP, fault detection only
    static constexpr std::uint8_t kBfdStatus = 0x20;
    static constexpr std::uint8_t kEcho =
        0x80;  ///< only in our own Channel Capability: the echo of tunnel/vccv.h

    std::uint8_t channels = 0;       ///< CC types
    std::uint8_t verifications = 0;  ///< CV types

    friend constexpr bool operator==(const VccvCapability&, const VccvCapability&) = default;
};

/// Circuit Errors (WEN, section 5.4.5). Its Length of 32 leaves room for six counters; the first two are those of
/// RFC 2661 section 4.4.6.
struct CircuitErrors {
    std::uint32_t crc = 0;
    std::uint32_t framing = 0;
    std::uint32_t hardware_overruns = 0;
    std::uint32_t buffer_overruns = 0;
    std::uint32_t timeouts = 0;
    std::uint32_t alignment = 0;
    friend constexpr bool operator==(const CircuitErrors&, const CircuitErrors&) = default;
};

}  // namespace isthmus::tunnel
