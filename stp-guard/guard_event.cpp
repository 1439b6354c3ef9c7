#include "stp-guard/guard_event.h"

namespace isthmus::stp_guard {

std::string_view name_of(Severity severity) noexcept {
    switch (severity) {
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::critical: return "critical";
    }
    return "unknown";
}

std::string vlan_text(std::uint16_t vid) {
    return vid == 0 ? "untagged frames" : "VLAN " + std::to_string(vid);
}

std::string duration_text(Duration duration) {
    using namespace std::chrono;
    if (duration < 1s) return std::to_string(duration_cast<milliseconds>(duration).count()) + " ms";
    if (duration < 2min) return std::to_string(duration_cast<seconds>(duration).count()) + " s";
    if (duration < 2h) return std::to_string(duration_cast<minutes>(duration).count()) + " min";
    return std::to_string(duration_cast<hours>(duration).count()) + " h";
}

}  // namespace isthmus::stp_guard
