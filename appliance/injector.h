// The control planes' ways out of the gateway: through the workers' stages, or past them.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/inject.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::appliance {

class Injector {
  public:
    virtual ~Injector() = default;
    /// Messages between these two leave together: the workers are called once for all of them.
    virtual void hold() {}
    virtual void release() {}
    /// An L2TPv3 control message to the tunnel's peer, from its first word on (over IP: from the Session ID 0 on), with the
    /// tunnel's control DSCP, sealed if the tunnel is protected. False: no room, too large, or no such tunnel; counted.
    virtual bool l2tp_message(TunnelIndex tunnel, Bytes message) = 0;
    /// An Ethernet frame into the session's pseudowire, as if its TAP had given it, but no admission or guard looks at it.
    /// It goes ahead of data. False: as above.
    virtual bool frame_to_tunnel(InjectClass c, SessionIndex session, Bytes frame) = 0;
    /// A message into the channel of the session's pseudowire (tunnel/vccv.h), from its channel word on. False: as above.
    virtual bool channel_message(SessionIndex session, Bytes message) = 0;
    /// An Ethernet frame out of the session's TAP, into the bridge. none, tap_refused, send_queue_full; session_down: no TAP.
    [[nodiscard]] virtual DropReason frame_to_lan(SessionIndex session, Bytes frame) = 0;
    /// A datagram as it is, from a WAN socket to anybody: IKE behind its non-ESP marker, answers to strangers.
    [[nodiscard]] virtual DropReason datagram(const tunnel::io::WanSocket& socket, const Endpoint& to,
                                              Bytes bytes, std::uint8_t traffic_class = 0) = 0;
};

/// What is injected while this lives leaves together.
class Together {
  public:
    explicit Together(Injector& injector) : injector_(injector) { injector_.hold(); }
    Together(const Together&) = delete;
    Together& operator=(const Together&) = delete;
    ~Together() { injector_.release(); }

  private:
    Injector& injector_;
};

}  // namespace isthmus::appliance
