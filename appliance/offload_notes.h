// What the kernel does not do for the datapath, so that it is slower: said once in the log, and shown in status.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "appliance/inventory.h"

namespace isthmus::appliance {

/// One sentence each; empty: the kernel does all.
[[nodiscard]] std::vector<std::string> offload_notes(const bridge::TapOffloads& offloads);
[[nodiscard]] std::vector<std::string> offload_notes(const tunnel::io::WanSocket& socket);

class OffloadNotes {
  public:
    /// What was not said before, for the log. Call once a second: sends are refused when they are tried.
    [[nodiscard]] std::vector<std::string> news(const Tunnels& tunnels, const Sessions& sessions);

  private:
    std::set<std::string> said_;
};

}  // namespace isthmus::appliance
