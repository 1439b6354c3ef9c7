// Input: one byte of choices (bit 0: digests of type 1; bit 1: two secrets; bit 2: all that may be hidden is hidden
// first), then AVPs that are put behind a digest that fits, so that the fuzzer comes past authentication and hiding. The hash functions
// are stand-ins, quick and without secrecy: what is fuzzed is what is around them.
#include <array>
#include <cstdlib>

#include "tests/support/stand_in_digest.h"
#include "tunnel/control_auth.h"
#include "tunnel/control_message.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {

class CountingRng final : public Rng {
  public:
    void fill(MutableBytes out) noexcept override {
        for (auto& byte : out) byte = next_++;
    }

  private:
    std::uint8_t next_ = 0;
};

/// The AVPs with a Random Vector behind the first, and hidden as far as the table allows.
std::vector<std::uint8_t> hidden(Bytes body, const AvpHider& hider) {
    CountingRng rng;
    const std::array<std::uint8_t, 16> vector{1, 2, 3};
    AvpWriter out;
    AvpReader in(body);
    bool first = true;
    while (!in.done()) {
        const auto avp = in.next();
        if (!avp) break;
        if (avp->key == avp::kRandomVector) continue;  // ours is the one that counts
        const AvpRule* rule = rule_of(avp->key);
        if (rule != nullptr && rule->may_hide && !avp->hidden) {
            const auto value = hider.hide(avp->key, avp->value, vector, rng);
            out.add(AvpView{avp->key, avp->mandatory, true, value});
        } else {
            out.add(*avp);
        }
        if (first) out.add(avp::kRandomVector, vector);
        first = false;
    }
    return std::move(out).take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kMessageTypeAvp = 8;
    if (size < 1 + kMessageTypeAvp || size > 4096) return 0;
    const std::uint8_t choices = data[0];
    Bytes body(data + 1, size - 1);
    // sign() puts digests behind a Message Type AVP of the usual length.
    if (load_be16(body.data()) % 0x400 != kMessageTypeAvp || load_be16(body.data() + 4) != 0) return 0;

    std::vector<SecretBytes> secrets;
    const std::uint8_t secret[] = {'s', 't'};
    secrets.emplace_back(Bytes(secret, 1));
    if ((choices & 2) != 0) secrets.emplace_back(Bytes(secret + 1, 1));
    const auto keys = std::make_shared<ControlKeys>(std::make_shared<test::StandInDigest>(), secrets);
    const ControlAuth auth(keys, (choices & 1) != 0 ? DigestType::hmac_sha1 : DigestType::hmac_md5);

    std::vector<std::uint8_t> made;
    if ((choices & 4) != 0) {
        made = hidden(body, auth.hider());
        body = made;
    }
    const auto signed_message = auth.sign({ControlConnectionId{1}, 2, 3}, body);
    const auto packet = ControlPacket::parse(Encapsulation::udp, signed_message);
    if (!packet) std::abort();
    const auto verified = auth.verify(*packet);
    const AvpHider hider = auth.hider(verified ? verified->secret : 0);
    const auto parsed = parse_body(packet->body, &hider);
    if (!parsed && parsed.error().text.empty()) std::abort();
    // What was understood in clear is understood hidden.
    if ((choices & 4) == 0 || !verified || verified->secret != 0) return 0;
    const auto clear = parse_body(Bytes(data + 1, size - 1), &hider);
    if (clear && clear->quirks.empty() && clear->ignored.empty() && !parsed) std::abort();
    return 0;
}
