#include "crypto/ike/fragment_assembler.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {

using Outcome = FragmentAssembler::Outcome;
constexpr MessageId kId{1};

EncryptedPart part(std::uint16_t number, std::uint16_t total) {
    EncryptedPart p;
    p.fragment = EncryptedPart::Fragment{number, total};
    if (number == 1) p.first_inner = PayloadType::id_initiator;
    return p;
}
std::vector<std::uint8_t> filled(std::size_t n, std::uint8_t value) {
    return std::vector<std::uint8_t>(n, value);
}

}  // namespace

TEST_CASE("fragments complete a message when the last gap is filled; duplicates change nothing") {
    FragmentAssembler a;
    CHECK(a.add(kId, part(3, 3), filled(3, 3)) == Outcome::stored);
    CHECK(a.add(kId, part(1, 3), filled(1, 1)) == Outcome::stored);
    CHECK(a.add(kId, part(3, 3), filled(99, 9)) == Outcome::duplicate);
    CHECK(a.bytes() == 4);
    CHECK(a.add(kId, part(2, 3), filled(2, 2)) == Outcome::complete);
    const auto chain = a.take();
    CHECK(chain.first == PayloadType::id_initiator);
    CHECK(chain.bytes == std::vector<std::uint8_t>{1, 2, 2, 3, 3, 3});
}

TEST_CASE("a new division into more fragments replaces the old one, one into fewer is stale") {
    FragmentAssembler a;
    CHECK(a.add(kId, part(1, 2), filled(5, 1)) == Outcome::stored);
    CHECK(a.add(kId, part(2, 3), filled(4, 2)) == Outcome::stored);
    CHECK(a.size() == 1);
    CHECK(a.add(kId, part(2, 2), filled(5, 9)) == Outcome::stale);
    CHECK(a.add(kId, part(1, 3), filled(4, 1)) == Outcome::stored);
    CHECK(a.add(kId, part(3, 3), filled(4, 3)) == Outcome::complete);
    CHECK(a.take().bytes.size() == 12);
}

TEST_CASE("another message's fragments replace those of one that never completed") {
    FragmentAssembler a;
    CHECK(a.add(kId, part(1, 9), filled(5, 1)) == Outcome::stored);
    CHECK(a.add(MessageId{2}, part(1, 2), filled(5, 2)) == Outcome::stored);
    CHECK(a.add(MessageId{2}, part(2, 2), filled(5, 2)) == Outcome::complete);
    CHECK(a.take().bytes == filled(10, 2));
}

TEST_CASE("what is kept is bounded in fragments and in bytes") {
    FragmentAssembler a;
    CHECK(a.add(kId, part(1, FragmentAssembler::kMaxFragments + 1), filled(1, 1)) == Outcome::too_many);
    CHECK(a.size() == 0);
    CHECK(a.add(kId, part(1, 3), filled(40'000, 1)) == Outcome::stored);
    CHECK(a.add(kId, part(2, 3), filled(25'536, 1)) == Outcome::too_long);
    CHECK(a.size() == 0);
    CHECK(a.bytes() == 0);
    CHECK(a.add(kId, part(1, 2), filled(40'000, 1)) == Outcome::stored);
    CHECK(a.add(kId, part(2, 2), filled(25'535, 1)) == Outcome::complete);
}

TEST_CASE("a message in one fragment is complete at once") {
    FragmentAssembler a;
    CHECK(a.add(kId, part(1, 1), {}) == Outcome::complete);
    CHECK(a.take().bytes.empty());
}
