// One gateway's pipelines of both directions, built of the same stages in the same order as the workers have them, without
// threads, TAPs and sockets.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/pipeline.h"
#include "base/punt.h"
#include "crypto/esp/open_stage.h"
#include "crypto/esp/seal_stage.h"
#include "stp-guard/admission_stage.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/support/frame_builder.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"
#include "tunnel/inner_ip.h"
#include "tunnel/inner_udp.h"
#include "tunnel/offload/mss_clamp.h"

namespace isthmus::test {

inline constexpr TunnelIndex kTunnel{0};
inline constexpr SessionIndex kSession{0};

/// What both ends agree on; `side` 0 or 1 swaps what is local and remote.
struct PairOptions {
    tunnel::Encapsulation encapsulation = tunnel::Encapsulation::udp;
    crypto::esp::Suite suite = crypto::esp::Suite::aes256_gcm16;
    crypto::esp::Mode mode = crypto::esp::Mode::transport;
    bool extended_sequence = true;
    std::uint64_t first_sequence = 1;
    std::uint8_t cookie_size = 8;
    bool sequencing = false;
    bool v6 = false;
    tunnel::MssLimits mss;
};

class GatewayPipelines {
  public:
    GatewayPipelines(const PairOptions& options, int side)
        : provider_(crypto::make_provider(crypto::ProviderKind::openssl).value()),
          rng_(7U + static_cast<unsigned>(side)) {
        const auto sessions = session_table(options, side);
        const auto udp = std::make_shared<tunnel::InnerUdpTable>();
        const auto ip = std::make_shared<tunnel::InnerIpTable>();
        fill_inner(options, side, *udp, *ip);
        const auto admission = std::make_shared<stp_guard::AdmissionTable>();
        stp_guard::SessionAdmission open;
        open.options.any_vlan = true;
        for (auto& limit : open.options.storm.classes) limit.reset();
        open.options.storm.per_source = {1'000'000, 1'000'000};
        open.state = stp_guard::PortState::open;
        open.vlans = std::make_shared<const stp_guard::VlanStates>(stp_guard::VlanState::open);
        open.meters = std::make_shared<stp_guard::SessionMeters>(1);
        admission->push_back(open);
        build_out(options, side, sessions, udp, ip, admission);
        build_in(options, side, sessions, udp, ip, admission);
    }

    /// A frame from the LAN becomes packets for the WAN.
    void out(PacketBatch& batch, TimePoint now) {
        admit(batch, now);
        seal(batch, now);
    }
    /// What comes before segmenting, and after it.
    void admit(PacketBatch& batch, TimePoint now) { front_->process(batch, now, ledger_); }
    void seal(PacketBatch& batch, TimePoint now) { out_->process(batch, now, ledger_); }
    /// Room that each frame for seal() needs.
    [[nodiscard]] Overhead overhead() const { return out_->overhead(); }
    /// Packets from the WAN become frames for the LAN.
    void in(PacketBatch& batch, TimePoint now) { in_->process(batch, now, ledger_); }

    [[nodiscard]] PacketBuffer frame(PacketPool& pool, Bytes bytes) const {
        PacketBuffer packet = pool.allocate(overhead().head).value();
        std::copy(bytes.begin(), bytes.end(), packet.append(bytes.size()).begin());
        packet.meta.session = kSession;
        packet.meta.tunnel = kTunnel;
        return packet;
    }
    [[nodiscard]] std::uint64_t dropped(DropReason reason) const {
        return ledger_.total().dropped_for(reason);
    }

  private:
    static IpAddress address(bool v6, int side) {
        const auto last = static_cast<std::uint8_t>(side + 1);
        if (!v6) return IpAddress::v4({192, 0, 2, last});
        return IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
    }
    static std::shared_ptr<const tunnel::SessionTable> session_table(const PairOptions& options, int side) {
        tunnel::TunnelEntry tunnel;
        tunnel.index = kTunnel;
        tunnel.is_protected = true;
        tunnel.options.encapsulation = options.encapsulation;
        tunnel.options.local = address(options.v6, side);
        tunnel.options.remote = address(options.v6, 1 - side);
        tunnel::SessionEntry session;
        session.index = kSession;
        session.tunnel = kTunnel;
        session.options.local_id = SessionId(100U + static_cast<unsigned>(side));
        session.options.remote_id = SessionId(101U - static_cast<unsigned>(side));
        session.options.local_cookie = cookie(options.cookie_size, side);
        session.options.remote_cookie = cookie(options.cookie_size, 1 - side);
        if (options.sequencing) {
            session.options.send_sublayer = session.options.receive_sublayer = tunnel::Sublayer::standard;
            session.options.send_sequence = true;
            session.options.receive_sequencing = tunnel::ReceiveSequencing::drop_out_of_order;
        }
        return tunnel::SessionTable::build({tunnel}, {session}).value();
    }
    static tunnel::Cookie cookie(std::uint8_t size, int side) {
        tunnel::Cookie c;
        c.size = size;
        c.bytes.fill(static_cast<std::uint8_t>(0xa0 + side));
        return c;
    }
    static void fill_inner(const PairOptions& options, int side, tunnel::InnerUdpTable& udp,
                           tunnel::InnerIpTable& ip) {
        udp.resize(1);
        ip.resize(1);
        if (options.encapsulation == tunnel::Encapsulation::udp) {
            tunnel::InnerUdp inner;
            inner.local = address(options.v6, side);
            inner.remote = address(options.v6, 1 - side);
            udp[0] = inner;
        }
        if (options.mode == crypto::esp::Mode::tunnel)
            ip[0] = tunnel::InnerIp{address(options.v6, side), address(options.v6, 1 - side)};
    }
    static crypto::esp::SaOptions sa(const PairOptions& options, int sender) {
        crypto::esp::SaOptions sa;
        sa.spi = Spi(0xc0000001U + static_cast<unsigned>(sender));
        sa.suite = options.suite;
        const std::vector<std::uint8_t> key(crypto::esp::key_size(options.suite),
                                            static_cast<std::uint8_t>(0x40 + sender));
        sa.key = crypto::SecretBytes(key);
        sa.extended_sequence = options.extended_sequence;
        return sa;
    }

