// isthmus pki: an authority, gateways' certificates and a revocation list, for labs and small sites.
#include <algorithm>
#include <iostream>
#include <span>

#include "appliance/cli/command.h"
#include "appliance/cli/pki_files.h"
#include "appliance/clock.h"
#include "crypto/pki.h"
#include "crypto/system_rng.h"

namespace isthmus::appliance::cli {

namespace {

namespace pki = crypto::pki;
using std::chrono::hours;
using Path = std::filesystem::path;

constexpr int kDay = 24;
/// Gateways' clocks are not exact: a certificate is good a little before it is made.
constexpr auto kBackdated = hours(1);
/// What keeps list and serials apart from the authority's files.
constexpr const char* kCaCertificate = "ca.pem";
constexpr const char* kCaKey = "ca.key";
constexpr const char* kCaList = "ca.crl";

pki::Validity validity_of(std::uint32_t days) {
    const WallTime now = wall_now();
    return {now - kBackdated, now + hours(kDay) * days};
}

Result<std::vector<crypto::Certificate>, std::string> certificates_in(const Path& path) {
    const auto pem = read_whole(path);
    if (!pem) return Unexpected(pem.error());
    auto all = crypto::Certificate::from_pem(pem->reveal());
    if (!all) return Unexpected(path.string() + ": " + all.error());
    return std::move(*all);
}

Result<crypto::Certificate, std::string> certificate_in(const Path& path) {
    return certificates_in(path).transform([](auto&& all) { return all.front(); });
}

/// What stands behind the certificates that an authority issues, so that a peer finds the way to the root: the authority's own
/// and those above it; nothing if it is the root itself.
Result<std::string, std::string> intermediates_text(const Path& folder) {
    const auto all = certificates_in(folder / kCaCertificate);
    if (!all) return Unexpected(all.error());
    if (all->front().subject() == all->front().issuer()) return std::string();
    const auto pem = read_whole(folder / kCaCertificate);
    if (!pem) return Unexpected(pem.error());
    std::string text(pem->reveal().begin(), pem->reveal().end());
    if (!text.ends_with('\n')) text += '\n';
    return text;
}

/// Whether peers will accept it: names that an authority may not certify, say.
Result<void, std::string> check_issued(const std::string& pem, const Path& folder) {
    const auto issued = crypto::Certificate::from_pem(bytes_of(pem));
    if (!issued) return Unexpected(issued.error());
    const auto above = certificates_in(folder / kCaCertificate);
    if (!above) return Unexpected(above.error());
    const auto chain = crypto::build_chain(issued->front(), *above, std::span(*above).last(1), std::nullopt);
    if (!chain) return Unexpected(chain.error());
    return {};
}

Result<pki::Authority, std::string> authority_in(const Path& folder) {
    auto certificate = certificate_in(folder / kCaCertificate);
    if (!certificate) return Unexpected(certificate.error() + "; isthmus pki ca makes an authority");
    auto key = read_whole(folder / kCaKey);
    if (!key) return Unexpected(key.error());
    return pki::Authority{std::move(*certificate), std::move(*key)};
}

/// A key and a certificate belong together: with one refused, the other is not left behind.
Result<void, std::string> make_pair_of_files(const Path& key_path, const crypto::SecretBytes& key,
                                             const Path& certificate_path, const std::string& certificate) {
    if (std::filesystem::exists(certificate_path))
        return Unexpected(certificate_path.string() +
                          " is there already, and is never overwritten: name another, or move it away");
    auto made = make_file(key_path, key.reveal(), FileMode::secret);
    if (!made) return made;
    made = make_file(certificate_path, bytes_of(certificate), FileMode::open);
    if (!made) std::filesystem::remove(key_path);
    return made;
}

Result<void, std::string> folder_for(const Path& folder) {
    std::error_code error;
    if (std::filesystem::create_directories(folder, error))
        std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
    if (error) return Unexpected(folder.string() + " cannot be made: " + error.message());
    return {};
}

/// The list as it is, or an empty one with number 0.
struct List {
    std::vector<crypto::Crl::Entry> revoked;
    std::uint64_t number = 0;
};
Result<List, std::string> list_in(const Path& folder, const pki::Authority& authority) {
    const Path path = folder / kCaList;
    if (!std::filesystem::exists(path)) return List{};
    const auto pem = read_whole(path);
    if (!pem) return Unexpected(pem.error());
    const auto lists = crypto::Crl::from_pem(pem->reveal());
    if (!lists) return Unexpected(path.string() + ": " + lists.error());
    if (!lists->front().signed_by(authority.certificate))
        return Unexpected(path.string() + " is not the list of " + authority.certificate.subject());
    return List{lists->front().entries(), lists->front().number()};
}

Result<void, std::string> write_list(const Path& folder, const pki::Authority& authority, const List& list,
                                     std::uint32_t days) {
    const WallTime now = wall_now();
    const auto pem = pki::make_crl(authority, list.revoked, {now, now + hours(kDay) * days, list.number + 1});
    if (!pem) return Unexpected(pem.error());
    return replace_file(folder / kCaList, bytes_of(*pem));
}

class PkiCommand final : public Command {
  public:
    explicit PkiCommand(CLI::App& app)
        : command_(*app.add_subcommand("pki", "certificates for gateways, for labs and small sites")) {
        command_.require_subcommand(1);
        add_ca();
        add_intermediate();
        add_cert();
        add_crl();
        add_revoke();
        add_show();
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        Result<void, std::string> done;
        if (ca_->parsed()) done = make_ca();
        if (intermediate_->parsed()) done = make_intermediate();
        if (cert_->parsed()) done = make_cert();
        if (crl_->parsed()) done = renew_list();
        if (revoke_->parsed()) done = revoke();
        if (show_->parsed()) done = show();
        return done ? 0 : fail(done.error());
    }

