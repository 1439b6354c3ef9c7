#include "bridge/io/port_watch.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <map>
#include <vector>

#include "bridge/io/capture_file.h"
#include "bridge/io/nft_socket.h"
#include "tests/bridge/private_namespace.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

using Octets = std::vector<std::uint8_t>;

Octets frame(const char* to, std::string_view from_type, std::initializer_list<std::uint16_t> tags = {}) {
    ByteWriter out;
    out.bytes(MacAddress::parse(to).value().bytes).bytes(from_hex("02005e100101").value());
    for (const std::uint16_t vid : tags) out.u16(0x8100).u16(vid);
    out.bytes(from_hex(from_type).value());
    if (out.size() < 60) out.zeros(60 - out.size());
    return std::move(out).take();
}

/// All that comes within a moment.
std::vector<Octets> received(PortWatch& watch) {
    std::vector<Octets> out;
    pollfd waiting{watch.fd(), POLLIN, 0};
    while (::poll(&waiting, 1, 100) == 1) {
        const auto count = watch.read(64, [&](Bytes f) { out.emplace_back(f.begin(), f.end()); });
        REQUIRE(count.has_value());
        if (*count == 0) break;
    }
    return out;
}

constexpr std::string_view kBpdu =
    "0027424203000002023c8001001906eab880000000008001001906eab88080050000140002000f0000";
constexpr std::string_view kProbe = "88b54c324c470101";
constexpr std::string_view kIp = "0800450000400000000040110000c0000201c0000202";

}  // namespace

TEST_CASE("the watch sees what the guard wants to see, tagged or not, and no storm") {
    const PrivateNamespace space;
    if (!space.usable_for("port watch: filter")) return;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.change(netlink::set_up(hands.link("lan0").index, true)));
    auto watch = PortWatch::open("lan0");
    REQUIRE_MESSAGE(watch.has_value(), watch.error());
    auto host = PortWatch::open("host0");
    REQUIRE(host.has_value());
    const std::vector<Octets> wanted{frame("01:80:c2:00:00:00", kBpdu),
                                     frame("01:80:c2:00:00:00", kBpdu, {10}),
                                     frame("01:00:0c:cc:cc:cd", "0032aaaa0300000c010b", {10}),
                                     frame("03:4c:32:42:47:01", kProbe, {20}),
                                     frame("ff:ff:ff:ff:ff:ff", kProbe),
                                     frame("ff:ff:ff:ff:ff:ff", kProbe, {10}),
                                     frame("02:00:00:00:00:77", kProbe, {100, 10}),
                                     frame("01:00:5e:00:00:12", kIp, {10})};
    const std::vector<Octets> others{frame("ff:ff:ff:ff:ff:ff", kIp), frame("ff:ff:ff:ff:ff:ff", kIp, {10}),
                                     frame("02:00:00:00:00:01", kIp, {10}), frame("01:00:5e:00:00:fb", kIp),
                                     frame("ff:ff:ff:ff:ff:ff", "08060001080006040001", {10})};
    for (int i = 0; i < 200; ++i)
        for (const Octets& f : others) REQUIRE(host->send(f).has_value());
    for (const Octets& f : wanted) REQUIRE(host->send(f).has_value());
    CHECK(received(*watch) == wanted);
    CHECK(watch->lost() == 0);
}

TEST_CASE("what we send ourselves is not seen as coming in, and leaves through rules that block the rest") {
    const PrivateNamespace space;
    if (!space.usable_for("port watch: direction")) return;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.change(netlink::set_up(hands.link("lan0").index, true)));
    auto watch = PortWatch::open("lan0");
    auto host = PortWatch::open("host0");
    REQUIRE(watch.has_value());
    REQUIRE(host.has_value());
    auto nft = NftSocket::open();
    REQUIRE(nft.has_value());
    DeviceRules rules;
    rules.device = "lan0";
    rules.way = DeviceRules::Way::both;
    rules.blocked = {VlanSet::all(), true};
    REQUIRE(nft->apply({"isthmus_guard", {rules}}).has_value());
    const Octets probe = frame("03:4c:32:42:47:01", kProbe, {20});
    REQUIRE(watch->send(probe).has_value());
    // Whether the kernel tells its sender that a rule dropped the frame depends on the kernel's version.
    (void)watch->send(frame("01:80:c2:00:00:00", kBpdu));
    CHECK(received(*host) == std::vector<Octets>{probe});
    CHECK(received(*watch).empty());
    // What ingress rules drop is seen all the same.
    const Octets bpdu = frame("01:80:c2:00:00:00", kBpdu, {10});
    REQUIRE(host->send(bpdu).has_value());
    CHECK(received(*watch) == std::vector<Octets>{bpdu});
}

TEST_CASE("an interface that is not there, or goes, is told in a sentence") {
    const PrivateNamespace space;
    if (!space.usable_for("port watch: gone")) return;
    Hands hands;
    const auto refused = PortWatch::open("none0");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().find("cannot watch none0") == 0);
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.change(netlink::set_up(hands.link("lan0").index, true)));
    auto watch = PortWatch::open("lan0");
    REQUIRE(watch.has_value());
    REQUIRE(hands.change(netlink::delete_link(hands.link("lan0").index)));
    const auto read = watch->read(1, [](Bytes) {});
    CHECK_FALSE(read.has_value());
}

TEST_CASE("captured frames are written as a file that others read, heads and whole sizes") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "event.pcap";
    const Octets one = frame("ff:ff:ff:ff:ff:ff", kIp);
    const Octets two = frame("01:80:c2:00:00:00", kBpdu, {10});
    REQUIRE(write_capture(path, {{std::chrono::nanoseconds(1'700'000'000'123'456'000), 1'514, one},
                                 {std::chrono::nanoseconds(1'700'000'001'000'000'000), 68, two}})
                .has_value());
    const auto capture = test::read_pcap(path.string());
    REQUIRE(capture);
    CHECK(capture->link_type == 1);
    REQUIRE(capture->packets.size() == 2);
    CHECK(capture->packets[0].bytes == one);
    CHECK(capture->packets[1].bytes == two);
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::group_all) ==
          std::filesystem::perms::none);
    CHECK_FALSE(write_capture(folder.path() / "missing" / "event.pcap", {}).has_value());
}
