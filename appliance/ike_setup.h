// From [tunnel.ike] to the engine's options and credentials: what the configuration could not judge itself. Certificates,
// keys and identities that do not fit are reported like any problem of the configuration.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/configuration.h"
#include "config/environment.h"
#include "config/problem.h"
#include "crypto/ike/credentials.h"
#include "crypto/ike/options.h"

namespace isthmus::appliance {

struct IkePeerSetup {
    std::string tunnel;  ///< its name, which is the peer's too
    crypto::ike::PeerOptions options;
};

struct IkeSetup {
    std::vector<IkePeerSetup> peers;  ///< in the order of the tunnels
    config::Problems warnings;
};

/// One peer for each tunnel with IKE. `file`: the configuration's, for messages. `now`: for warnings about certificates that
/// are about to expire or have; whether a peer's is good is judged when it comes.
/// Error: every problem, sorted by line.
[[nodiscard]] Result<IkeSetup, config::Problems> ike_setup(const config::Configuration& configuration,
                                                           const std::string& file, WallTime now);

/// config::load_file(), and whatever ike_setup() finds wrong or worth a warning.
[[nodiscard]] Result<config::Configuration, config::Problems> load_configuration(
    const std::string& file, const config::Environment& environment, WallTime now);

}  // namespace isthmus::appliance
