#include "crypto/distinguished_name.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto;

namespace {
std::string again(const char* text) {
    const auto der = distinguished_name_der(text);
    return der ? distinguished_name_text(*der) : der.error();
}
}  // namespace

TEST_CASE("a name is read and shown in the same order, quotes and backslashes included") {
    CHECK(again("C=XX, O=Example, CN=gw.example.org") == "C=XX, O=Example, CN=gw.example.org");
    CHECK(again("C=XX,O=Example,CN=gw") == "C=XX, O=Example, CN=gw");
    CHECK(again("O=\"Example, Inc\", CN=gw") == "O=\"Example, Inc\", CN=gw");
    CHECK(again("O=Example\\, Inc, CN=gw") == "O=\"Example, Inc\", CN=gw");
    CHECK(again("CN=a=b") == "CN=a=b");
}

TEST_CASE("what is no name is refused with the part at fault") {
    CHECK(again("") == "the name is empty");
    CHECK(again("gw") == "'gw' is not of the form KEY=value");
    CHECK(again("CN=gw, ") == "'' is not of the form KEY=value");
    CHECK(again("CN=") == "'CN=' lacks its key or its value");
    CHECK(again("O=\"Example, CN=gw") == "a double quote is not closed");
    CHECK(again("CN=a + OU=b").find("'+'") != std::string::npos);
    CHECK(again("C=Germany").starts_with("'C=Germany' cannot be in a name"));
    CHECK(distinguished_name_text({}) == "unreadable name");
}

TEST_CASE("names compare without regard to case and string type") {
    const auto a = distinguished_name_der("O=Example, CN=gw");
    const auto b = distinguished_name_der("O=EXAMPLE, CN=GW");
    const auto c = distinguished_name_der("CN=gw, O=Example");
    REQUIRE(a);
    REQUIRE(b);
    REQUIRE(c);
    CHECK(same_distinguished_name(*a, *b));
    CHECK_FALSE(same_distinguished_name(*a, *c));
    CHECK_FALSE(same_distinguished_name({}, {}));
    for (std::size_t n = 0; n < a->size(); ++n) CHECK_FALSE(same_distinguished_name(Bytes(*a).first(n), *a));
}
