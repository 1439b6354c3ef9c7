// The steps that plan() asks for: each one request to the kernel, on interfaces by name.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "bridge/model.h"

namespace isthmus::bridge {

struct CreateBridge {
    std::string name;
    MacAddress mac;
    friend bool operator==(const CreateBridge&, const CreateBridge&) = default;
};
struct DeleteBridge {
    std::string name;
    friend bool operator==(const DeleteBridge&, const DeleteBridge&) = default;
};
struct SetAlias {
    std::string name;
    std::string alias;  ///< empty = none
    friend bool operator==(const SetAlias&, const SetAlias&) = default;
};
struct SetBridge {
    std::string name;
    BridgeSettings settings;
    friend bool operator==(const SetBridge&, const SetBridge&) = default;
};
struct SetMtu {
    std::string name;
    std::uint32_t mtu = 0;
    friend bool operator==(const SetMtu&, const SetMtu&) = default;
};
struct SetMac {
    std::string name;
    MacAddress mac;
    friend bool operator==(const SetMac&, const SetMac&) = default;
};
struct SetUp {
    std::string name;
    bool up = false;
    friend bool operator==(const SetUp&, const SetUp&) = default;
};
/// Into a bridge, or out of any if `bridge` is empty.
struct SetMaster {
    std::string name;
    std::string bridge;
    friend bool operator==(const SetMaster&, const SetMaster&) = default;
};
struct SetPort {
    std::string name;
    PortSettings settings;
    friend bool operator==(const SetPort&, const SetPort&) = default;
};
struct AddVlans {
    std::string name;
    VlanSet vlans;
    bool pvid = false;      ///< exactly one VLAN then
    bool untagged = false;  ///< leave without a tag
    friend bool operator==(const AddVlans&, const AddVlans&) = default;
};
struct RemoveVlans {
    std::string name;
    VlanSet vlans;
    friend bool operator==(const RemoveVlans&, const RemoveVlans&) = default;
};
struct SetIpv6Disabled {
    std::string name;
    bool disabled = false;
    friend bool operator==(const SetIpv6Disabled&, const SetIpv6Disabled&) = default;
};
struct SetAddrGenMode {
    std::string name;
    AddrGenMode mode = AddrGenMode::eui64;
    friend bool operator==(const SetAddrGenMode&, const SetAddrGenMode&) = default;
};
/// The namespace-wide sysctls; absent ones are left alone.
struct SetBridgeNetfilter {
    BridgeNetfilter value;
    friend bool operator==(const SetBridgeNetfilter&, const SetBridgeNetfilter&) = default;
};

using Operation =
    std::variant<CreateBridge, DeleteBridge, SetAlias, SetBridge, SetMtu, SetMac, SetUp, SetMaster, SetPort,
                 AddVlans, RemoveVlans, SetIpv6Disabled, SetAddrGenMode, SetBridgeNetfilter>;

/// The interface it acts on; empty for the namespace as a whole. When one step fails, later steps on its
/// subject are skipped.
[[nodiscard]] std::string subject(const Operation& operation);
/// For people: "put lan0 into br-dc".
[[nodiscard]] std::string text(const Operation& operation);

}  // namespace isthmus::bridge
