#include "stp-guard/saved_state.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

SavedState example() {
    SavedState state;
    state.boot = 0x1122334455667788;
    state.saved_at = TimePoint(100s);
    state.observe = true;
    state.records.push_back({SavedRecord::Kind::opened, "dc2", 0, Cause::none, false, 0, {}, {}, {}, {}});
    state.records.push_back({SavedRecord::Kind::blocked,
                             "dc2",
                             110,
                             Cause::backdoor,
                             true,
                             3,
                             TimePoint(90s),
                             TimePoint(150s),
                             TimePoint(90s),
                             {}});
    state.records.push_back({SavedRecord::Kind::held,
                             "dc3",
                             0,
                             Cause::operator_hold,
                             false,
                             0,
                             TimePoint(80s),
                             {},
                             {},
                             TimePoint(3600s)});
    state.records.push_back({SavedRecord::Kind::lan_block,
                             std::string(255, 'x'),
                             4094,
                             Cause::lan_loop,
                             false,
                             1,
                             TimePoint(80s),
                             TimePoint(110s),
                             TimePoint(80s),
                             {}});
    SavedRecord ready;
    ready.kind = SavedRecord::Kind::ready;
    ready.port = "ens5";
    ready.link = 0x0000'0005'0000'0003;
    state.records.push_back(ready);
    return state;
}

}  // namespace

TEST_CASE("a state read is the state written") {
    const auto state = parse_saved_state(emit(example()));
    REQUIRE(state);
    CHECK(*state == example());
    CHECK(parse_saved_state(emit(SavedState{}))->records.empty());
}

TEST_CASE("no truncation of a state is a state") {
    const auto bytes = emit(example());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE_MESSAGE(parse_saved_state(Bytes(bytes).first(size)), size);
}

TEST_CASE("what is no state is refused by name") {
    auto bytes = emit(example());
    bytes.push_back(0);
    CHECK(parse_saved_state(bytes).error() == SavedStateError::trailing);
    bytes.pop_back();
    bytes[0] ^= 1;
    CHECK(parse_saved_state(bytes).error() == SavedStateError::not_a_state);
    bytes[0] ^= 1;
    bytes[20] = 2;  // flags
    CHECK(parse_saved_state(bytes).error() == SavedStateError::bad_record);
    bytes[20] = 1;
    bytes[25] = 9;  // the first record's kind
    CHECK(parse_saved_state(bytes).error() == SavedStateError::bad_record);
    // A count that promises more than there is costs nothing.
    bytes = emit(SavedState{});
    bytes[21] = 0xff;
    CHECK(parse_saved_state(bytes).error() == SavedStateError::truncated);
}
