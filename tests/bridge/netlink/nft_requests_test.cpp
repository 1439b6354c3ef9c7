#include "bridge/netlink/nft_requests.h"

#include <doctest/doctest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <bit>
#include <initializer_list>
#include <string>
#include <string_view>

#include "bridge/netlink/message_reader.h"
#include "bridge/netlink/nft_rule.h"

using namespace isthmus;
using namespace isthmus::bridge;
using namespace isthmus::bridge::netlink;

namespace {

constexpr bool kLittleEndian = std::endian::native == std::endian::little;

std::string hex(const Request& request) {
    return to_hex(request.bytes);
}
std::string joined(std::initializer_list<std::string_view> pieces) {
    std::string out;
    for (const auto piece : pieces) out.append(piece);
    return out;
}
/// nlmsghdr and nfgenmsg of family netdev (5).
std::string header(std::string_view length, std::string_view type, std::string_view flags) {
    return joined({length, type, flags, "0000000000000000", "05000000"});
}

/// A message as an answer of the kernel.
MessageView view(const Request& request) {
    MessageReader reader(request.bytes);
    return reader.next().value();
}

std::size_t count_of(const NftBatch& batch, std::uint16_t type) {
    std::size_t n = 0;
    for (const Request& request : batch)
        if (view(request).type == (NFNL_SUBSYS_NFTABLES << 8 | type)) ++n;
    return n;
}

}  // namespace

TEST_CASE("a batch is framed by two messages that name the subsystem" * doctest::skip(!kLittleEndian)) {
    CHECK(hex(begin_nft_batch()) ==
          "14000000"
          "1000"
          "0100"
          "0000000000000000"
          "0000000a");
    CHECK(hex(end_nft_batch()) ==
          "14000000"
          "1100"
          "0100"
          "0000000000000000"
          "0000000a");
}

TEST_CASE("a table is removed whether it is there or not" * doctest::skip(!kLittleEndian)) {
    const auto batch = remove_guard_table("ig");
    REQUIRE(batch.size() == 2);
    CHECK(hex(batch[0]) == joined({header("1c000000", "000a", "0104"), "07000100", "69670000"}));
    CHECK(hex(batch[1]) == joined({header("1c000000", "020a", "0100"), "07000100", "69670000"}));
}

TEST_CASE("a rule is these expressions, one after the other" * doctest::skip(!kLittleEndian)) {
    NftRule rule("t", "c", "lan0: x");
    rule.load_masked(0, {0x01}).equals({0x01}).exceeds({500, 100}).count();
    const std::string payload =
        joined({"34000180", "0c000100", "7061796c6f616400", "24000280", "08000100", "00000001", "08000200",
                "00000000", "08000300", "00000000", "08000400", "00000001"});
    const std::string bitwise =
        joined({"44000180", "0c000100", "6269747769736500", "34000280", "08000100", "00000001", "08000200",
                "00000001", "08000300", "00000001", "0c000480", "05000100", "01000000", "0c000580",
                "05000100", "00000000"});
    const std::string compare =
        joined({"2c000180", "08000100", "636d7000", "20000280", "08000100", "00000001", "08000200",
                "00000000", "0c000380", "05000100", "01000000"});
    const std::string limit = joined({"44000180", "0a000100", "6c696d6974000000", "34000280", "0c000100",
                                      "00000000000001f4", "0c000200", "0000000000000001", "08000300",
                                      "00000064", "08000400", "00000000", "08000500", "00000001"});
    const std::string counter = joined({"14000180", "0c000100", "636f756e74657200", "04000280"});
    const std::string verdict =
        joined({"30000180", "0e000100", "696d6d6564696174650000", "00", "1c000280", "08000100", "00000000",
                "10000280", "0c000280", "08000100", "00000000"});
    const std::string text = hex(rule.drop());
    CHECK(text.find(joined({header("64010000", "060a", "010c"), "06000100", "74000000", "06000200",
                            "63000000", "0e000700", "0008", "6c616e303a207800", "0000"})) == 0);
    const auto at = text.find(payload);
    REQUIRE(at != std::string::npos);
    CHECK(text.substr(at) == joined({payload, bitwise, compare, limit, counter, verdict}));
}

