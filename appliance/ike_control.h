// IKEv2 in the gateway: drives the engine with sockets, punts, timers and DNS, and puts its SAs into the tunnels.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "appliance/ike_pairs.h"
#include "appliance/ike_socket.h"
#include "appliance/known_time.h"
#include "base/shared_ids.h"
#include "crypto/ike/engine.h"

namespace isthmus::appliance {

class IkeControl final : public ControlPlane {
  public:
    /// `expected`: the workers' set of SPIs that we have given out. `key_log`: folder for Wireshark's tables; empty: none.
    IkeControl(ControlServices& services, SharedIds<Spi>& expected, const std::filesystem::path& key_log);
    ~IkeControl() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "ike"; }
    void configure(const config::Configuration& configuration) override;
    void on_kernel_change() override { open_sockets(); }
    void stop() override;
    [[nodiscard]] nlohmann::json status() const override;

  private:
    void listen_to_punts();
    void add_commands();
    void open_sockets();
    void every_second();
    /// Says when the clock cannot be right, and when it can again.
    void look_at_clock();

    /// What the engine wants done, and its next deadline. After every call to it.
    void act();
    void handle(crypto::ike::SendDatagram& action);
    void handle(crypto::ike::SendKeepalive& action);
    void handle(crypto::ike::Resolve& action);
    void handle(crypto::ike::ExpectEsp& action);
    void handle(crypto::ike::ForgetEsp& action);
    void handle(crypto::ike::ChildUp& action);
    void handle(crypto::ike::UseOutbound& action);
    void handle(crypto::ike::ChildDown& action);
    void handle(crypto::ike::PathMoved& action);
    void handle(crypto::ike::PeerStateChanged& action);
    void handle(crypto::ike::Note& action);
    void handle(crypto::ike::KeyLog& action);
    void send_on_nat_port(const Endpoint& local, const Endpoint& to, Bytes bytes);

    ControlServices& services_;
    SharedIds<Spi>& expected_;
    std::filesystem::path key_log_;
    IkePairs pairs_;
    KnownTime known_time_;
    crypto::ike::Engine engine_;
    Deadline deadline_;
    Deadline second_;
    /// By local address; null: not open (yet).
    std::map<IpAddress, std::unique_ptr<IkeSocket>> sockets_;
    std::map<IpAddress, std::shared_ptr<tunnel::io::WanSocket>> nat_sockets_;
    std::map<std::string, std::string> socket_problems_;  ///< as last logged
    /// Of the peers that have certificates.
    std::vector<std::shared_ptr<const crypto::ike::Credentials>> certified_;
    std::string clock_doubt_;  ///< empty: the clock is plausible
};

}  // namespace isthmus::appliance
