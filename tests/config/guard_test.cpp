#include <doctest/doctest.h>

#include "config/storm_setting.h"
#include "tests/config/support.h"

using namespace isthmus;
using namespace isthmus::config;
using namespace isthmus::stp_guard;

namespace {

using Unit = StormLimit::Unit;

Configuration loaded(const std::string& text, const FakeEnvironment& machine = machine_with_keys()) {
    auto result = load(text, "/etc/isthmus/c.toml", machine);
    const std::string wrong = result ? "" : texts_of(result.error()).front();
    REQUIRE_MESSAGE(result.has_value(), wrong);
    return std::move(result).value();
}

std::string with_guard(const std::string& lines) {
    return replaced(kGood, "[[bridge]]", "[guard]\n" + lines + "\n[[bridge]]");
}

std::string only_problem(const std::string& text) {
    const Texts found = problems_of(text);
    REQUIRE(found.size() == 1);
    return found[0];
}

StormLimits storm_of(const std::string& text) {
    return loaded(text).sessions[0].admission.storm;
}

}  // namespace

TEST_CASE("without a word about it the guard is on, with the defaults of its table") {
    const Configuration c = loaded(kGood);
    CHECK(c.guard.enabled);
    CHECK(c.guard.probes);
    CHECK_FALSE(c.guard.observe);
    CHECK(c.guard.nftables);
    CHECK(c.guard.site == "dc-gw");
    CHECK(c.guard.node == "dc-gw");
    CHECK(c.guard.key.empty());
    const SessionConfig& session = c.sessions[0];
    CHECK(session.admission.storm == StormLimits{});
    CHECK(session.admission.bpdus == BpduPolicy::filter);
    CHECK(session.admission.macs == MacLimits{2'000, 4'000});
    CHECK(session.guard.probes);
    CHECK(session.guard.gateways == GatewayOptions{});
}

