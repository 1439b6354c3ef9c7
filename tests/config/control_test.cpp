// [tunnel.control] and sessions that are negotiated: what they become, and each mistake with its line and remedy.
#include "tests/config/support.h"

using namespace isthmus;
using namespace isthmus::config;
using namespace std::chrono_literals;

namespace {

const std::string kSecret(32, 's');

FakeEnvironment machine_with_secrets() {
    FakeEnvironment machine = machine_with_keys();
    machine.files["/etc/isthmus/cloud.secret"] = {kSecret + "\n", 0, 0600};
    machine.files["/etc/isthmus/old.secret"] = {std::string(16, 'o'), 0, 0400};
    machine.files["/etc/isthmus/short.secret"] = {"fifteen charact", 0, 0600};
    machine.files["/etc/isthmus/open.secret"] = {kSecret, 0, 0644};
    return machine;
}

/// Without problems or warnings.
const std::string kNegotiated = R"(schema = 1
[gateway]
name = "dc-gw"
[[bridge]]
name = "br-dc"
[[tunnel]]
name = "cloud"
local = "192.0.2.1"
remote = "192.0.2.2"
protection = "none"
[tunnel.control]
secret_file = "/etc/isthmus/cloud.secret"
[[session]]
name = "vlans"
tunnel = "cloud"
bridge = "br-dc"
vlans = "10"
)";

Configuration loaded(const std::string& text) {
    auto out = load(text, "c.toml", machine_with_secrets());
    if (!out) FAIL(texts_of(out.error())[0]);
    return std::move(*out);
}

std::string problem_with(const std::string& from, const std::string& to) {
    const Texts problems = problems_of(replaced(kNegotiated, from, to), machine_with_secrets());
    REQUIRE_MESSAGE(problems.size() == 1, problems);
    return problems[0];
}
std::string problem_in_control(const std::string& lines) {
    return problem_with("[tunnel.control]\n", "[tunnel.control]\n" + lines + "\n");
}
std::string problem_in_session(const std::string& lines) {
    return problem_with("vlans = \"10\"\n", "vlans = \"10\"\n" + lines + "\n");
}

}  // namespace

TEST_CASE("a tunnel with [tunnel.control] is negotiated, with defaults for all but the secret") {
    const Configuration c = loaded(kNegotiated);
    REQUIRE(c.tunnels[0].control);
    const ControlConfig& control = *c.tunnels[0].control;
    CHECK(control.role == tunnel::ConnectionRole::both);
    CHECK(control.digest == tunnel::DigestType::hmac_sha1);
    CHECK_FALSE(control.hide_avps);
    CHECK(control.hello_seconds == 10);
    CHECK(control.receive_window == 16);
    CHECK(control.tolerated == tunnel::QuirkSet::all());
    REQUIRE(control.secrets.size() == 1);
    CHECK(control.secrets[0].size() == kSecret.size());  // the line's end is none of it
    REQUIRE(c.sessions[0].negotiation);
    CHECK(raw(c.sessions[0].options.local_id) == 0);
    CHECK(c.sessions[0].negotiation->end_id == "vlans");
    CHECK(c.sessions[0].negotiation->cookie_size == 8);
    CHECK(c.sessions[0].negotiation->cookie_rotation_seconds == 0);
    CHECK(c.sessions[0].negotiation->liveness == tunnel::BfdOptions{});
}

TEST_CASE("a tunnel without it is static as before") {
    const auto c = load(kGood, "c.toml", machine_with_keys());
    REQUIRE(c);
    CHECK_FALSE(c->tunnels[0].control);
    CHECK_FALSE(c->sessions[0].negotiation);
}

