// [tunnel.control]: the control connection of a tunnel (RFC 3931).
#include <strings.h>

#include <algorithm>
#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using tunnel::ConnectionRole;
using tunnel::DigestType;

constexpr std::array kRoles{
    std::pair<std::string_view, ConnectionRole>{"both", ConnectionRole::both},
    std::pair<std::string_view, ConnectionRole>{"initiator", ConnectionRole::initiator},
    std::pair<std::string_view, ConnectionRole>{"responder", ConnectionRole::responder}};
constexpr std::array kDigests{std::pair<std::string_view, DigestType>{"sha1", DigestType::hmac_sha1},
                              std::pair<std::string_view, DigestType>{"md5", DigestType::hmac_md5}};
constexpr std::size_t kLeastSecret = 16;
constexpr std::size_t kMaxSecret = 256;
constexpr std::string_view kSecretShape = "16 to 256 characters";
constexpr std::size_t kMaxHostname = 253;  ///< RFC 1035 section 2.3.4, without the root's dot

/// Letters, digits, hyphens in labels (RFC 1123 section 2.1); not all of them numbers, so that no address is one.
bool is_dns_name(std::string_view text) {
    if (text.empty() || text.size() > kMaxHostname || text.front() == '.' || text.back() == '.') return false;
    bool has_letter = false;
    std::size_t label = 0;
    char before = '.';
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool digit = c >= '0' && c <= '9';
        has_letter |= letter;
        if (!letter && !digit && c != '-' && c != '.') return false;
        if ((c == '-' && before == '.') || (c == '.' && (before == '-' || before == '.'))) return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63) return false;
        before = c;
    }
    return has_letter && before != '-';
}

/// Tells the length of what is wrong, never its content.
SecretBytes read_secret(const Section& section, std::string_view key, const Environment& environment) {
    auto file = read_secret_file(section, key, "the secret, " + std::string(kSecretShape), environment);
    if (!file) return {};
    const std::string_view text = without_blanks(file->content);
    SecretBytes secret;
    if (text.size() < kLeastSecret || text.size() > kMaxSecret)
        section.problem(key, "the secret has " + std::to_string(text.size()) + " characters",
                        "it takes " + std::string(kSecretShape) + ", as from openssl rand -hex 32");
    else
        secret = SecretBytes(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    explicit_bzero(file->content.data(), file->content.size());
    return secret;
}

void read_secrets(const Section& section, const Environment& environment, ControlConfig& out) {
    for (const std::string_view key : {"secret_file", "second_secret_file"}) {
        SecretBytes secret = read_secret(section, key, environment);
        if (secret.empty()) continue;
        if (!out.secrets.empty() && out.secrets[0] == secret)
            section.problem(key, "is the same secret as in secret_file", "remove it once the change is over");
        out.secrets.push_back(std::move(secret));
    }
    if (section.has("second_secret_file") && !section.has("secret_file"))
        section.problem("second_secret_file", "there is no secret_file", "call it secret_file");
    if (section.has("secret_file")) return;
    for (const std::string_view key : {"digest", "hide"})
        if (section.has(key))
            section.problem(key, "means nothing without a secret", "name a secret_file, or remove it");
}

void read_quirks(const Section& section, ControlConfig& out) {
    if (!section.has("quirks")) return;
    out.tolerated = tunnel::QuirkSet::none();
    std::vector<std::string_view> known;
    for (const tunnel::QuirkRule& rule : tunnel::kQuirkRules) known.push_back(rule.name);
    for (const auto& [name, line] : section.texts("quirks")) {
        if (const auto quirk = tunnel::quirk_of(name)) {
            out.tolerated.add(*quirk);
            continue;
        }
        const std::string_view meant = nearest(name, known);
        section.problem_at(
            line, "quirks", quoted(name) + " is no rule",
            meant.empty() ? "rules are " + listed(known) : "did you mean " + quoted(meant) + "?");
    }
}

/// A peer from anywhere has to prove who it is.
void check_any(const Section& section, const TunnelConfig& tunnel, const ControlConfig& control,
               const TunnelSections& sections) {
    if (!tunnel.any_remote && tunnel.remote_name.empty()) return;
    if (tunnel.esp)
        sections.tunnel.problem("remote", "manual keys need the peer's address", "write its address");
    if (!tunnel.any_remote) return;
    if (section.has("role") && control.role != ConnectionRole::responder)
        section.problem("role", "with remote = \"any\" nobody is known who could be called",
                        "write role = \"responder\"");
    if (!tunnel.esp && !section.has("secret_file"))
        section.problem(
            "secret_file", "missing: with remote = \"any\" anybody could open this tunnel",
            "name a file that holds " + std::string(kSecretShape) + ", belongs to root and has mode 0600");
}

void check_static_keys(const Section& tunnel) {
    for (const std::string_view key : {"local_id", "remote_id"})
        if (tunnel.has(key))
            tunnel.problem(key, "ids are negotiated where there is a [tunnel.control]",
                           "remove one of the two");
}

}  // namespace

std::optional<ControlConfig> read_control(const Section& tunnel, const Environment& environment,
                                          const TunnelConfig& so_far, TunnelSections& sections) {
    sections.control = tunnel.table("control");
    if (!sections.control) return std::nullopt;
    const Section& section = *sections.control;
    ControlConfig out;
    if (so_far.any_remote) out.role = ConnectionRole::responder;
    out.role = section.choice<ConnectionRole>("role", kRoles).value_or(out.role);
    out.digest = section.choice<DigestType>("digest", kDigests).value_or(out.digest);
    out.hide_avps = section.boolean("hide").value_or(out.hide_avps);
    read_secrets(section, environment, out);
    out.hello_seconds = section.integer("hello", 1, 3600).value_or(out.hello_seconds);
    out.receive_window =
        static_cast<std::uint16_t>(section.integer("receive_window", 1, 1024).value_or(out.receive_window));
    out.peer_hostname = section.text("peer_hostname").value_or("");
    if (section.has("peer_hostname") && !is_dns_name(out.peer_hostname))
        section.problem("peer_hostname", quoted(out.peer_hostname) + " is no host name",
                        "write the name that the peer's Host Name AVP has, as in \"cloud-gw\"");
    read_quirks(section, out);
    check_any(section, so_far, out, sections);
    check_static_keys(tunnel);
    if (!so_far.is_protected() && out.secrets.empty() && !section.has("secret_file"))
        section.warning("secret_file",
                        "anybody who can send from the peer's address can open and close this tunnel",
                        "name a secret_file, or write protection = \"esp\"");
    return out;
}

}  // namespace isthmus::config
