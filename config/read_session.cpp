#include <algorithm>
#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using tunnel::Cookie;
using tunnel::PseudowireType;
using tunnel::ReceiveSequencing;
using tunnel::Sublayer;

constexpr std::array kPseudowires{
    std::pair<std::string_view, PseudowireType>{"ethernet", PseudowireType::ethernet},
    std::pair<std::string_view, PseudowireType>{"ethernet-vlan", PseudowireType::ethernet_vlan}};
constexpr std::array kSublayers{std::pair<std::string_view, Sublayer>{"none", Sublayer::none},
                                std::pair<std::string_view, Sublayer>{"default", Sublayer::standard}};
constexpr std::array kSequencings{
    std::pair<std::string_view, ReceiveSequencing>{"ignore", ReceiveSequencing::ignore},
    std::pair<std::string_view, ReceiveSequencing>{"drop-out-of-order",
                                                   ReceiveSequencing::drop_out_of_order}};
constexpr std::ptrdiff_t kMaxNamed = 100;  ///< names that are compared with one that is not known, and shown

/// The place of the one that is called `name`; kUnknown, after a problem, if there is none.
std::size_t resolve(const Section& section, std::string_view key,
                    const std::vector<std::string_view>& names) {
    const auto name = section.text(key);
    if (!name) return kUnknown;
    // One that has no name was reported, and may be the one that is meant.
    const bool may_be_nameless = std::find(names.begin(), names.end(), "") != names.end();
    const auto found = std::find(names.begin(), names.end(), *name);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    if (may_be_nameless) return kUnknown;
    const std::vector<std::string_view> some(
        names.begin(), names.begin() + std::min<std::ptrdiff_t>(std::ssize(names), kMaxNamed));
    const std::string_view meant = nearest(*name, some);
    std::string remedy = "write a [[" + std::string(key) + "]] of that name first";
    if (!meant.empty())
        remedy = "did you mean " + quoted(meant) + "?";
    else if (!names.empty() && some.size() == names.size())
        remedy = "there is " + without_secrets(listed(names));
    section.problem(key, "there is no " + std::string(key) + " " + quoted(*name), std::move(remedy));
    return kUnknown;
}

/// Cookies are no great secret, but no business of a log either.
Cookie read_cookie(const Section& section, std::string_view key) {
    Cookie cookie;
    const auto text = section.text(key);
    if (!text) return cookie;
    const auto bytes = from_hex(*text);
    if (!bytes || (!bytes->empty() && bytes->size() != 4 && bytes->size() != 8)) {
        const std::string is = bytes ? "has " + std::to_string(bytes->size()) + " bytes" : "is not in hex";
        section.problem(key, is, "a cookie has 8 or 4 bytes (16 or 8 hex digits), or 0 (\"\")");
        return cookie;
    }
    std::copy(bytes->begin(), bytes->end(), cookie.bytes.begin());
    cookie.size = static_cast<std::uint8_t>(bytes->size());
    if (cookie.size < 8)
        section.warning(key, cookie.size == 0 ? "there is no cookie" : "the cookie has 4 bytes only",
                        "8 random bytes keep blind packets out of the session");
    return cookie;
}

void check_sequencing(const Section& section, const tunnel::SessionOptions& options) {
    if (options.send_sequence && options.send_sublayer == Sublayer::none)
        section.problem("send_sequence", "send_sublayer is \"none\", which carries no sequence numbers",
                        "write send_sublayer = \"default\"");
    if (options.receive_sequencing == ReceiveSequencing::drop_out_of_order &&
        options.receive_sublayer == Sublayer::none)
        section.problem("receive_sequencing",
                        "receive_sublayer is \"none\", which carries no sequence numbers",
                        "write receive_sublayer = \"default\"");
}

/// A key that only static sessions have, and have to have.
void require(const Section& section, std::string_view key) {
    if (section.has(key)) return;
    const KeySpec* spec = find_spec("session", key);
    section.problem(
        key, "missing",
        spec->when_missing.empty() ? "write it as in " + spec->written() : std::string(spec->when_missing));
}

