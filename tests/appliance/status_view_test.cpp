#include "appliance/status_view.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

using isthmus::appliance::render_status;
using nlohmann::json;

namespace {

json small_status() {
    return json::parse(R"json({
        "gateway": {"name": "dc-gw", "version": "1.2.3", "uptime_s": 3725, "drops": {"esp_unknown_spi": 4}},
        "bridges": [{"name": "br-dc", "state": "up", "ports": [{"name": "lan0", "state": "waiting", "reason": "no such interface"}]}],
        "tunnels": [{"name": "cloud", "state": "down", "reason": "no keys", "local": "192.0.2.1:4500", "remote": "192.0.2.2:4500",
                     "encapsulation": "L2TPv3/UDP in ESP/UDP", "out": {"packets": 1234567, "bytes": 987}, "in": {},
                     "sas": [{"direction": "out", "spi": "0xc0000001", "suite": "aes-256-gcm", "sequence": 77}],
                     "mtu": {"path_mtu": 1600, "lines": [{"what": "outer IPv4 header", "bytes": 20}], "ip_mtu": 1496,
                             "frame_mtu": 1514, "mss_clamp": "1456 (IPv4), 1436 (IPv6)"},
                     "drops": {
    "esp_bad_icv" : 2
}
}],
        "sessions": [{"name": "vlans", "state": "up", "tunnel": "cloud", "bridge": "br-dc", "interface": "ist-vlans",
                      "vlans": "10,20", "out": {"drops": {"storm_limit": 9}}, "in": {}}]
})json");
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("status in text names states, reasons, sequence numbers, budgets and each drop in words") {
    const std::string text = render_status(small_status(), false);
    CHECK(has(text, "dc-gw, isthmusd 1.2.3, up 1 h 2 min"));
    CHECK(has(text, "lan0 waiting (no such interface)"));
    CHECK(has(text, "down: no keys"));
    CHECK(has(text, "1.23 M pkts, 987 B"));
    CHECK(has(text, "SA out 0xc0000001 aes-256-gcm, sequence 77"));
    CHECK(has(text, "20  outer IPv4 header"));
    CHECK(has(text, "= 1496 for hosts' IP packets (frames of up to 1514 bytes)"));
    CHECK(has(text, "dropped 2  esp_bad_icv: integrity check failed"));
    CHECK(has(text, "dropped out 9  storm_limit: "));
    CHECK(has(text, "dropped 4  esp_unknown_spi: SPI of no inbound SA"));
    CHECK_FALSE(has(text, "\x1b["));
}

TEST_CASE("status begins with how many are up, and what control planes say of themselves") {
    json status = small_status();
    status["ike"] = {{"summary", "1 peer connecting"}};
    const std::string text = render_status(status, false);
    CHECK(has(text, "\ntunnels: 1 down; sessions: 1 up\n"));
    CHECK(has(text, "\nike: 1 peer connecting\n"));
    status["sessions"].push_back({{"name", "more"}, {"state", "waiting"}});
    CHECK(has(render_status(status, false), "sessions: 1 up, 1 waiting"));
}

TEST_CASE("states are coloured for a terminal only") {
    CHECK(has(render_status(small_status(), true), "\x1b[31mdown\x1b[0m"));
}

TEST_CASE("an empty status, as of a gateway without tunnels, is still a page") {
    CHECK(has(render_status(json::object(), false), "TUNNEL"));
}

TEST_CASE("long notes are wrapped, and lose no word") {
    std::string note;
    for (int i = 0; i < 60; ++i) note += "word" + std::to_string(i) + (i < 59 ? " " : "");
    nlohmann::json status;
    status["warnings"] = {note};
    std::istringstream lines(render_status(status, false));
    std::string all;
    for (std::string line; std::getline(lines, line);) {
        CHECK(line.size() <= 110);
        std::istringstream words(line);
        for (std::string word; words >> word;) all += " " + word;
    }
    CHECK(all.find(" note: " + note) != std::string::npos);
}

TEST_CASE("status says what the kernel does not do for tunnels and sessions") {
    json status = small_status();
    status["tunnels"][0]["notes"] = {"the kernel has refused to send runs"};
    status["sessions"][0]["notes"] = {"this kernel's TAPs do without uso4 uso6"};
    const std::string text = render_status(status, false);
    CHECK(has(text, "note: the kernel has refused to send runs"));
    CHECK(has(text, "note: this kernel's TAPs do without uso4 uso6"));
}
