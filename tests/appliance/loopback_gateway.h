// A gateway's workers and control objects on loopback sockets: what needs no privilege.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <vector>

#include "appliance/inventory.h"
#include "appliance/punt_router.h"
#include "appliance/worker_injector.h"
#include "appliance/workers.h"
#include "crypto/system_rng.h"

namespace isthmus::test {

inline const IpAddress kLoopback = IpAddress::v4({127, 0, 0, 1});

/// The far end: a UDP socket on loopback.
class Peer {
  public:
    Peer() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        socklen_t size = sizeof address;
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        endpoint_ = {kLoopback, ntohs(address.sin_port)};
    }
    ~Peer() { close(fd_); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
    /// nullopt: nothing came in that time.
    std::optional<std::vector<std::uint8_t>> receive(int milliseconds = 10'000) {
        pollfd wait{fd_, POLLIN, 0};
        if (poll(&wait, 1, milliseconds) != 1) return std::nullopt;
        std::vector<std::uint8_t> bytes(65536);
        const auto n = recv(fd_, bytes.data(), bytes.size(), 0);
        bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return bytes;
    }
    void send(Bytes bytes, std::uint16_t port) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        (void)sendto(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }

  private:
    int fd_;
    Endpoint endpoint_;
};

/// A port that was free a moment ago.
inline std::uint16_t free_port() {
    return Peer().endpoint().port;
}

/// One tunnel to one peer, with one session.
class LoopbackGateway {
  public:
    explicit LoopbackGateway(bool is_protected) : is_protected_(is_protected) {
        auto config = std::make_shared<config::Configuration>();
        config->bridges.resize(1);
        config->bridges[0].options.name = "br";
        config->tunnels.push_back(tunnel_config());
        config->sessions.push_back(session_config());
        inventory.apply(config);
        auto made = appliance::Workers::make({}, rng);
        REQUIRE(made);
        workers = std::move(*made);
        provider = crypto::make_provider(crypto::ProviderKind::openssl).value();
    }
    ~LoopbackGateway() { workers->stop(); }
    LoopbackGateway(const LoopbackGateway&) = delete;
    LoopbackGateway& operator=(const LoopbackGateway&) = delete;

    [[nodiscard]] appliance::TunnelControl& tunnel() { return inventory.tunnels[TunnelIndex{0}]; }
    [[nodiscard]] appliance::SessionControl& session() { return inventory.sessions[SessionIndex{0}]; }
    void open_sockets() {
        tunnel().open_sockets(sockets, 1500);
        REQUIRE(tunnel().socket_condition().is_up());
        session().condition = {appliance::RunState::up, ""};
    }
    void publish() { REQUIRE(workers->publish(inventory.tunnels, inventory.sessions)); }

    [[nodiscard]] static crypto::esp::SaOptions sa_options(std::uint32_t spi) {
        crypto::esp::SaOptions options;
        options.spi = Spi{spi};
        options.key = crypto::SecretBytes(std::vector<std::uint8_t>(36, static_cast<std::uint8_t>(spi)));
        return options;
    }
    [[nodiscard]] std::shared_ptr<crypto::esp::OutboundSa> outbound_sa(std::uint32_t spi) {
        return crypto::esp::OutboundSa::create(sa_options(spi), {}, *provider, rng).value();
    }
    [[nodiscard]] std::shared_ptr<crypto::esp::InboundSa> inbound_sa(std::uint32_t spi) {
        return crypto::esp::InboundSa::create(sa_options(spi), 0, *provider).value();
    }
    /// As IKE would: sends with SPI `spi` to the peer.
    void use(std::uint32_t spi, const Endpoint& to) {
        tunnel().sas().use(
            {outbound_sa(spi), crypto::esp::Mode::transport, {true, {kLoopback, port}, to}, 0});
    }

    crypto::SystemRng rng;
    Peer peer;
    std::uint16_t port = free_port();
    appliance::Inventory inventory;
    appliance::WanSockets sockets;
    std::unique_ptr<appliance::Workers> workers;
    std::unique_ptr<crypto::CipherProvider> provider;

  private:
    config::TunnelConfig tunnel_config() {
        config::TunnelConfig config;
        config.name = "t";
        config.options.local = config.options.remote = kLoopback;
        config.options.local_port = is_protected_ ? std::uint16_t{1701} : port;
        config.options.remote_port = is_protected_ ? std::uint16_t{1701} : peer.endpoint().port;
        if (!is_protected_) return config;
        config.esp.emplace();
        config.esp->local = config.esp->remote = kLoopback;
        config.esp->local_port = port;
        config.esp->remote_port = peer.endpoint().port;
        return config;
    }
    static config::SessionConfig session_config() {
        config::SessionConfig config;
        config.name = "s";
        config.interface = "ist-s";
        config.options.local_id = SessionId{0x11};
        config.options.remote_id = SessionId{0x22};
        config.admission.any_vlan = true;
        return config;
    }
    bool is_protected_;
};

}  // namespace isthmus::test
