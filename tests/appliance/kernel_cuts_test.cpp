#include "appliance/kernel_cuts.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::appliance;
using namespace std::chrono_literals;
using bridge::RuleCount;
using stp_guard::StormClass;

TEST_CASE("what the kernel dropped of a class in a second is told by interface") {
    KernelCuts cuts;
    const TimePoint start{1h};
    cuts.on_counts({{"ist0", "broadcast", 1'000'000, 0}}, start);
    CHECK(cuts.per_second("ist0", StormClass::broadcast) == 0);
    cuts.on_counts({{"ist0", "broadcast", 1'010'000, 0},
                    {"ist0", "broadcast passed", 5'000, 0},
                    {"ist0", "strangers", 300, 0},
                    {"ist0", "resolution", 20, 0},
                    {"ist1", "broadcast", 4, 0}},
                   start + 2s);
    CHECK(cuts.per_second("ist0", StormClass::broadcast) == 5'000);
    CHECK(cuts.per_second("ist0", StormClass::address_resolution) == 160);
    CHECK(cuts.per_second("ist1", StormClass::broadcast) == 2);
    CHECK(cuts.per_second("ist1", StormClass::multicast) == 0);
    // The rules were made anew: their counters, too.
    cuts.on_counts({{"ist0", "broadcast", 600, 0}}, start + 3s);
    CHECK(cuts.per_second("ist0", StormClass::broadcast) == 600);
    CHECK(cuts.per_second("ist1", StormClass::broadcast) == 0);
}