  private:
    void add_folder(CLI::App& to) {
        to.add_option("--dir", folder_, "the authority's folder: ca.pem, ca.key, ca.crl")
            ->capture_default_str();
    }
    void add_key_type(CLI::App& to) {
        to.add_option("--key", key_type_, "ecdsa-p256, ecdsa-p384, ed25519 or rsa-3072")
            ->check(CLI::IsMember({"ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"}))
            ->capture_default_str();
    }
    void add_levels(CLI::App& to) {
        constexpr unsigned kMostLevels = 8;
        to.add_option("--levels", levels_, "levels of authorities that may stand between it and gateways")
            ->check(CLI::Range(0U, kMostLevels))
            ->capture_default_str();
    }
    void add_ca() {
        ca_ = command_.add_subcommand("ca", "makes an authority, and its first, empty revocation list");
        add_folder(*ca_);
        add_key_type(*ca_);
        add_levels(*ca_);
        ca_->add_option("--subject", subject_, "its name, as in \"O=Example, CN=Example gateways CA\"");
        ca_->add_option("--days", ca_days_, "how long it is good")
            ->check(CLI::Range(1, 36'500))
            ->capture_default_str();
    }
    void add_intermediate() {
        intermediate_ = command_.add_subcommand(
            "intermediate", "makes an authority that is certified by this one, in a folder of its own");
        add_folder(*intermediate_);
        add_key_type(*intermediate_);
        add_levels(*intermediate_);
        intermediate_->add_option("FOLDER", out_, "where its ca.pem, ca.key and ca.crl go")->required();
        intermediate_->add_option("--subject", subject_, "its name; \"O=Isthmus, CN=FOLDER CA\" unless told");
        intermediate_->add_option("--domain", domains_,
                                  "it may certify names in this domain only; as often as needed");
        intermediate_->add_option("--days", ca_days_, "how long it is good, at most as long as its issuer")
            ->check(CLI::Range(1, 36'500))
            ->capture_default_str();
    }
    void add_cert() {
        cert_ = command_.add_subcommand("cert", "makes a gateway's key and certificate");
        add_folder(*cert_);
        add_key_type(*cert_);
        cert_->add_option("NAME", name_, "what the files are called: NAME.key and NAME.pem")->required();
        cert_->add_option("--out", out_, "where they go; the authority's folder unless told");
        cert_->add_option("--dns", dns_, "a domain name of the gateway; as often as needed");
        cert_->add_option("--ip", ips_, "an address of it");
        cert_->add_option("--email", emails_, "an e-mail address as its identity");
        cert_->add_option("--subject", subject_,
                          "its name in the certificate; \"CN=\" and the first of the above unless told");
        cert_->add_option("--days", days_, "how long it is good")
            ->check(CLI::Range(1, 3'650))
            ->capture_default_str();
    }
    void add_crl() {
        crl_ = command_.add_subcommand("crl", "renews the revocation list, before its time is over");
        add_folder(*crl_);
        crl_->add_option("--days", list_days_, "how long it is good")
            ->check(CLI::Range(1, 3'650))
            ->capture_default_str();
    }
    void add_revoke() {
        revoke_ = command_.add_subcommand("revoke", "puts a certificate on the revocation list");
        add_folder(*revoke_);
        revoke_->add_option("CERTIFICATE", file_, "its PEM file")->required();
        revoke_->add_option("--days", list_days_, "how long the list is good")
            ->check(CLI::Range(1, 3'650))
            ->capture_default_str();
    }
    void add_show() {
        show_ = command_.add_subcommand("show", "what certificates or revocation lists say");
        show_->add_option("FILE", file_, "a PEM file")->required();
    }

    Result<void, std::string> make_ca() {
        if (auto made = folder_for(folder_); !made) return made;
        const auto key = pki::generate_key(*pki::key_type_named(key_type_));
        if (!key) return Unexpected(key.error());
        const std::string subject = subject_.empty() ? "O=Isthmus, CN=Isthmus gateways CA" : subject_;
        const auto pem = pki::make_authority(*key, subject, validity_of(ca_days_), rng_, levels_);
        if (!pem) return Unexpected(pem.error());
        auto made = make_folder_of(folder_, *key, *pem);
        if (!made) return made;
        std::cout << "made " << (folder_ / kCaCertificate).string() << " (give it to every gateway), "
                  << (folder_ / kCaKey).string() << " (keep it from everybody) and "
                  << (folder_ / kCaList).string() << '\n';
        return {};
    }

    /// An authority's three files.
    Result<void, std::string> make_folder_of(const Path& folder, const crypto::SecretBytes& key,
                                             const std::string& certificates) {
        auto made = make_pair_of_files(folder / kCaKey, key, folder / kCaCertificate, certificates);
        if (!made) return made;
        const auto authority = authority_in(folder);
        if (!authority) return Unexpected(authority.error());
        return write_list(folder, *authority, {}, list_days_);
    }

    Result<void, std::string> make_intermediate() {
        const auto issuer = authority_in(folder_);
        if (!issuer) return Unexpected(issuer.error());
        const auto above = intermediates_text(folder_);
        if (!above) return Unexpected(above.error());
        const auto key = pki::generate_key(*pki::key_type_named(key_type_));
        if (!key) return Unexpected(key.error());
        const auto parsed = crypto::PrivateKey::from_pem(*key);
        if (!parsed) return Unexpected(parsed.error());
        const std::string name = (out_.has_filename() ? out_ : out_.parent_path()).filename().string();
        const std::string subject = subject_.empty() ? "O=Isthmus, CN=" + name + " CA" : subject_;
        pki::Validity validity = validity_of(ca_days_);
        validity.not_after = std::min(validity.not_after, issuer->certificate.not_after());
        const auto pem = pki::issue_intermediate(*issuer, parsed->public_key(), {subject, levels_, domains_},
                                                 validity, rng_);
        if (!pem) return Unexpected(pem.error());
        if (auto made = folder_for(out_); !made) return made;
        auto made = make_folder_of(out_, *key, *pem + *above);
        if (!made) return made;
        std::cout << "made the authority " << subject << " in " << out_.string() << ", good until "
                  << crypto::date_text(validity.not_after)
                  << "; gateways trust the root, not this one: their certificates bring it along\n";
        return {};
    }

    Result<pki::GatewayNames, std::string> names() const {
        pki::GatewayNames names{subject_, dns_, emails_, {}};
        for (const std::string& text : ips_) {
            const auto address = IpAddress::parse(text);
            if (!address) return Unexpected("'" + text + "' is no IP address");
            names.ip_addresses.push_back(*address);
        }
        if (!names.subject.empty()) return names;
        const std::string first = !dns_.empty()     ? dns_.front()
                                  : !ips_.empty()   ? ips_.front()
                                  : emails_.empty() ? name_
                                                    : emails_.front();
        names.subject = "CN=" + first;
        return names;
    }

    Result<void, std::string> make_cert() {
        if (name_.find('/') != std::string::npos || name_.starts_with('.') || name_ == "ca")
            return Unexpected("'" + name_ +
                              "' cannot be the files' name: use letters, digits and '-', and not \"ca\"");
        auto gateway = names();
        if (!gateway) return Unexpected(gateway.error());
        const auto authority = authority_in(folder_);
        if (!authority) return Unexpected(authority.error());
        const auto key = pki::generate_key(*pki::key_type_named(key_type_));
        if (!key) return Unexpected(key.error());
        const auto parsed = crypto::PrivateKey::from_pem(*key);
        if (!parsed) return Unexpected(parsed.error());
        pki::Validity validity = validity_of(days_);
        validity.not_after = std::min(validity.not_after, authority->certificate.not_after());
        const auto pem = pki::issue_certificate(*authority, parsed->public_key(), *gateway, validity, rng_);
        if (!pem) return Unexpected(pem.error());
        if (auto good = check_issued(*pem, folder_); !good) return good;
        const auto above = intermediates_text(folder_);
        if (!above) return Unexpected(above.error());
        const Path folder = out_.empty() ? folder_ : out_;
        if (auto made = folder_for(folder); !made) return made;
        const Path certificate = folder / (name_ + ".pem");
        const Path key_file = folder / (name_ + ".key");
        auto made = make_pair_of_files(key_file, *key, certificate, *pem + *above);
        if (!made) return made;
        std::cout << "made " << certificate.string() << " and " << key_file.string() << ", good until "
                  << crypto::date_text(validity.not_after) << '\n';
        return {};
    }

    Result<void, std::string> renew_list() {
        const auto authority = authority_in(folder_);
        if (!authority) return Unexpected(authority.error());
        const auto list = list_in(folder_, *authority);
        if (!list) return Unexpected(list.error());
        auto made = write_list(folder_, *authority, *list, list_days_);
        if (!made) return made;
        std::cout << "made " << (folder_ / kCaList).string() << " number " << list->number + 1 << " with "
                  << list->revoked.size()
                  << " certificate(s); give it to every gateway, and isthmus reload\n";
        return {};
    }

    Result<void, std::string> revoke() {
        const auto authority = authority_in(folder_);
        if (!authority) return Unexpected(authority.error());
        const auto certificate = certificate_in(file_);
        if (!certificate) return Unexpected(certificate.error());
        if (!certificate->signed_by(authority->certificate))
            return Unexpected("the certificate of " + certificate->subject() + " is not one of " +
                              authority->certificate.subject());
        auto list = list_in(folder_, *authority);
        if (!list) return Unexpected(list.error());
        const std::string serial = certificate->serial();
        if (std::ranges::any_of(list->revoked, [&](const auto& entry) { return entry.serial == serial; }))
            return Unexpected("the certificate of " + certificate->subject() + " (serial " + serial +
                              ") is on the list already");
        list->revoked.push_back({serial, wall_now(), ""});
        auto made = write_list(folder_, *authority, *list, list_days_);
        if (!made) return made;
        std::cout << "revoked " << certificate->subject() << " (serial " << serial << "); give "
                  << (folder_ / kCaList).string() << " to every gateway, and isthmus reload\n";
        return {};
    }

    Result<void, std::string> show() {
        const auto pem = read_whole(file_);
        if (!pem) return Unexpected(pem.error());
        const auto certificates = crypto::Certificate::from_pem(pem->reveal());
        const auto lists = crypto::Crl::from_pem(pem->reveal());
        if (!certificates && !lists)
            return Unexpected(file_.string() + " holds neither certificates nor revocation lists in PEM");
        if (certificates)
            for (const auto& certificate : *certificates) print(certificate);
        if (lists)
            for (const auto& list : *lists) print(list);
        return {};
    }

    static void print(const crypto::Certificate& certificate) {
        std::cout << "certificate " << certificate.subject()
                  << (certificate.is_authority() ? " (authority)" : "") << "\n  issuer  "
                  << certificate.issuer() << "\n  serial  " << certificate.serial() << "\n  good    "
                  << crypto::date_text(certificate.not_before()) << " to "
                  << crypto::date_text(certificate.not_after())
                  << (certificate.not_after() < wall_now() ? " (expired)" : "") << "\n  names   ";
        const char* separator = "";
        const auto name = [&separator](const std::string& text) {
            std::cout << separator << text;
            separator = ", ";
        };
        for (const auto& text : certificate.dns_names()) name(text);
        for (const auto& text : certificate.email_addresses()) name(text);
        for (const auto& address : certificate.ip_addresses()) name(address.text());
        std::cout << (*separator == '\0' ? "none\n" : "\n");
    }
    static void print(const crypto::Crl& list) {
        std::cout << "revocation list of " << list.issuer() << ", number " << list.number() << "\n  made    "
                  << crypto::date_text(list.this_update()) << "\n  next    "
                  << (list.next_update() ? crypto::date_text(*list.next_update()) : "not said") << '\n';
        for (const auto& entry : list.entries())
            std::cout << "  revoked " << entry.serial << " at " << crypto::date_text(entry.revoked_at)
                      << '\n';
    }

    CLI::App& command_;
    CLI::App* ca_ = nullptr;
    CLI::App* intermediate_ = nullptr;
    CLI::App* cert_ = nullptr;
    CLI::App* crl_ = nullptr;
    CLI::App* revoke_ = nullptr;
    CLI::App* show_ = nullptr;
    crypto::SystemRng rng_;
    Path folder_ = "/etc/isthmus/pki";
    Path out_;
    Path file_;
    std::string key_type_ = "ecdsa-p256";
    std::string subject_;
    std::string name_;
    std::vector<std::string> dns_;
    std::vector<std::string> ips_;
    std::vector<std::string> emails_;
    std::vector<std::string> domains_;
    unsigned levels_ = 0;
    std::uint32_t ca_days_ = 3'650;
    std::uint32_t days_ = 730;
    std::uint32_t list_days_ = 90;
};

}  // namespace

std::unique_ptr<Command> make_pki_command(CLI::App& app) {
    return std::make_unique<PkiCommand>(app);
}

}  // namespace isthmus::appliance::cli