void read_static_options(const Section& section, tunnel::SessionOptions& options) {
    for (const std::string_view key : {"local_id", "remote_id", "local_cookie", "remote_cookie"})
        require(section, key);
    for (const std::string_view key :
         {"end_id", "cookie_size", "cookie_rotation", "bfd", "bfd_interval", "bfd_multiplier"})
        if (section.has(key))
            section.problem(key, "is for sessions that are negotiated",
                            "remove it, or give the session's tunnel a [tunnel.control]");
    options.local_id = SessionId{section.integer("local_id", 1, 0xffff'ffff).value_or(0)};
    options.remote_id = SessionId{section.integer("remote_id", 1, 0xffff'ffff).value_or(0)};
    options.local_cookie = read_cookie(section, "local_cookie");
    options.remote_cookie = read_cookie(section, "remote_cookie");
    options.send_sublayer =
        section.choice<Sublayer>("send_sublayer", kSublayers).value_or(options.send_sublayer);
    options.send_sequence = section.boolean("send_sequence").value_or(options.send_sequence);
}

tunnel::SessionOptions read_options(const Section& section, bool negotiated) {
    tunnel::SessionOptions options;
    if (!negotiated) read_static_options(section, options);
    options.type = section.choice<PseudowireType>("pseudowire", kPseudowires).value_or(options.type);
    options.receive_sublayer =
        section.choice<Sublayer>("receive_sublayer", kSublayers).value_or(options.receive_sublayer);
    options.receive_sequencing = section.choice<ReceiveSequencing>("receive_sequencing", kSequencings)
                                     .value_or(options.receive_sequencing);
    if (const auto vlan = section.integer("access_vlan", 1, 4094)) options.access_vlan = VlanId::parse(*vlan);
    check_sequencing(section, options);
    return options;
}

void read_vlans(const Section& section, stp_guard::AdmissionOptions& admission) {
    const auto text = section.text("vlans");
    if (!text) return;
    if (*text == "any") {
        admission.any_vlan = true;
        return;
    }
    auto vlans = VlanSet::parse(*text);
    if (vlans) {
        admission.vlans = *vlans;
        return;
    }
    const std::string& error = vlans.error();
    const auto split = error.find("; ");
    section.problem("vlans", without_secrets(error.substr(0, split)),
                    split == std::string::npos ? "write numbers or ranges, as in 10,20-29, or any"
                                               : error.substr(split + 2));
}

/// Which combinations of vlans, untagged, access_vlan and pseudowire mean something.
void check_circuit(const Section& section, const SessionConfig& session) {
    const bool ethernet_vlan = session.options.type == PseudowireType::ethernet_vlan;
    if (section.has("access_vlan")) {
        for (const std::string_view key : {"vlans", "untagged"})
            if (key == "untagged" ? session.admission.untagged : section.has(key))
                section.problem(key, "a session with access_vlan carries that VLAN and no other",
                                "remove one of the two");
        return;
    }
    if (session.admission.any_vlan && section.has("untagged"))
        section.problem("untagged", "vlans = \"any\" has untagged frames in it already", "remove it");
    if (ethernet_vlan && session.admission.any_vlan)
        section.problem("vlans", "an Ethernet VLAN pseudowire carries tagged frames only",
                        "name the VLANs, or write pseudowire = \"ethernet\"");
    if (ethernet_vlan && session.admission.untagged)
        section.problem("untagged", "an Ethernet VLAN pseudowire carries tagged frames only",
                        "remove it, or write pseudowire = \"ethernet\"");
    if (!section.has("vlans") && !session.admission.untagged)
        section.problem(
            "vlans", "missing: no frame would cross this session",
            "write it as in vlans = \"10,20-29\", vlans = \"any\", untagged = true or access_vlan = 100");
}

/// "ist-vlans"; a name that is too long or no interface name is cut and told apart by a checksum (FNV-1a).
std::string interface_for(std::string_view session) {
    if (session.empty()) return {};
    std::string plain = "ist-" + std::string(session);
    if (!fault_of_interface_name(plain)) return plain;
    std::uint32_t hash = 0x811c'9dc5;
    for (const char c : session) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x0100'0193;
    const std::array<std::uint8_t, 2> low{static_cast<std::uint8_t>(hash >> 8),
                                          static_cast<std::uint8_t>(hash)};
    return plain.substr(0, bridge::kMaxInterfaceName - 5) + "-" + to_hex(low);
}

}  // namespace

SessionConfig read_session(const Section& section, const Names& names) {
    SessionConfig out;
    out.line = Line(section.line());
    out.name = read_label(section, "name").value_or("");
    out.tunnel = resolve(section, "tunnel", names.tunnels);
    out.bridge = resolve(section, "bridge", names.bridges);
    out.interface = section.has("interface") ? read_interface_name(section, "interface").value_or("")
                                             : interface_for(out.name);
    // Of a tunnel that is not known nothing is known: what the session says is looked at as if it were static.
    const bool negotiated = out.tunnel != kUnknown && names.negotiates[out.tunnel];
    const bool unknown = out.tunnel == kUnknown && !section.has("local_id");
    out.options = read_options(section, negotiated || unknown);
    if (negotiated) out.negotiation = read_negotiation(section, out);
    read_vlans(section, out.admission);
    out.admission.untagged = section.boolean("untagged").value_or(false);
    check_circuit(section, out);
    if (out.options.access_vlan) out.admission.vlans.insert(*out.options.access_vlan);
    out.split_horizon = read_label(section, "split_horizon");
    out.transit = read_label(section, "transit");
    out.redundancy = read_label(section, "redundancy");
    return out;
}

}  // namespace isthmus::config
