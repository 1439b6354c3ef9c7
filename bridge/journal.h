// What was there before us. Written to disk before the change it records, so that it can be undone even after
// kill -9.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bridge/model.h"

namespace isthmus::bridge {

/// A port that we put into a bridge, and how it was.
struct PortRecord {
    std::string name;
    IfIndex index =
        kNoInterface;    ///< a device of another index is another device, to which this record does not apply
    std::string bridge;  ///< the one that we put it into
    std::uint32_t mtu = 0;
    bool up = false;
    std::optional<Inet6Settings> inet6;

    friend bool operator==(const PortRecord&, const PortRecord&) = default;
};

struct Journal {
    std::vector<std::string> created;  ///< bridges that we made or are about to make
    std::vector<PortRecord> ports;
    BridgeNetfilter netfilter;  ///< sysctls that we turned off, and what they were

    [[nodiscard]] bool empty() const noexcept { return *this == Journal{}; }
    friend bool operator==(const Journal&, const Journal&) = default;
};

/// The boot and network namespace that a journal is about. In any other, nothing of it exists any more.
struct JournalScope {
    std::string boot_id;
    std::string network_namespace;
    friend bool operator==(const JournalScope&, const JournalScope&) = default;
};

/// Lines of text, version 1; no blank in any value.
[[nodiscard]] std::string serialize(const Journal& journal, const JournalScope& scope);
/// An empty journal if the text is of another scope. Error: which line is wrong and why.
[[nodiscard]] Result<Journal, std::string> parse_journal(std::string_view text, const JournalScope& scope);

}  // namespace isthmus::bridge
