// The guard's rules in the real kernel, in namespaces of the test's own: what passes a pair of interfaces and what does not.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <vector>

#include "bridge/io/nft_monitor.h"
#include "bridge/io/nft_socket.h"
#include "tests/bridge/private_namespace.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

using Octets = std::vector<std::uint8_t>;

/// A raw socket on one interface.
class Port {
  public:
    explicit Port(const std::string& name)
        : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))) {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        const int large = 8 << 20;
        (void)::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large));
    }
    ~Port() { ::close(fd_); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    /// A frame that egress rules drop is sent all the same, as far as the sender knows.
    void send(const Octets& frame) { (void)::send(fd_, frame.data(), frame.size(), 0); }

    /// Frames that others sent, by the byte at 13 of their addresses' end: the mark that the test put there.
    std::map<std::uint8_t, int> received() {
        std::map<std::uint8_t, int> counts;
        Octets buffer(2048);
        pollfd waiting{fd_, POLLIN, 0};
        while (::poll(&waiting, 1, 50) == 1) {
            sockaddr_ll from{};
            socklen_t size = sizeof(from);
            const auto n =
                ::recvfrom(fd_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
            if (n >= 14 && from.sll_pkttype != PACKET_OUTGOING && buffer[6] == 0x02 && buffer[7] == 0xaa)
                ++counts[buffer[11]];
        }
        return counts;
    }

  private:
    int fd_;
};

/// `mark` is the last byte of the source address; VLAN 0: no tag.
Octets frame(std::uint8_t mark, const char* to, std::string_view from_type, std::uint16_t vid = 0,
             std::uint8_t host = 1) {
    ByteWriter out;
    out.bytes(MacAddress::parse(to).value().bytes).u16(0x02aa).u16(host).u16(mark);
    if (vid != 0) out.u16(0x8100).u16(vid);
    out.bytes(from_hex(from_type).value());
    if (out.size() < 80) out.zeros(80 - out.size());
    return std::move(out).take();
}

constexpr const char* kHost = "02:00:00:00:00:01";
constexpr const char* kBroadcast = "ff:ff:ff:ff:ff:ff";
constexpr std::string_view kIp = "0800450000400000000040110000c0000201c0000202";
constexpr std::string_view kArp = "08060001080006040001";
constexpr std::string_view kGuard = "88b54c324c470101";

/// Two interfaces that face each other; rules are on `a`.
struct Pair {
    Hands hands;
    NftSocket nft;
    std::optional<Port> a;
    std::optional<Port> b;

    Pair() : nft(std::move(NftSocket::open()).value()) {
        REQUIRE(hands.veth("va", "vb"));
        REQUIRE(hands.change(netlink::set_up(hands.link("va").index, true)));
        a.emplace("va");
        b.emplace("vb");
    }
    void apply(const DeviceRules& rules) {
        const auto done = nft.apply({"isthmus_guard", {rules}});
        REQUIRE_MESSAGE(done.has_value(), done.error().text());
    }
    std::uint64_t dropped(const std::string& what) {
        const auto counts = nft.counts("isthmus_guard");
        REQUIRE(counts.has_value());
        for (const RuleCount& count : *counts)
            if (count.device == "va" && count.what == what) return count.packets;
        return 0;
    }
};

DeviceRules out_of(const std::string& device) {
    DeviceRules rules;
    rules.device = device;
    return rules;
}

}  // namespace

TEST_CASE("blocked VLANs let nothing but the guard's own frames out, and others everything") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: blocks")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.bum_blocked = {VlanSet::parse("10").value(), false};
    rules.blocked = {VlanSet::parse("20,4094").value(), true};
    pair.apply(rules);
    pair.a->send(frame(1, kBroadcast, kIp, 10));
    pair.a->send(frame(2, "33:33:00:00:00:01", kIp, 10));
    pair.a->send(frame(3, kHost, kIp, 10));
    pair.a->send(frame(4, kBroadcast, kGuard, 10));
    pair.a->send(frame(5, kHost, kIp, 20));
    pair.a->send(frame(6, kBroadcast, kIp, 4094));
    pair.a->send(frame(7, kBroadcast, kGuard, 20));
    pair.a->send(frame(8, kHost, kIp));
    pair.a->send(frame(9, "03:4c:32:42:47:01", kGuard));
    pair.a->send(frame(10, kBroadcast, kIp, 30));
    pair.a->send(frame(11, kHost, kIp, 30));
    CHECK(pair.b->received() ==
          std::map<std::uint8_t, int>{{3, 1}, {4, 1}, {7, 1}, {9, 1}, {10, 1}, {11, 1}});
    CHECK(pair.dropped("bum_blocked") == 2);
    CHECK(pair.dropped("blocked") >= 3);  // and what the kernel sends by itself
}

