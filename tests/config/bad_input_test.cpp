// Each mistake with its exact line, key and remedy.
#include "tests/config/support.h"

using namespace isthmus;
using namespace isthmus::config;

namespace {

/// The only problem of kGood with `from` replaced by `to`.
std::string problem_with(const std::string& from, const std::string& to) {
    const Texts problems = problems_of(replaced(kGood, from, to));
    REQUIRE_MESSAGE(problems.size() == 1, problems);
    return problems[0];
}

/// The only problem of kGood with lines added to its session, the last table.
std::string problem_adding(const std::string& lines) {
    const Texts problems = problems_of(kGood + lines);
    REQUIRE_MESSAGE(problems.size() == 1, problems);
    return problems[0];
}

std::string second_session(const std::string& lines, const std::string& name = "second", int id = 2) {
    return "\n[[session]]\nname = \"" + name +
           "\"\ntunnel = \"cloud\"\nbridge = \"br-dc\"\nlocal_id = " + std::to_string(id) +
           "\nremote_id = " + std::to_string(id) +
           "\nlocal_cookie = \"1112131415161718\"\nremote_cookie = \"2122232425262728\"\n" + lines;
}

std::string second_tunnel(const std::string& remote, const std::string& lines) {
    return "\n[[tunnel]]\nname = \"other\"\nlocal = \"192.0.2.1\"\nremote = \"" + remote + "\"\n" + lines;
}

const std::string kEsp = R"(protection = "esp"
[tunnel.esp]
keys = "manual"
)";

}  // namespace

TEST_CASE("an unknown key is told with the nearest known one") {
    CHECK(problem_adding("vlan = \"10\"\n") == "c.toml:28: session.vlan: unknown key; did you mean vlans?");
    CHECK(problem_adding("untaged = true\n") ==
          "c.toml:28: session.untaged: unknown key; did you mean untagged?");
    CHECK(problem_with("[gateway]", "[gatway]") == "c.toml:2: gatway: unknown key; did you mean gateway?");
    CHECK(problem_with("ports =", "path_mtu = 1500\nports =") ==
          "c.toml:7: bridge.path_mtu: unknown key; it belongs in [[tunnel]]");
    CHECK(problem_with("name = \"dc-gw\"", "zzzzzzzz = 1") ==
          "c.toml:3: gateway.zzzzzzzz: unknown key; keys in [gateway] are name, state_dir, control_socket, "
          "log_level, log_target, allow_key_log and router_id");
}

TEST_CASE("a missing key is told with what to write") {
    CHECK(problem_with("schema = 1", "") == "c.toml:1: schema: missing; write it as in schema = 1");
    CHECK(problem_with("name = \"cloud\"\n", "") ==
          "c.toml:9: tunnel.name: missing; write it as in name = \"cloud\"");
    CHECK(problem_with("protection = \"esp\"\n", "") ==
          "c.toml:9: tunnel.protection: missing; write protection = \"esp\", or protection = \"none\" to "
          "send in the clear");
    CHECK(problem_with("local_cookie = \"f1f2f3f4f5f6f7f8\"\n", "") ==
          "c.toml:19: session.local_cookie: missing; write 8 random bytes in hex, as in local_cookie = "
          "\"f1f2f3f4f5f6f7f8\", or local_cookie = \"\" to do without");
    CHECK(problem_with("vlans = \"10,20-29\"\n", "") ==
          "c.toml:19: session.vlans: missing: no frame would cross this session; write it as in vlans = "
          "\"10,20-29\", vlans = \"any\", untagged = true or access_vlan = 100");
    CHECK(problem_with("out = { spi = 0xc0000001, key_file = \"/etc/isthmus/out.key\" }\n", "") ==
          "c.toml:14: tunnel.esp.out: missing; write it as in out = { spi = 0xc0000001, key_file = "
          "\"/etc/isthmus/keys/out.key\" }");
    CHECK(problem_with(", key_file = \"/etc/isthmus/out.key\"", "") ==
          "c.toml:16: tunnel.esp.out.key_file: missing; name a file that holds 72 hex digits (36 bytes for "
          "aes-256-gcm), belongs to root and has mode 0600");
}

