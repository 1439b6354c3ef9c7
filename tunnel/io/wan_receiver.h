// Receives batches from a WanSocket: many packets a system call, runs (UDP_GRO) split without a copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/counters.h"
#include "base/packet_batch.h"
#include "tunnel/io/socket_calls.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::tunnel::io {

struct WanReceiverOptions {
    std::size_t messages =
        64;  ///< at most so many messages, each into one block, a system call; 1 to kMaxMessages
    std::size_t headroom = 64;  ///< in front of each message's data, for packets that came singly
};

/// Written by the receiving thread, readable from any.
struct WanReceiverCounters {
    Counter packets;
    Counter bytes;  ///< without UDP and IP headers
    Counter system_calls;
    Counter runs;  ///< messages that held more than one packet
};

/// Belongs to one thread. No allocation per packet. Holds blocks only for packets that it has received: any number of
/// receivers may share a pool.
class WanReceiver {
  public:
    static constexpr std::size_t kMaxMessages = 128;
    /// Blocks that hold any run; sockets that do not receive runs do with the largest packet instead.
    static constexpr std::size_t kRunBlockSize = 65'536 + 128;

    /// A quiet socket is asked for so many messages, which costs less than asking for all.
    static constexpr std::size_t kFewMessages = 8;

    enum class Outcome : std::uint8_t {
        drained,    ///< nothing waits: back to epoll
        more,       ///< more may wait: call again
        no_buffer,  ///< the pool is empty: packets wait in the kernel
        failed,     ///< the kernel refused; last_error() has its errno
    };

    /// `socket`, `pool` and `calls` outlive the receiver.
    WanReceiver(const WanSocket& socket, PacketPool& pool, WanReceiverOptions options,
                SocketCalls& calls = kernel_socket_calls());
    ~WanReceiver();

    /// Appends what has arrived to `batch`, which has room. Sets meta.path (valid until the next call),
    /// meta.traffic_class and meta.next_header (the socket's protocol). Books receive_truncated.
    [[nodiscard]] Outcome receive(PacketBatch& batch, DropLedger& ledger) noexcept;
    /// The same with one message at most, for a socket where one comes now and then: to ask for more would cost more than it
    /// brings. `drained` even if more waits: the caller asks epoll before it comes again.
    [[nodiscard]] Outcome receive_one(PacketBatch& batch, DropLedger& ledger) noexcept;

    [[nodiscard]] int last_error() const noexcept { return last_error_; }
    [[nodiscard]] const WanReceiverCounters& counters() const noexcept { return counters_; }

  private:
    struct Message;
    struct Arrays;

    [[nodiscard]] std::size_t arm(std::size_t most) noexcept;
    [[nodiscard]] std::optional<std::size_t> take(std::size_t armed, DropLedger& ledger) noexcept;
    void disarm(std::size_t first, std::size_t armed) noexcept;
    void adapt(std::size_t got, std::size_t armed) noexcept;
    void note(Message& message, const mmsghdr& header, DropLedger& ledger) noexcept;
    [[nodiscard]] static bool strip_ip_header(PacketBuffer& packet) noexcept;
    void hand_over(PacketBatch& batch) noexcept;
    [[nodiscard]] bool split(Message& message, PacketBatch& batch) noexcept;

    const WanSocket& socket_;
    PacketPool& pool_;
    WanReceiverOptions options_;
    SocketCalls& calls_;
    std::unique_ptr<Arrays> arrays_;
    std::size_t wanted_ = kFewMessages;  ///< messages to ask for: follows what comes
    std::size_t next_ = 0;               ///< first message not handed over yet
    std::size_t count_ = 0;              ///< messages received
    int last_error_ = 0;
    WanReceiverCounters counters_;
};

}  // namespace isthmus::tunnel::io