TEST_CASE("a LAN port's block works both ways") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: both ways")) return;
    Pair pair;
    // A bridge sees what ingress rules leave; a packet socket sees it before: the other end of a second pair tells.
    REQUIRE(pair.hands.bridge("br0"));
    REQUIRE(pair.hands.change(netlink::set_up(pair.hands.link("br0").index, true)));
    REQUIRE(pair.hands.veth("vc", "vd"));
    for (const char* port : {"va", "vc"}) {
        REQUIRE(pair.hands.change(
            netlink::set_master(pair.hands.link(port).index, pair.hands.link("br0").index)));
        REQUIRE(pair.hands.change(netlink::set_up(pair.hands.link(port).index, true)));
    }
    Port behind("vd");
    DeviceRules rules = out_of("va");
    rules.way = DeviceRules::Way::both;
    rules.blocked = {VlanSet::parse("20").value(), false};
    pair.apply(rules);
    pair.b->send(frame(1, kBroadcast, kIp, 20));
    pair.b->send(frame(2, kBroadcast, kIp, 10));
    pair.b->send(frame(3, kBroadcast, kGuard, 20));
    CHECK(behind.received() == std::map<std::uint8_t, int>{{2, 1}, {3, 1}});
    behind.send(frame(4, kBroadcast, kIp, 20));
    behind.send(frame(5, kBroadcast, kIp, 10));
    CHECK(pair.b->received() == std::map<std::uint8_t, int>{{5, 1}});
    CHECK(pair.dropped("blocked") == 2);
}

TEST_CASE("link-local protocols do not leave where the daemon cannot see to it, tagged or not") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: link-local")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.drop_link_local = true;
    pair.apply(rules);
    std::uint8_t mark = 1;
    for (const char* to : {"01:80:c2:00:00:00", "01:80:c2:00:00:0e", "01:80:c2:00:00:21", "01:00:0c:cc:cc:cc",
                           "01:00:0c:cc:cc:cd", "01:00:0c:cd:cd:cd"}) {
        pair.a->send(frame(mark, to, kIp));
        pair.a->send(frame(mark++, to, kIp, 10));
    }
    pair.a->send(frame(100, "01:80:c2:00:00:14", kIp));
    pair.a->send(frame(101, "01:00:5e:00:00:05", kIp, 10));
    CHECK(pair.b->received() == std::map<std::uint8_t, int>{{100, 1}, {101, 1}});
    CHECK(pair.dropped("link_local") == 12);
}

TEST_CASE("each class of each VLAN has its own limit, and unicast none") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: limits")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.limits.resolution = FrameLimit{1, 10};
    rules.limits.broadcast = FrameLimit{1, 20};
    rules.limits.local_multicast = FrameLimit{1, 30};
    rules.limits.multicast = FrameLimit{1, 40};
    pair.apply(rules);
    const auto local = "0800450000400000000040110000c0000201e0000005";
    const auto neighbour =
        "86dd6000000000203aff"
        "fe800000000000000000000000000001"
        "ff020000000000000000000000000001"
        "87";
    for (int i = 0; i < 100; ++i) {
        for (const std::uint16_t vid : {std::uint16_t{0}, std::uint16_t{10}, std::uint16_t{11}}) {
            const auto mark = static_cast<std::uint8_t>(vid * 10);
            pair.a->send(frame(static_cast<std::uint8_t>(mark + 1), kBroadcast, kArp, vid));
            pair.a->send(frame(static_cast<std::uint8_t>(mark + 2), kBroadcast, kIp, vid));
            pair.a->send(frame(static_cast<std::uint8_t>(mark + 3), "01:00:5e:00:00:05", local, vid));
            pair.a->send(frame(static_cast<std::uint8_t>(mark + 4), "01:00:5e:01:02:03", kIp, vid));
            pair.a->send(frame(static_cast<std::uint8_t>(mark + 5), kHost, kIp, vid));
        }
        pair.a->send(frame(200, "33:33:ff:00:00:01", neighbour, 12));
    }
    const auto got = pair.b->received();
    for (const std::uint8_t mark : {std::uint8_t{0}, std::uint8_t{100}, std::uint8_t{110}}) {
        // A second or two may pass meanwhile, each with one more.
        const auto about = [&](int offset, int burst) {
            const auto found = got.find(static_cast<std::uint8_t>(mark + offset));
            const int n = found == got.end() ? 0 : found->second;
            CHECK_MESSAGE(n >= burst, "mark ", mark + offset);
            CHECK_MESSAGE(n <= burst + 5, "mark ", mark + offset);
        };
        about(1, 10);
        about(2, 20);
        about(3, 30);
        about(4, 40);
        about(5, 100);
    }
    CHECK(got.at(200) >= 10);
    CHECK(got.at(200) <= 15);
    CHECK(pair.dropped("broadcast") >= 3 * 75);
}