TEST_CASE("a wrong type is told with the right one") {
    CHECK(problem_with("schema = 1", "schema = \"1\"") ==
          "c.toml:1: schema: is text; it takes integer, as in schema = 1");
    CHECK(problem_with("vlans = \"10,20-29\"", "vlans = 10") ==
          "c.toml:27: session.vlans: is an integer; it takes text, as in vlans = \"10,20-29\"");
    CHECK(problem_with("ports = [\"lan0\"]", "ports = \"lan0\"") ==
          "c.toml:7: bridge.ports: is text; it takes array of text, as in ports = [\"lan0\"]");
    CHECK(problem_with("ports = [\"lan0\"]", "ports = [\"lan0\", 1]") ==
          "c.toml:7: bridge.ports: holds something other than text; it takes array of text, as in ports = "
          "[\"lan0\"]");
    CHECK(problem_adding("untagged = 1\n") ==
          "c.toml:28: session.untagged: is an integer; it takes true or false, as in untagged = true");
    CHECK(problem_adding("mac_limit = 2000.0\n") ==
          "c.toml:28: session.mac_limit: is a number with a fraction; it takes integer, as in mac_limit "
          "= 2000");
    CHECK(problem_adding("mac_limit = 2000-01-01\n").find("is a date or time; it takes integer") !=
          std::string::npos);
    const Texts single = problems_of("schema = 1\n[bridge]\nname = \"br\"\n");
    CHECK(single ==
          Texts{"c.toml:2: bridge: is a single table; write [[bridge]] with two brackets, once for each"});
    CHECK(problems_of("schema = 1\ngateway = 3\n") ==
          Texts{"c.toml:2: gateway: is an integer; it takes table, as in [gateway]"});
}

TEST_CASE("a file of another schema is told so, and nothing else") {
    CHECK(problems_of(replaced(kGood, "schema = 1", "schema = 2") + "nonsense = 1\n") ==
          Texts{"c.toml:1: schema: is 2; this version reads schema = 1"});
}

TEST_CASE("what is no TOML is told with its line") {
    CHECK(problem_with("name = \"dc-gw\"", "name = dc-gw") ==
          "c.toml:3: Error while parsing value: could not determine value type; the file has to be TOML 1.0");
    CHECK(problem_with("[gateway]", "[gateway").starts_with("c.toml:2: "));
    CHECK(problem_adding("name = \"again\"\n").find("cannot redefine existing string 'name'") !=
          std::string::npos);
}

TEST_CASE("all problems come at once, in the order of their lines") {
    std::string text = replaced(kGood, "\"br-dc\"", "\"a-bridge-of-sixteen\"");
    text = replaced(text, "\"192.0.2.2\"", "\"192.0.2.300\"");
    text = replaced(text, "0xc0000001", "255");
    text = replaced(text, "\"10,20-29\"", "\"4095\"");
    CHECK(
        problems_of(text + "nonsense = 1\n") ==
        Texts{"c.toml:6: bridge.name: \"a-bridge-of-sixteen\" has 19 characters; Linux interface names "
              "have at most 15",
              "c.toml:12: tunnel.remote: \"192.0.2.300\" is no IP address; write a plain IPv4 or IPv6 "
              "address, as in \"192.0.2.1\" or \"2001:db8::1\"",
              "c.toml:16: tunnel.esp.out.spi: 255 is out of range; it goes from 256 to 4294967295",
              "c.toml:22: session.bridge: there is no bridge \"br-dc\"; there is a-bridge-of-sixteen",
              "c.toml:27: session.vlans: VLAN 4095 does not exist; VLANs go from 1 to 4094",
              "c.toml:28: session.nonsense: unknown key; keys in [[session]] are name, tunnel, bridge, "
              "interface, pseudowire, local_id, remote_id, local_cookie, remote_cookie, receive_sublayer, "
              "send_sublayer, send_sequence, receive_sequencing, end_id, cookie_size, cookie_rotation, bfd, "
              "bfd_interval, bfd_multiplier, vlans, untagged, access_vlan, "
              "bpdu, root_guard, topology_changes, link_local, probes, observe, mac_limit, "
              "mac_limit_session, dual_gateway, gateways, keep_dhcp, storm, split_horizon, transit and "
              "redundancy"});
}

