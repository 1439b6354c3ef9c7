// Two control engines and a script of operations from the input: messages are delivered, lost, repeated, changed; time
// passes; gateways are reconfigured, restarted, stopped. Afterwards, left alone, they must come together again.
#include <cstdint>
#include <cstdlib>

#include "tests/support/stand_in_digest.h"
#include "tests/tunnel/control_net.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

/// Reads the script; zeros behind its end.
class Script {
  public:
    explicit Script(Bytes in) : in_(in) {}
    [[nodiscard]] bool done() const { return in_.empty(); }
    std::uint8_t next() {
        if (in_.empty()) return 0;
        const std::uint8_t value = in_[0];
        in_ = in_.subspan(1);
        return value;
    }

  private:
    Bytes in_;
};

void set_up(Pair& pair, std::uint8_t choices) {
    using tunnel::ConnectionRole;
    if ((choices & 3) == 1) pair.b.plan.connections[0].role = ConnectionRole::responder;
    if ((choices & 3) == 2) pair.a.plan.connections[0].role = ConnectionRole::initiator;
    if ((choices & 4) != 0)
        for (auto* gateway : {&pair.a, &pair.b})
            gateway->plan.connections[0].keys = keys_with(std::make_shared<StandInDigest>(), {"secret"});
    if ((choices & 8) != 0) pair.b.plan.pseudowires[1].receive_sublayer = tunnel::Sublayer::standard;
}

void change(SimGateway& gateway, std::uint8_t how, TimePoint now) {
    auto& first = gateway.plan.pseudowires[0];
    if ((how & 1) != 0) first.cookie_size = first.cookie_size == 8 ? 0 : 8;
    if ((how & 2) != 0) first.mtu = first.mtu == 0 ? 1500 : 0;
    gateway.engine->configure(gateway.plan, now);
}

void circuit(SimGateway& gateway, std::uint8_t bits, TimePoint now) {
    gateway.engine->on_circuit(SessionIndex{bits & 1U}, tunnel::CircuitStatus::parse(bits >> 1), now);
}

/// What the script does to the next packet that is sent.
struct Fate {
    bool lost = false;
    std::uint8_t flip_at = 0;
    std::uint8_t flip = 0;
};

void run_script(Pair& pair, Script& script, Fate& fate) {
    for (int steps = 0; !script.done() && steps < 256; ++steps) {
        const std::uint8_t op = script.next();
        SimGateway& gateway = (op & 0x80) != 0 ? pair.a : pair.b;
        const std::uint8_t argument = script.next();
        switch (op & 0x0f) {
            case 0: pair.net.run_for(std::chrono::milliseconds(argument)); break;
            case 1: pair.net.run_for(std::chrono::seconds(argument / 4)); break;
            case 2: fate.lost = true; break;
            case 3: fate = {false, argument, script.next()}; break;
            case 4: pair.net.restart(gateway); break;
            case 5: change(gateway, argument, pair.net.now); break;
            case 6: circuit(gateway, argument, pair.net.now); break;
            case 7: gateway.engine->rotate_cookies(SessionIndex{argument & 1U}, pair.net.now); break;
            case 8: gateway.engine->on_transport(TunnelIndex{0}, (argument & 1) != 0, pair.net.now); break;
            case 9: gateway.engine->on_heard(TunnelIndex{0}, pair.net.now); break;
            case 10: pair.net.weather.duplication = argument / 512.0; break;
            case 11: pair.net.weather.jitter = std::chrono::milliseconds(argument); break;
            case 12: gateway.engine->send_guard_notice(SessionIndex{0}, {argument}, pair.net.now); break;
            default: pair.net.run_for(std::chrono::milliseconds(5)); break;
        }
        pair.net.drain();
    }
}

void must(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Script script({data, size});
    Pair pair(script.next(), 2);
    set_up(pair, script.next());
    const bool has_secret = pair.a.plan.connections[0].keys != nullptr;
    bool tampered = false;
    Fate fate;
    pair.net.filter = [&](const ControlNet::Packet& packet) {
        const Fate now = std::exchange(fate, {});
        if (now.flip != 0 && !packet.what.bytes.empty()) {
            auto changed = packet.what;
            changed.bytes[now.flip_at % changed.bytes.size()] ^= now.flip;
            tampered = true;
            pair.net.resend(packet, std::move(changed));
            return false;
        }
        return !now.lost;
    };
    pair.start();
    run_script(pair, script, fate);
    // Left alone.
    pair.net.weather = {};
    fate = {};
    for (auto* gateway : {&pair.a, &pair.b})
        gateway->engine->on_transport(TunnelIndex{0}, true, pair.net.now);
    pair.net.run_for(300s);
    for (const auto& complaint : pair.net.complaints) std::fprintf(stderr, "%s\n", complaint.c_str());
    must(pair.net.complaints.empty());
    must(pair.a.sessions.size() == 2 && pair.b.sessions.size() == 2);
    must(tampered && !has_secret ? pair.have_the_same_ids() : pair.agree());
    for (auto* gateway : {&pair.a, &pair.b}) {
        const auto status = gateway->engine->snapshot(pair.net.now);
        must(status.connections_held == 1);
        must(status.sessions_held == 2);
    }
    return 0;
}
