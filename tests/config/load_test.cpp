#include "config/load.h"

#include "tests/config/support.h"

using namespace isthmus;
using namespace isthmus::config;

TEST_CASE("a good configuration becomes the modules' own values") {
    const auto loaded = load(kGood, "c.toml", machine_with_keys());
    REQUIRE(loaded);
    CHECK(loaded->gateway.name == "dc-gw");

    REQUIRE(loaded->bridges.size() == 1);
    CHECK(loaded->bridges[0].options.name == "br-dc");
    CHECK(loaded->bridges[0].options.ports == std::vector<std::string>{"lan0"});
    CHECK(loaded->bridges[0].line == 5);

    REQUIRE(loaded->tunnels.size() == 1);
    const TunnelConfig& tunnel = loaded->tunnels[0];
    CHECK(tunnel.options.local == IpAddress::v4({192, 0, 2, 1}));
    CHECK(tunnel.options.encapsulation == tunnel::Encapsulation::udp);
    CHECK(tunnel.options.remote_port == 1701);
    CHECK_FALSE(tunnel.path_mtu);
    REQUIRE(tunnel.esp);
    CHECK(tunnel.esp->encapsulation == EspEncapsulation::udp);
    CHECK(tunnel.esp->local == tunnel.options.local);
    CHECK(tunnel.esp->remote == tunnel.options.remote);
    CHECK(tunnel.esp->keepalive_seconds == 20);
    CHECK(tunnel.esp->out.spi == Spi{0xc0000001});
    CHECK(tunnel.esp->out.suite == crypto::esp::Suite::aes256_gcm16);
    CHECK(to_hex(tunnel.esp->out.key.reveal()) == std::string(72, 'a'));
    CHECK(tunnel.esp->in.spi == Spi{0xc0000002});
    CHECK(to_hex(tunnel.esp->in.key.reveal()) == std::string(72, 'b'));
    CHECK(tunnel.esp->in.replay_window == 4096);

    REQUIRE(loaded->sessions.size() == 1);
    const SessionConfig& session = loaded->sessions[0];
    CHECK(session.tunnel == 0);
    CHECK(session.bridge == 0);
    CHECK(session.interface == "ist-vlans");
    CHECK(session.options.local_id == SessionId{0xa1b2c3d4});
    CHECK(session.options.remote_id == SessionId{0x51627384});
    CHECK(to_hex(session.options.local_cookie.view()) == "f1f2f3f4f5f6f7f8");
    CHECK(to_hex(session.options.remote_cookie.view()) == "0102030405060708");
    CHECK(session.admission.vlans.text() == "10,20-29");
    CHECK_FALSE(session.admission.untagged);
    CHECK_FALSE(session.admission.any_vlan);
    CHECK(session.admission.storm == stp_guard::StormLimits{});
    CHECK_FALSE(session.standby);
}