TEST_CASE("the gateway's paths, level and target have one form") {
    CHECK(problem_with("name = \"dc-gw\"", "state_dir = \"state\"") ==
          "c.toml:3: gateway.state_dir: \"state\" is no absolute path; write it from the root on, as in "
          "\"/var/lib/isthmus\"");
    CHECK(problem_with("name = \"dc-gw\"", "control_socket = \"/" + std::string(107, 'x') + "\"") ==
          "c.toml:3: gateway.control_socket: has 108 bytes; such a path has at most 107");
    CHECK(problem_with("name = \"dc-gw\"", "log_level = \"warn\"") ==
          "c.toml:3: gateway.log_level: \"warn\" is none of its values; it is one of trace, debug, info, "
          "warning and error");
    CHECK(problem_with("name = \"dc-gw\"", "log_level = \"trase\"").find("did you mean \"trace\"?") !=
          std::string::npos);
    CHECK(problem_with("name = \"dc-gw\"", "log_target = \"file:isthmus.log\"") ==
          "c.toml:3: gateway.log_target: \"file:isthmus.log\" is no place to log to; write \"console\", "
          "\"journal\" or \"file:/var/log/isthmus.log\"");
    CHECK(problem_with("name = \"dc-gw\"", "name = \"dc gw\"").find("\"dc gw\" is no name") !=
          std::string::npos);
}

TEST_CASE("the datapath's memory and patience have limits") {
    const auto of = [](const std::string& line) {
        return problem_with("[gateway]", "[datapath]\n" + line + "\n[gateway]");
    };
    CHECK(of("packet_memory = 4").starts_with("c.toml:3: datapath.packet_memory: "));
    CHECK(of("packet_memory = 4").find("12 to 1024") != std::string::npos);
    CHECK(of("poll = 1001").find("0 to 1000") != std::string::npos);
    CHECK(of("crypto = \"opensll\"").find("did you mean \"openssl\"?") != std::string::npos);
}

TEST_CASE("interface names fit the kernel") {
    for (const std::string bad :
         {"", "sixteen-letters.", "a/b", "a b", "a:b", "tap%d", ".", "..", "all", "default", "t\\u00e4p"}) {
        const std::string problem = problem_adding("interface = \"" + bad + "\"\n");
        CHECK_MESSAGE(problem.starts_with("c.toml:28: session.interface: "), problem);
    }
    CHECK(problem_with("[\"lan0\"]", "[\"lan0\",\n\"a-port-of-sixteen\"]") ==
          "c.toml:8: bridge.ports: \"a-port-of-sixteen\" has 17 characters; Linux interface names have at "
          "most 15");
}

TEST_CASE("interfaces of all kinds differ") {
    CHECK(problem_with("[\"lan0\"]", "[\"lan0\", \"lan0\"]") ==
          "c.toml:7: bridge.ports: \"lan0\" is port of bridge \"br-dc\" on line 7 already; an interface is a "
          "port of one bridge, once");
    CHECK(problem_with("[\"lan0\"]", "[\"br-dc\"]").find("\"br-dc\" is bridge \"br-dc\" on line 6 already") !=
          std::string::npos);
    CHECK(problem_adding("interface = \"lan0\"\n") ==
          "c.toml:28: session.interface: \"lan0\" is port of bridge \"br-dc\" on line 7 already; give the "
          "session's TAP a name of its own: interface = \"...\"");
    CHECK(problems_of("schema = 1\n[[bridge]]\nname = \"a\"\nports = [\"p\"]\n[[bridge]]\nname = "
                      "\"b\"\nports = [\"p\"]\n") ==
          Texts{"c.toml:7: bridge.ports: \"p\" is port of bridge \"a\" on line 4 already; an interface is a "
                "port of one bridge, once"});
    CHECK(problem_adding(second_session("vlans = \"30\"\ninterface = \"ist-vlans\"\n"))
              .find("\"ist-vlans\" is interface of session \"vlans\" on line 19 already") !=
          std::string::npos);
}

TEST_CASE("names are unique, each among its own kind") {
    CHECK(problem_adding(second_session("vlans = \"30\"\ninterface = \"t\"\n", "vlans")) ==
          "c.toml:30: session.name: \"vlans\" is the name of session \"vlans\" on line 20 already; give each "
          "its own name");
    CHECK(problems_of("schema = 1\n[[bridge]]\nname = \"a\"\n[[bridge]]\nname = \"a\"\n") ==
          Texts{"c.toml:5: bridge.name: \"a\" is the name of bridge \"a\" on line 3 already; give each its "
                "own name"});
}

