#include "bridge/journal.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

const JournalScope kScope{"6a3c1a4e", "net:[4026531840]"};

Journal full() {
    return {{"br-dc", "br-two"},
            {{"lan0", IfIndex{3}, "br-dc", 9000, true, Inet6Settings{false, AddrGenMode::stable_privacy}},
             {"eth0.5", IfIndex{4294967295}, "br-two", 1000, false, std::nullopt}},
            {true, std::nullopt, false}};
}

}  // namespace

TEST_CASE("a journal comes back from its text as it was") {
    CHECK(parse_journal(serialize(full(), kScope), kScope).value() == full());
    CHECK(parse_journal(serialize({}, kScope), kScope).value() == Journal{});
}

TEST_CASE("a journal of another boot or namespace is of no concern") {
    const auto text = serialize(full(), kScope);
    CHECK(parse_journal(text, {"other", kScope.network_namespace}).value().empty());
    CHECK(parse_journal(text, {kScope.boot_id, "net:[1]"}).value().empty());
}

TEST_CASE("a journal cut off anywhere is refused, not half believed") {
    const auto text = serialize(full(), kScope);
    for (std::size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(parse_journal(text.substr(0, size), kScope).has_value());
    }
}

TEST_CASE("a line that is no record is named by its number") {
    const std::string head = "isthmus-bridge-journal 1\nscope 6a3c1a4e net:[4026531840]\n";
    for (const char* bad :
         {"port lan0 3 br-dc 1500 1 0\n", "port lan0 0 br-dc 1500 1 0 1\n", "port lan0 3 br-dc 1500 2 0 1\n",
          "port lan0 3 br-dc x 1 0 1\n", "port lan0 3 br-dc 1500 1 0 4\n", "port ../x 3 br-dc 1500 1 0 1\n",
          "created\n", "created a/b\n", "netfilter ebtables 1\n", "netfilter iptables 2\n", "nonsense\n",
          "\n"}) {
        CAPTURE(bad);
        const auto parsed = parse_journal(head + bad + "end\n", kScope);
        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().rfind("line 3: ", 0) == 0);
    }
}