TEST_CASE("every key of a control connection and of a negotiated session is read") {
    std::string text = replaced(kNegotiated, "[tunnel.control]\n", R"([tunnel.control]
role = "initiator"
second_secret_file = "/etc/isthmus/old.secret"
digest = "md5"
hide = true
hello = 60
receive_window = 4
peer_hostname = "cloud-gw.example"
quirks = ["router-id-missing", "zero-window"]
)");
    text += R"(end_id = "pw 1"
cookie_size = 4
cookie_rotation = 3600
bfd_interval = 100
bfd_multiplier = 5
receive_sublayer = "default"
receive_sequencing = "drop-out-of-order"
pseudowire = "ethernet-vlan"
)";
    text = replaced(text, "name = \"dc-gw\"", "name = \"dc-gw\"\nrouter_id = \"198.51.100.7\"");
    const Configuration c = loaded(text);
    const ControlConfig& control = *c.tunnels[0].control;
    CHECK(control.role == tunnel::ConnectionRole::initiator);
    CHECK(control.secrets.size() == 2);
    CHECK(control.digest == tunnel::DigestType::hmac_md5);
    CHECK(control.hide_avps);
    CHECK(control.hello_seconds == 60);
    CHECK(control.receive_window == 4);
    CHECK(control.peer_hostname == "cloud-gw.example");
    CHECK(control.tolerated ==
          tunnel::QuirkSet::none().add(tunnel::Quirk::router_id_missing).add(tunnel::Quirk::zero_window));
    const SessionConfig& session = c.sessions[0];
    CHECK(session.negotiation->end_id == "pw 1");
    CHECK(session.negotiation->cookie_size == 4);
    CHECK(session.negotiation->cookie_rotation_seconds == 3600);
    CHECK(session.negotiation->liveness == tunnel::BfdOptions{100ms, 5});
    CHECK(session.options.receive_sublayer == tunnel::Sublayer::standard);
    CHECK(session.options.receive_sequencing == tunnel::ReceiveSequencing::drop_out_of_order);
    CHECK(session.options.type == tunnel::PseudowireType::ethernet_vlan);
    CHECK(c.gateway.router_id == 0xc6336407);
}

TEST_CASE("the peer may be named, or anybody who knows the secret") {
    const Configuration named = loaded(replaced(kNegotiated, "192.0.2.2", "gw.cloud.example"));
    CHECK(named.tunnels[0].remote_name == "gw.cloud.example");
    CHECK(named.tunnels[0].options.remote.is_unspecified());
    const Configuration any = loaded(replaced(kNegotiated, "192.0.2.2", "any"));
    CHECK(any.tunnels[0].any_remote);
    CHECK(any.tunnels[0].control->role == tunnel::ConnectionRole::responder);
}

TEST_CASE("a static tunnel needs an address") {
    CHECK(
        problems_of(replaced(kGood, "\"192.0.2.2\"", "\"any\"")) ==
        Texts{"c.toml:12: tunnel.remote: \"any\" is no IP address; write a plain IPv4 or IPv6 address, as in "
              "\"192.0.2.1\" or \"2001:db8::1\""});
    CHECK(
        problem_with("192.0.2.2", "not a name")
            .starts_with("c.toml:9: tunnel.remote: \"not a name\" is neither an address nor a host's name"));
    CHECK(problem_with("192.0.2.2", "192.0.2.300")
              .starts_with("c.toml:9: tunnel.remote: \"192.0.2.300\" is no IP"));
}

TEST_CASE("anybody has to say who it is, and cannot be called") {
    const std::string any = replaced(kNegotiated, "192.0.2.2", "any");
    CHECK(
        problems_of(replaced(any, "secret_file = \"/etc/isthmus/cloud.secret\"\n", ""),
                    machine_with_secrets()) ==
        Texts{"c.toml:11: tunnel.control.secret_file: missing: with remote = \"any\" anybody could open this "
              "tunnel; name a file that holds 16 to 256 characters, belongs to root and has mode 0600"});
    CHECK(problems_of(replaced(any, "[tunnel.control]\n", "[tunnel.control]\nrole = \"both\"\n"),
                      machine_with_secrets()) == Texts{"c.toml:12: tunnel.control.role: with remote = "
                                                       "\"any\" nobody is known who could be called; write "
                                                       "role = \"responder\""});
}

TEST_CASE("manual keys need the peer's address") {
    std::string text = replaced(kNegotiated, "192.0.2.2", "gw.cloud.example");
    text = replaced(text, "protection = \"none\"\n", R"(protection = "esp"
[tunnel.esp]
keys = "manual"
out = { spi = 0xc0000001, key_file = "/etc/isthmus/out.key" }
in = { spi = 0xc0000002, key_file = "/etc/isthmus/in.key" }
)");
    CHECK(problems_of(text, machine_with_secrets()) ==
          Texts{"c.toml:9: tunnel.remote: manual keys need the peer's address; write its address"});
}

