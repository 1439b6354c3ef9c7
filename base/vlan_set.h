// A set of VLAN identifiers, as allow-lists have it.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace isthmus {

class VlanSet {
  public:
    /// "10,20-29,4094"; blanks around numbers are fine. Error: what is wrong with which part, and what would be right.
    [[nodiscard]] static Result<VlanSet, std::string> parse(std::string_view text);
    [[nodiscard]] static VlanSet all();

    void insert(VlanId id) noexcept { ids_.set(id.value()); }
    [[nodiscard]] bool contains(VlanId id) const noexcept { return ids_.test(id.value()); }
    /// For a VID as it stands in a frame: 0 and 4095 are in no set.
    [[nodiscard]] bool contains_vid(std::uint16_t vid) const noexcept {
        return vid < ids_.size() && ids_.test(vid);
    }
    [[nodiscard]] std::size_t size() const noexcept { return ids_.count(); }
    [[nodiscard]] bool empty() const noexcept { return ids_.none(); }
    [[nodiscard]] VlanSet intersection(const VlanSet& other) const noexcept;
    [[nodiscard]] VlanSet united(const VlanSet& other) const noexcept;
    [[nodiscard]] VlanSet without(const VlanSet& other) const noexcept;
    [[nodiscard]] std::string text() const;  ///< shortest form: "10,20-29"
    friend bool operator==(const VlanSet&, const VlanSet&) = default;

  private:
    std::bitset<4096> ids_;  ///< bits 0 and 4095 stay clear
};

}  // namespace isthmus