TEST_CASE("a session refers to a tunnel and a bridge that are there") {
    CHECK(problem_with("tunnel = \"cloud\"", "tunnel = \"clout\"") ==
          "c.toml:21: session.tunnel: there is no tunnel \"clout\"; did you mean \"cloud\"?");
    CHECK(problem_with("bridge = \"br-dc\"", "bridge = \"elsewhere\"") ==
          "c.toml:22: session.bridge: there is no bridge \"elsewhere\"; there is br-dc");
    CHECK(problems_of("schema = 1\n" + kGood.substr(kGood.find("[[session]]")))[0] ==
          "c.toml:4: session.tunnel: there is no tunnel \"cloud\"; write a [[tunnel]] of that name first");
}

TEST_CASE("session ids are unique: ours in the daemon, the peer's in the tunnel") {
    CHECK(problem_adding(
              replaced(second_session("vlans = \"30\"\n"), "local_id = 2", "local_id = 0xa1b2c3d4")) ==
          "c.toml:33: session.local_id: session id 0xa1b2c3d4 is that of session \"vlans\" on line 23 "
          "already; each session of a daemon receives with an id of its own");
    CHECK(problem_adding(
              replaced(second_session("vlans = \"30\"\n"), "remote_id = 2", "remote_id = 0x51627384"))
              .starts_with("c.toml:34: session.remote_id: session id 0x51627384 is that of session \"vlans\" "
                           "on line 24 already"));
    CHECK(problem_with("local_id = 0xa1b2c3d4", "local_id = 0")
              .find("0 is out of range; it goes from 1 to 4294967295") != std::string::npos);
    CHECK(problem_with("local_id = 0xa1b2c3d4", "local_id = -1").find("-1 is out of range") !=
          std::string::npos);
    CHECK(problem_with("local_id = 0xa1b2c3d4", "local_id = 0x100000000").find("out of range") !=
          std::string::npos);
}

TEST_CASE("cookies have 0, 4 or 8 bytes, and are not shown") {
    CHECK(problem_with("\"f1f2f3f4f5f6f7f8\"", "\"f1f2f3f4f5f6\"") ==
          "c.toml:25: session.local_cookie: has 6 bytes; a cookie has 8 or 4 bytes (16 or 8 hex digits), or "
          "0 (\"\")");
    CHECK(problem_with("\"f1f2f3f4f5f6f7f8\"", "\"secret\"") ==
          "c.toml:25: session.local_cookie: is not in hex; a cookie has 8 or 4 bytes (16 or 8 hex digits), "
          "or 0 (\"\")");
}

TEST_CASE("VLANs of two sessions on one bridge do not overlap outside a group") {
    CHECK(problem_adding(second_session("vlans = \"25-30,40\"\n")) ==
          "c.toml:37: session.vlans: VLAN 25-29 crosses session \"vlans\" on line 19 of the same bridge too: "
          "a loop if both lead to one place; take it out of one, or put both into one split_horizon, transit "
          "or "
          "redundancy group");
    CHECK(problem_adding(second_session("access_vlan = 10\n"))
              .starts_with("c.toml:37: session.access_vlan: VLAN 10 crosses"));
    CHECK(problem_adding(second_session("vlans = \"any\"\n")).find("VLAN 10,20-29 crosses") !=
          std::string::npos);
    CHECK(problem_adding("untagged = true\n" + second_session("vlans = \"30\"\nuntagged = true\n"))
              .find("untagged frames crosses") != std::string::npos);
    CHECK(problems_of(kGood + second_session("vlans = \"30\"\nuntagged = true\n")).empty());
    CHECK(problems_of(kGood + "split_horizon = \"g\"\n" +
                      second_session("vlans = \"10\"\nsplit_horizon = \"g\"\n"))
              .empty());
    CHECK(problems_of(kGood + "redundancy = \"g\"\n" + second_session("vlans = \"10\"\nredundancy = \"g\"\n"))
              .empty());
    CHECK(problems_of(kGood + "split_horizon = \"g\"\n" +
                      second_session("vlans = \"10\"\nsplit_horizon = \"h\"\n"))
              .size() == 1);
    CHECK(problems_of(kGood + "split_horizon = \"g\"\n" +
                      second_session("vlans = \"10\"\nredundancy = \"g\"\n"))
              .size() == 1);
}

