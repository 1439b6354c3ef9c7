#include "bridge/netlink/link_requests.h"

#include <doctest/doctest.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <bit>
#include <initializer_list>
#include <string>
#include <string_view>

#include "bridge/netlink/message_reader.h"

using namespace isthmus;
using namespace isthmus::bridge;
using namespace isthmus::bridge::netlink;

namespace {

constexpr IfIndex kLink{0x07};

std::string hex(const Request& request) {
    return to_hex(request.bytes);
}

/// Netlink is in host byte order; the bytes below are of a little-endian machine, as are all that we run on.
constexpr bool kLittleEndian = std::endian::native == std::endian::little;

/// Pieces of hex, one after the other.
std::string joined(std::initializer_list<std::string_view> pieces) {
    std::string out;
    for (const auto piece : pieces) out.append(piece);
    return out;
}
/// nlmsghdr: length, type, flags (REQUEST 1 | ACK 4), sequence 0, port 0
std::string header(std::string_view length, std::string_view type, std::string_view flags = "0500") {
    return joined({length, type, flags, "0000000000000000"});
}
/// ifinfomsg: family, pad, type 0, index 7, flags, change
std::string info(std::string_view family = "00", std::string_view flags = "00000000",
                 std::string_view change = "00000000") {
    return joined({family, "000000", "07000000", flags, change});
}

VlanSet vlans(std::string_view text) {
    return VlanSet::parse(text).value();
}

}  // namespace

TEST_CASE("simple link changes are these bytes" * doctest::skip(!kLittleEndian)) {
    CHECK(hex(set_mtu(kLink, 9000)) == joined({header("28000000", "1300"), info(), "08000400", "28230000"}));
    CHECK(hex(set_master(kLink, IfIndex{9})) ==
          joined({header("28000000", "1300"), info(), "08000a00", "09000000"}));
    CHECK(hex(set_master(kLink, kNoInterface)) ==
          joined({header("28000000", "1300"), info(), "08000a00", "00000000"}));
    CHECK(hex(set_up(kLink, true)) ==
          joined({header("20000000", "1300"), info("00", "01000000", "01000000")}));
    CHECK(hex(set_up(kLink, false)) ==
          joined({header("20000000", "1300"), info("00", "00000000", "01000000")}));
    CHECK(hex(delete_link(kLink)) == joined({header("20000000", "1100"), info()}));
    CHECK(hex(set_mac(kLink, {{2, 0, 0x5e, 0x10, 0, 1}})) ==
          joined({header("2c000000", "1300"), info(), "0a000100", "02005e100001", "0000"}));
}

TEST_CASE("an alias goes without its terminating zero, and an empty one is an empty attribute" *
          doctest::skip(!kLittleEndian)) {
    CHECK(hex(set_alias(kLink, "isthmus:a")) ==
          joined({header("30000000", "1300"), info(), "0d001400", "697374686d75733a61", "000000"}));
    CHECK(hex(set_alias(kLink, "")) == joined({header("24000000", "1300"), info(), "04001400"}));
}

TEST_CASE("a bridge is made exclusively, with its address" * doctest::skip(!kLittleEndian)) {
    CHECK(hex(create_bridge("br0", {{2, 0, 0, 0, 0, 1}})) ==
          joined({header("44000000", "1000", "0506"), "00000000000000000000000000000000", "08000300",
                  "62723000",                          // IFLA_IFNAME "br0"
                  "0a000100", "020000000001", "0000",  // IFLA_ADDRESS
                  "10001280", "0b000100", "62726964676500",
                  "00"}));  // IFLA_LINKINFO { IFLA_INFO_KIND "bridge" }
}

TEST_CASE("IPv6 address generation is set inside AF_SPEC and AF_INET6" * doctest::skip(!kLittleEndian)) {
    CHECK(hex(set_addr_gen_mode(kLink, AddrGenMode::none)) ==
          joined({header("30000000", "1300"), info(), "10001a80", "0c000a80", "05000800", "01000000"}));
}

TEST_CASE("only the attributes asked for are set on a bridge" * doctest::skip(!kLittleEndian)) {
    BridgeSettings s;
    s.multicast_snooping = false;
    s.group_fwd_mask = 0x4000;
    CHECK(hex(set_bridge(kLink, s)) ==
          joined({header("44000000", "1000"), info(), "24001280", "0b000100", "62726964676500", "00",
                  "14000280", "06000900", "00400000", "05001700", "00000000"}));
}

TEST_CASE("port attributes go into IFLA_PROTINFO of family AF_BRIDGE" * doctest::skip(!kLittleEndian)) {
    PortSettings s;
    s.isolated = true;
    CHECK(hex(set_port(kLink, s)) ==
          joined({header("2c000000", "1300"), info("07"), "0c000c80", "05002100", "01000000"}));
}

