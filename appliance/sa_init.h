// `isthmus sa init`: the explicit first use of manual keys (docs/adr/0003).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/configuration.h"

namespace isthmus::appliance {

struct SaInitReport {
    std::vector<std::string> made;     ///< one line for each state file
    std::vector<std::string> refused;  ///< sentences: why, and what to do
};

/// Makes the state files of all manually keyed SAs of the configuration, or of one tunnel if `only` is not empty.
/// Refuses, SA by SA, where a file or the key is known already; so it may be done beside a running daemon, which takes the
/// new keys at its next reload. Error: no such tunnel, or the state directory is unusable.
[[nodiscard]] Result<SaInitReport, std::string> initialise_sas(const config::Configuration& configuration,
                                                               const std::string& only);

}  // namespace isthmus::appliance