TEST_CASE("sessions on different bridges may carry the same VLAN") {
    const std::string bridge = "\n[[bridge]]\nname = \"br-2\"\n";
    const std::string session = replaced(second_session("vlans = \"10\"\n"), "\"br-dc\"", "\"br-2\"");
    CHECK(problems_of(kGood + bridge + session).empty());
    CHECK(problems_of(kGood + "redundancy = \"g\"\n" + bridge + session + "redundancy = \"g\"\n").size() ==
          1);
}

TEST_CASE("VLANs, untagged, access_vlan and pseudowire go together") {
    CHECK(problem_adding("access_vlan = 100\n") ==
          "c.toml:27: session.vlans: a session with access_vlan carries that VLAN and no other; remove one "
          "of the two");
    CHECK(problem_with("vlans = \"10,20-29\"", "access_vlan = 5\nuntagged = true")
              .starts_with("c.toml:28: session.untagged: a session with"));
    CHECK(problem_with("vlans = \"10,20-29\"", "access_vlan = 4095") ==
          "c.toml:27: session.access_vlan: 4095 is out of range; it goes from 1 to 4094");
    CHECK(problem_with("vlans = \"10,20-29\"", "vlans = \"any\"\nuntagged = true") ==
          "c.toml:28: session.untagged: vlans = \"any\" has untagged frames in it already; remove it");
    CHECK(problem_with("vlans = \"10,20-29\"", "vlans = \"any\"\npseudowire = \"ethernet-vlan\"") ==
          "c.toml:27: session.vlans: an Ethernet VLAN pseudowire carries tagged frames only; name the VLANs, "
          "or write pseudowire = \"ethernet\"");
    CHECK(problem_adding("untagged = true\npseudowire = \"ethernet-vlan\"\n")
              .starts_with("c.toml:28: session.untagged: an Ethernet VLAN"));
    CHECK(problem_with("\"10,20-29\"", "\"30-20\"") ==
          "c.toml:27: session.vlans: range 30-20 runs backwards; the smaller VLAN comes first: 20-30");
    CHECK(problem_with("\"10,20-29\"", "\"ten\"")
              .find("\"ten\" is not a VLAN number; write numbers or ranges") != std::string::npos);
}

TEST_CASE("sequencing needs a sublayer") {
    CHECK(problem_adding("send_sequence = true\n") ==
          "c.toml:28: session.send_sequence: send_sublayer is \"none\", which carries no sequence numbers; "
          "write send_sublayer = \"default\"");
    CHECK(problem_adding("receive_sequencing = \"drop-out-of-order\"\n") ==
          "c.toml:28: session.receive_sequencing: receive_sublayer is \"none\", which carries no sequence "
          "numbers; write receive_sublayer = \"default\"");
}

TEST_CASE("addresses are unicast, of one family, and not the same") {
    CHECK(problem_with("\"192.0.2.2\"", "\"192.0.2.1\"") ==
          "c.toml:12: tunnel.remote: 192.0.2.1 is the local address too; write the peer's address");
    CHECK(problem_with("\"192.0.2.2\"", "\"2001:db8::1\"") ==
          "c.toml:12: tunnel.remote: 2001:db8::1 is IPv6 but local is not; both ends of a tunnel have "
          "addresses of one family");
    for (const std::string bad :
         {"0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "0.1.2.3", "::", "ff02::1", "fe80::1",
          "::ffff:192.0.2.1", "host.example", "192.0.2.0/24", ""}) {
        const std::string problem = problem_with("\"192.0.2.2\"", "\"" + bad + "\"");
        CHECK_MESSAGE(problem.starts_with("c.toml:12: tunnel.remote: "), problem);
    }
}

