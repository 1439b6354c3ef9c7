// Objects with places in the datapath's tables: a place stays while its object lives, and is not given away again soon
// after, so that what was still on its way to the old one does not reach another.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace isthmus::appliance {

template <class T, class Index>
class Slots {
  public:
    /// Freed places that wait before the oldest of them is used again.
    static constexpr std::size_t kQuarantine = 64;

    /// `make(Index)` returns the object as a unique_ptr.
    template <class Make>
    T& add(Make&& make) {
        std::size_t at = slots_.size();
        if (free_.size() > kQuarantine) {
            at = free_.front();
            free_.pop_front();
        } else {
            slots_.emplace_back();
        }
        slots_[at] = make(Index(static_cast<Raw>(at)));
        return *slots_[at];
    }
    void remove(Index index) {
        slots_[raw(index)].reset();
        free_.push_back(raw(index));
    }

    /// Null: none there.
    [[nodiscard]] T* find(Index index) const noexcept {
        return raw(index) < slots_.size() ? slots_[raw(index)].get() : nullptr;
    }
    /// One that is there.
    [[nodiscard]] T& operator[](Index index) const noexcept { return *slots_[raw(index)]; }
    template <class Wanted>
    [[nodiscard]] T* find_if(Wanted wanted) const {
        for (const auto& slot : slots_)
            if (slot && wanted(*slot)) return slot.get();
        return nullptr;
    }
    /// Null: none of that name.
    [[nodiscard]] T* named(std::string_view name) const {
        return find_if([&](const T& object) { return object.config().name == name; });
    }
    /// One past the largest place in use, or used before.
    [[nodiscard]] std::size_t index_end() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - free_.size(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

    /// Over the objects that are there, by place.
    class Iterator {
      public:
        using Slot = typename std::vector<std::unique_ptr<T>>::const_iterator;
        Iterator(Slot at, Slot end) : at_(at), end_(end) { skip(); }
        T& operator*() const noexcept { return **at_; }
        Iterator& operator++() noexcept {
            ++at_;
            skip();
            return *this;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.at_ == b.at_; }

      private:
        void skip() noexcept {
            while (at_ != end_ && !*at_) ++at_;
        }
        Slot at_;
        Slot end_;
    };
    [[nodiscard]] Iterator begin() const noexcept { return {slots_.begin(), slots_.end()}; }
    [[nodiscard]] Iterator end() const noexcept { return {slots_.end(), slots_.end()}; }

  private:
    using Raw = std::underlying_type_t<Index>;
    std::vector<std::unique_ptr<T>> slots_;
    std::deque<std::size_t> free_;  ///< the one that was freed first in front
};

}  // namespace isthmus::appliance