TEST_CASE("limits by key name their set, and whether it forgets" * doctest::skip(!kLittleEndian)) {
    NftRule rule("t", "c");
    rule.load(6, 6).exceeds_by_key("s", {20, 40}, true);
    const std::string text = hex(rule.accept());
    CHECK(text.find(joined({"0b000100", "64796e73657400", "00"})) != std::string::npos);  // "dynset"
    CHECK(text.find(joined({"06000100", "73000000", "08000300", "00000001"})) !=
          std::string::npos);                                                 // set, update
    CHECK(text.find(joined({"08000400", "00000001"})) != std::string::npos);  // key's register
}

TEST_CASE("a device's rules are chains at its hooks, and sets of a thousand elements a message") {
    GuardRules rules;
    DeviceRules tap;
    tap.device = "ist-a";
    tap.limits.resolution_per_source = FrameLimit{40, 80};
    tap.limits.resolution = FrameLimit{1000, 1000};
    tap.limits.broadcast = FrameLimit{1000, 1000};
    tap.limits.local_multicast = FrameLimit{1000, 1000};
    tap.limits.multicast = FrameLimit{4000, 4000};
    tap.bum_blocked.vlans = VlanSet::all();
    DeviceRules lan;
    lan.device = "lan0";
    lan.way = DeviceRules::Way::both;
    rules.devices = {tap, lan};
    const auto batch = replace_guard_table(rules);
    CHECK(count_of(batch, NFT_MSG_NEWTABLE) == 2);
    CHECK(count_of(batch, NFT_MSG_DELTABLE) == 1);
    CHECK(count_of(batch, NFT_MSG_NEWCHAIN) == 4 + 2);  // tagged or not, and for limits of address resolution
    CHECK(count_of(batch, NFT_MSG_NEWSETELEM) == 5);
    for (const Request& request : batch) CHECK(request.bytes.size() < 65'536);
    rules.devices[1].blocked.untagged = true;
    CHECK(count_of(replace_guard_table(rules), NFT_MSG_NEWCHAIN) == 6 + 2);
}

TEST_CASE("who is known is kept once for all devices, and who was seen only where frames come in") {
    GuardRules rules;
    DeviceRules lan;
    lan.device = "lan0";
    lan.way = DeviceRules::Way::both;
    lan.limits.resolution = FrameLimit{20'000, 20'000};
    lan.limits.strangers = FrameLimit{1'000, 1'000};
    rules.devices = {lan};
    const auto named = [](const NftBatch& batch, std::string_view set) {
        int count = 0;
        for (const Request& request : batch) {
            const std::string_view bytes(reinterpret_cast<const char*>(request.bytes.data()),
                                         request.bytes.size());
            const bool is_set = view(request).type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET);
            if (is_set && bytes.find(set) != std::string_view::npos) ++count;
        }
        return count;
    };
    const auto one = replace_guard_table(rules);
    rules.devices.push_back(lan);
    rules.devices[1].device = "lan1";
    const auto two = replace_guard_table(rules);
    for (const auto* batch : {&one, &two}) {
        CHECK(named(*batch, std::string("known\0", 6)) == 1);
        CHECK(named(*batch, std::string("seen\0", 5)) == 1);
    }
    CHECK(count_of(two, NFT_MSG_NEWRULE) == 2 * count_of(one, NFT_MSG_NEWRULE));
    rules.devices = {lan};
    rules.devices[0].way = DeviceRules::Way::out;
    // Neither looked up nor remembered, in both branches.
    CHECK(count_of(replace_guard_table(rules), NFT_MSG_NEWRULE) == count_of(one, NFT_MSG_NEWRULE) - 4);
}
