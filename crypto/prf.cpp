#include "crypto/prf.h"

#include <algorithm>
#include <stdexcept>

namespace isthmus::crypto {

SecretBytes prf(Prf function, Bytes key, std::initializer_list<Bytes> parts) {
    auto mac = hmac(hash_of(function), key, parts);
    SecretBytes out(mac);
    explicit_bzero(mac.data(), mac.size());
    return out;
}

SecretBytes prf_plus(Prf function, Bytes key, Bytes seed, std::size_t size) {
    if (size > 255 * prf_size(function)) throw std::length_error("prf+ has no more than 255 blocks");
    std::vector<std::uint8_t> out;
    out.reserve(size + prf_size(function));  // never moved, so that no copy is left behind
    SecretBytes block;
    for (std::uint8_t n = 1; out.size() < size; ++n) {
        block = prf(function, key, {block.reveal(), seed, Bytes(&n, 1)});
        out.insert(out.end(), block.reveal().begin(), block.reveal().end());
    }
    SecretBytes secret(Bytes(out).first(size));
    explicit_bzero(out.data(), out.size());
    return secret;
}

}  // namespace isthmus::crypto
