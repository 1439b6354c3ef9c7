#include "appliance/node_id.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/crypto/seeded_rng.h"
#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::appliance;

TEST_CASE("the node id is made once and found again") {
    const test::TemporaryFolder folder;
    test::SeededRng rng(1);
    const NodeId first = node_id(folder.path(), rng);
    CHECK(first.problem.empty());
    CHECK(first.bytes.size() == 16);
    CHECK(node_id(folder.path(), rng).bytes == first.bytes);
}

TEST_CASE("a damaged file gives way to a new node id") {
    const test::TemporaryFolder folder;
    test::SeededRng rng(1);
    std::ofstream(folder.path() / "node-id") << "nonsense\n";
    const NodeId made = node_id(folder.path(), rng);
    CHECK(made.problem.empty());
    CHECK(made.bytes.size() == 16);
    CHECK(node_id(folder.path(), rng).bytes == made.bytes);
}

TEST_CASE("a folder that cannot be written is said") {
    test::SeededRng rng(1);
    const NodeId made = node_id("/nowhere/at/all", rng);
    CHECK(made.bytes.size() == 16);
    CHECK(made.problem.find("/nowhere/at/all/node-id") != std::string::npos);
}
