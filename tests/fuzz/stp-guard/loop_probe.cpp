// Any bytes as a loop probe. With the MAC made right, so that what lies behind its check is reached too.
#include "stp-guard/loop_probe.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tests/stp-guard/toy_authenticator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    const test::ToyAuthenticator authenticator;
    const auto received = parse_loop_probe({data, size});
    if (!received) {
        if (name_of(received.error()).empty()) std::abort();
        return 0;
    }
    (void)is_authentic(received->sealed, received->mac, authenticator);
    if (received->sealed.size() != kProbePayloadSize - kGuardMacSize || received->mac.size() != kGuardMacSize)
        std::abort();

    // What was understood, written again, is understood the same.
    const std::vector<std::uint8_t> again = emit(received->probe, authenticator);
    const auto second = parse_loop_probe(again);
    if (!second || second->probe != received->probe || second->altered()) std::abort();
    if (!is_authentic(second->sealed, second->mac, authenticator)) std::abort();
    if (second->arrival_vid != received->probe.vid) std::abort();
    return 0;
}
