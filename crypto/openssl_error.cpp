#include "crypto/openssl_error.h"

#include <openssl/err.h>

#include <array>

namespace isthmus::crypto {

std::string openssl_error(std::string_view what) {
    std::string text(what);
    if (const unsigned long code = ERR_get_error(); code != 0) {
        std::array<char, 256> reason{};
        ERR_error_string_n(code, reason.data(), reason.size());
        text += ": ";
        text += reason.data();
    }
    ERR_clear_error();
    return text;
}

}  // namespace isthmus::crypto
