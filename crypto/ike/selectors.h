// Traffic selectors: what we want, what both want (RFC 7296 section 2.9), and what NATs do to them (section 2.23.1).
#pragma once

#include <vector>

#include "base/address.h"
#include "crypto/ike/options.h"
#include "crypto/ike/wire/traffic_selector.h"

namespace isthmus::crypto::ike {

using Selectors = std::vector<TrafficSelector>;

/// `own` stands where the options name no range.
[[nodiscard]] Selectors selectors_of(const std::vector<SelectorOptions>& options, const IpAddress& own);

/// What both cover, in the order of `theirs`; empty: nothing.
[[nodiscard]] Selectors narrow(const Selectors& ours, const Selectors& theirs);

/// Does every selector of `inner` lie within one of `outer`?
[[nodiscard]] bool covers(const Selectors& outer, const Selectors& inner);

/// Transport mode behind a NAT: each end knows the other by another address, so a selector of one address means "this
/// end", and that is `actual` here. Wider ones are left alone.
[[nodiscard]] Selectors with_actual_address(Selectors selectors, const IpAddress& actual);

}  // namespace isthmus::crypto::ike