TEST_CASE("two tunnels for anybody need their peers' names") {
    const std::string second =
        "[[tunnel]]\nname = \"other\"\nlocal = \"192.0.2.1\"\nremote = \"any\"\nprotection = "
        "\"none\"\n[tunnel.control]\nsecret_file = \"/etc/isthmus/old.secret\"\n";
    const std::string text = replaced(kNegotiated, "192.0.2.2", "any") + second;
    CHECK(problems_of(text, machine_with_secrets()) ==
          Texts{"c.toml:23: tunnel.control.peer_hostname: nothing tells its peer from that of tunnel "
                "\"cloud\" on "
                "line 6; give both their peer's name: peer_hostname = \"...\""});
    CHECK(problems_of(text + "peer_hostname = \"b-gw\"\n", machine_with_secrets()).empty());
}

TEST_CASE("mistakes in [tunnel.control] are told with their remedies") {
    CHECK(
        problem_in_control("role = \"client\"") ==
        "c.toml:12: tunnel.control.role: \"client\" is none of its values; it is one of both, initiator and "
        "responder");
    CHECK(problem_in_control("hello = 0") ==
          "c.toml:12: tunnel.control.hello: 0 is out of range; it goes from 1 to 3600");
    CHECK(problem_in_control("quirks = [\"router-id-mising\"]") ==
          "c.toml:12: tunnel.control.quirks: \"router-id-mising\" is no rule; did you mean "
          "\"router-id-missing\"?");
    CHECK(problem_in_control("quirks = [\"xyz\"]").find("is no rule; rules are router-id-missing, ") !=
          std::string::npos);
    CHECK(problem_in_control("peer_hostname = \"not a name\"") ==
          "c.toml:12: tunnel.control.peer_hostname: \"not a name\" is no host name; write the name that the "
          "peer's "
          "Host Name AVP has, as in \"cloud-gw\"");
    CHECK(problem_in_control("helo = 3") ==
          "c.toml:12: tunnel.control.helo: unknown key; did you mean hello?");
    CHECK(
        problem_with("secret_file = \"/etc/isthmus/cloud.secret\"", "digest = \"md5\"") ==
        "c.toml:12: tunnel.control.digest: means nothing without a secret; name a secret_file, or remove it");
    CHECK(problem_with("remote = \"192.0.2.2\"\n", "remote = \"192.0.2.2\"\nlocal_id = 7\n") ==
          "c.toml:10: tunnel.local_id: ids are negotiated where there is a [tunnel.control]; remove one of "
          "the two");
}

TEST_CASE("a secret that others can read, or that is too short, or twice the same, is none") {
    const auto with = [](const std::string& file) { return problem_with("cloud.secret", file); };
    CHECK(with("short.secret") ==
          "c.toml:12: tunnel.control.secret_file: the secret has 15 characters; it takes 16 to 256 "
          "characters, as "
          "from openssl rand -hex 32");
    CHECK(with("open.secret") ==
          "c.toml:12: tunnel.control.secret_file: \"/etc/isthmus/open.secret\" has mode 0644, open to "
          "others; make "
          "it 0600 or 0400: chmod 600");
    CHECK(with("no.secret") ==
          "c.toml:12: tunnel.control.secret_file: \"/etc/isthmus/no.secret\": no such file; it holds the "
          "secret, 16 "
          "to 256 characters, belongs to root and has mode 0600");
    CHECK(problem_in_control("second_secret_file = \"/etc/isthmus/cloud.secret\"") ==
          "c.toml:12: tunnel.control.second_secret_file: is the same secret as in secret_file; remove it "
          "once the "
          "change is over");
    CHECK(problem_with("secret_file", "second_secret_file") ==
          "c.toml:12: tunnel.control.second_secret_file: there is no secret_file; call it secret_file");
}

