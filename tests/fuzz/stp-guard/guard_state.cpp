// Any bytes as the state file: refused, or restored without a block that lasts longer than the longest.
#include <cstdint>
#include <cstdlib>

#include "stp-guard/guard_engine.h"
#include "stp-guard/saved_state.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/toy_authenticator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    const auto state = parse_saved_state({data, size});
    if (state) {
        const auto again = parse_saved_state(emit(*state));
        if (!again || *again != *state) std::abort();
    } else if (name_of(state.error()).empty()) {
        std::abort();
    }

    const test::ToyAuthenticator authenticator;
    test::SeededRng rng(1);
    GuardEngine engine({DomainId{1}, SiteId{1}, NodeId{1}}, {}, authenticator, rng);
    const TimePoint now(std::chrono::seconds(5000));
    if (engine.restore({data, size}, 1, now).has_value() != state.has_value()) std::abort();
    GuardPort port;
    port.id = PortId{1};
    port.kind = PortKind::tunnel;
    port.name = state && !state->records.empty() ? state->records[0].port : "dc2";
    port.vlans = VlanSet::parse("1-20").value();
    port.untagged = true;
    engine.on_port(port, now);
    for (const VlanStatus& vlan : engine.status(now).vlans)
        if (vlan.cause != Cause::operator_hold && vlan.held_until &&
            *vlan.held_until > now + std::chrono::hours(1))
            std::abort();
    (void)engine.save(1, now);
    return 0;
}
