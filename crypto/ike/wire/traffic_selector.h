// The traffic selector payloads TSi and TSr (RFC 7296 section 3.13).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Number of TSs |                 RESERVED                      |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |   TS Type     |IP Protocol ID*|       Selector Length         |   each selector
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |           Start Port*         |           End Port*           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                         Starting Address*                     ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                         Ending Address*                       ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// Ranges, both ends included. Port range 65535 to 0 is "opaque": packets without readable ports only.
struct TrafficSelector {
    std::uint8_t protocol = 0;  ///< IP protocol; 0: any
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 0xffff;
    IpAddress first;
    IpAddress last;

    /// One address; port 0: all ports.
    [[nodiscard]] static TrafficSelector host(const IpAddress& address, std::uint8_t protocol,
                                              std::uint16_t port = 0);
    [[nodiscard]] static TrafficSelector everything(bool v6);

    [[nodiscard]] bool is_one_address() const noexcept { return first == last; }
    [[nodiscard]] bool contains(const TrafficSelector& other) const noexcept;
    /// What both cover; nullopt: nothing.
    [[nodiscard]] std::optional<TrafficSelector> common(const TrafficSelector& other) const noexcept;
    /// "192.0.2.1 UDP 1701", "10.0.0.0-10.0.0.255", "2001:db8::1 protocol 115"
    [[nodiscard]] std::string text() const;
    friend bool operator==(const TrafficSelector&, const TrafficSelector&) = default;
};

/// The body of both payloads. Selectors of other types (Fibre Channel, security labels) are passed over; the list may
/// then be empty.
[[nodiscard]] Result<std::vector<TrafficSelector>, std::string> parse_selectors(Bytes body);
void emit_selectors(ByteWriter& out, const std::vector<TrafficSelector>& selectors);
[[nodiscard]] std::string text_of(const std::vector<TrafficSelector>& selectors);

struct TsInitiatorPayload {
    static constexpr PayloadType kType = PayloadType::ts_initiator;
    std::vector<TrafficSelector> selectors;

    [[nodiscard]] static Result<TsInitiatorPayload, std::string> parse(Bytes body) {
        return parse_selectors(body).transform(
            [](std::vector<TrafficSelector>&& all) { return TsInitiatorPayload{std::move(all)}; });
    }
    void emit(ByteWriter& out) const { emit_selectors(out, selectors); }
    friend bool operator==(const TsInitiatorPayload&, const TsInitiatorPayload&) = default;
};

struct TsResponderPayload {
    static constexpr PayloadType kType = PayloadType::ts_responder;
    std::vector<TrafficSelector> selectors;

    [[nodiscard]] static Result<TsResponderPayload, std::string> parse(Bytes body) {
        return parse_selectors(body).transform(
            [](std::vector<TrafficSelector>&& all) { return TsResponderPayload{std::move(all)}; });
    }
    void emit(ByteWriter& out) const { emit_selectors(out, selectors); }
    friend bool operator==(const TsResponderPayload&, const TsResponderPayload&) = default;
};

}  // namespace isthmus::crypto::ike
