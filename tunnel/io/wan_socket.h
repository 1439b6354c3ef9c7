// A socket towards the wide area: L2TPv3 over UDP, ESP in UDP, L2TPv3 over IP protocol 115 or raw ESP
// (protocol 50).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/address.h"
#include "base/counters.h"
#include "base/result.h"

namespace isthmus::tunnel::io {

/// What the socket carries, as IP protocol number.
enum class WanProtocol : std::uint8_t { udp = 17, esp = 50, l2tp = 115 };

struct WanSocketOptions {
    WanProtocol protocol = WanProtocol::udp;
    /// An address of this host, never the unspecified one: replies must leave from where they were asked.
    /// Port 0 for esp and l2tp; for udp port 0 lets the kernel choose one.
    Endpoint local;
    /// Wanted kernel buffers in bytes. Beyond the system's limit only with CAP_NET_ADMIN; what was granted is
    /// readable. What waits in the receive buffer is delay: a millisecond at 10 Gbit/s fits.
    std::size_t receive_buffer = 1U << 19;
    std::size_t send_buffer = 4U << 20;
    /// UDP only: let the kernel hand over runs of packets (UDP_GRO) where it can.
    bool receive_runs = true;
};

struct WanSocketError {
    enum class Kind : std::uint8_t {
        waiting,        ///< the address is not on this host yet: worth trying again when addresses change
        in_use,         ///< somebody else has the port
        not_permitted,  ///< a privilege is missing
        failed,         ///< anything else
    };
    Kind kind = Kind::failed;
    std::string text;  ///< a sentence: what failed and what to do
};

/// Runs (UDP_SEGMENT) that the kernel did not take through a socket, so that their packets left one by one. Written by the
/// socket's sender, readable from any thread.
struct RefusedRuns {
    Counter count;
    std::atomic<int> last_error{0};  ///< errno; 0: none was refused
};

/// Owns the descriptor. One WanSender and one WanReceiver may use it from one thread each.
/// Outer packets are never fragmented: IP_PMTUDISC_PROBE sets DF and, unlike IP_PMTUDISC_DO, does not believe
/// ICMP messages, which anybody could forge to starve the tunnel. The price: when the path's MTU shrinks, too
/// large packets are lost silently instead of refused here; the configured path_mtu is what keeps them small
/// enough.
class WanSocket {
  public:
    [[nodiscard]] static Result<WanSocket, WanSocketError> open(const WanSocketOptions& options);

    WanSocket(WanSocket&& other) noexcept;
    WanSocket& operator=(WanSocket&& other) noexcept;
    WanSocket(const WanSocket&) = delete;
    WanSocket& operator=(const WanSocket&) = delete;
    ~WanSocket();

    /// Non-blocking; readable in epoll when packets wait.
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] WanProtocol protocol() const noexcept { return protocol_; }
    /// As bound, with the port that the kernel chose.
    [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
    [[nodiscard]] bool receives_runs() const noexcept { return receives_runs_; }
    [[nodiscard]] RefusedRuns& refused_runs() const noexcept { return *refused_runs_; }
    /// Bytes that the kernel granted (it books its own overhead against them).
    [[nodiscard]] std::size_t receive_buffer() const noexcept { return receive_buffer_; }
    [[nodiscard]] std::size_t send_buffer() const noexcept { return send_buffer_; }

  private:
    WanSocket(int fd, const WanSocketOptions& options) noexcept
        : fd_(fd), protocol_(options.protocol), local_(options.local) {}
    [[nodiscard]] Result<void, WanSocketError> set_options(const WanSocketOptions& options);
    [[nodiscard]] Result<void, WanSocketError> bind_local();

    int fd_ = -1;
    WanProtocol protocol_{};
    Endpoint local_;
    bool receives_runs_ = false;
    std::unique_ptr<RefusedRuns> refused_runs_ = std::make_unique<RefusedRuns>();
    std::size_t receive_buffer_ = 0;
    std::size_t send_buffer_ = 0;
};

}  // namespace isthmus::tunnel::io
