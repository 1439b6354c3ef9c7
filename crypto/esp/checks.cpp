#include "crypto/esp/checks.h"

#include "crypto/esp/header.h"

namespace isthmus::crypto::esp {

Result<void, std::string> check_options(const SaOptions& options) {
    if (raw(options.spi) <= kLastReservedSpi)
        return Unexpected("SPI " + std::to_string(raw(options.spi)) +
                          " is reserved (RFC 4303 section 2.1); use 256 or more");
    const SuiteShape shape = shape_of(options.suite);
    if (options.key.size() != shape.key_material())
        return Unexpected(std::string(shape.name) + " takes " + std::to_string(shape.key_material()) +
                          " bytes of keying material, not " + std::to_string(options.key.size()));
    return {};
}

}  // namespace isthmus::crypto::esp
