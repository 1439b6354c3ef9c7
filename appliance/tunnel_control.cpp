#include "appliance/tunnel_control.h"

#include <algorithm>

namespace isthmus::appliance {

using tunnel::io::WanProtocol;

TunnelControl::TunnelControl(std::shared_ptr<const config::TunnelConfig> config, TunnelIndex index)
    : config_(std::move(config)), index_(index), options_(config_->options) {}

void TunnelControl::reconfigure(std::shared_ptr<const config::TunnelConfig> config) {
    const auto old = std::exchange(config_, std::move(config));
    if (old->options != config_->options) options_ = config_->options;
    if (old->esp != config_->esp || old->ike.has_value() != config_->ike.has_value()) {
        sas_.clear();
        keys_made_ = false;
    }
    ++revision_;
}

void TunnelControl::make_keys(const std::filesystem::path& state_dir, Providers& providers, Rng& rng) {
    if (!config_->esp || (keys_made_ && manual_keys_.condition().is_up())) return;
    manual_keys_.open(*config_->esp, state_dir, providers, rng, sas_);
    keys_made_ = true;
}

void TunnelControl::open_sockets(WanSockets& sockets, std::optional<std::uint32_t> interface_mtu) {
    const auto wanted = wanted_sockets();
    std::vector<std::shared_ptr<tunnel::io::WanSocket>> open;
    if (!interface_mtu) {
        const std::string address = wanted.empty() ? "" : wanted.front().local.address.text();
        socket_condition_ = {RunState::waiting, "address " + address + " is on no interface yet"};
    } else {
        path_mtu_ = config_->path_mtu.value_or(*interface_mtu);
        socket_condition_ = {RunState::up, ""};
        for (const WanAddress& address : wanted) {
            auto opened = sockets.open(address.protocol, address.local);
            if (opened) {
                open.push_back(std::move(*opened));
                continue;
            }
            const bool may_come = opened.error().kind == tunnel::io::WanSocketError::Kind::waiting;
            socket_condition_ = {may_come ? RunState::waiting : RunState::down, opened.error().text};
        }
    }
    sockets_ = std::move(open);
}

void TunnelControl::set_options(const tunnel::TunnelOptions& options) {
    if (options == options_) return;
    options_ = options;
    ++revision_;
}

void TunnelControl::listen_on(std::vector<WanAddress> addresses) {
    listen_on_ = std::move(addresses);
}

Condition TunnelControl::condition() const {
    if (!socket_condition_.is_up()) {
        // Keys that nobody will bring are worse than an address that may come.
        const Condition keys = key_condition();
        return keys.state == RunState::down ? keys : socket_condition_;
    }
    if (const Condition keys = key_condition(); !keys.is_up()) return keys;
    if (!connection_.is_up()) return connection_;
    if (!way()) return {RunState::waiting, "the peer's address is not known yet"};
    return {RunState::up, ""};
}

Condition TunnelControl::key_condition() const {
    if (!is_protected()) return {RunState::up, ""};
    if (sas_.stopped_by_bug())
        return {RunState::down,
                "an SA stopped itself: a sequence number was about to be used twice; please report this"};
    if (config_->esp) return manual_keys_.condition();
    return sas_.outbound() ? Condition{RunState::up, ""} : keying_;
}

WanProtocol TunnelControl::clear_protocol() const noexcept {
    return options_.encapsulation == tunnel::Encapsulation::udp ? WanProtocol::udp : WanProtocol::l2tp;
}

std::optional<WanWay> TunnelControl::way() const {
    if (is_protected()) {
        if (!sas_.outbound()) return std::nullopt;
        const EspWay& esp = sas_.outbound()->way;
        return WanWay{esp.in_udp ? WanProtocol::udp : WanProtocol::esp, esp.local, esp.remote};
    }
    const bool ports = clear_protocol() == WanProtocol::udp;
    if (options_.remote.is_unspecified() || (ports && options_.remote_port == 0)) return std::nullopt;
    return WanWay{clear_protocol(),
                  {options_.local, ports ? options_.local_port : std::uint16_t{0}},
                  {options_.remote, ports ? options_.remote_port : std::uint16_t{0}}};
}

std::shared_ptr<tunnel::io::WanSocket> TunnelControl::outbound_socket() const {
    const auto leaves = way();
    if (!leaves) return nullptr;
    for (const auto& socket : sockets_)
        if (socket->protocol() == leaves->protocol && socket->local() == leaves->local) return socket;
    return nullptr;
}

std::vector<WanAddress> TunnelControl::wanted_sockets() const {
    if (listen_on_) return *listen_on_;
    if (config_->esp) {
        const EspWay esp = way_of(*config_->esp);
        return {{esp.in_udp ? WanProtocol::udp : WanProtocol::esp, esp.local}};
    }
    if (is_protected()) return {};
    const bool ports = clear_protocol() == WanProtocol::udp;
    return {{clear_protocol(), {options_.local, ports ? options_.local_port : std::uint16_t{0}}}};
}

}  // namespace isthmus::appliance
