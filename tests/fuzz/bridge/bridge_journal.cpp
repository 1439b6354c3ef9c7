// Any bytes as a journal: what is accepted must come back the same from its own text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "bridge/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus::bridge;
    const JournalScope scope{"boot", "net:[1]"};
    const auto journal = parse_journal({reinterpret_cast<const char*>(data), size}, scope);
    if (!journal) return 0;
    const auto again = parse_journal(serialize(*journal, scope), scope);
    if (!again || !(*again == *journal)) std::abort();
    return 0;
}