TEST_CASE("every choice of every key arrives") {
    const std::string text = R"(schema = 1
[gateway]
state_dir = "/srv/state"
control_socket = "/srv/socket"
log_level = "error"
log_target = "file:/var/log/isthmus.log"
[datapath]
crypto = "ipsec-mb"
packet_memory = 64
poll = 50
[[bridge]]
name = "br"
ownership = "create"
mtu = 9000
vlan_filtering = "on"
multicast_snooping = true
mac = "02:00:5E:10:00:01"
[[tunnel]]
name = "six"
local = "2001:db8::1"
remote = "2001:db8::2"
encapsulation = "ip"
local_id = 11
remote_id = 0xffffffff
path_mtu = 1280
dscp = "copy-inner"
ecn = "compatibility"
protection = "esp"
[tunnel.esp]
keys = "manual"
encapsulation = "raw"
mode = "tunnel"
local = "198.51.100.1"
remote = "198.51.100.2"
suite = "aes-128-cbc-sha256"
extended_sequence = false
replay_window = 64
[tunnel.esp.out]
spi = 256
insecure_inline_key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
[tunnel.esp.in]
spi = 257
key_file = "cbc.key"
[[session]]
name = "a"
tunnel = "six"
bridge = "br"
interface = "tap0"
pseudowire = "ethernet-vlan"
local_id = 1
remote_id = 2
local_cookie = "01020304"
remote_cookie = ""
receive_sublayer = "default"
send_sublayer = "default"
send_sequence = true
receive_sequencing = "drop-out-of-order"
access_vlan = 100
storm = { every = "10 pps, burst 50" }
split_horizon = "mesh"
)";
    FakeEnvironment machine;
    machine.files["/etc/isthmus/cbc.key"] = {"0x" + std::string(96, 'C') + "\r\n", 1000, 0400};
    machine.user = 1000;
    const auto loaded = load(text, "/etc/isthmus/c.toml", machine);
    if (!loaded) MESSAGE(texts_of(loaded.error()));
    REQUIRE(loaded);
    CHECK(loaded->gateway.name == "test-host");
    CHECK(loaded->gateway.state_dir == "/srv/state");
    CHECK(loaded->gateway.control_socket == "/srv/socket");
    CHECK(loaded->gateway.log_level == LogLevel::error);
    CHECK(loaded->gateway.log_target == LogTarget::file);
    CHECK(loaded->gateway.log_file == "/var/log/isthmus.log");
    CHECK(loaded->datapath.crypto == CipherLibrary::ipsec_mb);
    CHECK(loaded->datapath.packet_memory == 64);
    CHECK(loaded->datapath.poll_microseconds == 50);

    const bridge::BridgeOptions& bridge = loaded->bridges[0].options;
    CHECK(bridge.mtu == 9000);
    CHECK(bridge.vlan_filtering == bridge::VlanFiltering::on);
    CHECK(bridge.multicast_snooping);
    CHECK(bridge.mac->text() == "02:00:5e:10:00:01");

    const TunnelConfig& tunnel = loaded->tunnels[0];
    CHECK(tunnel.options.encapsulation == tunnel::Encapsulation::ip);
    CHECK(tunnel.options.local_id == ControlConnectionId{11});
    CHECK(tunnel.options.remote_id == ControlConnectionId{0xffffffff});
    CHECK(tunnel.options.dscp == tunnel::DscpPolicy::copy_inner);
    CHECK(tunnel.options.ecn == tunnel::EcnMode::compatibility);
    CHECK(tunnel.path_mtu == 1280U);
    CHECK(tunnel.esp->encapsulation == EspEncapsulation::raw);
    CHECK(tunnel.esp->mode == crypto::esp::Mode::tunnel);
    CHECK(tunnel.esp->local.text() == "198.51.100.1");
    CHECK(tunnel.esp->remote.text() == "198.51.100.2");
    CHECK(tunnel.esp->keepalive_seconds == 0);
    CHECK_FALSE(tunnel.esp->out.extended_sequence);
    CHECK(tunnel.esp->in.replay_window == 64);
    CHECK(tunnel.esp->in.suite == crypto::esp::Suite::aes128_cbc_hmac_sha256_128);
    CHECK(tunnel.esp->out.key.size() == 48);
    CHECK(tunnel.esp->in.key.size() == 48);

    const SessionConfig& session = loaded->sessions[0];
    CHECK(session.interface == "tap0");
    CHECK(session.options.type == tunnel::PseudowireType::ethernet_vlan);
    CHECK(session.options.local_cookie.size == 4);
    CHECK(session.options.remote_cookie.size == 0);
    CHECK(session.options.receive_sublayer == tunnel::Sublayer::standard);
    CHECK(session.options.send_sublayer == tunnel::Sublayer::standard);
    CHECK(session.options.send_sequence);
    CHECK(session.options.receive_sequencing == tunnel::ReceiveSequencing::drop_out_of_order);
    CHECK(session.options.access_vlan->value() == 100);
    CHECK(session.admission.vlans.text() == "100");
    CHECK_FALSE(session.admission.untagged);
    for (const auto& limit : session.admission.storm.classes)
        CHECK(limit == stp_guard::StormLimit{stp_guard::StormLimit::Unit::packets, 10, 50, 5});
    CHECK(session.split_horizon == "mesh");

    const Texts warnings = texts_of(loaded->warnings);
    REQUIRE(warnings.size() == 5);
    CHECK(warnings[0].find("tunnel.esp.keys: manual keys are never renewed") != std::string::npos);
    CHECK(warnings[1].find("tunnel.esp.extended_sequence: with 32-bit sequence numbers") !=
          std::string::npos);
    CHECK(warnings[2].find("tunnel.esp.out.insecure_inline_key: the key stands in the configuration") !=
          std::string::npos);
    CHECK(warnings[3].find("session.local_cookie: the cookie has 4 bytes only") != std::string::npos);
    CHECK(warnings[4].find("session.remote_cookie: there is no cookie") != std::string::npos);
}

TEST_CASE("a trunk of any VLAN has untagged frames in it") {
    const auto loaded = load(replaced(kGood, "\"10,20-29\"", "\"any\""), "c.toml", machine_with_keys());
    REQUIRE(loaded);
    CHECK(loaded->sessions[0].admission.any_vlan);
}