TEST_CASE("no two tunnels are one on the wire") {
    const std::string clear = "protection = \"none\"\n";
    CHECK(problem_adding(second_tunnel("192.0.2.2", clear)) ==
          "c.toml:32: tunnel.remote: 192.0.2.1 port 1701 to 192.0.2.2 port 1701 is tunnel \"cloud\" on line "
          "9 already; put these "
          "sessions into one tunnel, or give one of the tunnels other ports");
    CHECK(problems_of(kGood + second_tunnel("192.0.2.2", "local_port = 1702\n" + clear)).empty());
    CHECK(problems_of(kGood + second_tunnel("192.0.2.3", clear)).empty());

    const std::string over_ip = "encapsulation = \"ip\"\n" + clear;
    CHECK(problems_of(kGood + second_tunnel("192.0.2.2", over_ip)).empty());
    CHECK(problem_adding(second_tunnel("192.0.2.2", over_ip) +
                         replaced(second_tunnel("192.0.2.2", over_ip), "other", "third"))
              .ends_with("192.0.2.1 to 192.0.2.2 is tunnel \"other\" on line 29 already; put these sessions "
                         "into one tunnel, or use "
                         "other addresses"));
    const std::string keys = "out = { spi = 300, insecure_inline_key = \"" + std::string(72, 'c') +
                             "\" }\nin = { spi = 301, insecure_inline_key = \"" + std::string(72, 'd') +
                             "\" }\n";
    CHECK(problem_adding(second_tunnel("192.0.2.2", kEsp + keys))
              .find("is tunnel \"cloud\" on line 9 already") != std::string::npos);
}

TEST_CASE("ports have no meaning where there are none") {
    CHECK(problem_with("protection", "encapsulation = \"ip\"\nlocal_port = 1701\nprotection") ==
          "c.toml:14: tunnel.local_port: IP protocol 115 has no ports; remove it, or write encapsulation = "
          "\"udp\"");
    CHECK(problem_with("keys =", "encapsulation = \"raw\"\nkeepalive = 20\nkeys =") ==
          "c.toml:16: tunnel.esp.keepalive: raw ESP has no ports and needs no keepalive; remove it, or write "
          "encapsulation = \"udp\"");
    CHECK(problem_with("keys =", "local = \"192.0.2.9\"\nkeys =") ==
          "c.toml:15: tunnel.esp.local: transport mode has the tunnel's own addresses; remove it, or write "
          "mode = \"tunnel\"");
}

TEST_CASE("one of our UDP ports carries either ESP or clear L2TP") {
    CHECK(problem_adding(second_tunnel("192.0.2.3", "local_port = 4500\nprotection = \"none\"\n")) ==
          "c.toml:33: tunnel.local_port: UDP 192.0.2.1:4500 receives ESP for tunnel \"cloud\" on line 9; "
          "give one of the two another port");
}

TEST_CASE("path MTU, window, keepalive and bridge MTU stay in range") {
    CHECK(problem_with("protection", "path_mtu = 575\nprotection") ==
          "c.toml:13: tunnel.path_mtu: 575 is out of range; it goes from 576 to 65535");
    CHECK(problem_with("protection", "path_mtu = 65536\nprotection").find("out of range") !=
          std::string::npos);
    const std::string six = replaced(replaced(kGood, "192.0.2.1", "2001:db8::1"), "192.0.2.2", "2001:db8::2");
    CHECK(problems_of(replaced(six, "protection", "path_mtu = 1279\nprotection")) ==
          Texts{"c.toml:13: tunnel.path_mtu: 1279 is out of range; it goes from 1280 to 65535"});
    CHECK(problem_with("keys =", "replay_window = 32\nkeys =")
              .find("32 is out of range; it goes from 64 to 32768") != std::string::npos);
    CHECK(problem_with("keys =", "replay_window = 32832\nkeys =").find("out of range") != std::string::npos);
    CHECK(
        problem_with("keys =", "replay_window = 100\nkeys =") ==
        "c.toml:15: tunnel.esp.replay_window: 100 is no multiple of 64; write a multiple of 64, such as 128");
    CHECK(problem_with("keys =", "keepalive = 3601\nkeys =").find("0 to 3600") != std::string::npos);
    CHECK(problem_with("ports", "mtu = 100\nports").find("576 to 9216") != std::string::npos);
    CHECK(problem_adding("mac_limit = 100001\n").find("0 to 100000") != std::string::npos);
    CHECK(problem_with("protection", "local_port = 0\nprotection").find("1 to 65535") != std::string::npos);
}

TEST_CASE("a bridge's address is a unicast MAC") {
    for (const std::string bad :
         {"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:00:5e", "02-00-5e-10-00-01"})
        CHECK(problem_with("ports", "mac = \"" + bad + "\"\nports").find("is no unicast MAC address") !=
              std::string::npos);
}

