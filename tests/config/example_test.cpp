// The packaged example and the reference page are true.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "config/load.h"
#include "config/schema.h"
#include "tests/config/fake_environment.h"

using namespace isthmus;
using namespace isthmus::config;

namespace {

std::string content_of(const std::string& path) {
    const auto root = std::filesystem::path(ISTHMUS_TEST_VECTORS).parent_path().parent_path();
    std::ifstream in(root / path, std::ios::binary);
    REQUIRE(in);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// One row of the reference page.
std::string row_of(const KeySpec& spec) {
    return "| `" + spec.path() + "` | " + std::string(name_of(spec.type)) + " | " +
           std::string(spec.fallback) + " | " + std::string(spec.range) + " | " + std::string(spec.what) +
           " |";
}

std::set<std::string> rows_in(const std::string& page) {
    std::set<std::string> rows;
    std::size_t at = 0;
    while (at < page.size()) {
        const auto end = std::min(page.find('\n', at), page.size());
        const std::string line = page.substr(at, end - at);
        if (line.starts_with("| `")) rows.insert(line);
        at = end + 1;
    }
    return rows;
}

}  // namespace

TEST_CASE("the packaged example is a good configuration without warnings but for its manual keys") {
    FakeEnvironment machine;
    machine.files["/etc/isthmus/keys/out.key"] = {std::string(72, 'a'), 0, 0600};
    machine.files["/etc/isthmus/keys/in.key"] = {std::string(72, 'b'), 0, 0400};
    const auto loaded = load(content_of("config/isthmus.example.toml"), "isthmus.example.toml", machine);
    if (!loaded)
        for (const Problem& problem : loaded.error()) MESSAGE(problem.text());
    REQUIRE(loaded);
    CHECK(loaded->sessions.size() == 2);
    REQUIRE(loaded->warnings.size() == 1);
    CHECK(loaded->warnings[0].key == "tunnel.esp.keys");
}

TEST_CASE("the reference page has a row for every key of the schema, word for word, and no other") {
    const std::set<std::string> rows = rows_in(content_of("docs/configuration.md"));
    std::set<std::string> expected;
    for (const KeySpec& spec : schema()) {
        expected.insert(row_of(spec));
        CHECK_MESSAGE(rows.contains(row_of(spec)), "missing row: ", row_of(spec));
    }
    for (const std::string& row : rows) CHECK_MESSAGE(expected.contains(row), "row of no key: ", row);
}

TEST_CASE("a default that the schema shows is the one that an empty configuration has") {
    const auto loaded = load("schema = 1\n", "c.toml", FakeEnvironment());
    REQUIRE(loaded);
    CHECK(loaded->gateway.name == "test-host");
    CHECK(loaded->gateway.state_dir == "/var/lib/isthmus");
    CHECK(loaded->gateway.control_socket == "/run/isthmus/isthmus.sock");
    CHECK(loaded->gateway.log_level == LogLevel::info);
    CHECK(loaded->gateway.log_target == LogTarget::console);
    CHECK(loaded->datapath.crypto == CipherLibrary::automatic);
    CHECK(loaded->datapath.packet_memory == 20);
    CHECK(loaded->datapath.poll_microseconds == 0);
    CHECK(loaded->sessions.empty());
}