TEST_CASE("a negotiated session has no ids and cookies of its own") {
    for (const char* key : {"local_id = 1", "remote_id = 1", "local_cookie = \"\"", "remote_cookie = \"\"",
                            "send_sublayer = \"default\"", "send_sequence = true"}) {
        const std::string line(key);
        CHECK(problem_in_session(line) ==
              "c.toml:18: session." + line.substr(0, line.find(' ')) +
                  ": is negotiated, since the session's tunnel has a [tunnel.control]; "
                  "remove it");
    }
}

TEST_CASE("a static session has none of the keys of a negotiated one") {
    for (const char* key : {"end_id = \"x\"", "cookie_size = 8", "cookie_rotation = 60", "bfd = true",
                            "bfd_interval = 300", "bfd_multiplier = 3"}) {
        const std::string line(key);
        CHECK(problems_of(kGood + line + "\n") ==
              Texts{"c.toml:28: session." + line.substr(0, line.find(' ')) +
                    ": is for sessions that are negotiated; remove it, or give the session's tunnel a "
                    "[tunnel.control]"});
    }
}

TEST_CASE("mistakes in a negotiated session are told with their remedies") {
    CHECK(problem_in_session("cookie_size = 5") ==
          "c.toml:18: session.cookie_size: 5 is no size of a cookie; write 8, 4 or 0");
    CHECK(problem_in_session("cookie_rotation = 59") ==
          "c.toml:18: session.cookie_rotation: 59 seconds is too often; write 60 or more, or 0 to keep the "
          "cookies");
    CHECK(
        problem_in_session("end_id = \"\"") ==
        "c.toml:18: session.end_id: has 0 characters; a Remote End ID has 1 to 255; leave it out to use the "
        "session's name");
    CHECK(problem_in_session("bfd_interval = 5") ==
          "c.toml:18: session.bfd_interval: 5 is out of range; it goes from 10 to 60000");
    CHECK(problem_in_session("bfd = false\nbfd_multiplier = 4") ==
          "c.toml:19: session.bfd_multiplier: bfd is false; remove one of the two");
    CHECK(problem_in_session("cookie_size = 0") ==
          "c.toml:18: session.cookie_size: without a cookie and without a sublayer there is no channel for "
          "BFD; "
          "write cookie_size = 8, receive_sublayer = \"default\", or bfd = false");
    CHECK(problem_in_session("receive_sequencing = \"drop-out-of-order\"") ==
          "c.toml:18: session.receive_sequencing: receive_sublayer is \"none\", which carries no sequence "
          "numbers; "
          "write receive_sublayer = \"default\"");
    CHECK(
        problem_with("name = \"dc-gw\"", "router_id = \"0.0.0.0\"") ==
        "c.toml:3: gateway.router_id: \"0.0.0.0\" is no Router ID; write four numbers like those of an IPv4 "
        "address, as in \"192.0.2.1\"; not 0.0.0.0");
}

TEST_CASE("two sessions of a tunnel do not share an end id") {
    const std::string second =
        "[[session]]\nname = \"second\"\ntunnel = \"cloud\"\nbridge = \"br-dc\"\nvlans = \"20\"\nend_id = "
        "\"vlans\"\n";
    CHECK(problems_of(kNegotiated + second, machine_with_secrets()) ==
          Texts{"c.toml:23: session.end_id: \"vlans\" is the end id of session \"vlans\" on line 13 already; "
                "sessions "
                "of one tunnel are told apart by it: give each its own end_id"});
}

TEST_CASE("an unprotected tunnel without a secret is warned about") {
    const auto c = load(replaced(kNegotiated, "secret_file = \"/etc/isthmus/cloud.secret\"\n", ""), "c.toml",
                        machine_with_secrets());
    REQUIRE(c);
    const Texts warnings = texts_of(c->warnings);
    CHECK(std::ranges::any_of(warnings, [](const std::string& w) {
        return w.find("anybody who can send from the peer's address can open and close this tunnel") !=
               std::string::npos;
    }));
}

TEST_CASE("no secret shows in any problem") {
    for (const char* file : {"short.secret", "open.secret"}) {
        const std::string text = problem_with("cloud.secret", file);
        CHECK(text.find("ssssssss") == std::string::npos);
        CHECK(text.find("fifteen") == std::string::npos);
    }
}
