#include "base/address.h"

#include <arpa/inet.h>

#include <cstring>

namespace isthmus {

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) {
        if (i > 0 && text[i * 3 - 1] != ':') return std::nullopt;
        const auto octet = from_hex(text.substr(i * 3, 2));
        if (!octet || octet->size() != 1) return std::nullopt;
        mac.bytes[i] = (*octet)[0];
    }
    return mac;
}

std::string MacAddress::text() const {
    std::string out;
    for (std::size_t i = 0; i < 6; ++i) {
        if (i > 0) out.push_back(':');
        out += to_hex({&bytes[i], 1});
    }
    return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would stop there
    const std::string copy(text);
    std::array<std::uint8_t, 4> four{};
    if (inet_pton(AF_INET, copy.c_str(), four.data()) == 1) return v4(four);
    std::array<std::uint8_t, 16> sixteen{};
    if (inet_pton(AF_INET6, copy.c_str(), sixteen.data()) == 1) return v6(sixteen);
    return std::nullopt;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> out{};
    inet_ntop(is_v6_ ? AF_INET6 : AF_INET, bytes_.data(), out.data(), out.size());
    return out.data();
}

std::string Endpoint::text() const {
    const std::string port_text = ":" + std::to_string(port);
    return address.is_v6() ? "[" + address.text() + "]" + port_text : address.text() + port_text;
}

}  // namespace isthmus
