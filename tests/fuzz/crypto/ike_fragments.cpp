// Fragments in any order, number and length. Each is five bytes: message, number, total, length (two bytes).
#include <cstdlib>

#include "crypto/ike/fragment_assembler.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kStep = 5;
    FragmentAssembler assembler;
    const std::vector<std::uint8_t> content(0xffff, 0x5a);
    for (std::size_t at = 0; at + kStep <= size && at < 500 * kStep; at += kStep) {
        EncryptedPart part;
        const std::uint16_t total = data[at + 2];
        const std::uint16_t number = data[at + 1];
        if (number == 0 || number > total) continue;  // parse_message() refuses these
        part.fragment = EncryptedPart::Fragment{number, total};
        const auto outcome =
            assembler.add(MessageId{data[at] % 4U}, part, Bytes(content).first(load_be16(data + at + 3)));
        if (assembler.size() > FragmentAssembler::kMaxFragments ||
            assembler.bytes() > FragmentAssembler::kMaxMessage)
            std::abort();
        if (outcome != FragmentAssembler::Outcome::complete) continue;
        if (assembler.size() != total) std::abort();
        const std::size_t bytes = assembler.bytes();
        if (assembler.take().bytes.size() != bytes || assembler.size() != 0) std::abort();
    }
    return 0;
}
