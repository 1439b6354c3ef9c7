// The header work behind Coalescer: which frames may be merged, with which, and what the merged frame's
// headers say. Everywhere `view` is TransportView::of(frame) and has a payload.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/transport_view.h"

namespace isthmus::tunnel {

[[nodiscard]] constexpr bool has_ports(std::uint8_t protocol) noexcept {
    return protocol == kProtocolTcp || protocol == kProtocolUdp;
}

/// A frame that could be part of a run: TCP data without SYN, RST or URG, or UDP with a checksum; no
/// fragment, IP options or bytes behind the IP packet.
struct Candidate {
    TransportView view;
    std::uint16_t payload_size = 0;
    std::uint16_t identification = 0;  ///< IPv4
    std::uint32_t sequence = 0;        ///< TCP
    bool cwr = false;                  ///< TCP: may only be the first of a run
    bool last = false;                 ///< TCP PSH or FIN: may only be the last of a run

    [[nodiscard]] std::uint32_t next_sequence() const noexcept {
        return view.protocol == kProtocolTcp ? sequence + payload_size : 0;
    }
    [[nodiscard]] static std::optional<Candidate> of(Bytes frame, const TransportView& view) noexcept;
};

/// Of addresses, ports, protocol and session.
[[nodiscard]] std::uint32_t flow_hash(Bytes frame, const TransportView& view, std::uint32_t session) noexcept;
[[nodiscard]] bool same_flow(Bytes a, const TransportView& a_view, Bytes b,
                             const TransportView& b_view) noexcept;

/// For candidates of one flow whose headers are equally long: nothing differs but what segmenting would make
/// differ.
[[nodiscard]] bool same_headers(Bytes first, const TransportView& view, Bytes other) noexcept;

/// IPv4 header and TCP or UDP checksum, in the form that segmenting would give them.
[[nodiscard]] bool checksums_good(Bytes frame, const TransportView& view) noexcept;

/// TCP only.
[[nodiscard]] bool has_cwr(Bytes frame, const TransportView& view) noexcept;

/// Turns the first frame's headers into those of the merged frame of `size` bytes: lengths, IPv4 checksum,
/// FIN and PSH of the last, and the pseudo header's sum in the transport checksum's place.
void merge_headers(MutableBytes first, const TransportView& view, Bytes last, std::uint32_t size) noexcept;

}  // namespace isthmus::tunnel
