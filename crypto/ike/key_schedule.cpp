#include "crypto/ike/key_schedule.h"

#include "crypto/digest.h"

namespace isthmus::crypto::ike {

namespace {

/// Cuts consecutive keys off a stream of prf+.
class KeyStream {
  public:
    explicit KeyStream(SecretBytes stream) : stream_(std::move(stream)) {}
    SecretBytes take(std::size_t size) {
        SecretBytes key(stream_.reveal().subspan(at_, size));
        at_ += size;
        return key;
    }

  private:
    SecretBytes stream_;
    std::size_t at_ = 0;
};

std::vector<std::uint8_t> joined(const NoncePair& nonces) {
    std::vector<std::uint8_t> both(nonces.initiator.begin(), nonces.initiator.end());
    both.insert(both.end(), nonces.responder.begin(), nonces.responder.end());
    return both;
}

}  // namespace

SecretBytes skeyseed(Prf function, const NoncePair& nonces, const SecretBytes& shared) {
    return prf(function, joined(nonces), {shared.reveal()});
}

SecretBytes rekey_skeyseed(Prf old_prf, const SecretBytes& old_d, const SecretBytes& shared,
                           const NoncePair& nonces) {
    return prf(old_prf, old_d.reveal(), {shared.reveal(), nonces.initiator, nonces.responder});
}

IkeKeys derive_ike_keys(const IkeSuite& suite, const SecretBytes& seed_key, const NoncePair& nonces,
                        const SpiPair& spis) {
    const IkeCipherShape shape = shape_of(suite.cipher);
    const std::size_t key = prf_size(suite.prf);
    ByteWriter seed;
    seed.bytes(nonces.initiator).bytes(nonces.responder).u64(raw(spis.initiator)).u64(raw(spis.responder));
    const std::size_t total = 3 * key + 2 * shape.integrity_key + 2 * shape.encryption_key;
    KeyStream stream(prf_plus(suite.prf, seed_key.reveal(), seed.view(), total));
    IkeKeys keys;
    keys.d = stream.take(key);
    keys.ai = stream.take(shape.integrity_key);
    keys.ar = stream.take(shape.integrity_key);
    keys.ei = stream.take(shape.encryption_key);
    keys.er = stream.take(shape.encryption_key);
    keys.pi = stream.take(key);
    keys.pr = stream.take(key);
    return keys;
}

void mix_ppk(Prf function, IkeKeys& keys, const SecretBytes& ppk) {
    for (SecretBytes* key : {&keys.d, &keys.pi, &keys.pr})
        *key = prf_plus(function, ppk.reveal(), key->reveal(), prf_size(function));
}

ChildKeys derive_child_keys(Prf function, const SecretBytes& d, const SecretBytes* shared,
                            const NoncePair& nonces, esp::Suite suite) {
    const std::vector<std::uint8_t> both = joined(nonces);
    std::vector<std::uint8_t> seed_bytes;
    if (shared != nullptr) seed_bytes.assign(shared->reveal().begin(), shared->reveal().end());
    seed_bytes.insert(seed_bytes.end(), both.begin(), both.end());
    const SecretBytes seed(seed_bytes);
    explicit_bzero(seed_bytes.data(), seed_bytes.size());
    const std::size_t size = esp::key_size(suite);
    KeyStream stream(prf_plus(function, d.reveal(), seed.reveal(), 2 * size));
    ChildKeys keys;
    keys.from_initiator = stream.take(size);
    keys.from_responder = stream.take(size);
    return keys;
}

std::vector<std::uint8_t> nat_detection_hash(const SpiPair& spis, const Endpoint& endpoint) {
    ByteWriter in;
    in.u64(raw(spis.initiator)).u64(raw(spis.responder));
    in.bytes(endpoint.address.bytes()).u16(endpoint.port);
    return digest(Hash::sha1, in.view());
}

}  // namespace isthmus::crypto::ike