TEST_CASE("each suite takes a key of its own length") {
    const std::vector<std::pair<std::string, std::size_t>> suites{
        {"aes-128-gcm", 20},        {"aes-256-gcm", 36},        {"chacha20-poly1305", 36},
        {"aes-128-cbc-sha256", 48}, {"aes-256-cbc-sha256", 64}, {"aes-256-cbc-sha384", 80},
        {"aes-256-cbc-sha512", 96}};
    for (const auto& row : suites) {
        const std::string& suite = row.first;
        const std::size_t size = row.second;
        FakeEnvironment machine = machine_with_keys();
        machine.files["/etc/isthmus/out.key"].content = std::string(2 * size, '1');
        machine.files["/etc/isthmus/in.key"].content = std::string(2 * size, '2');
        const auto text =
            replaced(kGood, "keys = \"manual\"", "keys = \"manual\"\nsuite = \"" + suite + "\"");
        const auto loaded = load(text, "c.toml", machine);
        REQUIRE_MESSAGE(loaded, suite);
        CHECK(loaded->tunnels[0].esp->in.key.size() == size);
        machine.files["/etc/isthmus/in.key"].content.pop_back();
        machine.files["/etc/isthmus/in.key"].content.pop_back();
        const Texts problems = problems_of(text, machine);
        REQUIRE(problems.size() == 1);
        CHECK(problems[0] == "c.toml:18: tunnel.esp.in.key_file: the key has " + std::to_string(size - 1) +
                                 " bytes; it takes " + std::to_string(2 * size) + " hex digits (" +
                                 std::to_string(size) + " bytes for " + suite + ")");
    }
}

TEST_CASE("an interface's name is made from the session's, cut to fit and told apart") {
    const auto name_for = [](const std::string& session) {
        const auto loaded = load(replaced(kGood, "name = \"vlans\"", "name = \"" + session + "\""), "c.toml",
                                 machine_with_keys());
        REQUIRE(loaded);
        return loaded->sessions[0].interface;
    };
    CHECK(name_for("12345678901") == "ist-12345678901");
    const std::string a = name_for("a-long-session-name-a");
    const std::string b = name_for("a-long-session-name-b");
    CHECK(a.size() == 15);
    CHECK(a.starts_with("ist-a-long-"));
    CHECK(a != b);
    CHECK(a == name_for("a-long-session-name-a"));
}

TEST_CASE("in a redundancy group the first forwards, and the others wait with a warning") {
    const std::string second = R"(
[[session]]
name = "second"
tunnel = "cloud"
bridge = "br-dc"
local_id = 2
remote_id = 2
local_cookie = "1112131415161718"
remote_cookie = "2122232425262728"
vlans = "20"
redundancy = "pair"
)";
    const auto loaded = load(kGood + "redundancy = \"pair\"\n" + second, "c.toml", machine_with_keys());
    REQUIRE(loaded);
    CHECK_FALSE(loaded->sessions[0].standby);
    CHECK(loaded->sessions[1].standby);
    CHECK(texts_of(loaded->warnings)
              .back()
              .find("this session stays blocked, and session \"vlans\" on line 19 forwards") !=
          std::string::npos);
}

TEST_CASE("warnings name what works but should be known") {
    CHECK(warnings_of(kGood) ==
          Texts{"c.toml:15: tunnel.esp.keys: manual keys are never renewed: they are for labs and tests; "
                "change them by hand at both ends"});
    const std::string clear =
        replaced(kGood.substr(0, kGood.find("[tunnel.esp]")) + kGood.substr(kGood.find("[[session]]")),
                 "\"esp\"", "\"none\"");
    CHECK(warnings_of(clear)[0] ==
          "c.toml:13: tunnel.protection: frames cross the WAN in the clear: anybody on the way can read "
          "and forge them; write protection = \"esp\"");
    CHECK(warnings_of(kGood + "storm = { every = \"0 pps\" }\n").size() == 2);
    CHECK(warnings_of(replaced(kGood, "ports", "ownership = \"adopt\"\nmulticast_snooping = true\nports"))
              .size() == 2);
    CHECK(warnings_of(kGood.substr(0, kGood.find("[[session]]"))).front() ==
          "c.toml:10: tunnel.name: no session uses this tunnel; write a [[session]] with it");
}

TEST_CASE("a file is read before it is parsed, and a missing one is a problem like any other") {
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/isthmus.toml"] = {kGood, 0, 0644};
    CHECK(load_file("/etc/isthmus.toml", machine));
    const auto missing = load_file("/none.toml", machine);
    REQUIRE_FALSE(missing);
    CHECK(
        texts_of(missing.error()) ==
        Texts{"/none.toml: no such file; write the configuration there, or name another file with --config"});
    machine.files["/big.toml"] = {std::string(kMaxConfigurationSize + 1, '#'), 0, 0644};
    CHECK_FALSE(load_file("/big.toml", machine));
    CHECK(problems_of(std::string(kMaxConfigurationSize + 1, '#')) ==
          Texts{"c.toml: has 4194305 bytes; a configuration has at most 4194304"});
}