TEST_CASE("one source's ARP flood leaves the others theirs") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: fairness")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.limits.resolution_per_source = FrameLimit{1, 5};
    pair.apply(rules);
    for (int i = 0; i < 200; ++i) pair.a->send(frame(1, kBroadcast, kArp, 10, 99));
    for (std::uint8_t host = 1; host <= 50; ++host) pair.a->send(frame(2, kBroadcast, kArp, 10, host));
    const auto got = pair.b->received();
    CHECK(got.at(1) >= 5);
    CHECK(got.at(1) <= 10);
    CHECK(got.at(2) == 50);
    CHECK(pair.dropped("resolution_per_source") >= 190);
}

TEST_CASE(
    "an ARP flood with a new source in each frame leaves known sources theirs, and who asks again comes "
    "through") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: strangers")) return;
    Pair pair;
    REQUIRE(pair.hands.bridge("br0"));
    REQUIRE(pair.hands.change(netlink::set_up(pair.hands.link("br0").index, true)));
    REQUIRE(pair.hands.veth("vc", "vd"));
    for (const char* port : {"va", "vc"}) {
        REQUIRE(pair.hands.change(
            netlink::set_master(pair.hands.link(port).index, pair.hands.link("br0").index)));
        REQUIRE(pair.hands.change(netlink::set_up(pair.hands.link(port).index, true)));
    }
    Port behind("vd");
    DeviceRules rules = out_of("va");
    rules.way = DeviceRules::Way::both;
    rules.limits.resolution = FrameLimit{1'000, 1'000};
    rules.limits.strangers = FrameLimit{1, 5};
    pair.apply(rules);
    for (const std::uint16_t vid : {std::uint16_t{0}, std::uint16_t{10}}) {
        const auto all_hosts = [&](std::uint8_t mark) {
            for (std::uint8_t host = 1; host <= 20; ++host)
                pair.b->send(frame(mark, kBroadcast, kArp, vid, host));
        };
        all_hosts(1);  // known since before the flood
        CHECK(behind.received() == std::map<std::uint8_t, int>{{1, 20}});
        for (int i = 0; i < 2'000; ++i) {
            Octets made_up = frame(2, kBroadcast, kArp, vid, 0);
            made_up[8] = static_cast<std::uint8_t>(vid);
            store_be16(made_up.data() + 9, static_cast<std::uint16_t>(i));
            pair.b->send(made_up);
        }
        const auto flooded = behind.received();
        CHECK(flooded.at(2) >= 380);  // so many strangers become known before it is a flood
        CHECK(flooded.at(2) <= 500);
        all_hosts(1);
        CHECK(behind.received() == std::map<std::uint8_t, int>{{1, 20}});
        for (int i = 0; i < 3; ++i) all_hosts(4);
        const auto got = behind.received();
        CHECK(got.at(4) >= 40);  // all but each one's first
    }
    CHECK(pair.dropped("strangers") >= 2 * 1'500);
}

TEST_CASE("a limit may be of bytes, and one of none lets nothing through") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: bytes")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.limits.broadcast = FrameLimit{100, 1'000, true};
    rules.limits.multicast = FrameLimit{0, 0};
    pair.apply(rules);
    for (const std::uint16_t vid : {std::uint16_t{0}, std::uint16_t{10}})
        for (int i = 0; i < 100; ++i) {
            pair.a->send(frame(static_cast<std::uint8_t>(1 + vid), kBroadcast, kIp, vid));
            pair.a->send(frame(2, "01:00:5e:01:02:03", kIp, vid));
        }
    const auto got = pair.b->received();
    for (const std::uint8_t mark : {std::uint8_t{1}, std::uint8_t{11}}) {
        CHECK(got.at(mark) >= 11);  // of 80 bytes each, or 76 without the tag
        CHECK(got.at(mark) <= 20);
    }
    CHECK(got.count(2) == 0);
    CHECK(pair.dropped("multicast") >= 200);
}

