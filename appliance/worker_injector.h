// The injector of a running gateway.
#pragma once

#include <functional>

#include "appliance/injector.h"
#include "appliance/inventory.h"
#include "appliance/workers.h"

namespace isthmus::appliance {

class WorkerInjector final : public Injector {
  public:
    /// `publish` tells the workers first what control has changed, so that a message meets the keys and the peer that it
    /// was made for. All outlive this.
    WorkerInjector(Workers& workers, const Tunnels& tunnels, const Sessions& sessions,
                   std::function<void()> publish)
        : workers_(workers), tunnels_(tunnels), sessions_(sessions), publish_(std::move(publish)) {}

    void hold() override { ++holds_; }
    void release() override;
    bool l2tp_message(TunnelIndex tunnel, Bytes message) override;
    bool frame_to_tunnel(InjectClass c, SessionIndex session, Bytes frame) override;
    bool channel_message(SessionIndex session, Bytes message) override;
    [[nodiscard]] DropReason frame_to_lan(SessionIndex session, Bytes frame) override;
    [[nodiscard]] DropReason datagram(const tunnel::io::WanSocket& socket, const Endpoint& to, Bytes bytes,
                                      std::uint8_t traffic_class) override;

  private:
    bool inject(InjectClass c, TunnelIndex tunnel, SessionIndex session, Bytes packet);
    void call();

    Workers& workers_;
    const Tunnels& tunnels_;
    const Sessions& sessions_;
    std::function<void()> publish_;
    int holds_ = 0;
    bool call_owed_ = false;  ///< something was injected since hold()
};

}  // namespace isthmus::appliance
