// Deadlines of many objects, one each: the earliest at hand, changes in logarithmic time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/time.h"

namespace isthmus::tunnel {

template <class Key>
class Deadlines {
  public:
    void set(Key key, std::optional<TimePoint> at) {
        const auto known = by_key_.find(key);
        if (known != by_key_.end()) {
            if (at == known->second) return;
            in_order_.erase({known->second, key});
            by_key_.erase(known);
        }
        if (!at) return;
        by_key_.emplace(key, *at);
        in_order_.emplace(*at, key);
    }
    [[nodiscard]] std::optional<TimePoint> earliest() const {
        return in_order_.empty() ? std::nullopt : std::optional(in_order_.begin()->first);
    }
    /// Takes out one that is due.
    [[nodiscard]] std::optional<Key> take_due(TimePoint now) {
        if (in_order_.empty() || in_order_.begin()->first > now) return std::nullopt;
        const Key key = in_order_.begin()->second;
        in_order_.erase(in_order_.begin());
        by_key_.erase(key);
        return key;
    }

  private:
    std::map<Key, TimePoint> by_key_;
    std::set<std::pair<TimePoint, Key>> in_order_;
};

}  // namespace isthmus::tunnel
