// Parses state files of manually keyed SAs. With an even first byte the check sum is made right first, so that the
// fields are reached.
#include <cstdlib>
#include <string>

#include "crypto/digest.h"
#include "crypto/esp/sequence_state.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::esp;

namespace {
Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 4096) return 0;
    std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
    if (data[0] % 2 == 0) {
        text.resize(text.rfind("check ") == std::string::npos ? text.size() : text.rfind("check "));
        const auto hash = digest(Hash::sha256, bytes_of(text));
        text += "check " + to_hex(Bytes(hash).first(16)) + "\n";
    }
    const auto state = SequenceState::parse(bytes_of(text));
    if (state && state->emit() != text) std::abort();
    if (state && !resume(bytes_of(text), state->identity)) std::abort();
    return 0;
}