TEST_CASE("rules are replaced as a whole, survive who made them, and go when asked to, twice if need be") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: replace")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.blocked = {VlanSet::all(), true};
    pair.apply(rules);
    pair.nft = std::move(NftSocket::open()).value();  // the old one is closed: its maker is dead
    pair.a->send(frame(1, kHost, kIp, 10));
    rules.blocked = {VlanSet::parse("20").value(), false};
    pair.apply(rules);
    pair.a->send(frame(2, kHost, kIp, 10));
    pair.a->send(frame(3, kHost, kIp, 20));
    CHECK(pair.nft.remove("isthmus_guard").has_value());
    CHECK(pair.nft.remove("isthmus_guard").has_value());
    pair.a->send(frame(4, kHost, kIp, 20));
    CHECK(pair.b->received() == std::map<std::uint8_t, int>{{2, 1}, {4, 1}});
}

TEST_CASE("a device that is not there leaves the rules as they were, or its rules without effect") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: no device")) return;
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.blocked = {VlanSet::parse("20").value(), false};
    pair.apply(rules);
    const auto refused = pair.nft.apply({"isthmus_guard", {rules, out_of("gone0")}});
    if (!refused) CHECK(refused.error().code == ENOENT);  // newer kernels wait for the device
    pair.a->send(frame(1, kHost, kIp, 20));
    pair.a->send(frame(2, kHost, kIp, 10));
    CHECK(pair.b->received() == std::map<std::uint8_t, int>{{2, 1}});
}

TEST_CASE("4,094 VLANs on each of four devices fit into one transaction") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: all VLANs")) return;
    Pair pair;
    REQUIRE(pair.hands.veth("vc", "vd"));
    GuardRules rules;
    for (const char* device : {"va", "vb", "vc", "vd"}) {
        DeviceRules one = out_of(device);
        one.way = DeviceRules::Way::both;
        one.blocked = {VlanSet::all(), true};
        one.bum_blocked = {VlanSet::all(), true};
        rules.devices.push_back(one);
    }
    const auto done = pair.nft.apply(rules);
    CHECK_MESSAGE(done.has_value(), done.error().text());
    pair.a->send(frame(1, kHost, kIp, 4094));
    CHECK(pair.b->received().empty());
}

TEST_CASE("who takes rules out is noticed, and who replaces them is not, with 4,094 VLANs either") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: notices")) return;
    Pair pair;
    auto monitor = NftMonitor::open();
    REQUIRE_MESSAGE(monitor.has_value(), monitor.error().text());
    const auto losses = [&] {
        RuleLosses all = monitor->drain();
        CHECK_FALSE(all.any);
        while (all.more) {
            const RuleLosses next = monitor->drain();
            CHECK_FALSE(next.any);
            all.tables.insert(next.tables.begin(), next.tables.end());
            all.more = next.more;
        }
        return all.tables;
    };
    DeviceRules rules = out_of("va");
    rules.way = DeviceRules::Way::both;
    rules.blocked = {VlanSet::all(), true};
    for (int i = 0; i < 3; ++i) pair.apply(rules);
    REQUIRE(pair.nft.apply({"isthmus_other", {out_of("va")}}).has_value());
    CHECK(losses().empty());
    auto somebody = NftSocket::open();
    REQUIRE(somebody.has_value());
    REQUIRE(somebody->remove("isthmus_guard").has_value());
    CHECK(losses() == std::set<std::string>{"isthmus_guard"});
    CHECK(losses().empty());
}

TEST_CASE("guards' frames go round a thousand times a second and no more, and our own not at all") {
    const PrivateNamespace space;
    if (!space.usable_for("nft kernel: probes")) return;
    constexpr int kMany = 20'000;
    const std::string probe = std::string(kGuard) + std::string(28, '0');
    const auto of_node = [&](std::string_view node) {
        return frame(1, kBroadcast, probe + std::string(node), 10);
    };
    const Octets ours = of_node("1122334455667788");
    const Octets theirs = of_node("8877665544332211");
    Pair pair;
    DeviceRules rules = out_of("va");
    rules.way = DeviceRules::Way::both;
    rules.own_node = 0x1122334455667788;
    pair.apply(rules);
    for (int i = 0; i < kMany; ++i) pair.b->send(ours);
    CHECK(pair.dropped("probes") == 0);
    for (int i = 0; i < kMany; ++i) pair.b->send(theirs);
    CHECK(pair.dropped("probes") > 0);
    // Where there are limits only, they are among them, whoever they are of.
    rules.own_node.reset();
    rules.limits.broadcast = FrameLimit{500, 500};
    pair.apply(rules);
    for (int i = 0; i < kMany; ++i) pair.b->send(ours);
    CHECK(pair.dropped("probes") > 0);
    rules.way = DeviceRules::Way::out;
    pair.apply(rules);
    for (int i = 0; i < kMany; ++i) pair.a->send(theirs);
    CHECK(pair.dropped("probes") > 0);
}
