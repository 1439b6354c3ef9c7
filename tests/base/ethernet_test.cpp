#include "base/ethernet.h"

#include <doctest/doctest.h>

#include <string_view>

using namespace isthmus;

namespace {

using Vector = std::vector<std::uint8_t>;

Vector frame(std::string_view tags_and_type, std::size_t payload = 4) {
    auto out = *from_hex("0180c2000000020000000001");
    const auto rest = *from_hex(tags_and_type);
    out.insert(out.end(), rest.begin(), rest.end());
    out.insert(out.end(), payload, 0x55);
    return out;
}

/// Parses at every truncation: whole from `header` bytes on, refused below.
void check_truncations(const Vector& whole, std::size_t header) {
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        CAPTURE(size);
        const Vector cut(whole.begin(),
                         whole.begin() + static_cast<std::ptrdiff_t>(size));  // so that asan sees its end
        const auto view = EthernetView::parse(cut);
        REQUIRE(view.has_value() == (size >= header));
        if (view) CHECK(view->payload_offset == header);
    }
}

}  // namespace

TEST_CASE("an untagged frame has its type at 12 and its payload at 14") {
    const auto bytes = frame("0800");
    const auto view = EthernetView::parse(bytes);
    REQUIRE(view);
    CHECK(view->destination.text() == "01:80:c2:00:00:00");
    CHECK(view->source.text() == "02:00:00:00:00:01");
    CHECK(view->tag_count == 0);
    CHECK(view->type == kEtherTypeIpv4);
    CHECK_FALSE(view->is_llc());
    check_truncations(bytes, 14);
}

TEST_CASE("a length field means LLC") {
    CHECK(EthernetView::parse(frame("0026"))->is_llc());
    CHECK(EthernetView::parse(frame("05ff"))->is_llc());
    CHECK_FALSE(EthernetView::parse(frame("0600"))->is_llc());
}

TEST_CASE("a tag has a priority, a VLAN and its own TPID") {
    const auto bytes = frame("8100a00a86dd");
    const auto view = EthernetView::parse(bytes);
    REQUIRE(view);
    CHECK(view->tag_count == 1);
    CHECK(view->tags[0].tpid == kEtherTypeVlan);
    CHECK(view->tags[0].pcp() == 5);
    CHECK(view->tags[0].vid() == 10);
    CHECK(view->type == kEtherTypeIpv6);
    check_truncations(bytes, 18);
}

TEST_CASE("two tags are outermost first, whatever their TPIDs") {
    for (const char* tpids : {"88a80064 8100000a 0806", "8100006481000 00a0806", "910000648100000a0806"}) {
        std::string hex(tpids);
        std::erase(hex, ' ');
        const auto bytes = frame(hex);
        const auto view = EthernetView::parse(bytes);
        REQUIRE(view);
        CHECK(view->tag_count == 2);
        CHECK(view->tags[0].vid() == 100);
        CHECK(view->tags[1].vid() == 10);
        CHECK(view->type == kEtherTypeArp);
        check_truncations(bytes, 22);
    }
}

TEST_CASE("a third tag is payload") {
    const auto bytes = frame("88a80001810000028100000308004500");
    const auto view = EthernetView::parse(bytes);
    REQUIRE(view);
    CHECK(view->tag_count == 2);
    CHECK(view->type == kEtherTypeVlan);
    CHECK(view->payload_offset == 22);
}

TEST_CASE("a frame gets another VLAN's number, loses its tag or gets one, and keeps its priority") {
    const auto untagged = frame("0800");
    const auto tagged = frame("8100c00a0800");
    CHECK(with_vid(tagged, 20) == frame("8100c0140800"));
    CHECK(with_vid(tagged, 0) == untagged);
    CHECK(with_vid(untagged, 10) == frame("8100000a0800"));
    CHECK(with_vid(untagged, 10, 0xc000) == tagged);
    CHECK(with_vid(untagged, 0) == untagged);
    CHECK(with_vid(frame("8100c00a8100001e0800"), 0) == frame("8100001e0800"));
    // A service tag is no VLAN of a bridge that knows 802.1Q tags.
    CHECK(with_vid(frame("88a8000a0800"), 20) == frame("8100001488a8000a0800"));
}
