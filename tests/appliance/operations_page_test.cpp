#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/drop_reason.h"

using namespace isthmus;

TEST_CASE("every drop reason is in the operations page, in the words that status uses") {
    std::ifstream in(ISTHMUS_TEST_VECTORS "/../../docs/operations.md");
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    REQUIRE_FALSE(page.empty());
    for (std::size_t i = 1; i < kDropReasonCount; ++i) {
        const auto reason = static_cast<DropReason>(i);
        const std::string row =
            "| `" + std::string(name_of(reason)) + "` | " + std::string(explain(reason)) + " |";
        CHECK_MESSAGE(page.find(row) != std::string::npos, row);
    }
}
