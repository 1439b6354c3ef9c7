#include "appliance/tunnel_control.h"

namespace isthmus::appliance {

using tunnel::io::WanProtocol;

void TunnelControl::make_keys(const std::filesystem::path& state_dir, Providers& providers, Rng& rng) {
    if (!is_protected()) return;
    key_problem_.clear();
    auto made = make_outbound(state_dir, *providers.outbound, rng);
    if (made) made = make_inbound(state_dir, *providers.inbound);
    if (made) return;
    key_problem_ = made.error();
    outbound_sa_.reset();
    inbound_sa_.reset();
}

Result<void, std::string> TunnelControl::make_outbound(const std::filesystem::path& state_dir,
                                                       crypto::CipherProvider& provider, Rng& rng) {
    auto sequence = crypto::io::DurableSequence::open(state_dir, config_.esp->out);
    if (!sequence) return Unexpected(sequence.error());
    auto sa = crypto::esp::OutboundSa::create(config_.esp->out, sequence->range(), provider, rng);
    if (!sa) return Unexpected(sa.error());
    sequence_ = std::move(*sequence);
    outbound_sa_ = std::move(*sa);
    return {};
}

Result<void, std::string> TunnelControl::make_inbound(const std::filesystem::path& state_dir,
                                                      crypto::CipherProvider& provider) {
    auto floor = crypto::io::DurableReplayFloor::open(state_dir, config_.esp->in);
    if (!floor) return Unexpected(floor.error());
    auto sa = crypto::esp::InboundSa::create(config_.esp->in, floor->highest_seen(), provider);
    if (!sa) return Unexpected(sa.error());
    replay_floor_ = std::move(*floor);
    inbound_sa_ = std::move(*sa);
    return {};
}

void TunnelControl::open_socket(WanSockets& sockets, std::optional<std::uint32_t> interface_mtu) {
    if (!interface_mtu) {
        socket_.reset();
        socket_condition_ = {RunState::waiting,
                             "address " + wan_local().address.text() + " is on no interface yet"};
        return;
    }
    path_mtu_ = config_.path_mtu.value_or(*interface_mtu);
    if (socket_) return;
    auto opened = sockets.open(wan_protocol(), wan_local());
    if (opened) {
        socket_ = *opened;
        socket_condition_ = {RunState::up, ""};
        return;
    }
    const bool may_come = opened.error().kind == tunnel::io::WanSocketError::Kind::waiting;
    socket_condition_ = {may_come ? RunState::waiting : RunState::down, opened.error().text};
}

Result<void, std::string> TunnelControl::reserve_ahead() {
    if (!sequence_ || !outbound_sa_) return {};
    const auto limit = sequence_->advance(outbound_sa_->last_sequence());
    if (!limit) return Unexpected(limit.error());
    if (*limit) outbound_sa_->raise_limit(**limit);
    return {};
}

Result<void, std::string> TunnelControl::save_replay_floor() {
    if (!replay_floor_ || !inbound_sa_) return {};
    return replay_floor_->save(inbound_sa_->highest_sequence());
}

Condition TunnelControl::condition() const {
    if (!key_problem_.empty()) return {RunState::down, key_problem_};
    if (is_protected() && (outbound_sa_->stopped_by_bug() || inbound_sa_->stopped_by_bug()))
        return {RunState::down,
                "an SA stopped itself: a sequence number was about to be used twice; please report this"};
    if (is_protected() && sequence_->exhausted() && outbound_sa_->last_sequence() == outbound_sa_->limit())
        return {RunState::down, "the outbound SA has used its last sequence number; give it new keys"};
    return socket_condition_;
}

WanProtocol TunnelControl::wan_protocol() const noexcept {
    if (config_.esp)
        return config_.esp->encapsulation == config::EspEncapsulation::udp ? WanProtocol::udp
                                                                           : WanProtocol::esp;
    return config_.options.encapsulation == tunnel::Encapsulation::udp ? WanProtocol::udp : WanProtocol::l2tp;
}

Endpoint TunnelControl::wan_local() const {
    const bool ports = wan_protocol() == WanProtocol::udp;
    if (config_.esp) return {config_.esp->local, ports ? config_.esp->local_port : std::uint16_t{0}};
    return {config_.options.local, ports ? config_.options.local_port : std::uint16_t{0}};
}

Endpoint TunnelControl::wan_remote() const {
    const bool ports = wan_protocol() == WanProtocol::udp;
    if (config_.esp) return {config_.esp->remote, ports ? config_.esp->remote_port : std::uint16_t{0}};
    return {config_.options.remote, ports ? config_.options.remote_port : std::uint16_t{0}};
}

}  // namespace isthmus::appliance
