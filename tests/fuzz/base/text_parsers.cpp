// Texts of configurations: VLAN lists, addresses, hex. What parses must print, and parse to the same again.
#include <cstdlib>

#include "base/address.h"
#include "base/vlan_set.h"

using namespace isthmus;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

template <class T>
void check_round_trip(std::string_view text) {
    const auto value = T::parse(text);
    if (!value) return;
    const auto again = T::parse(value->text());
    require(again && *again == *value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);  // a copy, so that reading past its end is seen
    check_round_trip<MacAddress>(text);
    check_round_trip<IpAddress>(text);
    if (const auto set = VlanSet::parse(text)) {
        require(!set->contains_vid(0) && !set->contains_vid(4095) && !set->empty());
        require(*VlanSet::parse(set->text()) == *set);
    }
    if (const auto bytes = from_hex(text)) require(from_hex(to_hex(*bytes)) == bytes);
    return 0;
}
