#include "appliance/state_directory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "tests/support/temporary_folder.h"

using namespace isthmus;
using appliance::StateDirectory;

TEST_CASE("a second daemon on one state directory is refused and told who holds it") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "state";
    {
        const auto first = StateDirectory::open(path, "dc-gw");
        REQUIRE(first);
        const auto second = StateDirectory::open(path, "other");
        REQUIRE_FALSE(second);
        CHECK(second.error().find("in use by gateway \"dc-gw\" (process " + std::to_string(getpid()) + ")") !=
              std::string::npos);
    }
    CHECK(StateDirectory::open(path, "other").has_value());
}

TEST_CASE("files may be prepared beside a running daemon, by one at a time") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "state";
    const auto daemon = StateDirectory::open(path, "dc-gw");
    REQUIRE(daemon);
    const auto first = StateDirectory::open(path, "dc-gw", StateDirectory::Purpose::prepare);
    CHECK(first.has_value());
    CHECK_FALSE(StateDirectory::open(path, "dc-gw", StateDirectory::Purpose::prepare).has_value());
}

TEST_CASE("a state directory is made for its owner only, and one that others may write is refused") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "state";
    CHECK(StateDirectory::open(path, "dc-gw").has_value());
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms::owner_all);
    std::filesystem::permissions(path, std::filesystem::perms::all);
    const auto opened = StateDirectory::open(path, "dc-gw");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().find("mode 0700") != std::string::npos);
}
