#include "appliance/ike_setup.h"

#include <algorithm>
#include <span>
#include <tuple>

#include "config/load.h"
#include "crypto/ike/identity.h"
#include "crypto/ike/psk_strength.h"

namespace isthmus::appliance {

namespace {

using namespace crypto;
using namespace crypto::ike;
using config::FileAt;
using config::IkeConfig;

constexpr auto kExpirySoon = std::chrono::hours(30 * 24);

/// Collects what is wrong with one [tunnel.ike].
class Findings {
  public:
    Findings(const std::string& file, config::Problems& problems, config::Problems& warnings)
        : file_(file), problems_(problems), warnings_(warnings) {}
    void problem(config::Line line, const char* key, std::string what, std::string remedy) {
        problems_.push_back(
            {file_, line, std::string("tunnel.ike.") + key, std::move(what), std::move(remedy)});
    }
    void warning(config::Line line, const char* key, std::string what, std::string remedy) {
        warnings_.push_back(
            {file_, line, std::string("tunnel.ike.") + key, std::move(what), std::move(remedy)});
    }

  private:
    const std::string& file_;
    config::Problems& problems_;
    config::Problems& warnings_;
};

/// A secret's file: one line of text, or hex behind "0x".
std::optional<SecretBytes> secret_in(const FileAt& file, const char* key, Findings& findings) {
    Bytes content = file.content.reveal();
    const auto is_end = [](std::uint8_t c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; };
    while (!content.empty() && is_end(content.back())) content = content.first(content.size() - 1);
    if (std::ranges::find(content, std::uint8_t{'\n'}) != content.end()) {
        findings.problem(file.line, key, file.path + " has more than one line",
                         "a secret is one line of text, or hex digits behind 0x");
        return std::nullopt;
    }
    if (content.empty()) {
        findings.problem(file.line, key, file.path + " holds nothing but blanks",
                         "openssl rand -base64 32 makes a good secret");
        return std::nullopt;
    }
    if (content.size() < 2 || content[0] != '0' || content[1] != 'x') return SecretBytes(content);
    auto bytes = from_hex({reinterpret_cast<const char*>(content.data()), content.size()});
    if (!bytes || bytes->empty()) {
        findings.problem(file.line, key, file.path + " begins with 0x, but what follows is not hex in pairs",
                         "write hex digits in pairs, or a text that does not begin with 0x");
        return std::nullopt;
    }
    SecretBytes secret{Bytes(*bytes)};
    explicit_bzero(bytes->data(), bytes->size());
    return secret;
}

std::vector<Certificate> certificates_in(const FileAt& file, const char* key, Findings& findings) {
    auto all = Certificate::from_pem(file.content.reveal());
    if (all) return std::move(*all);
    findings.problem(file.line, key, file.path + ": " + all.error(), "it has to hold certificates in PEM");
    return {};
}

void warn_of_dates(const Certificate& certificate, const FileAt& file, const char* key, WallTime now,
                   Findings& findings) {
    const std::string who = file.path + ": the certificate of " + certificate.subject();
    if (certificate.not_after() < now)
        findings.warning(file.line, key,
                         who + " has expired: notAfter is " + date_text(certificate.not_after()),
                         "renew it: peers refuse it");
    else if (certificate.not_after() < now + kExpirySoon)
        findings.warning(file.line, key,
                         who + " expires soon: notAfter is " + date_text(certificate.not_after()),
                         "renew it in time, and reload");
    else if (certificate.not_before() > now)
        findings.warning(file.line, key,
                         who + " is not valid yet: notBefore is " + date_text(certificate.not_before()) +
                             ", and it is " + date_text(now),
                         "check this machine's clock");
}

/// A file with our certificate and those behind it: each has to be certified by the next, or peers may not find their way.
void check_order(std::span<const Certificate> chain, const FileAt& file, WallTime now, Findings& findings) {
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (!chain[i - 1].signed_by(chain[i]))
            findings.warning(file.line, "certificate",
                             file.path + ": certificate " + std::to_string(i + 1) + ", " +
                                 chain[i].subject() + ", did not certify the one before it, " +
                                 chain[i - 1].subject(),
                             "put ours first, then who certified it, then who certified that");
        warn_of_dates(chain[i], file, "certificate", now, findings);
    }
}

/// The identity that the certificate has first: what most gateways are called by.
std::optional<Identification> first_name(const Certificate& certificate) {
    const auto parsed = [](const std::string& text) -> std::optional<Identification> {
        auto id = parse_identity(text);
        if (!id) return std::nullopt;
        return std::move(*id);
    };
    if (!certificate.dns_names().empty()) return parsed("fqdn:" + certificate.dns_names().front());
    if (!certificate.ip_addresses().empty())
        return parsed("address:" + certificate.ip_addresses().front().text());
    if (!certificate.email_addresses().empty())
        return parsed("email:" + certificate.email_addresses().front());
    const Bytes name = certificate.subject_der();
    return Identification{IdType::der_asn1_dn, {name.begin(), name.end()}};
}

std::optional<Identification> identity_in(const config::TextAt& text, const char* key, Findings& findings) {
    auto id = parse_identity(text.text);
    if (id) return std::move(*id);
    findings.problem(text.line, key, id.error(), "write one that is");
    return std::nullopt;
}

/// `local`: nullopt if the configuration has one that is none, which was reported; the certificate's first name if it has
/// none at all.
void read_own(const IkeConfig& config, WallTime now, Credentials& credentials,
              std::optional<Identification>& local, Findings& findings) {
    auto chain = certificates_in(*config.certificate, "certificate", findings);
    auto key = PrivateKey::from_pem(config.key->content);
    if (!key)
        findings.problem(config.key->line, "key", config.key->path + ": " + key.error(),
                         "it has to hold a private key in PEM, without a pass phrase");
    if (chain.empty() || !key) return;
    const Certificate& own = chain.front();
    if (!config.local_identity) local = first_name(own);
    credentials.own = OwnCertificate{std::move(chain), std::move(*key)};
    const Certificate& certificate = credentials.own->chain.front();
    // Names and key are the configuration's matter; dates may be wrong because the clock is, and can be mended later.
    const bool key_fits =
        std::ranges::equal(certificate.public_key().der(), credentials.own->key.public_key().der());
    if (!key_fits)
        findings.problem(config.key->line, "key",
                         "the private key does not belong to the certificate of " + certificate.subject(),
                         "name the key that the certificate was made for");
    else if (const auto fits = local ? check_own(*credentials.own, *local, certificate.not_before())
                                     : Result<void, std::string>();
             !fits)
        findings.problem(config.local_identity ? config.local_identity->line : config.certificate->line,
                         config.local_identity ? "local_identity" : "certificate", fits.error(),
                         "write one of its names, or have a certificate made with this one");
    warn_of_dates(certificate, *config.certificate, "certificate", now, findings);
    check_order(credentials.own->chain, *config.certificate, now, findings);
}

void read_trust(const IkeConfig& config, WallTime now, Credentials& credentials, Findings& findings) {
    for (const FileAt& file : config.authorities) {
        for (Certificate& certificate : certificates_in(file, "ca", findings)) {
            warn_of_dates(certificate, file, "ca", now, findings);
            credentials.authorities.push_back(std::move(certificate));
        }
    }
    for (const FileAt& file : config.revocation_lists) {
        auto lists = Crl::from_pem(file.content.reveal());
        if (!lists) {
            findings.problem(file.line, "crl", file.path + ": " + lists.error(),
                             "it has to hold revocation lists in PEM");
            continue;
        }
        for (Crl& list : *lists) {
            const auto signed_it = [&list](const Certificate& c) { return list.signed_by(c); };
            const bool known = std::ranges::any_of(credentials.authorities, signed_it) ||
                               (credentials.own && std::ranges::any_of(credentials.own->chain, signed_it));
            if (!known)
                findings.warning(file.line, "crl",
                                 file.path + ": the list of " + list.issuer() +
                                     " is signed by none of the authorities, nor by one of our own chain; it "
                                     "counts only for a peer that brings its issuer along",
                                 "name the list of an authority in ca, or of an intermediate below one");
            else if (list.next_update() && *list.next_update() < now)
                findings.warning(file.line, "crl",
                                 file.path + ": the list of " + list.issuer() +
                                     " is out of date: nextUpdate is " + date_text(*list.next_update()),
                                 "fetch the new one, and reload");
            credentials.crls.push_back(std::move(list));
        }
    }
    credentials.revocation = config.require_revocation_list ? Revocation::required : Revocation::if_known;
    credentials.accept_without_clock = config.accept_without_clock;
}

void read_psk(const IkeConfig& config, Credentials& credentials, Findings& findings) {
    credentials.psk = secret_in(*config.psk, "psk_file", findings);
    if (!credentials.psk) return;
    if (auto weak = psk_warning(*credentials.psk))
        findings.warning(config.psk->line, "psk_file", config.psk->path + ": " + *weak,
                         "change it on both sides");
}

void read_ppk(const IkeConfig& config, Credentials& credentials, Findings& findings) {
    if (!config.ppk) return;
    auto secret = secret_in(*config.ppk, "ppk_file", findings);
    if (!secret) return;
    const std::string& id = config.ppk_id.text;
    if (id.empty())
        findings.problem(config.ppk_id.line, "ppk_id", "is empty", "write a name, the same on both sides");
    credentials.ppk = PostQuantumKey{{id.begin(), id.end()}, std::move(*secret), config.require_ppk};
}

/// What L2TP sends, as one side's selector.
SelectorOptions selector_of(const tunnel::TunnelOptions& options, bool ours, bool tunnel_mode) {
    constexpr std::uint8_t kUdp = 17;
    constexpr std::uint8_t kL2tp = 115;
    SelectorOptions selector;
    const bool udp = options.encapsulation == tunnel::Encapsulation::udp;
    selector.protocol = udp ? kUdp : kL2tp;
    if (udp) selector.first_port = selector.last_port = ours ? options.local_port : options.remote_port;
    const IpAddress& address = ours ? options.local : options.remote;
    if (tunnel_mode) selector.range = SelectorOptions::Range{address, address};
    return selector;
}

IkePolicy policy_of(const IkeConfig& config) {
    IkePolicy policy = default_ike_policy();
    if (!config.ike_suites.empty()) policy.ciphers = config.ike_suites;
    if (!config.prfs.empty()) policy.prfs = config.prfs;
    if (!config.groups.empty()) policy.groups = config.groups;
    return policy;
}

ChildOptions child_of(const config::TunnelConfig& tunnel, const IkeConfig& config) {
    ChildOptions child;
    child.name = tunnel.name;
    child.mode = config.mode;
    const bool tunnel_mode = config.mode == esp::Mode::tunnel;
    child.local = {selector_of(tunnel.options, true, tunnel_mode)};
    child.remote = {selector_of(tunnel.options, false, tunnel_mode)};
    if (!config.esp_suites.empty()) child.policy.suites = config.esp_suites;
    if (!config.groups.empty()) child.policy.groups = config.groups;
    child.policy.forward_secrecy = config.forward_secrecy;
    child.policy.sequence_numbers = config.sequence_numbers;
    child.replay_window = config.replay_window;
    child.lifetime.rekey = config.child_rekey;
    child.lifetime.rekey_bytes = config.rekey_bytes;
    child.lifetime.rekey_packets = config.rekey_packets;
    return child;
}

PeerOptions peer_of(const config::TunnelConfig& tunnel, const IkeConfig& config, WallTime now,
                    Findings& findings) {
    PeerOptions peer;
    peer.name = tunnel.name;
    peer.local = config.local;
    peer.remote_host = config.remote_host;
    const Bytes address = config.local.bytes();
    std::optional<Identification> local = Identification{
        config.local.is_v6() ? IdType::ipv6_address : IdType::ipv4_address, {address.begin(), address.end()}};
    if (config.local_identity) local = identity_in(*config.local_identity, "local_identity", findings);
    if (config.remote_identity)
        peer.remote_id = identity_in(*config.remote_identity, "remote_identity", findings);
    auto credentials = std::make_shared<Credentials>();
    if (config.psk) read_psk(config, *credentials, findings);
    if (config.certificate && config.key) read_own(config, now, *credentials, local, findings);
    if (local) peer.local_id = *local;
    read_trust(config, now, *credentials, findings);
    read_ppk(config, *credentials, findings);
    peer.credentials = std::move(credentials);
    peer.policy = policy_of(config);
    peer.children = {child_of(tunnel, config)};
    peer.role = config.role;
    peer.encapsulation = config.encapsulation;
    peer.childless = config.childless;
    peer.lifetime.rekey = config.ike_rekey;
    peer.reauthentication = config.reauthentication;
    peer.liveness.detect = config.detection;
    peer.liveness.detect_after_hint = std::min(peer.liveness.detect_after_hint, config.detection);
    peer.keepalive = config.keepalive;
    peer.fragment_size = config.fragment_size;
    return peer;
}

}  // namespace

