#include "appliance/reload.h"

#include "appliance/view_builder.h"

namespace isthmus::appliance {

namespace {

std::string fixed(const std::string& key, const std::string& now, const std::string& next) {
    return "gateway." + key + " is \"" + now + "\" while the daemon runs and cannot become \"" + next +
           "\"; write the old one, or restart isthmusd";
}

}  // namespace

std::vector<std::string> reload_obstacles(const config::Configuration& now, const config::Configuration& next,
                                          const OutboundMemory& memory) {
    std::vector<std::string> out;
    const auto compare = [&](const std::string& key, const std::string& a, const std::string& b) {
        if (a != b) out.push_back(fixed(key, a, b));
    };
    compare("name", now.gateway.name, next.gateway.name);
    compare("state_dir", now.gateway.state_dir, next.gateway.state_dir);
    compare("control_socket", now.gateway.control_socket, next.gateway.control_socket);
    if (now.gateway.log_target != next.gateway.log_target || now.gateway.log_file != next.gateway.log_file)
        out.emplace_back(
            "gateway.log_target cannot change while the daemon runs; write the old one, or restart isthmusd");
    if (!(now.datapath == next.datapath))
        out.emplace_back(
            "[datapath] cannot change while the daemon runs; write the old values, or restart isthmusd");
    if (outbound_memory(next).largest_frame > memory.largest_frame)
        out.push_back("bridge.mtu: frames of up to " + std::to_string(outbound_memory(next).largest_frame) +
                      " bytes do not fit the buffers made at start, for frames of up to " +
                      std::to_string(memory.largest_frame) + "; write a smaller mtu, or restart isthmusd");
    return out;
}

}  // namespace isthmus::appliance
