#include "appliance/guard_status.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "appliance/text_table.h"

using namespace isthmus::appliance;
using nlohmann::json;

namespace {

bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

json one_class(const char* level, const char* direction) {
    return {{"vlan", 10},     {"direction", direction}, {"class", "broadcast"},
            {"level", level}, {"offered_pps", 12'000},  {"limit_pps", 500}};
}

}  // namespace

TEST_CASE(
    "isthmus guard shows storms that go on with who is to blame, and the last ones with their captures") {
    json storms;
    storms["sessions"] = json::array(
        {{{"session", "vlans"},
          {"classes", json::array({one_class("storm", "out"), one_class("ok", "in")})},
          {"talkers_out",
           json::array(
               {{{"mac", "02:00:00:00:00:01"}, {"vlan", 10}, {"class", "broadcast"}, {"dropped", 70'000}}})},
          {"talkers_in",
           json::array(
               {{{"mac", "02:00:00:00:00:02"}, {"vlan", 10}, {"class", "broadcast"}, {"dropped", 5}}})}}});
    storms["ports"] = json::array({{{"port", "lan0"},
                                    {"class", "multicast"},
                                    {"level", "suppressing"},
                                    {"offered_bps", 9'000},
                                    {"limit_bps_per_vlan", 1'000}},
                                   {{"port", "lan1"},
                                    {"class", "multicast"},
                                    {"level", "ok"},
                                    {"offered_bps", 9},
                                    {"limit_bps_per_vlan", 1'000}}});
    storms["events"] = json::array({{{"at", "2023-11-14T22:13:20Z"},
                                     {"id", "storm"},
                                     {"sentence", "VLAN 10: too much"},
                                     {"capture", "/x/storm.pcap"}}});
    const std::string text =
        render_guard({{"enabled", true}, {"bridges", json::array()}, {"storms", storms}}, false);
    CHECK(says(text, "storm: broadcast of VLAN 10 into session vlans: 12 k pps offered, limit 500 pps\n"));
    CHECK(says(text, "most from: 02:00:00:00:00:01, broadcast of VLAN 10, 70 k frames dropped"));
    CHECK_FALSE(says(text, "02:00:00:00:00:02"));
    CHECK(says(text,
               "suppressing: multicast at LAN port lan0: 9000 bit/s offered, limit 1000 bit/s in each VLAN"));
    CHECK_FALSE(says(text, "lan1"));
    CHECK(says(text, "2023-11-14T22:13:20Z  storm: VLAN 10: too much\n    frames: /x/storm.pcap"));
    CHECK_FALSE(says(text, "the kernel"));
}

TEST_CASE("isthmus guard says what the kernel does not do") {
    const std::string text = render_guard({{"enabled", true},
                                           {"bridges", json::array()},
                                           {"nftables_problem", "no netfilter"},
                                           {"storms", {{"ports_problem", "none either"}}}},
                                          false);
    CHECK(says(text, "takes no rules (no netfilter)"));
    CHECK(says(text, "limits nothing at LAN ports (none either)"));
}

TEST_CASE("isthmus guard shows what split horizon lost and what was dropped as stale, of each session") {
    const json bridge{{"bridge", "br-dc"},
                      {"strays", {{"to-a-site-with-a-long-name", 12'345}, {"b", 7}}},
                      {"stale", {{"c", 3}}}};
    const std::string text = render_guard({{"enabled", true}, {"bridges", json::array({bridge})}}, false);
    CHECK(says(text, "to-a-site-with-a-long-name: 12.3 k unicast frames came out of it for hosts behind"));
    CHECK(says(text, "\nb: 7 unicast frames came out of it"));
    CHECK(says(text, "\nc: 3 unicast frames were dropped where a VLAN is blocked"));
}

TEST_CASE("times of day are UTC, to the second") {
    CHECK(utc_text(isthmus::WallTime{std::chrono::seconds(1'700'000'000)}) == "2023-11-14T22:13:20Z");
}