Result<IkeSetup, config::Problems> ike_setup(const config::Configuration& configuration,
                                             const std::string& file, WallTime now) {
    IkeSetup setup;
    config::Problems problems;
    Findings findings(file, problems, setup.warnings);
    for (const config::TunnelConfig& tunnel : configuration.tunnels)
        if (tunnel.ike) setup.peers.push_back({tunnel.name, peer_of(tunnel, *tunnel.ike, now, findings)});
    const auto by_line = [](const config::Problem& a, const config::Problem& b) {
        return std::tie(a.line, a.key) < std::tie(b.line, b.key);
    };
    std::ranges::stable_sort(problems, by_line);
    std::ranges::stable_sort(setup.warnings, by_line);
    if (!problems.empty()) return Unexpected(std::move(problems));
    return setup;
}

Result<config::Configuration, config::Problems> load_configuration(const std::string& file,
                                                                   const config::Environment& environment,
                                                                   WallTime now) {
    auto configuration = config::load_file(file, environment);
    if (!configuration) return configuration;
    auto setup = ike_setup(*configuration, file, now);
    if (!setup) return Unexpected(std::move(setup).error());
    auto& warnings = configuration->warnings;
    warnings.insert(warnings.end(), setup->warnings.begin(), setup->warnings.end());
    return configuration;
}

}  // namespace isthmus::appliance
