// How much the kernel's packet filter drops in front of the workers' meters, from what its rules count.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "bridge/guard_rules.h"
#include "stp-guard/storm_limits.h"

namespace isthmus::appliance {

/// The rules that drop what a class has too much of, as their comments name them.
[[nodiscard]] std::vector<std::string_view> dropping_rules(stp_guard::StormClass storm_class);

class KernelCuts {
  public:
    /// All counters as they are now. Those of rules that were made anew begin at 0.
    void on_counts(const std::vector<bridge::RuleCount>& counts, TimePoint now);
    /// Frames a second that were dropped at an interface between the last two calls, of all VLANs together.
    [[nodiscard]] std::uint64_t per_second(const std::string& device,
                                           stp_guard::StormClass storm_class) const;

  private:
    struct Rule {
        std::uint64_t packets = 0;
        std::uint64_t per_second = 0;
    };
    std::map<std::pair<std::string, std::string>, Rule> rules_;  ///< by device and what
    TimePoint at_{};
};

}  // namespace isthmus::appliance
