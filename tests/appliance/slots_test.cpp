#include "appliance/slots.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace isthmus;

namespace {
struct Thing {
    struct Config {
        std::string name;
    };
    Config c;
    TunnelIndex at;
    [[nodiscard]] const Config& config() const { return c; }
};
using Things = appliance::Slots<Thing, TunnelIndex>;

Thing& add(Things& things, const std::string& name) {
    return things.add([&](TunnelIndex at) { return std::make_unique<Thing>(Thing{{name}, at}); });
}
}  // namespace

TEST_CASE("an object keeps its place while others come and go, and is found by it and by name") {
    Things things;
    add(things, "a");
    Thing& b = add(things, "b");
    add(things, "c");
    things.remove(TunnelIndex{0});
    add(things, "d");
    CHECK(things.size() == 3);
    CHECK(things.find(TunnelIndex{0}) == nullptr);
    CHECK(things.find(TunnelIndex{99}) == nullptr);
    CHECK(&things[TunnelIndex{1}] == &b);
    CHECK(things.named("d")->at == TunnelIndex{3});
    CHECK(things.named("a") == nullptr);
    std::string order;
    for (const Thing& thing : things) order += thing.c.name;
    CHECK(order == "bcd");
}

TEST_CASE("a freed place rests until many others were freed, and is then used again") {
    Things things;
    std::set<unsigned> used;
    const std::size_t rounds = Things::kQuarantine + 10;
    unsigned last = 0xffff;
    for (std::size_t i = 0; i < rounds; ++i) {
        const unsigned at = raw(add(things, "x").at);
        CHECK(at != last);
        last = at;
        used.insert(at);
        things.remove(TunnelIndex(static_cast<std::uint16_t>(at)));
    }
    CHECK(used.size() == Things::kQuarantine + 1);
    CHECK(things.index_end() == Things::kQuarantine + 1);
    CHECK(things.empty());
}
