#include "crypto/ike/selectors.h"

#include <algorithm>

namespace isthmus::crypto::ike {

Selectors selectors_of(const std::vector<SelectorOptions>& options, const IpAddress& own) {
    Selectors selectors;
    for (const SelectorOptions& option : options) {
        TrafficSelector selector;
        selector.protocol = option.protocol;
        selector.first_port = option.first_port;
        selector.last_port = option.last_port;
        selector.first = option.range ? option.range->first : own;
        selector.last = option.range ? option.range->last : own;
        selectors.push_back(selector);
    }
    return selectors;
}

Selectors narrow(const Selectors& ours, const Selectors& theirs) {
    Selectors both;
    for (const TrafficSelector& their : theirs) {
        for (const TrafficSelector& our : ours) {
            const auto common = our.common(their);
            if (common && std::ranges::find(both, *common) == both.end()) both.push_back(*common);
        }
    }
    return both;
}

bool covers(const Selectors& outer, const Selectors& inner) {
    return std::ranges::all_of(inner, [&](const TrafficSelector& wanted) {
        return std::ranges::any_of(outer, [&](const TrafficSelector& s) { return s.contains(wanted); });
    });
}

Selectors with_actual_address(Selectors selectors, const IpAddress& actual) {
    for (TrafficSelector& selector : selectors) {
        if (!selector.is_one_address()) continue;
        selector.first = actual;
        selector.last = actual;
    }
    return selectors;
}

}  // namespace isthmus::crypto::ike
