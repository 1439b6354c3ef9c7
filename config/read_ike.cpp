#include <array>

#include "config/draft.h"
#include "config/load.h"

namespace isthmus::config {

namespace {

using namespace crypto::ike;
using Auth = IkeConfig::Auth;

template <class E>
using Word = std::pair<std::string_view, E>;

constexpr std::array kAuths{Word<Auth>{"psk", Auth::psk}, Word<Auth>{"certificate", Auth::certificate}};
constexpr std::array kRoles{Word<Role>{"both", Role::both}, Word<Role>{"initiator", Role::initiator},
                            Word<Role>{"responder", Role::responder}};
constexpr std::array kModes{Word<crypto::esp::Mode>{"transport", crypto::esp::Mode::transport},
                            Word<crypto::esp::Mode>{"tunnel", crypto::esp::Mode::tunnel}};
constexpr std::array kEncapsulations{Word<Encapsulation>{"auto", Encapsulation::automatic},
                                     Word<Encapsulation>{"always", Encapsulation::always},
                                     Word<Encapsulation>{"never", Encapsulation::never}};
constexpr std::array kChildless{Word<Childless>{"never", Childless::never},
                                Word<Childless>{"allow", Childless::allow},
                                Word<Childless>{"prefer", Childless::prefer}};
constexpr std::array kSecrecies{Word<ForwardSecrecy>{"off", ForwardSecrecy::off},
                                Word<ForwardSecrecy>{"preferred", ForwardSecrecy::preferred},
                                Word<ForwardSecrecy>{"required", ForwardSecrecy::required}};
constexpr std::array kSequences{Word<SequenceNumbers>{"off", SequenceNumbers::short_only},
                                Word<SequenceNumbers>{"preferred", SequenceNumbers::extended_preferred},
                                Word<SequenceNumbers>{"required", SequenceNumbers::extended_required}};
constexpr std::size_t kMaxPemFile = 256 * 1024;
constexpr std::size_t kMaxShownPath = 200;

/// Certificates and lists may be read by anybody; keys by nobody else.
enum class Privacy : std::uint8_t { open, secret };

std::optional<FileAt> read_file_at(const Section& ike, std::string_view key, const TextAt& name,
                                   Privacy privacy, const Environment& environment) {
    const std::string path = in_folder_of(ike.findings().file(), name.text);
    const bool secret = privacy == Privacy::secret;
    auto file = environment.read_file(path, secret ? kMaxKeyFileSize : kMaxPemFile);
    if (!file) {
        ike.problem_at(name.line, key, quoted(path, kMaxShownPath) + ": " + file.error(),
                       secret ? "name a file that belongs to root and has mode 0600" : "name a PEM file");
        return std::nullopt;
    }
    std::optional<FileAt> out;
    if (!secret || is_private(ike, key, path, *file, environment)) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(file->content.data());
        out = FileAt{path, crypto::SecretBytes({bytes, file->content.size()}), name.line};
        if (out->content.empty())
            ike.problem_at(name.line, key, quoted(path, kMaxShownPath) + " is empty",
                           "fill it, or name another");
    }
    if (secret) explicit_bzero(file->content.data(), file->content.size());
    return out;
}

std::optional<FileAt> read_one(const Section& ike, std::string_view key, Privacy privacy,
                               const Environment& environment) {
    const auto name = ike.text(key);
    if (!name) return std::nullopt;
    return read_file_at(ike, key, {*name, Line(ike.line_of(key))}, privacy, environment);
}

std::vector<FileAt> read_all(const Section& ike, std::string_view key, const Environment& environment) {
    std::vector<FileAt> files;
    for (const auto& [name, line] : ike.texts(key))
        if (auto file = read_file_at(ike, key, {name, Line(line)}, Privacy::open, environment))
            files.push_back(std::move(*file));
    return files;
}

std::optional<TextAt> read_text(const Section& ike, std::string_view key) {
    auto text = ike.text(key);
    if (!text) return std::nullopt;
    return TextAt{std::move(*text), Line(ike.line_of(key))};
}

void want(const Section& ike, std::string_view key, std::string_view auth, const char* remedy) {
    if (!ike.has(key)) ike.problem(key, "missing: auth = \"" + std::string(auth) + "\" needs it", remedy);
}
void no_place(const Section& ike, std::string_view key, std::string_view auth) {
    if (ike.has(key)) ike.problem(key, "has no place with auth = \"" + std::string(auth) + "\"", "remove it");
}

void read_psk(const Section& ike, const Environment& environment, IkeConfig& out) {
    want(ike, "psk_file", "psk",
         "name a file that holds the secret: openssl rand -base64 32 makes a good one");
    out.psk = read_one(ike, "psk_file", Privacy::secret, environment);
    for (const std::string_view key :
         {"certificate", "key", "ca", "crl", "require_crl", "accept_without_clock"})
        no_place(ike, key, "psk");
}

void read_certificates(const Section& ike, const Environment& environment, IkeConfig& out) {
    want(ike, "certificate", "certificate", "name the PEM file of our certificate; isthmus pki makes one");
    want(ike, "key", "certificate", "name the PEM file of the certificate's private key, of mode 0600");
    want(ike, "ca", "certificate", "list the PEM files of the authorities that may certify the peer");
    want(ike, "remote_identity", "certificate",
         "write the name that the peer's certificate must have, or \"any\" for every certificate of the "
         "authorities");
    out.certificate = read_one(ike, "certificate", Privacy::open, environment);
    out.key = read_one(ike, "key", Privacy::secret, environment);
    out.authorities = read_all(ike, "ca", environment);
    out.revocation_lists = read_all(ike, "crl", environment);
    out.require_revocation_list = ike.boolean("require_crl").value_or(false);
    out.accept_without_clock = ike.boolean("accept_without_clock").value_or(false);
    if (ike.has("ca") && ike.texts("ca").empty())
        ike.problem("ca", "names no authority", "list at least one PEM file");
    if (out.require_revocation_list && out.revocation_lists.empty() && !ike.has("crl"))
        ike.problem("require_crl", "there is no crl", "list the revocation lists' files: crl = [\"...\"]");
    no_place(ike, "psk_file", "certificate");
}

void read_ppk(const Section& ike, const Environment& environment, IkeConfig& out) {
    out.ppk = read_one(ike, "ppk_file", Privacy::secret, environment);
    out.ppk_id = read_text(ike, "ppk_id").value_or(TextAt{});
    out.require_ppk = ike.boolean("require_ppk").value_or(true);
    if (ike.has("ppk_file") && !ike.has("ppk_id"))
        ike.problem("ppk_id", "missing: the peer finds the key by it", "write the same text on both sides");
    for (const std::string_view key : {"ppk_id", "require_ppk"})
        if (ike.has(key) && !ike.has("ppk_file"))
            ike.problem(key, "there is no ppk_file", "name the key's file, or remove this");
}

void read_identities(const Section& ike, IkeConfig& out) {
    out.local_identity = read_text(ike, "local_identity");
    out.remote_identity = read_text(ike, "remote_identity");
    if (out.remote_identity && out.remote_identity->text == "any") {
        out.remote_identity = std::nullopt;
        ike.warning("remote_identity",
                    out.auth == Auth::psk
                        ? "whoever has the secret is taken for the peer"
                        : "whoever has a certificate of the authorities is taken for the peer",
                    "write the peer's name");
    }
}

/// Names of a list, in the order of the file; each once.
template <class T, std::size_t n>
std::vector<T> read_list(const Section& ike, std::string_view key, const std::array<Named<T>, n>& all) {
    std::vector<T> out;
    std::vector<std::string_view> known;
    for (const Named<T>& named : all) known.push_back(named.name);
    for (const auto& [word, line] : ike.texts(key)) {
        const auto found = std::find(known.begin(), known.end(), word);
        if (found == known.end()) {
            ike.problem_at(line, key, quoted(word) + " is none of its values", "they are " + listed(known));
            continue;
        }
        const T value = all[static_cast<std::size_t>(found - known.begin())].value;
        if (std::find(out.begin(), out.end(), value) != out.end())
            ike.problem_at(line, key, quoted(word) + " is there twice", "remove one");
        out.push_back(value);
    }
    if (ike.has(key) && ike.texts(key).empty())
        ike.problem(key, "is empty",
                    "list at least one of " + listed(known) + ", or remove it for the defaults");
    return out;
}

void read_algorithms(const Section& ike, IkeConfig& out) {
    out.ike_suites = read_list(ike, "ike_suites", kIkeCiphers);
    out.prfs = read_list(ike, "prfs", kPrfs);
    out.groups = read_list(ike, "groups", kGroups);
    out.esp_suites = read_list(ike, "esp_suites", kEspSuites);
    out.forward_secrecy =
        ike.choice<ForwardSecrecy>("forward_secrecy", kSecrecies).value_or(out.forward_secrecy);
    out.sequence_numbers =
        ike.choice<SequenceNumbers>("extended_sequence", kSequences).value_or(out.sequence_numbers);
    out.replay_window = read_replay_window(ike);
}

/// In tunnel mode the packets that are protected have addresses of their own.
void read_ends(const Section& ike, const TunnelConfig& tunnel, const std::string& remote_host,
               IkeConfig& out) {
    out.local = tunnel.options.local;
    out.remote_host = remote_host;
    for (const std::string_view key : {"local", "remote"})
        if (out.mode == crypto::esp::Mode::transport && ike.has(key))
            ike.problem(key, "transport mode has the tunnel's own addresses",
                        "remove it, or write mode = \"tunnel\"");
    if (const auto local = read_unicast_address(ike, "local")) out.local = *local;
    if (ike.has("remote")) out.remote_host = read_remote_host(ike).value_or(Host{}).name;
    if (out.mode == crypto::esp::Mode::tunnel && !IpAddress::parse(remote_host))
        ike.problem("mode", "tunnel mode needs the address of the peer's L2TP in the tunnel's remote",
                    "write an address there, and the peer's name as remote in [tunnel.ike]");
    if (out.remote_host.empty() && out.role == Role::initiator)
        ike.problem("role", "\"initiator\" needs to know where the peer is",
                    "write the peer's address or name as remote, or role = \"responder\"");
    if (out.remote_host.empty()) out.role = Role::responder;
}

void read_times(const Section& ike, IkeConfig& out) {
    using std::chrono::seconds;
    constexpr std::uint32_t kDay = 86'400;
    constexpr std::uint64_t kGigabyte = 1'000'000'000;
    out.detection = seconds(ike.integer("dpd", 2, 3600).value_or(10));
    out.keepalive = seconds(ike.integer("keepalive", 0, 3600).value_or(20));
    out.child_rekey = seconds(ike.integer("rekey", 60, 7 * kDay).value_or(3600));
    out.ike_rekey = seconds(ike.integer("ike_rekey", 60, 30 * kDay).value_or(4 * 3600));
    out.reauthentication = seconds(ike.integer("reauthenticate", 0, 30 * kDay).value_or(0));
    out.rekey_bytes = ike.integer("rekey_gigabytes", 0, 1'000'000).value_or(0) * kGigabyte;
    out.rekey_packets = ike.integer("rekey_packets", 0, 0xffff'ffff).value_or(0);
    out.fragment_size = static_cast<std::uint16_t>(ike.integer("fragment_size", 0, 9000).value_or(1280));
    constexpr std::uint16_t kLeast = 576;
    if (out.fragment_size != 0 && out.fragment_size < kLeast)
        ike.problem("fragment_size", std::to_string(out.fragment_size) + " is too small",
                    "write 576 to 9000, or 0 to send no fragments");
    constexpr auto kSoon = std::chrono::minutes(10);
    if (out.reauthentication != Duration::zero() && out.reauthentication < kSoon)
        ike.problem("reauthenticate", "less than ten minutes is work for nothing",
                    "write 600 or more, or 0 for never");
    constexpr std::uint64_t kFewPackets = 10'000;
    if (out.rekey_packets != 0 && out.rekey_packets < kFewPackets)
        ike.problem("rekey_packets", std::to_string(out.rekey_packets) + " packets pass within moments",
                    "write 10000 or more, or 0 for no limit");
}

}  // namespace

IkeConfig read_ike(const Section& ike, const TunnelConfig& tunnel, const std::string& remote_host,
                   const Environment& environment) {
    IkeConfig out;
    out.line = Line(ike.line());
    const auto auth = ike.choice<Auth>("auth", kAuths);
    out.auth = auth.value_or(Auth::psk);
    if (auth == Auth::psk) read_psk(ike, environment, out);
    if (auth == Auth::certificate) read_certificates(ike, environment, out);
    read_ppk(ike, environment, out);
    read_identities(ike, out);
    out.role = ike.choice<Role>("role", kRoles).value_or(out.role);
    out.mode = ike.choice<crypto::esp::Mode>("mode", kModes).value_or(out.mode);
    out.encapsulation =
        ike.choice<Encapsulation>("encapsulation", kEncapsulations).value_or(out.encapsulation);
    out.childless = ike.choice<Childless>("childless", kChildless).value_or(out.childless);
    read_ends(ike, tunnel, remote_host, out);
    read_algorithms(ike, out);
    read_times(ike, out);
    return out;
}

}  // namespace isthmus::config
