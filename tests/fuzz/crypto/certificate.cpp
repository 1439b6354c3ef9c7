// Parses certificates as a peer may send them, and checks them against nothing.
#include <cstdlib>
#include <vector>

#include "crypto/certificate.h"

using namespace isthmus;
using namespace isthmus::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto certificate = Certificate::from_der({data, size});
    if (!certificate) return 0;
    if (certificate->der().size() != size) std::abort();
    (void)certificate->subject();
    if (verify_chain(*certificate, std::vector{*certificate}, {},
                     WallTime(std::chrono::seconds(1'800'000'000))))
        std::abort();
    return 0;
}
