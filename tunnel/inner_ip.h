// The IP header inside tunnel-mode ESP (RFC 4301 section 5.1.2), around the UDP or L2TPv3 of one tunnel.
//
// IPv4 (RFC 791 section 3.1), without options:
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |Version|  IHL  | Traffic Class |          Total Length         |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |         Identification        |0|D|M|     Fragment Offset     |   DF set, so Identification is 0 (RFC 6864)
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |  Time to Live |    Protocol   |         Header Checksum       |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |               Source Address, Destination Address             |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// IPv6 (RFC 8200 section 3):
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |Version| Traffic Class |             Flow Label                |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |         Payload Length        |  Next Header  |   Hop Limit   |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |          Source Address, Destination Address (16 each)        |
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/pipeline.h"
#include "base/result.h"

namespace isthmus::tunnel {

inline constexpr std::uint8_t kIpProtocolIpv4 = 4;
inline constexpr std::uint8_t kIpProtocolIpv6 = 41;

/// What we write into and read from either header.
struct InnerIpHeader {
    static constexpr std::size_t kIpv4Size = 20;
    static constexpr std::size_t kIpv6Size = 40;
    static constexpr std::uint8_t kHopLimit = 64;

    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = 0;
    std::uint8_t traffic_class = 0;
    std::uint16_t header_size = 0;   ///< IPv4 options included
    std::uint16_t payload_size = 0;  ///< bytes that follow may be more (padding)

    /// Options are skipped; extension headers are not: `protocol` then names the first one.
    /// Error: inner_ip_malformed (version, lengths, IPv4 checksum, a fragment).
    [[nodiscard]] static Result<InnerIpHeader, DropReason> parse(Bytes packet) noexcept;
    [[nodiscard]] std::size_t wire_size() const noexcept { return source.is_v6() ? kIpv6Size : kIpv4Size; }
    /// Writes wire_size() bytes, with DF and hop limit 64; header_size is not used. Both addresses of one family.
    void emit(std::uint8_t* at) const noexcept;
};

/// One tunnel's inner addresses, both of one family.
struct InnerIp {
    IpAddress local;
    IpAddress remote;
    /// False while some SAs of the tunnel are in transport mode: on receipt a packet without the header passes as it is.
    /// Whoever opens it knows which SA may carry what.
    bool always = true;
};

/// By TunnelIndex; nullopt: not a tunnel in tunnel mode.
using InnerIpTable = std::vector<std::optional<InnerIp>>;

/// Puts a header in front of packets of tunnels in the table: protocol from meta.next_header, traffic class from
/// meta.traffic_class (which stays for the outer header: RFC 6040 section 4.1, normal mode); meta.next_header becomes
/// 4 or 41. Others pass as they are.
class InnerIpEncapStage final : public Stage {
  public:
    explicit InnerIpEncapStage(std::shared_ptr<const InnerIpTable> table) { set_tunnels(std::move(table)); }
    /// Between batches, by the owning worker. Never null.
    void set_tunnels(std::shared_ptr<const InnerIpTable> table) { table_ = std::move(table); }

    [[nodiscard]] std::string_view name() const noexcept override { return "inner-ip-encap"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {InnerIpHeader::kIpv6Size, 0}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    std::shared_ptr<const InnerIpTable> table_;
};

/// Checks and removes the header of packets of tunnels in the table, and bytes behind its length. meta.next_header becomes
/// the inner protocol, meta.traffic_class the inner DSCP with both headers' ECN combined (RFC 6040 section 4.2).
/// Packets outside ESP, and those of other tunnels with a next header other than 4 and 41, pass as they are.
/// Drops: inner_ip_malformed (the header, or not the tunnel's addresses), inner_protocol (not IP on a tunnel always in
/// tunnel mode, IP on any not in the table, neither UDP nor 115 inside), ecn_congestion.
class InnerIpDecapStage final : public Stage {
  public:
    explicit InnerIpDecapStage(std::shared_ptr<const InnerIpTable> table) { set_tunnels(std::move(table)); }
    /// Between batches, by the owning worker. Never null.
    void set_tunnels(std::shared_ptr<const InnerIpTable> table) { table_ = std::move(table); }

    [[nodiscard]] std::string_view name() const noexcept override { return "inner-ip-decap"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    std::shared_ptr<const InnerIpTable> table_;
};

}  // namespace isthmus::tunnel
