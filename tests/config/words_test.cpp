#include "config/words.h"

#include <doctest/doctest.h>

using namespace isthmus::config;

TEST_CASE("edit distance counts insertions, deletions, replacements and swaps") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "abc") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "abxc") == 1);
    CHECK(edit_distance("abc", "ac") == 1);
    CHECK(edit_distance("abc", "acb") == 1);
    CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest word is found if it is near enough") {
    CHECK(nearest("brige", {"bridge", "tunnel"}) == "bridge");
    CHECK(nearest("tunel", {"bridge", "tunnel"}) == "tunnel");
    CHECK(nearest("session", {"bridge", "tunnel"}).empty());
    CHECK(nearest("x", {}).empty());
    CHECK(nearest(std::string(1'000'000, 'x'), {"bridge"}).empty());
}

TEST_CASE("quoting keeps to printable characters, 40 of them, and hides what could be a key") {
    CHECK(quoted("plain") == "\"plain\"");
    CHECK(quoted("a\x1b[0m\n") == "\"a?[0m?\"");
    CHECK(quoted(std::string(41, 'x')) == "\"" + std::string(40, 'x') + "...\"");
    CHECK(quoted("0123456789abcdef") == "text of 16 characters");
    CHECK(without_secrets("saw '0123456789abcdef'") == "saw '...'");
    CHECK(without_secrets("a decade") == "a decade");
}

TEST_CASE("lists read as people write them") {
    CHECK(listed({}).empty());
    CHECK(listed({"a"}) == "a");
    CHECK(listed({"a", "b"}) == "a and b");
    CHECK(listed({"a", "b", "c"}) == "a, b and c");
}
