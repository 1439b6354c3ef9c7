#include "appliance/offload_notes.h"

#include <cstring>

namespace isthmus::appliance {

std::vector<std::string> offload_notes(const bridge::TapOffloads& offloads) {
    if (offloads == bridge::Tap::kAllOffloads) return {};
    return {"this kernel's TAPs do without " + offloads.refused() +
            ": what could be one large frame is many small ones, which costs more"};
}

std::vector<std::string> offload_notes(const tunnel::io::WanSocket& socket) {
    std::vector<std::string> notes;
    if (socket.protocol() != tunnel::io::WanProtocol::udp) return notes;
    if (!socket.receives_runs())
        notes.emplace_back("this kernel hands packets over one by one (no UDP_GRO), which costs more");
    if (const int error = socket.refused_runs().last_error.load(std::memory_order_relaxed); error != 0)
        notes.push_back(std::string("the kernel has refused to send runs of packets (UDP_SEGMENT: ") +
                        std::strerror(error) +
                        "): they leave one by one, which costs more; it is tried again from time to time");
    return notes;
}

std::vector<std::string> OffloadNotes::news(const Tunnels& tunnels, const Sessions& sessions) {
    std::vector<std::string> news;
    const auto say = [&](const std::string& who, const std::vector<std::string>& notes) {
        for (const std::string& note : notes)
            if (said_.insert(who + ": " + note).second) news.push_back(who + ": " + note);
    };
    for (const SessionControl& session : sessions)
        if (session.tap()) say("interfaces", offload_notes(session.tap()->offloads()));
    for (const TunnelControl& tunnel : tunnels)
        for (const auto& socket : tunnel.sockets())
            say("socket " + socket->local().text(), offload_notes(*socket));
    return news;
}

}  // namespace isthmus::appliance
