#include "bridge/io/executor.h"

#include <cerrno>

#include "bridge/io/sysctl.h"
#include "bridge/netlink/link_requests.h"

namespace isthmus::bridge {

using Done = Result<void, NetlinkError>;

struct Executor::Visitor {
    Executor& self;
    std::string doing;

    Done operator()(const CreateBridge& o) const {
        if (auto made = self.socket_.change(netlink::create_bridge(o.name, o.mac), doing); !made) return made;
        auto link = self.socket_.link(o.name);
        if (!link) return Unexpected(std::move(link).error());
        self.indices_[o.name] = link->index;
        return {};
    }
    Done operator()(const DeleteBridge& o) const {
        return with(o.name, [](IfIndex i) { return netlink::delete_link(i); });
    }
    Done operator()(const SetAlias& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_alias(i, o.alias); });
    }
    Done operator()(const SetBridge& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_bridge(i, o.settings); });
    }
    Done operator()(const SetMtu& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_mtu(i, o.mtu); });
    }
    Done operator()(const SetMac& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_mac(i, o.mac); });
    }
    Done operator()(const SetUp& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_up(i, o.up); });
    }
    Done operator()(const SetMaster& o) const {
        IfIndex master = kNoInterface;
        if (!o.bridge.empty()) {
            const auto found = self.indices_.find(o.bridge);
            if (found == self.indices_.end()) return Unexpected(missing(o.bridge));
            master = found->second;
        }
        return with(o.name, [&](IfIndex i) { return netlink::set_master(i, master); });
    }
    Done operator()(const SetPort& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_port(i, o.settings); });
    }
    Done operator()(const AddVlans& o) const {
        return with_all(o.name,
                        [&](IfIndex i) { return netlink::add_vlans(i, o.vlans, o.pvid, o.untagged); });
    }
    Done operator()(const RemoveVlans& o) const {
        return with_all(o.name, [&](IfIndex i) { return netlink::remove_vlans(i, o.vlans); });
    }
    Done operator()(const SetIpv6Disabled& o) const {
        auto written = write_flag(ipv6_sysctl(o.name, "disable_ipv6"), o.disabled);
        // No such sysctl: no IPv6 on that interface, which is what disabling it is for.
        if (!written && o.disabled && written.error().code == ENOENT) return {};
        if (!written)
            return Unexpected(NetlinkError{written.error().code, doing, written.error().kernel_says});
        return {};
    }
    Done operator()(const SetAddrGenMode& o) const {
        return with(o.name, [&](IfIndex i) { return netlink::set_addr_gen_mode(i, o.mode); });
    }
    Done operator()(const SetBridgeNetfilter& o) const { return write_bridge_netfilter(o.value); }

    [[nodiscard]] NetlinkError missing(const std::string& name) const {
        return {ENODEV, doing, name + " is gone"};
    }

    template <class Build>
    Done with(const std::string& name, Build build) const {
        const auto found = self.indices_.find(name);
        if (found == self.indices_.end()) return Unexpected(missing(name));
        return self.socket_.change(build(found->second), doing);
    }
    template <class Build>
    Done with_all(const std::string& name, Build build) const {
        const auto found = self.indices_.find(name);
        if (found == self.indices_.end()) return Unexpected(missing(name));
        for (auto& request : build(found->second))
            if (auto done = self.socket_.change(std::move(request), doing); !done) return done;
        return {};
    }
};

Executor::Executor(NetlinkSocket& socket, const ActualState& actual) : socket_(socket) {
    for (const auto& link : actual.links) indices_.emplace(link.name, link.index);
}

Done Executor::apply(const Operation& operation) {
    return std::visit(Visitor{*this, text(operation)}, operation);
}

}  // namespace isthmus::bridge
