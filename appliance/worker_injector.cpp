#include "appliance/worker_injector.h"

#include "tunnel/io/send_datagram.h"

namespace isthmus::appliance {

bool WorkerInjector::l2tp_message(TunnelIndex tunnel, Bytes message) {
    if (tunnels_.find(tunnel) == nullptr) return false;
    publish_();
    return workers_.outbound().inject(InjectClass::l2tp_control, tunnel, kNoSession, message);
}

bool WorkerInjector::frame_to_tunnel(InjectClass c, SessionIndex session, Bytes frame) {
    const SessionControl* control = sessions_.find(session);
    if (control == nullptr) return false;
    publish_();
    return workers_.outbound().inject(c, control->tunnel(), session, frame);
}

bool WorkerInjector::channel_message(SessionIndex session, Bytes message) {
    return frame_to_tunnel(InjectClass::liveness, session, message);
}

DropReason WorkerInjector::frame_to_lan(SessionIndex session, Bytes frame) {
    const SessionControl* control = sessions_.find(session);
    if (control == nullptr || !control->tap()) return DropReason::session_down;
    // The kernel takes writes from several threads; order between a probe and data does not matter.
    return control->tap()->write({}, {&frame, 1});
}

DropReason WorkerInjector::datagram(const tunnel::io::WanSocket& socket, const Endpoint& to, Bytes bytes,
                                    std::uint8_t traffic_class) {
    return tunnel::io::send_datagram(socket, to, bytes, traffic_class);
}

}  // namespace isthmus::appliance
