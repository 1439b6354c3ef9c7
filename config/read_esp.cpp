#include <strings.h>

#include <array>

#include "config/draft.h"
#include "config/load.h"

namespace isthmus::config {

namespace {

using crypto::SecretBytes;
using crypto::esp::Mode;
using crypto::esp::SaOptions;
using crypto::esp::Suite;

enum class KeySource : std::uint8_t { manual, ike };

constexpr std::array kKeySources{std::pair<std::string_view, KeySource>{"manual", KeySource::manual},
                                 std::pair<std::string_view, KeySource>{"ike", KeySource::ike}};
constexpr std::array kEncapsulations{
    std::pair<std::string_view, EspEncapsulation>{"udp", EspEncapsulation::udp},
    std::pair<std::string_view, EspEncapsulation>{"raw", EspEncapsulation::raw}};
constexpr std::array kModes{std::pair<std::string_view, Mode>{"transport", Mode::transport},
                            std::pair<std::string_view, Mode>{"tunnel", Mode::tunnel}};
using SuiteName = std::pair<std::string_view, Suite>;
constexpr std::array kSuites{SuiteName{"aes-128-gcm", Suite::aes128_gcm16},
                             SuiteName{"aes-256-gcm", Suite::aes256_gcm16},
                             SuiteName{"chacha20-poly1305", Suite::chacha20_poly1305},
                             SuiteName{"aes-128-cbc-sha256", Suite::aes128_cbc_hmac_sha256_128},
                             SuiteName{"aes-256-cbc-sha256", Suite::aes256_cbc_hmac_sha256_128},
                             SuiteName{"aes-256-cbc-sha384", Suite::aes256_cbc_hmac_sha384_192},
                             SuiteName{"aes-256-cbc-sha512", Suite::aes256_cbc_hmac_sha512_256}};
constexpr std::uint32_t kFirstSpi = 256;  ///< RFC 4303 section 2.1: 0 to 255 are reserved

KeyShape key_shape_of(Suite suite) {
    for (const auto& [name, value] : kSuites)
        if (value == suite) return {name, crypto::esp::key_size(suite)};
    return {};
}

/// Tells the length of what is wrong, never its content.
SecretBytes parse_key(const Section& sa, std::string_view key, std::string_view text, const KeyShape& shape) {
    auto bytes = from_hex(without_blanks(text));
    if (!bytes) {
        sa.problem(key, "the key is not in hex, or has an odd number of digits", "it takes " + shape.text());
        return {};
    }
    SecretBytes secret{Bytes(*bytes)};
    if (!bytes->empty()) explicit_bzero(bytes->data(), bytes->size());
    if (shape.size == 0 || secret.size() == shape.size) return secret;
    sa.problem(key, "the key has " + std::to_string(secret.size()) + " bytes", "it takes " + shape.text());
    return {};
}

SecretBytes read_key(const Section& sa, const KeyShape& shape, const Environment& environment) {
    const bool by_file = sa.has("key_file");
    const bool in_line = sa.has("insecure_inline_key");
    if (by_file && in_line)
        sa.problem("insecure_inline_key", "there is a key_file too", "remove one of the two");
    else if (!by_file && !in_line)
        sa.problem("key_file", "missing",
                   "name a file that holds " + shape.text() + ", belongs to root and has mode 0600");
    if (by_file) return read_key_file(sa, shape, environment);
    if (!in_line) return {};
    sa.warning("insecure_inline_key", "the key stands in the configuration",
               "keep it in a file of its own: key_file = \"...\"");
    const auto text = sa.text("insecure_inline_key");
    return text ? parse_key(sa, "insecure_inline_key", *text, shape) : SecretBytes();
}

SaOptions read_sa(const Section& sa, SaOptions common, const KeyShape& shape,
                  const Environment& environment) {
    common.spi = Spi{sa.integer("spi", kFirstSpi, 0xffff'ffff).value_or(0)};
    common.key = read_key(sa, shape, environment);
    return common;
}

void read_key_source(const Section& esp) {
    const auto source = esp.choice<KeySource>("keys", kKeySources);
    if (source == KeySource::ike)
        esp.problem(
            "keys", "keys by IKEv2 have a table of their own",
            "write [tunnel.ike] instead of [tunnel.esp], or keys = \"manual\" with keys in out and in");
    if (source == KeySource::manual)
        esp.warning("keys", "manual keys are never renewed: they are for labs and tests",
                    "change them by hand at both ends");
}

void read_transport(const Section& esp, EspConfig& out) {
    out.encapsulation =
        esp.choice<EspEncapsulation>("encapsulation", kEncapsulations).value_or(out.encapsulation);
    out.local_port = read_port(esp, "local_port", out.local_port);
    out.remote_port = read_port(esp, "remote_port", out.remote_port);
    out.keepalive_seconds = esp.integer("keepalive", 0, 3600).value_or(out.keepalive_seconds);
    if (out.encapsulation == EspEncapsulation::udp) return;
    out.keepalive_seconds = 0;
    for (const std::string_view key : {"local_port", "remote_port", "keepalive"})
        if (esp.has(key))
            esp.problem(key, "raw ESP has no ports and needs no keepalive",
                        "remove it, or write encapsulation = \"udp\"");
}

void read_mode(const Section& esp, const TunnelConfig& tunnel, EspConfig& out) {
    out.mode = esp.choice<Mode>("mode", kModes).value_or(out.mode);
    out.local = read_unicast_address(esp, "local").value_or(tunnel.options.local);
    out.remote = read_unicast_address(esp, "remote").value_or(tunnel.options.remote);
    for (const std::string_view key : {"local", "remote"})
        if (out.mode == Mode::transport && esp.has(key))
            esp.problem(key, "transport mode has the tunnel's own addresses",
                        "remove it, or write mode = \"tunnel\"");
    if (out.local.is_unspecified() || out.remote.is_unspecified()) return;
    if (!esp.has("local") && !esp.has("remote")) return;  // the tunnel's own, which were looked at there
    if (out.local.is_v4() != out.remote.is_v4())
        esp.problem("remote", out.remote.text() + " and local " + out.local.text() + " are of two families",
                    "both ends of the ESP packets have addresses of one family");
    else if (out.local == out.remote)
        esp.problem("remote", out.remote.text() + " is the local address too", "write the peer's address");
}

}  // namespace

std::string KeyShape::text() const {
    if (size == 0) return "the key in hex";
    return std::to_string(2 * size) + " hex digits (" + std::to_string(size) + " bytes for " +
           std::string(of) + ")";
}

SecretBytes read_key_file(const Section& sa, const KeyShape& shape, const Environment& environment) {
    auto file = read_secret_file(sa, "key_file", shape.text(), environment);
    if (!file) return {};
    SecretBytes secret = parse_key(sa, "key_file", file->content, shape);
    explicit_bzero(file->content.data(), file->content.size());
    return secret;
}

EspConfig read_esp(const Section& esp, const TunnelConfig& tunnel, const Environment& environment,
                   TunnelSections& sections) {
    EspConfig out;
    read_key_source(esp);
    read_transport(esp, out);
    read_mode(esp, tunnel, out);

    SaOptions common;
    const auto suite = esp.choice<Suite>("suite", kSuites);
    const bool suite_known = suite || !esp.has("suite");
    common.suite = suite.value_or(common.suite);
    common.extended_sequence = esp.boolean("extended_sequence").value_or(true);
    common.replay_window = read_replay_window(esp);
    if (!common.extended_sequence)
        esp.warning("extended_sequence",
                    "with 32-bit sequence numbers the SA stops after 4,294,967,295 packets",
                    "write extended_sequence = true at both ends");
    const KeyShape shape = suite_known ? key_shape_of(common.suite) : KeyShape{};

    const auto copy = [&common] {
        SaOptions sa;
        sa.suite = common.suite;
        sa.extended_sequence = common.extended_sequence;
        sa.replay_window = common.replay_window;
        return sa;
    };
    sections.out = esp.table("out");
    sections.in = esp.table("in");
    if (sections.out) out.out = read_sa(*sections.out, copy(), shape, environment);
    if (sections.in) out.in = read_sa(*sections.in, copy(), shape, environment);
    return out;
}

std::uint32_t read_replay_window(const Section& esp) {
    using crypto::esp::kDefaultReplayWindow;
    using crypto::esp::kMaxReplayWindow;
    using crypto::esp::kMinReplayWindow;
    const auto window =
        esp.integer("replay_window", kMinReplayWindow, kMaxReplayWindow).value_or(kDefaultReplayWindow);
    if (window % 64 != 0)
        esp.problem("replay_window", std::to_string(window) + " is no multiple of 64",
                    "write a multiple of 64, such as " + std::to_string((window + 63) / 64 * 64));
    return window;
}

}  // namespace isthmus::config
