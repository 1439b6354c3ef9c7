// Parses revocation lists: they come from files, but those are fetched from somewhere.
#include <cstdlib>

#include "crypto/crl.h"

using namespace isthmus;
using namespace isthmus::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    (void)Crl::from_pem({data, size});
    const auto crl = Crl::from_der({data, size});
    if (!crl) return 0;
    (void)crl->issuer();
    (void)crl->number();
    for (const auto& entry : crl->entries())
        if (entry.reason.size() > 100) std::abort();
    return 0;
}
