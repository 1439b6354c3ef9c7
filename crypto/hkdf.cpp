#include "crypto/hkdf.h"

#include <algorithm>
#include <stdexcept>

namespace isthmus::crypto {

namespace {

/// hmac() returns plain bytes; these are keys.
SecretBytes secret_hmac(Hash hash, Bytes key, std::initializer_list<Bytes> parts) {
    std::vector<std::uint8_t> plain = hmac(hash, key, parts);
    SecretBytes out{Bytes(plain)};
    explicit_bzero(plain.data(), plain.size());
    return out;
}

}  // namespace

SecretBytes hkdf(Hash hash, Bytes key, Bytes salt, Bytes info, std::size_t size) {
    const std::size_t step = hash_size(hash);
    if (size > 255 * step) throw std::length_error("hkdf: more bytes than it can make");
    if (size == 0) return {};
    const std::vector<std::uint8_t> zeros(step);
    const SecretBytes extracted = secret_hmac(hash, salt.empty() ? Bytes(zeros) : salt, {key});
    std::vector<std::uint8_t> out;
    out.reserve(size);  // no copies of it are left behind
    SecretBytes last;
    for (std::uint8_t count = 1; out.size() < size; ++count) {
        last = secret_hmac(hash, extracted.reveal(), {last.reveal(), info, Bytes(&count, 1)});
        const std::size_t take = std::min(step, size - out.size());
        out.insert(out.end(), last.reveal().begin(),
                   last.reveal().begin() + static_cast<std::ptrdiff_t>(take));
    }
    SecretBytes result{Bytes(out)};
    explicit_bzero(out.data(), out.size());
    return result;
}

}  // namespace isthmus::crypto
