#include "bridge/netlink/fdb_messages.h"

#include <doctest/doctest.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

using namespace isthmus;
using namespace isthmus::bridge;
using namespace isthmus::bridge::netlink;

namespace {

const MacAddress kHost{{0, 0x50, 0x56, 1, 2, 3}};

/// As net/bridge/br_fdb.c writes one.
std::vector<std::uint8_t> entry(std::uint16_t type, std::uint16_t state, std::uint16_t vid = 0,
                                std::uint8_t family = AF_BRIDGE) {
    MessageBuilder out(type, 0);
    ndmsg header{};
    header.ndm_family = family;
    header.ndm_ifindex = 5;
    header.ndm_state = state;
    out.header(header).attribute(NDA_LLADDR, kHost.bytes).u32(NDA_MASTER, 9);
    if (vid != 0) out.u16(NDA_VLAN, vid);
    return std::move(out).take().bytes;
}

std::optional<FdbMessage> parse(const std::vector<std::uint8_t>& bytes) {
    MessageReader reader(bytes);
    const auto message = reader.next();
    return message ? parse_fdb(*message) : std::nullopt;
}

}  // namespace

TEST_CASE("a host that a bridge learned, one that it forgot, and one that was put there") {
    const auto learned = parse(entry(RTM_NEWNEIGH, NUD_REACHABLE, 110));
    REQUIRE(learned);
    CHECK(*learned == FdbMessage{IfIndex{5}, IfIndex{9}, kHost, 110, true, false});
    CHECK(parse(entry(RTM_DELNEIGH, NUD_STALE))->removed);
    CHECK_FALSE(parse(entry(RTM_NEWNEIGH, NUD_PERMANENT))->learned);
    CHECK_FALSE(parse(entry(RTM_NEWNEIGH, NUD_NOARP))->learned);
}

TEST_CASE("other neighbours are not a bridge's") {
    CHECK_FALSE(parse(entry(RTM_NEWNEIGH, NUD_REACHABLE, 0, AF_INET)));
    CHECK_FALSE(parse(entry(RTM_NEWLINK, NUD_REACHABLE)));
}

TEST_CASE("no truncation of an entry is read past its end") {
    const auto whole = entry(RTM_NEWNEIGH, NUD_REACHABLE, 110);
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(parse(
            std::vector<std::uint8_t>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
}

TEST_CASE("requests name port, host and VLAN") {
    const auto pinned = parse(pin_host(IfIndex{5}, kHost, 110).bytes);
    CHECK_FALSE_MESSAGE(pinned, "without a master it is a request, not a bridge's answer");
    for (const Request& request : {pin_host(IfIndex{5}, kHost, 110), remove_host(IfIndex{5}, kHost, 0),
                                   flush_port(IfIndex{5}), flush_port_vlan(IfIndex{5}, 110), dump_fdb()}) {
        MessageReader reader(request.bytes);
        REQUIRE(reader.next());
        CHECK_FALSE(reader.truncated());
    }
}