TEST_CASE("VLANs are added in ranges, and a PVID by itself" * doctest::skip(!kLittleEndian)) {
    const auto added = add_vlans(kLink, vlans("10,20-29"), false, false);
    REQUIRE(added.size() == 1);
    CHECK(hex(added[0]) ==
          joined({header("3c000000", "1300"), info("07"), "1c001a80", "08000200", "00000a00",  // VLAN 10
                  "08000200", "08001400",     // a range begins with 20
                  "08000200", "10001d00"}));  // ... and ends with 29
    const auto pvid = add_vlans(kLink, vlans("1"), true, true);
    REQUIRE(pvid.size() == 1);
    CHECK(hex(pvid[0]) ==
          joined({header("2c000000", "1300"), info("07"), "0c001a80", "08000200", "06000100"}));

    const auto removed = remove_vlans(kLink, vlans("1-4094"));
    REQUIRE(removed.size() == 1);
    CHECK(hex(removed[0]) == joined({header("34000000", "1100"), info("07"), "14001a80", "08000200",
                                     "08000100", "08000200", "1000fe0f"}));
    CHECK(add_vlans(kLink, {}, false, false).empty());
}

TEST_CASE("a set of two thousand ranges is split over requests that together have them all") {
    VlanSet odd;
    for (std::uint32_t v = 1; v <= 4094; v += 2) odd.insert(*VlanId::parse(v));
    const auto requests = add_vlans(kLink, odd, false, false);
    CHECK(requests.size() == 4);
    VlanSet seen;
    for (const auto& request : requests) {
        MessageReader messages(request.bytes);
        const auto message = messages.next();
        REQUIRE(message);
        Bytes rest = message->payload;
        REQUIRE(take_struct<ifinfomsg>(rest));
        AttributeReader outer(rest);
        AttributeReader inner(outer.next()->value);
        while (const auto a = inner.next()) seen.insert(*VlanId::parse(a->number<bridge_vlan_info>()->vid));
    }
    CHECK(seen == odd);
}

TEST_CASE("dumps ask for what is needed and no statistics" * doctest::skip(!kLittleEndian)) {
    CHECK(hex(dump_links()) == joined({header("28000000", "1200", "0103"), "00000000000000000000000000000000",
                                       "08001d00", "08000000"}));
    CHECK(hex(dump_bridge_vlans()) == joined({header("28000000", "1200", "0103"),
                                              "07000000000000000000000000000000", "08001d00", "04000000"}));
    CHECK(hex(dump_addresses()) == joined({header("18000000", "1600", "0103"), "0000000000000000"}));
}

TEST_CASE("probes name the loopback interface, so that nothing can come of them") {
    for (const auto& request : {probe_kind("bridge"), probe_vlan_filtering()}) {
        MessageReader messages(request.bytes);
        const auto message = messages.next();
        REQUIRE(message);
        CHECK(message->type == RTM_NEWLINK);
        CHECK((message->flags & NLM_F_EXCL) != 0);
        Bytes rest = message->payload;
        REQUIRE(take_struct<ifinfomsg>(rest));
        AttributeReader attributes(rest);
        const auto name = attributes.next();
        REQUIRE(name);
        CHECK(name->type == IFLA_IFNAME);
        CHECK(name->text() == "lo");
    }
}

TEST_CASE("a message grows beyond its first buffer") {
    const std::string alias(255, 'a');
    MessageBuilder builder(RTM_NEWLINK, 0);
    builder.header(ifinfomsg{});
    for (int i = 0; i < 100; ++i) builder.open(1).text(2, alias).close();
    const auto request = std::move(builder).take();
    CHECK(request.bytes.size() == 32 + 100 * (4 + 4 + 256));
    MessageReader messages(request.bytes);
    const auto message = messages.next();
    REQUIRE(message);
    AttributeReader attributes(message->payload.subspan(16));
    int count = 0;
    while (const auto nest = attributes.next()) {
        AttributeReader inner(nest->value);
        const auto text = inner.next();
        REQUIRE(text);
        CHECK(text->text() == alias);
        ++count;
    }
    CHECK(count == 100);
}

TEST_CASE("a VLAN's state on a port is set without touching its membership" * doctest::skip(!kLittleEndian)) {
    // RTM_NEWVLAN, br_vlan_msg { AF_BRIDGE, 0, 0, index }, BRIDGE_VLANDB_ENTRY { INFO { ONLY_OPTS, 10 }, STATE blocking }
    CHECK(hex(set_vlan_state(kLink, *VlanId::parse(10), PortState::blocking)) ==
          joined({header("2c000000", "7000"), "0700000007000000", "14000180", "08000100", "40000a00",
                  "0500030004000000"}));
}
