// The encrypted part of IKE messages. Without help no random input is authentic, so the first byte asks for assistance: the
// input is then sealed here as it is, padding included by the sealer, and what is behind the ICV is exercised.
// First byte: cipher, and 0x80 for assistance. Second byte: the first payload's type.
#include <cstdlib>

#include "crypto/ike/identity.h"
#include "crypto/ike/sk_cipher.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;

namespace {

constexpr std::uint8_t kAssist = 0x80;

class ZeroRng final : public Rng {
  public:
    void fill(MutableBytes out) noexcept override {
        for (auto& byte : out) byte = 0;
    }
};

IkeCipher cipher_for(std::uint8_t mode) {
    const IkePolicy policy = default_ike_policy();
    return policy.ciphers[(mode & 0x0fU) % policy.ciphers.size()];
}
SecretBytes key_of(std::size_t size) {
    return SecretBytes(std::vector<std::uint8_t>(size, 0x42));
}

void look_at(const std::vector<Payload>& payloads) {
    (void)text_of(payloads);
    if (const auto* id = find<IdInitiatorPayload>(payloads)) {
        (void)text_of(id->id);
        if (id->id.type == IdType::fqdn && !same_identity(id->id, id->id)) std::abort();
    }
    for (const Payload& payload : payloads) {
        if (const auto* notify = std::get_if<NotifyPayload>(&payload)) {
            (void)signature_hashes_in(*notify);
            (void)ppk_identity_in(*notify);
            (void)wanted_group_in(*notify);
        }
        if (const auto* cert = std::get_if<CertificatePayload>(&payload))
            (void)Certificate::from_der(cert->data);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 20'000) return 0;
    const IkeCipher cipher = cipher_for(data[0]);
    const IkeCipherShape shape = shape_of(cipher);
    const SkOpener opener(cipher, key_of(shape.encryption_key), key_of(shape.integrity_key));
    const Bytes input(data + 2, size - 2);
    if ((data[0] & kAssist) == 0) {
        const auto message = parse_message(input);
        if (message && message->encrypted && opener.open(input, *message->encrypted)) std::abort();
        return 0;
    }
    SkSealer sealer(cipher, key_of(shape.encryption_key), key_of(shape.integrity_key));
    ZeroRng rng;
    Header header;
    header.initiator_spi = IkeSpi{1};
    const PayloadChain chain{PayloadType{data[1]}, {input.begin(), input.end()}};
    const Datagram datagram = sealer.seal(header, chain, rng);
    const auto message = parse_message(datagram);
    if (!message || !message->encrypted) std::abort();
    const auto text = opener.open(datagram, *message->encrypted);
    if (!text || *text != chain.bytes) std::abort();
    const auto payloads = parse_payloads(message->encrypted->first_inner, *text);
    if (payloads) look_at(*payloads);
    return 0;
}
