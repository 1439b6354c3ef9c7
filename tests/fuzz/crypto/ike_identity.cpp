// Identities as text. What was read has a text that leads back to it.
#include <cstdlib>
#include <string>

#include "crypto/ike/identity.h"
#include "crypto/ike/psk_strength.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 2000) return 0;
    (void)estimated_bits(SecretBytes({data, size}));
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto id = parse_identity(text);
    if (!id) {
        if (id.error().empty()) std::abort();
        return 0;
    }
    const std::string shown = text_of(*id);
    if (!same_identity(*id, *id)) std::abort();
    // The shown text of a distinguished name may quote in ways that we do not read.
    if (id->type != IdType::fqdn && id->type != IdType::key_id) return 0;
    const auto again = parse_identity(id->type == IdType::fqdn ? "fqdn:" + shown : shown);
    if (!again || !same_identity(*again, *id)) std::abort();
    return 0;
}
