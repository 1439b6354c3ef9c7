#include "crypto/distinguished_name.h"

#include <openssl/x509.h>

#include <algorithm>
#include <optional>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

using Name = std::unique_ptr<X509_NAME, OpenSslFree<X509_NAME_free>>;
using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;

Name name_of(Bytes der) {
    const unsigned char* at = der.data();
    Name name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size())));
    if (name && at != der.data() + der.size()) name.reset();
    return name;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// One "KEY=value" with quotes and backslashes taken off, and how much text it used up to and with its comma.
struct Part {
    std::string key;
    std::string value;
    std::size_t used = 0;
};
Result<Part, std::string> next_part(std::string_view text) {
    Part part;
    std::string current;
    bool quoted = false;
    bool in_value = false;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && i + 1 < text.size()) {
            current += text[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            break;
        } else if (c == '+' && !quoted) {
            return Unexpected(
                std::string("a name with '+' is not supported; write \"\\+\" if the value has one"));
        } else if (c == '=' && !in_value && !quoted) {
            part.key = trimmed(current);
            current.clear();
            in_value = true;
        } else {
            current += c;
        }
    }
    if (quoted) return Unexpected(std::string("a double quote is not closed"));
    if (!in_value) return Unexpected("'" + std::string(trimmed(current)) + "' is not of the form KEY=value");
    part.value = trimmed(current);
    part.used = std::min(i + 1, text.size());
    if (part.key.empty() || part.value.empty())
        return Unexpected("'" + part.key + "=" + part.value + "' lacks its key or its value");
    return part;
}

}  // namespace

Result<std::vector<std::uint8_t>, std::string> distinguished_name_der(std::string_view text) {
    const Name name(X509_NAME_new());
    if (!name) return Unexpected(openssl_error("no memory for a name"));
    if (trimmed(text).empty()) return Unexpected(std::string("the name is empty"));
    while (!text.empty()) {
        auto part = next_part(text);
        if (!part) return Unexpected(std::move(part).error());
        text.remove_prefix(part->used);
        const auto* value = reinterpret_cast<const unsigned char*>(part->value.data());
        if (X509_NAME_add_entry_by_txt(name.get(), part->key.c_str(), MBSTRING_UTF8, value,
                                       static_cast<int>(part->value.size()), -1, 0) != 1)
            return Unexpected(openssl_error("'" + part->key + "=" + part->value + "' cannot be in a name"));
    }
    unsigned char* der = nullptr;
    const int size = i2d_X509_NAME(name.get(), &der);
    if (size <= 0) return Unexpected(openssl_error("the name cannot be encoded"));
    std::vector<std::uint8_t> out(der, der + size);
    OPENSSL_free(der);
    return out;
}

std::string distinguished_name_text(Bytes der) {
    const Name name = name_of(der);
    const Bio bio(BIO_new(BIO_s_mem()));
    constexpr unsigned long kFlags = XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ & ~ASN1_STRFLGS_ESC_MSB;
    if (!name || !bio || X509_NAME_print_ex(bio.get(), name.get(), 0, kFlags) < 0) {
        (void)openssl_error("");
        return "unreadable name";
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

bool same_distinguished_name(Bytes a, Bytes b) {
    const Name first = name_of(a);
    const Name second = name_of(b);
    (void)openssl_error("");  // what could not be read is not to surface elsewhere
    return first && second && X509_NAME_cmp(first.get(), second.get()) == 0;
}

}  // namespace isthmus::crypto
