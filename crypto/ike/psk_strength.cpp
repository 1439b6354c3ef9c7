#include "crypto/ike/psk_strength.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace isthmus::crypto::ike {

namespace {

constexpr double kWordBits = 10;  ///< of a word that every list has
constexpr auto kWords = std::to_array<std::string_view>(
    {"password",  "passwort", "secret",   "isthmus", "tunnel",  "gateway", "strongswan",
     "libreswan", "openswan", "changeme", "letmein", "qwerty",  "qwertz",  "admin",
     "cisco",     "ipsec",    "interop",  "shared",  "example", "welcome", "test",
     "demo",      "vpn",      "psk",      "key",     "l2tp",    "1234",    "abcd"});

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

double bits_per_character(std::string_view text) {
    bool lower_case = false;
    bool upper_case = false;
    bool digit = false;
    bool other = false;
    bool hex_only = true;
    bool binary = false;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        lower_case |= c >= 'a' && c <= 'z';
        upper_case |= c >= 'A' && c <= 'Z';
        digit |= c >= '0' && c <= '9';
        binary |= byte < 0x20 || byte > 0x7e;
        const bool alphanumeric = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
        other |= !alphanumeric;
        hex_only &= (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
    }
    if (binary) return 8;
    if (hex_only && lower_case != upper_case) return 4;
    const int pool = (lower_case ? 26 : 0) + (upper_case ? 26 : 0) + (digit ? 10 : 0) + (other ? 12 : 0);
    return std::log2(std::max(pool, 2));
}

/// Length of the listed word that begins at `at`, in any case; 0: none.
std::size_t word_at(std::string_view text, std::size_t at) {
    std::size_t longest = 0;
    for (const std::string_view word : kWords) {
        if (text.size() - at < word.size()) continue;
        if (std::ranges::equal(text.substr(at, word.size()), word, {}, lower))
            longest = std::max(longest, word.size());
    }
    return longest;
}

/// Length of what begins at `at` and has been seen before; at least 3, otherwise 0.
std::size_t repeat_at(std::string_view text, std::size_t at) {
    std::size_t longest = 0;
    for (std::size_t from = 0; from < at; ++from) {
        std::size_t n = 0;
        while (at + n < text.size() && text[from + n] == text[at + n]) ++n;
        longest = std::max(longest, n);
    }
    return longest >= 3 ? longest : 0;
}

/// Same as the one before, or the next or previous in order: "aaa", "345", "fed".
bool continues(std::string_view text, std::size_t at) {
    if (at == 0) return false;
    const int step = static_cast<unsigned char>(text[at]) - static_cast<unsigned char>(text[at - 1]);
    return step >= -1 && step <= 1;
}

}  // namespace

unsigned estimated_bits(const SecretBytes& psk) {
    constexpr std::size_t kEnough = 512;  // more characters are not looked at: the cost grows with the square
    const Bytes all = psk.reveal().first(std::min(psk.size(), kEnough));
    const std::string_view text(reinterpret_cast<const char*>(all.data()), all.size());
    const double each = bits_per_character(text);
    double bits = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (const std::size_t word = word_at(text, at); word != 0) {
            bits += std::min(kWordBits, each * static_cast<double>(word));
            at += word;
        } else if (const std::size_t again = repeat_at(text, at); again != 0) {
            bits += std::min(kWordBits, each * static_cast<double>(again));
            at += again;
        } else {
            bits += continues(text, at) ? 1 : each;
            ++at;
        }
    }
    return static_cast<unsigned>(bits);
}

std::optional<std::string> psk_warning(const SecretBytes& psk) {
    const unsigned bits = estimated_bits(psk);
    if (bits >= kGoodPskBits) return std::nullopt;
    return "the pre-shared key is worth about " + std::to_string(bits) + " bits at most, and " +
           std::to_string(kGoodPskBits) +
           " are needed against guessing: make one with 'openssl rand -base64 32', or use certificates";
}

}  // namespace isthmus::crypto::ike
