#include "appliance/known_time.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::appliance;

namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

}  // namespace

TEST_CASE("the newest time that was seen is found again after a restart, and never goes back") {
    const test::TemporaryFolder folder;
    {
        KnownTime known(folder.path());
        CHECK(known.newest() == WallTime());
        CHECK(known.problem().empty());
        CHECK(known.on_trusted_time(kNow));
        CHECK(known.on_trusted_time(kNow - std::chrono::hours(24)));
        CHECK(known.newest() == kNow);
    }
    CHECK(KnownTime(folder.path()).newest() == kNow);
}

TEST_CASE("it is written once an hour, and when asked for") {
    const test::TemporaryFolder folder;
    KnownTime known(folder.path());
    REQUIRE(known.on_trusted_time(kNow));
    REQUIRE(known.on_trusted_time(kNow + std::chrono::minutes(59)));
    CHECK(known.newest() == kNow + std::chrono::minutes(59));
    CHECK(KnownTime(folder.path()).newest() == kNow);
    REQUIRE(known.save());
    CHECK(KnownTime(folder.path()).newest() == kNow + std::chrono::minutes(59));
    REQUIRE(known.on_trusted_time(kNow + std::chrono::minutes(120)));
    CHECK(KnownTime(folder.path()).newest() == kNow + std::chrono::minutes(120));
}

TEST_CASE("a file that holds no time is said, ignored and replaced") {
    for (const char* text : {"", "yesterday\n", "-5\n", "99999999999999\n", "12 o'clock\n"}) {
        CAPTURE(text);
        const test::TemporaryFolder folder;
        std::ofstream(folder.path() / "newest-seen") << text;
        KnownTime known(folder.path());
        CHECK(known.newest() == WallTime());
        CHECK(known.problem().find("newest-seen does not hold a time") != std::string::npos);
        REQUIRE(known.on_trusted_time(kNow));
        CHECK(KnownTime(folder.path()).newest() == kNow);
    }
}

TEST_CASE("a state directory that cannot be written is said, with what follows from it") {
    KnownTime known("/nowhere/at/all");
    const auto saved = known.on_trusted_time(kNow);
    REQUIRE_FALSE(saved);
    CHECK(saved.error().find("/nowhere/at/all/newest-seen") != std::string::npos);
    CHECK(known.newest() == kNow);
}