    static std::unique_ptr<Stage> mss_clamp(const PairOptions& options) {
        auto clamp = std::make_unique<tunnel::MssClampStage>();
        clamp->set_limits(std::make_shared<const tunnel::MssClampStage::Table>(1, options.mss));
        return clamp;
    }

    void build_out(const PairOptions& options, int side,
                   const std::shared_ptr<const tunnel::SessionTable>& sessions,
                   const std::shared_ptr<tunnel::InnerUdpTable>& udp,
                   const std::shared_ptr<tunnel::InnerIpTable>& ip,
                   const std::shared_ptr<stp_guard::AdmissionTable>& admission) {
        auto table = std::make_shared<crypto::esp::OutboundTable>();
        crypto::esp::SequenceRange range;
        range.first = options.first_sequence;
        table->by_tunnel.push_back(
            crypto::esp::OutboundSa::create(sa(options, side), range, *provider_, rng_).value());
        auto guard = std::make_unique<stp_guard::AdmissionStage>(stp_guard::Direction::to_tunnel);
        guard->set_sessions(admission);
        auto seal = std::make_unique<crypto::esp::SealStage>();
        seal->set_sas(table);
        std::vector<std::unique_ptr<Stage>> front;
        front.push_back(std::move(guard));
        front.push_back(mss_clamp(options));
        front_.emplace(Pipeline::build(std::move(front), {256, 256}).value());
        std::vector<std::unique_ptr<Stage>> stages;
        stages.push_back(std::make_unique<tunnel::EncapStage>(sessions));
        stages.push_back(std::make_unique<tunnel::InnerUdpEncapStage>(udp));
        stages.push_back(std::make_unique<tunnel::InnerIpEncapStage>(ip));
        stages.push_back(std::move(seal));
        out_.emplace(Pipeline::build(std::move(stages), {256, 256}).value());
    }

    void build_in(const PairOptions& options, int side,
                  const std::shared_ptr<const tunnel::SessionTable>& sessions,
                  const std::shared_ptr<tunnel::InnerUdpTable>& udp,
                  const std::shared_ptr<tunnel::InnerIpTable>& ip,
                  const std::shared_ptr<stp_guard::AdmissionTable>& admission) {
        std::vector<crypto::esp::InboundTable::Entry> sas;
        sas.push_back(
            {crypto::esp::InboundSa::create(sa(options, 1 - side), options.first_sequence - 1, *provider_)
                 .value(),
             kTunnel});
        auto open = std::make_unique<crypto::esp::OpenStage>();
        open->set_sas(std::make_shared<crypto::esp::InboundTable>(std::move(sas)));
        auto guard = std::make_unique<stp_guard::AdmissionStage>(stp_guard::Direction::from_tunnel);
        guard->set_sessions(admission);
        std::vector<std::unique_ptr<Stage>> stages;
        stages.push_back(std::move(open));
        stages.push_back(std::make_unique<tunnel::InnerIpDecapStage>(ip));
        stages.push_back(std::make_unique<tunnel::InnerUdpDecapStage>(udp));
        stages.push_back(std::make_unique<tunnel::DecapStage>(sessions, rings_));
        stages.push_back(std::move(guard));
        stages.push_back(mss_clamp(options));
        in_.emplace(Pipeline::build(std::move(stages), {}).value());
    }

    std::unique_ptr<crypto::CipherProvider> provider_;
    SeededRng rng_;
    PuntRings rings_;
    DropLedger ledger_;
    std::optional<Pipeline> front_;
    std::optional<Pipeline> out_;
    std::optional<Pipeline> in_;
};

}  // namespace isthmus::test