TEST_CASE("every key of the guard is read") {
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/isthmus/guard.key"] = {std::string(64, 'c'), 0, 0600};
    const Configuration c =
        loaded(with_guard("observe = true\ndomain = 7\nsite = \"dc\"\nnode = \"gw1\"\nkey_file = "
                          "\"guard.key\"\nprobes_per_second = 500\nmac_moves = \"pin\"\n"
                          "suspend_storms = true\nnftables = false\ncapture = 50\n"
                          "[guard.storm]\nbroadcast = \"100 pps\""),
               machine);
    CHECK(c.guard.observe);
    CHECK(c.guard.domain == 7);
    CHECK(c.guard.site == "dc");
    CHECK(c.guard.node == "gw1");
    CHECK(c.guard.key.size() == 32);
    CHECK(c.guard.probes_per_second == 500);
    CHECK(c.guard.pin_duplicates);
    CHECK(c.guard.suspend_storms);
    CHECK_FALSE(c.guard.nftables);
    CHECK(c.guard.capture == 50);
    CHECK(c.sessions[0].admission.observe);
    CHECK(c.sessions[0].admission.storm.of(StormClass::broadcast) == StormLimit{Unit::packets, 100, 100, 50});
    CHECK(c.sessions[0].admission.storm.of(StormClass::multicast)->rate == 2'000);
}

TEST_CASE("a session has its own policies") {
    const Configuration c = loaded(replaced(kGood, "vlans = \"10,20-29\"", R"(vlans = "10,20-29"
untagged = true
bpdu = "guard"
link_local = ["lldp", "cdp"]
observe = true
mac_limit = 10
mac_limit_session = 20
topology_changes = 3
dual_gateway = "10"
gateways = ["10 192.0.2.1", "untagged 2001:db8::1 02:00:5e:10:00:01"]
keep_dhcp = true
)"));
    const SessionConfig& session = c.sessions[0];
    CHECK(session.admission.bpdus == BpduPolicy::guard);
    CHECK(session.admission.link_local.contains(LinkLocalKind::lldp));
    CHECK(session.admission.link_local.contains(LinkLocalKind::cdp));
    CHECK_FALSE(session.admission.link_local.contains(LinkLocalKind::lacp));
    CHECK(session.admission.observe);
    CHECK(session.admission.macs == MacLimits{10, 20});
    CHECK(session.admission.topology_changes_per_minute == 3);
    const GatewayOptions& gateways = session.guard.gateways;
    CHECK(gateways.dual == VlanSet::parse("10").value());
    CHECK_FALSE(gateways.dual_untagged);
    CHECK(gateways.keep_dhcp_servers);
    REQUIRE(gateways.gateways.size() == 2);
    CHECK(gateways.gateways[0] == Gateway{10, IpAddress::parse("192.0.2.1").value(), {}});
    CHECK(gateways.gateways[1] ==
          Gateway{0, IpAddress::parse("2001:db8::1").value(), MacAddress::parse("02:00:5e:10:00:01")});
    const Configuration all = loaded(kGood + "dual_gateway = \"all\"\n");
    CHECK(all.sessions[0].guard.gateways.dual == all.sessions[0].admission.vlans);
}

TEST_CASE("limits are what people write: packets, bits, a part of the tunnel's rate, or none") {
    const std::string rated = replaced(kGood, "protection", "rate = \"100 Mbit/s\"\nprotection");
    CHECK(storm_of(rated).all == percent_of(100'000'000, 10));
    const StormLimits limits = storm_of(rated + R"([session.storm]
address_resolution = "200 pps, burst 400, falling 50"
broadcast = "2 Mbit/s"
multicast = "5 %"
unknown_unicast = "0 pps"
local_multicast = "none"
all = "none"
per_source = "5 pps"
)");
    CHECK(limits.of(StormClass::address_resolution) == StormLimit{Unit::packets, 200, 400, 50});
    CHECK(limits.of(StormClass::broadcast) == StormLimit{Unit::bits, 2'000'000, 200'000, 1'000'000});
    CHECK(limits.of(StormClass::multicast) == StormLimit{Unit::bits, 5'000'000, 500'000, 2'500'000});
    CHECK(limits.of(StormClass::unknown_unicast) == StormLimit{Unit::packets, 0, 0, 0});
    CHECK_FALSE(limits.of(StormClass::local_multicast).has_value());
    CHECK_FALSE(limits.all.has_value());
    CHECK(limits.per_source == RateLimit{5, 10});
    const StormLimits every = storm_of(kGood + "storm = { every = \"7 pps\", multicast = \"9 pps\" }\n");
    CHECK(every.of(StormClass::broadcast)->rate == 7);
    CHECK(every.of(StormClass::multicast)->rate == 9);
}

TEST_CASE("a session's limits come on top of those for all") {
    const std::string text = with_guard("[guard.storm]\nbroadcast = \"100 pps\"\nmulticast = \"300 pps\"") +
                             "storm = { multicast = \"400 pps\" }\n";
    CHECK(storm_of(text).of(StormClass::broadcast)->rate == 100);
    CHECK(storm_of(text).of(StormClass::multicast)->rate == 400);
    CHECK(storm_of(text).of(StormClass::unknown_unicast)->rate == 500);
}

TEST_CASE("what is no limit is told with what would be one") {
    for (const std::string bad :
         {"", "500", "pps", "500 packets", "-1 pps", "500 pps,", "500 pps, burst", "500 pps burst 3",
          "500 pps, burst 3, burst 4", "500 pps, fall 3", "none, burst 3", "1.5 Mbit/s",
          "99999999999999999999 pps", "2000 Gbit/s", "500 pps, burst 3 pps"}) {
        const std::string said = only_problem(kGood + "storm = { broadcast = \"" + bad + "\" }\n");
        CHECK_MESSAGE(said.find("is no limit; write it as in \"500 pps\"") != std::string::npos, said);
    }
    CHECK(only_problem(kGood + "storm = { broadcast = \"101 %\" }\n").find("it goes from 1 to 100") !=
          std::string::npos);
    CHECK(only_problem(kGood + "storm = { broadcast = \"5 pps, falling 6\" }\n").find("above the rate") !=
          std::string::npos);
    CHECK(only_problem(kGood + "storm = { per_source = \"5 Mbit/s\" }\n").find("a source's packets") !=
          std::string::npos);
    CHECK(only_problem(replaced(kGood, "protection", "rate = \"fast\"\nprotection"))
              .find("as in \"100 Mbit/s\"") != std::string::npos);
}

TEST_CASE("a percentage needs a rate to be of") {
    CHECK(only_problem(kGood + "storm = { broadcast = \"5 %\" }\n") ==
          "c.toml:28: session.storm: a limit is a percentage of the rate of tunnel \"cloud\", which has "
          "none; write it "
          "into its [[tunnel]], as in rate = \"100 Mbit/s\"");
    CHECK(only_problem(with_guard("[guard.storm]\nall = \"5 %\"")).find("has none") != std::string::npos);
}

TEST_CASE("LAN ports have limits of their own, and bridges theirs on top") {
    CHECK(loaded(kGood).bridges[0].lan_storm == lan_limits());
    const std::string text = with_guard(
        "[guard.lan_storm]\nbroadcast = \"100 pps\"\nmulticast = \"2 Mbit/s\"\nper_source = \"9 pps\"");
    StormLimits limits = loaded(text).bridges[0].lan_storm;
    CHECK(limits.of(StormClass::broadcast) == StormLimit{Unit::packets, 100, 100, 50});
    CHECK(limits.of(StormClass::multicast) == StormLimit{Unit::bits, 2'000'000, 200'000, 1'000'000});
    CHECK(limits.of(StormClass::address_resolution)->rate == 5'000);
    CHECK(limits.per_source == RateLimit{9, 18});
    limits = loaded(replaced(text, "ports = [",
                             "lan_storm = { broadcast = \"none\", every = \"7 pps\" }\nports = ["))
                 .bridges[0]
                 .lan_storm;
    CHECK_FALSE(limits.of(StormClass::broadcast).has_value());
    CHECK(limits.of(StormClass::local_multicast)->rate == 7);
    CHECK_FALSE(limits.of(StormClass::unknown_unicast).has_value());
    CHECK(limits.per_source == RateLimit{9, 18});
    CHECK(loaded(text).sessions[0].admission.storm == StormLimits{});
}

TEST_CASE("what the kernel cannot limit at a LAN port is refused, with the reason") {
    const auto refused = [](const std::string& setting) {
        return only_problem(with_guard("[guard.lan_storm]\n" + setting));
    };
    CHECK(refused("broadcast = \"5 %\"") ==
          "c.toml:7: guard.lan_storm.broadcast: a LAN port has no rate to take a part of; write packets or "
          "bits, "
          "as in \"1000 pps\" or \"2 Mbit/s\"");
    CHECK(refused("broadcast = \"5 pps, falling 2\"").find("is over when nothing is dropped; remove it") !=
          std::string::npos);
    for (const std::string key : {"address_resolution", "per_source", "every"})
        CHECK(refused(key + " = \"2 Mbit/s\"").find("are counted, not weighed") != std::string::npos);
    CHECK(refused("unknown_unicast = \"5 pps\"").find("guard.lan_storm.unknown_unicast: unknown key") !=
          std::string::npos);
    CHECK(refused("broadcast = \"fast\"").find("is no limit") != std::string::npos);
    CHECK(only_problem(replaced(kGood, "ports = [", "lan_storm = { multicast = \"1 %\" }\nports = ["))
              .find("bridge.lan_storm.multicast: a LAN port has no rate") != std::string::npos);
}

TEST_CASE("spanning trees kept in without probes are refused, with the reason") {
    CHECK(only_problem(with_guard("probes = false"))
              .find("session.bpdu: spanning tree does not see a second path between the sites, and with "
                    "guard.probes = "
                    "false nothing does; leave probes on, or write bpdu = \"transparent\"") !=
          std::string::npos);
    CHECK(only_problem(with_guard("enabled = false")).find("guard.enabled = false") != std::string::npos);
    CHECK(only_problem(kGood + "probes = false\nbpdu = \"guard\"\n").find("with probes = false") !=
          std::string::npos);
    CHECK(problems_of(kGood + "probes = false\nbpdu = \"transparent\"\n").empty());
    CHECK(problems_of(with_guard("enabled = false") + "bpdu = \"transparent\"\n").empty());
}

TEST_CASE("two ways of one VLAN to one place are refused without the guard, and may be with it") {
    const std::string second = kGood.substr(kGood.find("[[session]]"));
    const auto both = [&](const std::string& guard) {
        std::string other = replaced(second, "\"vlans\"", "\"spare\"");
        other = replaced(replaced(other, "0xa1b2c3d4", "0xa1b2c3d5"), "0x51627384", "0x51627385");
        const std::string extra = "redundancy = \"cloud\"\nbpdu = \"transparent\"\n";
        return replaced(kGood, "[[bridge]]", guard + "[[bridge]]") + extra + other + extra;
    };
    CHECK(problems_of(both("")).empty());
    const Texts found = problems_of(both("[guard]\nenabled = false\n"));
    REQUIRE(found.size() == 2);
    CHECK(found[0].find("session.redundancy: two ways of one VLAN to one place are a loop") !=
          std::string::npos);
}

TEST_CASE("sessions that pass frames on to each other may share VLANs, with the guard only") {
    const std::string second = kGood.substr(kGood.find("[[session]]"));
    std::string other = replaced(second, "\"vlans\"", "\"spare\"");
    other = replaced(replaced(other, "0xa1b2c3d4", "0xa1b2c3d5"), "0x51627384", "0x51627385");
    const auto both = [&](const std::string& guard, const std::string& extra) {
        return replaced(kGood, "[[bridge]]", guard + "[[bridge]]") + extra + other + extra;
    };
    const std::string ring = "transit = \"ring\"\n";
    CHECK(problems_of(both("", ring)).empty());
    const std::string open = ring + "bpdu = \"transparent\"\n";
    for (const auto& found : {problems_of(both("[guard]\nenabled = false\n", open)),
                              problems_of(both("[guard]\nprobes = false\n", open))}) {
        REQUIRE(found.size() == 2);
        CHECK(
            found[0].find("session.transit: sessions that pass frames on to each other may form a circle") !=
            std::string::npos);
    }
    CHECK(problems_of(both("", ring + "split_horizon = \"mesh\"\n"))[0].find(
              "split_horizon says the opposite") != std::string::npos);
}

TEST_CASE("what makes no sense together is refused or warned about") {
    CHECK(only_problem(kGood + "root_guard = true\n").find("no BPDU crosses") != std::string::npos);
    CHECK(problems_of(kGood + "root_guard = true\nbpdu = \"transparent\"\n").empty());
    CHECK(only_problem(kGood + "link_local = [\"pause\"]\n")
              .find("\"pause\" is no protocol that may cross; there is cdp") != std::string::npos);
    CHECK(only_problem(kGood + "link_local = [\"rstp\"]\n").find("is no protocol that may cross") !=
          std::string::npos);
    CHECK(only_problem(kGood + "link_local = [\"mac_control\"]\n").find("is no protocol that may cross") !=
          std::string::npos);
    CHECK(only_problem(kGood + "dual_gateway = \"11\"\n").find("does not carry VLAN 11") !=
          std::string::npos);
    CHECK(only_problem(kGood + "dual_gateway = \"x\"\n").find("or write dual_gateway = \"all\"") !=
          std::string::npos);
    for (const std::string bad :
         {"192.0.2.1", "10 192.0.2.300", "10-11 192.0.2.1", "4095 192.0.2.1", "10 0.0.0.0",
          "10 192.0.2.1 01:00:5e:00:00:01", "10 192.0.2.1 02:00:5e:10:00:01 x"})
        CHECK(only_problem(kGood + "dual_gateway = \"10\"\ngateways = [\"" + bad + "\"]\n")
                  .find("is no VLAN and address") != std::string::npos);
    const auto warned = [](const std::string& lines, std::string_view words) {
        for (const std::string& warning : warnings_of(kGood + lines))
            if (warning.find(words) != std::string::npos) return true;
        return false;
    };
    CHECK(warned("bpdu = \"transparent\"\n", "one spanning tree over the WAN"));
    CHECK(warned("gateways = [\"10 192.0.2.1\"]\n", "has no effect without dual_gateway"));
    CHECK(warned("storm = { every = \"0 pps\" }\n", "no ARP crosses"));
}

TEST_CASE("the domain's key is a file that nobody else can read, and never shown") {
    FakeEnvironment machine = machine_with_keys();
    const std::string text = with_guard("key_file = \"/etc/isthmus/guard.key\"");
    CHECK(problems_of(text, machine).front().find("guard.key_file: ") != std::string::npos);
    machine.files["/etc/isthmus/guard.key"] = {std::string(64, 'c'), 0, 0644};
    CHECK(problems_of(text, machine).front().find("open to others") != std::string::npos);
    machine.files["/etc/isthmus/guard.key"] = {std::string(62, 'c'), 0, 0600};
    const auto said = problems_of(text, machine).front();
    CHECK(said.find("the key has 31 bytes; it takes 64 hex digits (32 bytes for loop probes)") !=
          std::string::npos);
    CHECK(said.find("cccc") == std::string::npos);
}
