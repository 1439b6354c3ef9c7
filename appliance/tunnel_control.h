// The control thread's side of one tunnel: its peer, SAs, sockets and state. What the configuration leaves open, control
// planes fill in.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/condition.h"
#include "appliance/manual_keys.h"
#include "appliance/sa_set.h"
#include "appliance/wan_sockets.h"
#include "base/counters.h"
#include "base/ids.h"
#include "base/rng.h"
#include "config/configuration.h"

namespace isthmus::appliance {

/// Which way a tunnel's packets leave. Ports are 0 where the transport has none.
struct WanWay {
    tunnel::io::WanProtocol protocol{};
    Endpoint local;
    Endpoint remote;
};

class TunnelControl {
  public:
    TunnelControl(std::shared_ptr<const config::TunnelConfig> config, TunnelIndex index);

    /// Another configuration of the same tunnel. Keys, addresses and what control planes have set stay where the two say
    /// the same about them.
    void reconfigure(std::shared_ptr<const config::TunnelConfig> config);
    /// The same configuration, in another place.
    void refer_to(std::shared_ptr<const config::TunnelConfig> config) { config_ = std::move(config); }
    /// Manual keys: reads the state files and makes both SAs, unless they are there. A tunnel without keys stays down and
    /// says why; nothing else stops.
    void make_keys(const std::filesystem::path& state_dir, Providers& providers, Rng& rng);
    /// Binds the sockets if the local address is there. `interface_mtu`: of the interface that holds it; nullopt: absent.
    void open_sockets(WanSockets& sockets, std::optional<std::uint32_t> interface_mtu);
    [[nodiscard]] ManualKeys& manual_keys() noexcept { return manual_keys_; }

    // Control planes:
    [[nodiscard]] SaSet& sas() noexcept { return sas_; }
    [[nodiscard]] const SaSet& sas() const noexcept { return sas_; }
    /// Peer's address and ports, ids: what the configuration did not know (DNS names, "any", negotiation).
    void set_options(const tunnel::TunnelOptions& options);
    /// Sockets to receive on instead of those that the configuration implies: IKE may need UDP and raw ESP at once.
    void listen_on(std::vector<WanAddress> addresses);
    /// How the keys are coming on, for tunnels whose keys are negotiated: shown while there is no SA to send with.
    void set_keying(Condition condition) { keying_ = std::move(condition); }
    /// How the control connection is doing; up where there is none.
    void set_connection(Condition condition) { connection_ = std::move(condition); }

    /// First that is not up: sockets, keys, control connection.
    [[nodiscard]] Condition condition() const;
    [[nodiscard]] const Condition& socket_condition() const noexcept { return socket_condition_; }
    [[nodiscard]] const config::TunnelConfig& config() const noexcept { return *config_; }
    [[nodiscard]] TunnelIndex index() const noexcept { return index_; }
    [[nodiscard]] bool is_protected() const noexcept { return config_->is_protected(); }
    /// As configured or negotiated. remote is unspecified while nobody knows it.
    [[nodiscard]] const tunnel::TunnelOptions& options() const noexcept { return options_; }
    [[nodiscard]] std::uint32_t path_mtu() const noexcept { return path_mtu_; }
    /// nullopt: no peer or no SA yet.
    [[nodiscard]] std::optional<WanWay> way() const;
    /// The socket that way() needs; null: not open.
    [[nodiscard]] std::shared_ptr<tunnel::io::WanSocket> outbound_socket() const;
    [[nodiscard]] const std::vector<std::shared_ptr<tunnel::io::WanSocket>>& sockets() const noexcept {
        return sockets_;
    }
    [[nodiscard]] std::vector<WanAddress> wanted_sockets() const;
    void count_keepalive() noexcept { ++keepalives_; }
    [[nodiscard]] std::uint64_t keepalives() const noexcept { return keepalives_; }
    /// Grows with every change that the datapath has to know.
    [[nodiscard]] std::uint64_t revision() const noexcept { return revision_ + sas_.revision(); }

    const std::shared_ptr<TrafficCounters> out = std::make_shared<TrafficCounters>();
    const std::shared_ptr<TrafficCounters> in = std::make_shared<TrafficCounters>();

  private:
    [[nodiscard]] tunnel::io::WanProtocol clear_protocol() const noexcept;
    [[nodiscard]] Condition key_condition() const;

    std::shared_ptr<const config::TunnelConfig> config_;
    TunnelIndex index_;
    tunnel::TunnelOptions options_;
    std::uint32_t path_mtu_ = 1500;
    SaSet sas_;
    ManualKeys manual_keys_;
    bool keys_made_ = false;
    std::optional<std::vector<WanAddress>> listen_on_;
    std::vector<std::shared_ptr<tunnel::io::WanSocket>> sockets_;
    std::uint64_t keepalives_ = 0;
    std::uint64_t revision_ = 0;
    Condition socket_condition_{RunState::waiting, "not tried yet"};
    Condition keying_{RunState::waiting, "no keys yet"};
    Condition connection_{RunState::up, ""};
};

}  // namespace isthmus::appliance
