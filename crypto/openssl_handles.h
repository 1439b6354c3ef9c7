// Owners of OpenSSL's objects. Included by crypto's .cpp files only: it brings OpenSSL's headers.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace isthmus::crypto {

template <auto free_function>
struct OpenSslFree {
    template <class T>
    void operator()(T* p) const noexcept {
        free_function(p);
    }
};

using CipherHandle = std::unique_ptr<EVP_CIPHER, OpenSslFree<EVP_CIPHER_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, OpenSslFree<EVP_CIPHER_CTX_free>>;
using DigestHandle = std::unique_ptr<EVP_MD, OpenSslFree<EVP_MD_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, OpenSslFree<EVP_MD_CTX_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, OpenSslFree<EVP_PKEY_CTX_free>>;

}  // namespace isthmus::crypto
