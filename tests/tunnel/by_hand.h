// A pair whose B is played by hand, and what tests of engines ask.
#pragma once

#include <algorithm>
#include <string_view>

#include "tests/support/control_digest.h"
#include "tests/tunnel/raw_peer.h"

namespace isthmus::test {

inline constexpr SessionIndex kFirst{0};
inline constexpr SessionIndex kSecond{1};

inline std::shared_ptr<const tunnel::ControlKeys> keys(const std::vector<std::string>& secrets) {
    return keys_with(real_digest(), secrets);
}

inline bool said(const SimGateway& gateway, std::string_view words) {
    return std::any_of(gateway.said.begin(), gateway.said.end(),
                       [&](const std::string& text) { return text.find(words) != std::string::npos; });
}

inline tunnel::ConnectionStatus connection_of(const SimGateway& gateway, TimePoint now) {
    return gateway.engine->snapshot(now).connections.at(0);
}

/// A pair whose B is played by hand. A answers only, unless told otherwise.
struct ByHand : Pair {
    explicit ByHand(std::uint32_t pseudowires = 1,
                    tunnel::ConnectionRole role = tunnel::ConnectionRole::responder)
        : Pair(3, pseudowires, role, tunnel::ConnectionRole::both), peer(net, a, "192.0.2.2") {
        for (auto& options : a.plan.pseudowires) options.role = tunnel::SessionRole::answer;
    }
    void start_a() {
        a.start(net.now);
        net.drain();
    }
    [[nodiscard]] tunnel::ControlRefusals refusals() const { return a.engine->snapshot(net.now).refusals; }
    RawPeer peer;
};

}  // namespace isthmus::test
