// One control message of each kind, with every value that it can carry, and secrets to protect them with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/crypto/seeded_rng.h"
#include "tests/support/control_digest.h"
#include "tunnel/control_auth.h"
#include "tunnel/control_message.h"

namespace isthmus::tunnel::test {

inline std::vector<std::uint8_t> octets_of(std::string_view text) {
    return {text.begin(), text.end()};
}
inline std::vector<std::uint8_t> counting(std::uint8_t from, std::size_t size) {
    std::vector<std::uint8_t> out;
    for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(from + i));
    return out;
}
/// The rest is 0, as Cookie demands.
inline Cookie cookie_of(std::vector<std::uint8_t> bytes) {
    Cookie out;
    out.size = static_cast<std::uint8_t>(bytes.size());
    std::ranges::copy(bytes, out.bytes.begin());
    return out;
}

inline std::shared_ptr<const ControlKeys> keys_of(const std::vector<std::string_view>& secrets) {
    std::vector<SecretBytes> all;
    for (const auto secret : secrets) all.emplace_back(octets_of(secret));
    return std::make_shared<ControlKeys>(isthmus::test::real_digest(), all);
}

inline void fill(ConnectionOffer& offer) {
    offer.host_name = "left.example";
    offer.router_id = RouterId{0xc0000201};
    offer.assigned_id = ControlConnectionId{0x11223344};
    offer.pseudowires = {PseudowireType::ethernet, PseudowireType::ethernet_vlan, PseudowireType{7}};
    offer.vendor_name = "Isthmus";
    offer.receive_window = 32;
    offer.preferred_language = "en";
    offer.nonce = counting(0x40, kNonceSize);
    offer.software_version = "0.2.0";
    offer.node_id = counting(1, 8);
    offer.site_id = octets_of("site-a");
    offer.boot_nonce = counting(0x80, 16);
}

inline SessionOffer full_offer() {
    SessionOffer offer;
    offer.cookie = cookie_of(counting(0xa0, 8));
    offer.sublayer = Sublayer::standard;
    offer.sequencing = SequencingLevel::all;
    offer.status = CircuitStatus::parse(0x43);
    offer.tx_speed = 10'000'000'000;
    offer.rx_speed = 1'000'000'000;
    offer.physical_channel = 7;
    offer.mtu = 1500;
    offer.vccv = VccvCapability{VccvCapability::kSublayerChannel, VccvCapability::kBfd};
    offer.channel =
        VccvCapability{VccvCapability::kSublayerChannel, VccvCapability::kBfd | VccvCapability::kEcho};
    return offer;
}

template <class M>
M full_request() {
    M message;
    message.ids = {SessionId{0xa1b2c3d4}, SessionId{0}};
    message.offer = full_offer();
    message.serial = 42;
    message.type = PseudowireType::ethernet_vlan;
    message.end_id = "vlan-10 and a name longer than one block of MD5";
    message.tie_breaker = 0x0102030405060708;
    message.supersedes = SessionId{0x99};
    return message;
}

template <class M>
M full_answer() {
    M message;
    message.ids = {SessionId{0x51627384}, SessionId{0xa1b2c3d4}};
    message.offer = full_offer();
    return message;
}

/// Every kind that is emitted.
inline std::vector<ControlMessage> every_message() {
    Sccrq sccrq;
    fill(sccrq);
    sccrq.tie_breaker = 0x1122334455667788;
    Sccrp sccrp;
    fill(sccrp);
    const SessionPair ids{SessionId{0xa1b2c3d4}, SessionId{0x51627384}};
    const StopCcn stop{{StopResult::general_error, ErrorCode::unknown_mandatory_avp, "AVP 99"},
                       ControlConnectionId{0x11223344}};
    const Cdn cdn{ids, {CdnResult::general_error, ErrorCode::no_resources, "no TAP left"}};
    return {Zlb{},
            Ack{},
            Hello{},
            sccrq,
            sccrp,
            Scccn{},
            stop,
            StopCcn{{StopResult::shutting_down, ErrorCode::none, ""}, std::nullopt},
            full_request<Icrq>(),
            full_answer<Icrp>(),
            full_answer<Iccn>(),
            full_request<Ocrq>(),
            full_answer<Ocrp>(),
            full_answer<Occn>(),
            cdn,
            Cdn{ids, {CdnResult::administrative, ErrorCode::none, ""}},
            Wen{ids, {1, 2, 3, 4, 5, 6}},
            Sli{ids, CircuitStatus::parse(0x7c), counting(0, 20)}};
}

}  // namespace isthmus::tunnel::test
