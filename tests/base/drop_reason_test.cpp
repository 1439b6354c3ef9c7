#include "base/drop_reason.h"

#include <doctest/doctest.h>

#include <set>

using namespace isthmus;

TEST_CASE("every drop reason has a name and an explanation of its own") {
    std::set<std::string_view> names;
    std::set<std::string_view> texts;
    for (std::size_t i = 0; i < kDropReasonCount; ++i) {
        const auto reason = static_cast<DropReason>(i);
        CHECK_FALSE(explain(reason).empty());
        CHECK(name_of(reason).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
              std::string_view::npos);
        names.insert(name_of(reason));
        texts.insert(explain(reason));
    }
    CHECK(names.size() == kDropReasonCount);
    CHECK(texts.size() == kDropReasonCount);
}

TEST_CASE("a reason's name is the enumerator's") {
    CHECK(name_of(DropReason::none) == "none");
    CHECK(name_of(DropReason::exceeds_path_mtu) == "exceeds_path_mtu");
    CHECK(name_of(DropReason::tap_refused) == "tap_refused");
}
