#include "config/io/system_environment.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::config;

TEST_CASE("a file comes with its owner and mode, through links too") {
    const test::TemporaryFolder folder;
    const std::string key = folder.write("key", "content");
    REQUIRE(chmod(key.c_str(), 0640) == 0);
    REQUIRE(symlink("key", (folder.path() / "link").c_str()) == 0);
    for (const char* name : {"key", "link"}) {
        const auto file = SystemEnvironment().read_file(folder.path() / name, 7);
        REQUIRE(file);
        CHECK(file->content == "content");
        CHECK(file->mode == 0640);
        CHECK(file->owner == geteuid());
    }
}

TEST_CASE("what is no regular file of the size that is allowed is told in words") {
    const test::TemporaryFolder folder;
    const SystemEnvironment machine;
    const std::string key = folder.write("key", "content");
    REQUIRE(mkfifo((folder.path() / "fifo").c_str(), 0600) == 0);
    CHECK(machine.read_file(key, 6).error() == "larger than 6 bytes");
    CHECK(machine.read_file((folder.path() / "none"), 10).error() == "no such file");
    CHECK(machine.read_file((folder.path() / "."), 10).error() == "it is a folder");
    CHECK(machine.read_file((folder.path() / "fifo"), 10).error() == "it is no regular file");
    CHECK(machine.read_file("/dev/zero", 10).error() == "it is no regular file");
}

TEST_CASE("this process has a user and a host with a name") {
    CHECK(SystemEnvironment().user_id() == geteuid());
    CHECK_FALSE(SystemEnvironment().host_name().empty());
}
