// Input: one byte of choices, then BFD Control packets of 24 bytes and a byte of time in front of each (units of 10 ms).
// They go into a session; what it sends must parse, and its timers must not run backwards.
#include <cstdlib>

#include "tunnel/bfd_session.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {

class ZeroRng final : public Rng {
  public:
    void fill(MutableBytes out) noexcept override {
        for (auto& byte : out) byte = state_++;
    }

  private:
    std::uint8_t state_ = 0;
};

void drain(BfdSession& session) {
    while (const auto action = session.poll_action()) {
        const auto* send = std::get_if<BfdSend>(&*action);
        if (send == nullptr) continue;
        const auto packet = BfdPacket::parse(send->bytes);
        if (!packet || packet->emit() != send->bytes) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    ZeroRng rng;
    TimePoint now{std::chrono::hours(1)};
    BfdOptions options;
    options.multiplier = static_cast<std::uint8_t>(1 + data[0] % 5);
    BfdSession session(options, BfdDiscriminator{1}, rng, now);
    Bytes rest(data + 1, size - 1);
    while (!rest.empty()) {
        now += std::chrono::milliseconds(10) * rest[0];
        rest = rest.subspan(1);
        const Bytes packet = rest.first(std::min(rest.size(), BfdPacket::kSize));
        rest = rest.subspan(packet.size());
        session.on_packet(packet, now);
        // A session never wants to be called for ever at one time.
        int calls = 0;
        while (session.next_timeout() && *session.next_timeout() <= now) {
            session.on_timeout(now);
            drain(session);
            if (++calls > 3) break;
        }
        drain(session);
        session.set_admin_down(rest.size() % 7 == 3, now);
    }
    return 0;
}