TEST_CASE("protection and its table go together") {
    CHECK(problem_with("protection = \"esp\"", "protection = \"none\"") ==
          "c.toml:14: tunnel.esp: has no place in a tunnel with protection = \"none\"; remove the table, or "
          "write protection = \"esp\"");
    const std::string without =
        kGood.substr(0, kGood.find("[tunnel.esp]")) + kGood.substr(kGood.find("[[session]]"));
    CHECK(problems_of(without) == Texts{"c.toml:9: tunnel.ike: missing; protection = \"esp\" takes its keys "
                                        "from a table [tunnel.ike], or in "
                                        "labs [tunnel.esp]"});
    CHECK(
        problem_with("keys = \"manual\"", "keys = \"ike\"") ==
        "c.toml:15: tunnel.esp.keys: keys by IKEv2 have a table of their own; write [tunnel.ike] instead of "
        "[tunnel.esp], or keys = \"manual\" with keys in out and in");
    CHECK(problem_with("keys =", "suite = \"aes-256-gmc\"\nkeys =").find("did you mean \"aes-256-gcm\"?") !=
          std::string::npos);
}

TEST_CASE("SPIs are unique where the receiver looks them up") {
    const auto esp = [](const std::string& out, const std::string& in) {
        return kEsp + "out = { spi = " + out + ", insecure_inline_key = \"" + std::string(72, 'c') +
               "\" }\nin = { spi = " + in + ", insecure_inline_key = \"" + std::string(72, 'd') + "\" }\n";
    };
    CHECK(problem_adding(second_tunnel("192.0.2.3", esp("0xc0000009", "0xc0000002"))) ==
          "c.toml:37: tunnel.esp.in.spi: 0xc0000002 is the inbound SPI of tunnel \"cloud\" on line 9 "
          "already; each inbound SA of a daemon has its own, and the peer's out has the same");
    CHECK(problem_adding(second_tunnel("192.0.2.2", "local_port = 1702\n" + esp("0xc0000001", "0xc0000009")))
              .find("0xc0000001 goes to the same peer as that of tunnel \"cloud\" on line 9") !=
          std::string::npos);
    CHECK(problems_of(kGood + second_tunnel("192.0.2.3", esp("0xc0000001", "0xc0000009"))).empty());
}

TEST_CASE("one key is for one SA") {
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/isthmus/in.key"].content = machine.files["/etc/isthmus/out.key"].content;
    CHECK(problems_of(kGood, machine) ==
          Texts{"c.toml:17: tunnel.esp.in.key_file: is the key of out in tunnel \"cloud\" on line 9 already; "
                "every SA needs a random key of its own: two that share one can be read and forged"});
}

TEST_CASE("a key file that others can read, or that is somebody else's, is refused") {
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/isthmus/out.key"].mode = 0644;
    machine.files["/etc/isthmus/in.key"].owner = 1001;
    CHECK(problems_of(kGood, machine) ==
          Texts{"c.toml:16: tunnel.esp.out.key_file: \"/etc/isthmus/out.key\" has mode 0644, open to others; "
                "make it 0600 or 0400: chmod 600",
                "c.toml:17: tunnel.esp.in.key_file: \"/etc/isthmus/in.key\" belongs to user 1001; it has to "
                "belong to root"});
    machine.user = 1001;
    machine.files["/etc/isthmus/out.key"].mode = 0640;
    CHECK(problems_of(kGood, machine).size() == 1);
    machine.files["/etc/isthmus/out.key"].mode = 0620;
    CHECK(problems_of(kGood, machine).size() == 1);
    machine.files["/etc/isthmus/out.key"].mode = 0600;
    CHECK(problems_of(kGood, machine).empty());
}

TEST_CASE("a key file that is missing, too large or no hex is told without a byte of it") {
    FakeEnvironment machine = machine_with_keys();
    machine.files.erase("/etc/isthmus/out.key");
    machine.files["/etc/isthmus/in.key"].content = std::string(5000, 'b');
    CHECK(problems_of(kGood, machine) ==
          Texts{"c.toml:16: tunnel.esp.out.key_file: \"/etc/isthmus/out.key\": no such file; it holds 72 hex "
                "digits (36 bytes for aes-256-gcm), belongs to root and has mode 0600",
                "c.toml:17: tunnel.esp.in.key_file: \"/etc/isthmus/in.key\": larger than 4096 bytes; it "
                "holds 72 hex digits (36 bytes for aes-256-gcm), belongs to root and has mode 0600"});
    machine = machine_with_keys();
    machine.files["/etc/isthmus/out.key"].content = "zebra";
    machine.files["/etc/isthmus/in.key"].content = "";
    CHECK(problems_of(kGood, machine) ==
          Texts{"c.toml:16: tunnel.esp.out.key_file: the key is not in hex, or has an odd number of digits; "
                "it takes 72 hex digits (36 bytes for aes-256-gcm)",
                "c.toml:17: tunnel.esp.in.key_file: the key has 0 bytes; it takes 72 hex digits (36 bytes "
                "for aes-256-gcm)"});
}

