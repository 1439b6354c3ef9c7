#include <algorithm>

#include "config/draft.h"

namespace isthmus::config {

namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxHostName = 253;

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view text) {
    if (text.empty() || text.size() > kMaxLabel || !is_letter_or_digit(text.front())) return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

std::optional<std::string> read_label(const Section& section, std::string_view key) {
    auto name = section.text(key);
    if (name && !is_label(*name))
        section.problem(
            key, quoted(*name) + " is no name",
            "names have 1 to 63 letters, digits, '.', '_' or '-', and begin with a letter or digit");
    return name;
}

std::optional<std::pair<std::string, std::string>> fault_of_interface_name(std::string_view name) {
    using Fault = std::pair<std::string, std::string>;
    if (name.empty()) return Fault{"is empty", "interface names have 1 to 15 characters"};
    if (name.size() > bridge::kMaxInterfaceName)
        return Fault{quoted(name) + " has " + std::to_string(name.size()) + " characters",
                     "Linux interface names have at most 15"};
    for (const char c : name) {
        if (c > ' ' && c <= '~' && c != '/' && c != ':' && c != '%') continue;
        return Fault{quoted(name) + " has a character that interface names cannot have",
                     "use printable ASCII without blanks, '/', ':' and '%'"};
    }
    if (name == "." || name == ".." || name == "all" || name == "default")
        return Fault{quoted(name) + " is reserved", "choose another name"};
    return std::nullopt;
}

std::optional<std::string> read_interface_name(const Section& section, std::string_view key) {
    auto name = section.text(key);
    if (!name) return std::nullopt;
    if (auto fault = fault_of_interface_name(*name))
        section.problem(key, std::move(fault->first), std::move(fault->second));
    return name;
}

std::optional<IpAddress> read_unicast_address(const Section& section, std::string_view key) {
    const auto text = section.text(key);
    if (!text) return std::nullopt;
    const auto address = IpAddress::parse(*text);
    if (!address) {
        section.problem(key, quoted(*text) + " is no IP address",
                        "write a plain IPv4 or IPv6 address, as in \"192.0.2.1\" or \"2001:db8::1\"");
        return std::nullopt;
    }
    if (const auto fault = fault_of_address(*address)) {
        section.problem(key, address->text() + " " + *fault, "write the unicast address of one host");
        return std::nullopt;
    }
    return address;
}

std::optional<std::string> fault_of_address(const IpAddress& address) {
    const Bytes b = address.bytes();
    if (address.is_unspecified()) return "is the unspecified address";
    if (address.is_v4()) {
        if (b[0] >= 224 && b[0] < 240) return "is a multicast address";
        if (b[0] >= 240) return "is a broadcast or reserved address";
        if (b[0] == 0) return "is an address of no host";
        return std::nullopt;
    }
    if (b[0] == 0xff) return "is a multicast address";
    if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        return "is a link-local address, which means nothing without an interface";
    const auto mapped = std::to_array<std::uint8_t>({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
    if (std::equal(mapped.begin(), mapped.end(), b.begin())) return "is an IPv4 address dressed as IPv6";
    return std::nullopt;
}

std::optional<Host> read_remote_host(const Section& section) {
    const auto text = section.text("remote");
    if (!text) return std::nullopt;
    if (*text == "any") return Host{};
    const bool numeric = text->find_first_not_of("0123456789.") == std::string::npos;
    if (numeric || text->find(':') != std::string::npos) {
        const auto address = read_unicast_address(section, "remote");
        if (!address) return std::nullopt;
        return Host{address->text(), address};
    }
    const bool is_name = text->size() <= kMaxHostName && is_letter_or_digit(text->front()) &&
                         std::all_of(text->begin(), text->end(), [](char c) {
                             return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_';
                         });
    if (is_name) return Host{*text, std::nullopt};
    section.problem(
        "remote", quoted(*text) + " is neither an address nor a host's name",
        "write \"192.0.2.2\", \"gw.example.org\", or \"any\" for a peer that comes from anywhere");
    return std::nullopt;
}

std::uint16_t read_port(const Section& section, std::string_view key, std::uint16_t fallback) {
    return static_cast<std::uint16_t>(section.integer(key, 1, 65'535).value_or(fallback));
}

}  // namespace isthmus::config
