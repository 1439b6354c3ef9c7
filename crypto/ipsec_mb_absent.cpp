// Takes the place of the ipsec-mb provider in builds without it.
#ifndef ISTHMUS_HAS_IPSEC_MB

#include "crypto/providers.h"

namespace isthmus::crypto {

Result<std::unique_ptr<CipherProvider>, std::string> make_ipsec_mb_provider() {
    return Unexpected(std::string("this build is without libipsec-mb (CMake option ISTHMUS_IPSEC_MB)"));
}

}  // namespace isthmus::crypto

#endif