TEST_CASE("a key never shows in what is said, wherever it stands") {
    const std::string key = "a7f3c19e5b2d8046a7f3c19e5b2d8046a7f3c19e5b2d8046a7f3c19e5b2d8046a7f3c19e";
    const std::string where = "key_file = \"/etc/isthmus/out.key\"";
    std::vector<std::string> attempts;
    for (const std::string& written :
         {"insecure_inline_key = \"" + key + "0\"", "insecure_inline_key = \"" + key + "xy\"",
          "insecure_inline_key = " + key, "insecure_inline_key = 0x" + key,
          "insecure_inline_key = 12345678" + key, "insecure_inline_key = [\"" + key + "\"]",
          "insecure_inline_key = \"" + key, "insecure_inlne_key = \"" + key + "\"", "key = " + key,
          "key_file = \"" + key + "\"", key + " = 1",
          "key_file = \"x\", insecure_inline_key = \"" + key + "\"",
          "spi2 = 999999999" + std::string(30, '9')})
        attempts.push_back(replaced(kGood, where, written));
    attempts.push_back(replaced(kGood, "keys =", "suite = \"" + key + "\"\nkeys ="));
    attempts.push_back(replaced(kGood, "\"10,20-29\"", "\"" + key + "\""));
    attempts.push_back(replaced(kGood, "\"f1f2f3f4f5f6f7f8\"", "\"" + key + "\""));
    attempts.push_back(replaced(kGood, "name = \"vlans\"", "name = \"" + key + "\""));
    attempts.push_back(replaced(kGood, "tunnel = \"cloud\"", "tunnel = \"" + key + "\""));
    for (const std::string& attempt : attempts) {
        const Texts problems = problems_of(attempt);
        CHECK_FALSE(problems.empty());
        for (const std::string& problem : problems)
            for (std::size_t at = 0; at + 8 <= key.size(); ++at)
                CHECK_MESSAGE(problem.find(key.substr(at, 8)) == std::string::npos, problem);
    }
}

TEST_CASE("what is said is one printable line each, whatever the file holds") {
    const Texts problems = problems_of(
        "schema = 1\n\"\\u001b[31m\\nx\" = 1\n[gateway]\nname = \"\\u001b[2J\\n\"\nlog_level = \"\\t\"\n");
    CHECK(problems.size() == 3);
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/\x1b[2J.key"] = {"", 1, 0644};
    const Texts of_file =
        problems_of(replaced(kGood, "/etc/isthmus/out.key", "/etc/\\u001b[2J.key"), machine);
    CHECK(of_file.size() == 2);
    for (const Texts& said : {problems, of_file})
        for (const std::string& problem : said)
            for (const char c : problem) CHECK_MESSAGE((c >= ' ' && c <= '~'), problem);
}

TEST_CASE("more ports than a bridge takes are refused in words") {
    std::string text = kGood;
    for (int i = 0; i < 1022; ++i)
        text +=
            second_session("vlans = \"" + std::to_string(30 + i) + "\"\n", "s" + std::to_string(i), i + 1);
    CHECK(problems_of(text) ==
          Texts{"c.toml:5: bridge: \"br-dc\" would have 1024 ports (physical: 1, of sessions: 1023), more "
                "than a Linux bridge takes; spread them over bridges of at most 1023 ports each"});
}

TEST_CASE("every cut of a good file is read without harm") {
    const FakeEnvironment machine = machine_with_keys();
    for (std::size_t size = 0; size < kGood.size(); ++size) {
        const auto loaded = load(std::string_view(kGood).substr(0, size), "c.toml", machine);
        if (loaded) continue;
        CHECK_FALSE(loaded.error().empty());
        for (const Problem& problem : loaded.error()) CHECK_FALSE(problem.remedy.empty());
    }
}
