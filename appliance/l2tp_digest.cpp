#include "appliance/l2tp_digest.h"

#include <algorithm>
#include <vector>

#include "crypto/digest.h"

namespace isthmus::appliance {

namespace {

template <class Digest>
Digest as(const std::vector<std::uint8_t>& bytes) {
    Digest out{};
    std::ranges::copy(bytes, out.begin());
    return out;
}

}  // namespace

tunnel::Md5Digest L2tpDigest::md5(std::initializer_list<Bytes> parts) const {
    std::vector<std::uint8_t> joined;
    for (const Bytes part : parts) joined.insert(joined.end(), part.begin(), part.end());
    const auto out = as<tunnel::Md5Digest>(crypto::digest(crypto::Hash::md5, joined));
    if (!joined.empty()) explicit_bzero(joined.data(), joined.size());  // the shared key is among the parts
    return out;
}

tunnel::Md5Digest L2tpDigest::hmac_md5(Bytes key, std::initializer_list<Bytes> parts) const {
    return as<tunnel::Md5Digest>(crypto::hmac(crypto::Hash::md5, key, parts));
}

tunnel::Sha1Digest L2tpDigest::hmac_sha1(Bytes key, std::initializer_list<Bytes> parts) const {
    return as<tunnel::Sha1Digest>(crypto::hmac(crypto::Hash::sha1, key, parts));
}

}  // namespace isthmus::appliance
