// The UDP header between ESP and L2TPv3 (RFC 768; RFC 3931 section 4.1.2), for tunnels of encapsulation udp inside ESP.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |          Source Port          |       Destination Port        |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |            Length             |           Checksum            |   Length from here on; Checksum 0: none
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/pipeline.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

struct UdpHeader {
    static constexpr std::size_t kSize = 8;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint16_t length = 0;
    std::uint16_t checksum = 0;

    /// `at` has kSize bytes.
    [[nodiscard]] static UdpHeader parse(const std::uint8_t* at) noexcept;
    void emit(std::uint8_t* at) const noexcept;
};

/// One tunnel's inner UDP.
struct InnerUdp {
    std::uint16_t local_port = 1701;
    std::uint16_t remote_port = 1701;  ///< 0: any on receipt (and 1701 to send to)
    /// As the header inside ESP has them: in transport mode the outer addresses. Both of one family.
    IpAddress local;
    IpAddress remote;
    /// IPv4 only: otherwise the checksum is sent as 0, as Linux does for L2TP; ESP's ICV protects more than it would.
    /// Over IPv6 a checksum is always sent (RFC 8200 section 8.1).
    bool send_checksum = false;
    /// A checksum other than 0 is verified. False in transport mode behind NAT, where the addresses it covers have been
    /// rewritten (RFC 3948 section 3.1.2).
    bool verify_checksum = true;
    /// IPv6 only: whether a checksum of 0 is accepted (RFC 6935).
    bool accept_zero_checksum = false;
};

/// By TunnelIndex; nullopt: not a tunnel with inner UDP.
using InnerUdpTable = std::vector<std::optional<InnerUdp>>;

/// Puts the header in front of packets of tunnels in the table with meta.next_header 17; others pass as they are.
class InnerUdpEncapStage final : public Stage {
  public:
    explicit InnerUdpEncapStage(std::shared_ptr<const InnerUdpTable> table) { set_tunnels(std::move(table)); }
    /// Between batches, by the owning worker. Never null.
    void set_tunnels(std::shared_ptr<const InnerUdpTable> table) { table_ = std::move(table); }

    [[nodiscard]] std::string_view name() const noexcept override { return "inner-udp-encap"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {UdpHeader::kSize, 0}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    std::shared_ptr<const InnerUdpTable> table_;
};

/// Checks and removes the header of packets that came through ESP (meta.tunnel set) with meta.next_header 17, and bytes
/// behind its length (ESP's traffic flow confidentiality padding, RFC 4303 section 2.7); its ports stay in the meta data.
/// Others pass as they are.
/// Drops: inner_udp_malformed (length, ports), inner_udp_bad_checksum, inner_protocol (a tunnel without inner UDP).
class InnerUdpDecapStage final : public Stage {
  public:
    explicit InnerUdpDecapStage(std::shared_ptr<const InnerUdpTable> table) { set_tunnels(std::move(table)); }
    /// Between batches, by the owning worker. Never null.
    void set_tunnels(std::shared_ptr<const InnerUdpTable> table) { table_ = std::move(table); }

    [[nodiscard]] std::string_view name() const noexcept override { return "inner-udp-decap"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    std::shared_ptr<const InnerUdpTable> table_;
};

}  // namespace isthmus::tunnel
