// The control thread's side of one tunnel: keys, socket, state.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "appliance/condition.h"
#include "appliance/wan_sockets.h"
#include "base/counters.h"
#include "base/ids.h"
#include "base/rng.h"
#include "config/configuration.h"
#include "crypto/esp/inbound_sa.h"
#include "crypto/esp/outbound_sa.h"
#include "crypto/io/sequence_file.h"
#include "crypto/packet_cipher.h"

namespace isthmus::appliance {

/// Providers of the workers' ciphers: one a worker, since ciphers of one provider belong to one thread.
struct Providers {
    std::unique_ptr<crypto::CipherProvider> outbound;
    std::unique_ptr<crypto::CipherProvider> inbound;
};

class TunnelControl {
  public:
    TunnelControl(const config::TunnelConfig& config, TunnelIndex index) : config_(config), index_(index) {}

    /// Reads the state files and makes both SAs. A tunnel without keys stays down and says why; nothing else stops.
    void make_keys(const std::filesystem::path& state_dir, Providers& providers, Rng& rng);
    /// Binds the socket if the local address is there. `interface_mtu`: of the interface that holds it; nullopt: absent.
    void open_socket(WanSockets& sockets, std::optional<std::uint32_t> interface_mtu);
    /// Keeps sequence numbers reserved ahead of use. Error: a sentence for the log.
    [[nodiscard]] Result<void, std::string> reserve_ahead();
    /// Writes down how far the inbound SA has come. Error: a sentence for the log.
    [[nodiscard]] Result<void, std::string> save_replay_floor();

    [[nodiscard]] Condition condition() const;
    [[nodiscard]] const Condition& socket_condition() const noexcept { return socket_condition_; }
    [[nodiscard]] bool wants_keepalives() const noexcept {
        return config_.esp && config_.esp->encapsulation == config::EspEncapsulation::udp &&
               config_.esp->keepalive_seconds > 0;
    }
    void count_keepalive() noexcept { ++keepalives_; }
    [[nodiscard]] std::uint64_t keepalives() const noexcept { return keepalives_; }
    [[nodiscard]] const config::TunnelConfig& config() const noexcept { return config_; }
    [[nodiscard]] TunnelIndex index() const noexcept { return index_; }
    [[nodiscard]] bool is_protected() const noexcept { return config_.esp.has_value(); }
    [[nodiscard]] std::uint32_t path_mtu() const noexcept { return path_mtu_; }
    [[nodiscard]] tunnel::io::WanProtocol wan_protocol() const noexcept;
    /// Of the packets on the WAN; port 0 where the transport has none.
    [[nodiscard]] Endpoint wan_local() const;
    [[nodiscard]] Endpoint wan_remote() const;
    [[nodiscard]] const std::shared_ptr<tunnel::io::WanSocket>& socket() const noexcept { return socket_; }
    [[nodiscard]] const std::shared_ptr<crypto::esp::OutboundSa>& outbound_sa() const noexcept {
        return outbound_sa_;
    }
    [[nodiscard]] const std::shared_ptr<crypto::esp::InboundSa>& inbound_sa() const noexcept {
        return inbound_sa_;
    }

    const std::shared_ptr<TrafficCounters> out = std::make_shared<TrafficCounters>();
    const std::shared_ptr<TrafficCounters> in = std::make_shared<TrafficCounters>();

  private:
    [[nodiscard]] Result<void, std::string> make_outbound(const std::filesystem::path& state_dir,
                                                          crypto::CipherProvider& provider, Rng& rng);
    [[nodiscard]] Result<void, std::string> make_inbound(const std::filesystem::path& state_dir,
                                                         crypto::CipherProvider& provider);

    const config::TunnelConfig& config_;
    TunnelIndex index_;
    std::uint32_t path_mtu_ = 1500;
    std::optional<crypto::io::DurableSequence> sequence_;
    std::optional<crypto::io::DurableReplayFloor> replay_floor_;
    std::shared_ptr<crypto::esp::OutboundSa> outbound_sa_;
    std::shared_ptr<crypto::esp::InboundSa> inbound_sa_;
    std::shared_ptr<tunnel::io::WanSocket> socket_;
    std::string key_problem_;
    std::uint64_t keepalives_ = 0;
    Condition socket_condition_{RunState::waiting, "not tried yet"};
};

}  // namespace isthmus::appliance
