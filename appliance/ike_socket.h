// UDP 500 on one local address: IKE messages outside the datapath. Those on UDP 4500 come and go with ESP.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "appliance/asio.h"
#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace isthmus::appliance {

class IkeSocket {
  public:
    /// The message lives as long as the call.
    using Handler = std::function<void(Bytes message, const Path& path, TimePoint now)>;

    /// Error: a sentence: the address is not here (yet), or somebody else has the port.
    [[nodiscard]] static Result<std::unique_ptr<IkeSocket>, std::string> open(asio::io_context& io,
                                                                              const Endpoint& local,
                                                                              Handler handler);

    [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
    /// Large messages leave in IP fragments: before IKE_AUTH nobody knows whether the peer takes smaller ones. False: the
    /// kernel refused, which is like a loss on the way.
    bool send(const Endpoint& to, Bytes message) noexcept;

  private:
    IkeSocket(asio::io_context& io, const Endpoint& local, Handler handler);
    void receive();

    asio::ip::udp::socket socket_;
    Endpoint local_;
    Handler handler_;
    std::vector<std::uint8_t> buffer_;
    asio::ip::udp::endpoint from_;
};

}  // namespace isthmus::appliance
