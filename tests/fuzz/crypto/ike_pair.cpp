// Two engines, and a sequence of operations from the input: time, loss, rekeyings, terminations, crashes, forged and altered
// datagrams. Whatever comes, no key is used twice, no message is taken for another, and a calm link brings both together.
#include <cstdlib>

#include "tests/support/ike_world.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

constexpr std::size_t kMostOperations = 64;

Side& side_of(World& world, std::uint8_t operation) {
    return (operation & 0x80) != 0 ? world.b() : world.a();
}

void rekey(World& world, Side& side, std::optional<std::string_view> child) {
    if (!side.engine) return;
    (void)world.call(side, [&](Engine& e, TimePoint now) { return e.rekey(side.peers[0].name, child, now); });
}

void inject(World& world, Side& side, Bytes datagram) {
    const Side& other = &side == &world.a() ? world.b() : world.a();
    if (!side.engine) return;
    world.call(side, [&](Engine& e, TimePoint now) {
        e.on_datagram(datagram, {{side.address, 500}, {other.address, 500}, std::nullopt}, now, {});
        return 0;
    });
}

void operate(World& world, std::uint8_t operation, std::uint8_t value, std::vector<std::uint8_t>& seen) {
    Side& side = side_of(world, operation);
    switch (operation & 0x0f) {
        case 0: return rekey(world, side, "l2tp");
        case 1: return rekey(world, side, std::nullopt);
        case 2: return world.run_for(std::chrono::milliseconds(value));
        case 3: return world.run_for(std::chrono::milliseconds(100 * value));
        case 4: world.link().loss_percent = value % 60; return;
        case 5: world.link().duplicate_percent = value % 60; return;
        case 6: world.link().most_delay = world.link().least_delay + std::chrono::milliseconds(value); return;
        case 7:
            if (side.engine)
                (void)world.call(
                    side, [&](Engine& e, TimePoint now) { return e.terminate(side.peers[0].name, now); });
            return;
        case 8: return world.kill(side);
        case 9:
            if (!side.engine) world.start(side);
            return;
        case 10:
            // An altered copy of a genuine message.
            if (seen.empty()) return;
            seen[value % seen.size()] ^= static_cast<std::uint8_t>(1U << (operation >> 4 & 7U));
            return inject(world, side, seen);
        case 11: return inject(world, side, seen);  // replayed, or reflected
        default: return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    World world(size);
    configure(world, Role::both, Role::both);
    std::vector<std::uint8_t> seen;
    world.filter = [&](const Side&, const SendDatagram& sent) {
        seen = sent.bytes;
        return true;
    };
    world.start(world.a());
    world.start(world.b());
    for (std::size_t i = 0; i + 1 < size && i < 2 * kMostOperations; i += 2)
        operate(world, data[i], data[i + 1], seen);

    world.link() = {};
    for (Side* side : {&world.a(), &world.b()})
        if (!side->engine) world.start(*side);
    const bool agreed = world.run_till([&] { return world.both_up() && world.disagreement().empty(); }, 200s);
    if (!agreed || !world.reused.empty()) std::abort();
    return 0;
}
