#include "appliance/manual_keys.h"

namespace isthmus::appliance {

void ManualKeys::open(const config::EspConfig& esp, const std::filesystem::path& state_dir,
                      Providers& providers, Rng& rng, SaSet& sas) {
    *this = ManualKeys();
    sas.clear();
    if (auto made = make(esp, state_dir, providers, rng); !made) {
        problem_ = made.error();
        return;
    }
    // The set was just cleared: no SPI can be there twice.
    (void)sas.install({inbound_, esp.mode, false});
    sas.use({outbound_, esp.mode, way_of(esp),
             esp.encapsulation == config::EspEncapsulation::udp ? esp.keepalive_seconds : 0});
}

Result<void, std::string> ManualKeys::make(const config::EspConfig& esp,
                                           const std::filesystem::path& state_dir, Providers& providers,
                                           Rng& rng) {
    auto sequence = crypto::io::DurableSequence::open(state_dir, esp.out);
    if (!sequence) return Unexpected(sequence.error());
    auto out = crypto::esp::OutboundSa::create(esp.out, sequence->range(), *providers.outbound, rng);
    if (!out) return Unexpected(out.error());
    auto floor = crypto::io::DurableReplayFloor::open(state_dir, esp.in);
    if (!floor) return Unexpected(floor.error());
    auto in = crypto::esp::InboundSa::create(esp.in, floor->highest_seen(), *providers.inbound);
    if (!in) return Unexpected(in.error());
    sequence_ = std::move(*sequence);
    replay_floor_ = std::move(*floor);
    outbound_ = std::move(*out);
    inbound_ = std::move(*in);
    return {};
}

Result<void, std::string> ManualKeys::reserve_ahead() {
    if (!sequence_) return {};
    const auto limit = sequence_->advance(outbound_->last_sequence());
    if (!limit) return Unexpected(limit.error());
    if (*limit) outbound_->raise_limit(**limit);
    return {};
}

Result<void, std::string> ManualKeys::save_replay_floor() {
    if (!replay_floor_) return {};
    return replay_floor_->save(inbound_->highest_sequence());
}

Condition ManualKeys::condition() const {
    if (!problem_.empty()) return {RunState::down, problem_};
    if (sequence_ && sequence_->exhausted() && outbound_->last_sequence() == outbound_->limit())
        return {RunState::down, "the outbound SA has used its last sequence number; give it new keys"};
    return {RunState::up, ""};
}

EspWay way_of(const config::EspConfig& esp) {
    const bool in_udp = esp.encapsulation == config::EspEncapsulation::udp;
    return {in_udp,
            {esp.local, in_udp ? esp.local_port : std::uint16_t{0}},
            {esp.remote, in_udp ? esp.remote_port : std::uint16_t{0}}};
}

}  // namespace isthmus::appliance
