// Sends batches through a WanSocket: one system call for many packets, one UDP_SEGMENT send for a run of
// equal ones.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/counters.h"
#include "base/packet_batch.h"
#include "tunnel/io/peer_table.h"
#include "tunnel/io/socket_calls.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::tunnel::io {

struct WanSenderOptions {
    /// Consecutive packets to one peer, of one traffic class and one length (the last may be shorter), leave
    /// as one UDP_SEGMENT send. UDP only.
    bool send_runs = true;
    /// Packets with meta.control leave before the others of their batch. False behind ESP or sequence
    /// numbers, where EncapStage has put them first already and a second shuffle would look like reordering
    /// to the peer.
    bool control_first = true;
    /// How long one send() waits for room in the socket's buffer before it drops, in milliseconds.
    int patience_ms = 20;
};

/// Written by the sending thread, readable from any.
struct WanSenderCounters {
    Counter packets;
    Counter bytes;  ///< without the kernel's UDP and IP headers
    Counter system_calls;
    Counter runs;   ///< sends of more than one packet with UDP_SEGMENT
    Counter waits;  ///< times the socket's buffer was full
};

/// Belongs to one thread. No allocation per packet.
class WanSender {
  public:
    static constexpr std::size_t kMaxSegments = 64;      ///< UDP_MAX_SEGMENTS of Linux before 6.9
    static constexpr std::size_t kMaxRunBytes = 65'000;  ///< UDP payload is at most 65,507 over IPv4
    /// After a refused run UDP_SEGMENT rests for so many batches: what refused it (a device without checksum
    /// offload, an XFRM policy) may go away, and trying again costs little.
    static constexpr std::uint32_t kRestBatches = 1024;

    /// `socket` and `calls` outlive the sender.
    WanSender(const WanSocket& socket, WanSenderOptions options, SocketCalls& calls = kernel_socket_calls());
    ~WanSender();

    /// Between sends, by the owning thread. Never null.
    void set_peers(std::shared_ptr<const PeerTable> peers) noexcept { peers_ = std::move(peers); }

    /// Sends all packets to meta.tunnel's peer with meta.traffic_class; afterwards the batch is empty and
    /// every packet is either with the kernel or booked: send_queue_full (no room in time), exceeds_path_mtu
    /// (the kernel says so), send_refused (no peer, no route, interface down, forbidden).
    void send(PacketBatch& batch, DropLedger& ledger) noexcept;

    /// One datagram to anybody, at once and without waiting: control messages and keepalives.
    /// Result: none, or why it was not sent.
    [[nodiscard]] DropReason send_one(const Endpoint& to, Bytes datagram,
                                      std::uint8_t traffic_class = 0) noexcept;

    /// The one-byte NAT keepalive of RFC 3948 section 2.3; for sockets on port 4500.
    [[nodiscard]] DropReason send_nat_keepalive(const Endpoint& to) noexcept;

    [[nodiscard]] const WanSenderCounters& counters() const noexcept { return counters_; }

  private:
    static constexpr std::size_t kControlSize = 64;  ///< room for a traffic class and a segment size
    struct alignas(8) ControlData {
        std::array<std::uint8_t, kControlSize> bytes;
    };
    /// One message to the kernel: packets order_[first] to order_[first + count - 1].
    struct Message {
        std::uint16_t first = 0;
        std::uint16_t count = 0;
        std::uint32_t bytes = 0;
        std::uint32_t segment = 0;  ///< bytes of each packet but the last, which may have fewer
        const SocketAddress* to = nullptr;
    };
    struct Arrays;
    /// Messages and their number; a view into Arrays.
    struct Queue {
        mmsghdr* headers;
        Message* messages;
        std::size_t size;
    };

    void put_in_order(const PacketBatch& batch) noexcept;
    [[nodiscard]] std::size_t build_messages(PacketBatch& batch) noexcept;
    [[nodiscard]] bool extends(const Message& run, const PacketBuffer& last, const PacketBuffer& next,
                               const SocketAddress* to) const noexcept;
    void fill_header(mmsghdr& header, ControlData& control, const Message& message,
                     std::uint8_t traffic_class, std::size_t segment) noexcept;
    void flush(PacketBatch& batch, Queue queue, int& patience_ms) noexcept;
    [[nodiscard]] std::size_t on_failure(PacketBatch& batch, Queue queue, std::size_t at, int error,
                                         int& patience_ms) noexcept;
    void send_singly(PacketBatch& batch, const Message& run, int error, int& patience_ms) noexcept;
    [[nodiscard]] bool wait_for_room(int& patience_ms) noexcept;
    void drop(PacketBatch& batch, const Message& message, DropReason reason) noexcept;

    const WanSocket& socket_;
    WanSenderOptions options_;
    SocketCalls& calls_;
    std::shared_ptr<const PeerTable> peers_;
    std::unique_ptr<Arrays> arrays_;
    std::uint32_t rest_ = 0;
    bool retried_ =
        false;  ///< the message at hand has been tried again after an ICMP error of an earlier one
    WanSenderCounters counters_;
};

}  // namespace isthmus::tunnel::io
