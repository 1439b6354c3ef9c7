#include "appliance/worker_injector.h"

#include "tunnel/io/send_datagram.h"

namespace isthmus::appliance {

bool WorkerInjector::inject(InjectClass c, TunnelIndex tunnel, SessionIndex session, Bytes packet) {
    const bool taken = workers_.outbound().inject(c, tunnel, session, packet);
    call_owed_ = true;
    // Without room there is no more to wait for.
    if (holds_ == 0 || !taken) call();
    return taken;
}

void WorkerInjector::release() {
    if (--holds_ == 0 && call_owed_) call();
}

void WorkerInjector::call() {
    call_owed_ = false;
    workers_.outbound().call_for_injected();
}

bool WorkerInjector::l2tp_message(TunnelIndex tunnel, Bytes message) {
    if (tunnels_.find(tunnel) == nullptr) return false;
    publish_();
    return inject(InjectClass::l2tp_control, tunnel, kNoSession, message);
}

bool WorkerInjector::frame_to_tunnel(InjectClass c, SessionIndex session, Bytes frame) {
    const SessionControl* control = sessions_.find(session);
    if (control == nullptr) return false;
    publish_();
    return inject(c, control->tunnel(), session, frame);
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
