#include "appliance/sa_init.h"

#include "appliance/state_directory.h"
#include "crypto/io/sequence_file.h"

namespace isthmus::appliance {

Result<SaInitReport, std::string> initialise_sas(const config::Configuration& configuration,
                                                 const std::string& only) {
    const auto state = StateDirectory::open(configuration.gateway.state_dir, configuration.gateway.name,
                                            StateDirectory::Purpose::prepare);
    if (!state) return Unexpected(state.error());
    SaInitReport report;
    bool found = only.empty();
    for (const auto& tunnel : configuration.tunnels) {
        if (!only.empty() && tunnel.name != only) continue;
        found = true;
        if (!tunnel.esp) continue;
        for (const auto direction : {crypto::esp::SaDirection::out, crypto::esp::SaDirection::in}) {
            const bool out = direction == crypto::esp::SaDirection::out;
            const crypto::esp::SaOptions& options = out ? tunnel.esp->out : tunnel.esp->in;
            const auto made = crypto::io::initialise_sequence_file(
                state->path(), crypto::esp::identity_of(options, direction));
            const std::string sa = "tunnel " + tunnel.name + ", SA " + (out ? "out" : "in") + ": ";
            if (made) {
                report.made.push_back(
                    sa + crypto::io::sequence_file_path(state->path(), direction, options.spi).string());
            } else {
                report.refused.push_back(sa + made.error());
            }
        }
    }
    if (!found) return Unexpected("the configuration has no tunnel \"" + only + "\"");
    return report;
}

}  // namespace isthmus::appliance
