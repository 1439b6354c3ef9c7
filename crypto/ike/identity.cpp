#include "crypto/ike/identity.h"

#include <algorithm>
#include <array>

#include "crypto/distinguished_name.h"

namespace isthmus::crypto::ike {

namespace {

constexpr std::size_t kMaxIdentity = 1024;

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_without_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}
std::string_view view_of(const std::vector<std::uint8_t>& data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}
std::vector<std::uint8_t> bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

bool is_domain_name(std::string_view text) {
    if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
    return std::ranges::all_of(text, [](char c) {
        return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
    });
}

Result<Identification, std::string> address_identity(std::string_view text) {
    const auto address = IpAddress::parse(text);
    if (!address) return Unexpected("'" + std::string(text) + "' is no IPv4 or IPv6 address");
    const Bytes raw_bytes = address->bytes();
    return Identification{address->is_v6() ? IdType::ipv6_address : IdType::ipv4_address,
                          {raw_bytes.begin(), raw_bytes.end()}};
}

Result<Identification, std::string> fqdn_identity(std::string_view text) {
    if (!is_domain_name(text))
        return Unexpected(
            "'" + std::string(text) +
            "' is no identity: a domain name (gw.example.org), an e-mail address, an IP address, a "
            "distinguished name (C=XX, O=Example, CN=gw) or keyid:TEXT would be");
    return Identification{IdType::fqdn, bytes_of(text)};
}

Result<Identification, std::string> email_identity(std::string_view text) {
    const auto at = text.find('@');
    if (at == 0 || at == std::string_view::npos || !is_domain_name(text.substr(at + 1)))
        return Unexpected("'" + std::string(text) + "' is no e-mail address: user@example.org would be");
    return Identification{IdType::rfc822_address, bytes_of(text)};
}

Result<Identification, std::string> name_identity(std::string_view text) {
    auto der = distinguished_name_der(text);
    if (!der) return Unexpected("'" + std::string(text) + "' is no distinguished name: " + der.error());
    return Identification{IdType::der_asn1_dn, std::move(*der)};
}

Result<Identification, std::string> key_identity(std::string_view text) {
    if (text.empty()) return Unexpected(std::string("'keyid:' needs a text, or hex digits behind 0x"));
    if (text.starts_with("0x")) {
        auto bytes = from_hex(text);
        if (!bytes || bytes->empty())
            return Unexpected("'" + std::string(text) + "' are no pairs of hex digits");
        return Identification{IdType::key_id, std::move(*bytes)};
    }
    return Identification{IdType::key_id, bytes_of(text)};
}

struct Prefix {
    std::string_view text;
    Result<Identification, std::string> (*parse)(std::string_view);
};
constexpr std::array kPrefixes{
    Prefix{"fqdn:", fqdn_identity}, Prefix{"email:", email_identity}, Prefix{"address:", address_identity},
    Prefix{"dn:", name_identity},   Prefix{"keyid:", key_identity},
};

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\')
            out += c;
        else
            out += "\\x" + to_hex({&byte, 1});
    }
    return out;
}

std::optional<IpAddress> address_in(const Identification& id) {
    if (id.type == IdType::ipv4_address && id.data.size() == 4)
        return IpAddress::v4({id.data[0], id.data[1], id.data[2], id.data[3]});
    if (id.type != IdType::ipv6_address || id.data.size() != 16) return std::nullopt;
    std::array<std::uint8_t, 16> v6{};
    std::ranges::copy(id.data, v6.begin());
    return IpAddress::v6(v6);
}

/// The local part of an e-mail address is the host's own business, so its case counts.
bool same_email(std::string_view a, std::string_view b) {
    const auto at = a.rfind('@');
    if (at != b.rfind('@') || at == std::string_view::npos) return a == b;
    return a.substr(0, at) == b.substr(0, at) && same_without_case(a.substr(at), b.substr(at));
}

bool in_certificate(const Certificate& certificate, const Identification& id) {
    switch (id.type) {
        case IdType::fqdn:
            return std::ranges::any_of(certificate.dns_names(), [&](const std::string& name) {
                return same_without_case(name, view_of(id.data));
            });
        case IdType::rfc822_address:
            return std::ranges::any_of(certificate.email_addresses(), [&](const std::string& name) {
                return same_email(name, view_of(id.data));
            });
        case IdType::ipv4_address:
        case IdType::ipv6_address: {
            const auto address = address_in(id);
            return address && std::ranges::find(certificate.ip_addresses(), *address) !=
                                  certificate.ip_addresses().end();
        }
        case IdType::der_asn1_dn: return same_distinguished_name(certificate.subject_der(), id.data);
        default: return false;
    }
}

std::string names_in(const Certificate& certificate) {
    std::string out;
    const auto add = [&out](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
    for (const auto& name : certificate.dns_names()) add(name);
    for (const auto& name : certificate.email_addresses()) add(name);
    for (const auto& address : certificate.ip_addresses()) add(address.text());
    return out.empty() ? "it has no subject alternative names" : "its subject alternative names are " + out;
}

}  // namespace

Result<Identification, std::string> parse_identity(std::string_view text) {
    if (text.size() > kMaxIdentity)
        return Unexpected(std::string("an identity of more than 1024 characters"));
    for (const Prefix& prefix : kPrefixes)
        if (text.starts_with(prefix.text)) return prefix.parse(text.substr(prefix.text.size()));
    if (IpAddress::parse(text)) return address_identity(text);
    if (text.find('=') != std::string_view::npos) return name_identity(text);
    // "@gw.example.org" is how other implementations write an FQDN that must not be looked up.
    if (text.starts_with('@')) return fqdn_identity(text.substr(1));
    if (text.find('@') != std::string_view::npos) return email_identity(text);
    return fqdn_identity(text);
}

std::string text_of(const Identification& id) {
    switch (id.type) {
        case IdType::fqdn:
        case IdType::rfc822_address: return printable(view_of(id.data));
        case IdType::ipv4_address:
        case IdType::ipv6_address: {
            const auto address = address_in(id);
            return address ? address->text() : "malformed address " + to_hex(id.data);
        }
        case IdType::der_asn1_dn: return distinguished_name_text(id.data);
        case IdType::key_id: return "keyid:0x" + to_hex(id.data);
        case IdType::null: return "nobody (null identity)";
        default: return name_of(id.type) + " " + to_hex(id.data);
    }
}

bool same_identity(const Identification& a, const Identification& b) {
    if (a.type != b.type) return false;
    switch (a.type) {
        case IdType::fqdn: return same_without_case(view_of(a.data), view_of(b.data));
        case IdType::rfc822_address: return same_email(view_of(a.data), view_of(b.data));
        case IdType::der_asn1_dn: return same_distinguished_name(a.data, b.data);
        default: return a.data == b.data;
    }
}

Result<void, std::string> certificate_names(const Certificate& certificate, const Identification& id) {
    if (in_certificate(certificate, id)) return {};
    return Unexpected("the certificate of " + certificate.subject() + " does not speak for " +
                      name_of(id.type) + " " + text_of(id) + ": " + names_in(certificate));
}

}  // namespace isthmus::crypto::ike
