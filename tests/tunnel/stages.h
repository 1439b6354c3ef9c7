// The encapsulating and decapsulating stages of two sites, A and B, for their tests.
#pragma once

#include <map>

#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

namespace isthmus::tunnel::test {

inline constexpr TimePoint kNow{};

inline std::uint8_t next_header(Encapsulation e) {
    return e == Encapsulation::udp ? kIpProtocolUdp : kIpProtocolL2tp;
}

/// Site A's decapsulation of packets that come from site B outside ESP.
struct Receiver : Worker {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    ConnectionIds connections;
    DecapStage stage;
    Path path = path_from_b();

    explicit Receiver(std::shared_ptr<const SessionTable> table)
        : stage(std::move(table), *rings, &connections) {}

    void run() {
        stage.process(batch, kNow);
        batch.sweep(ledger);
    }
    PacketBuffer& arrive(Bytes packet, Encapsulation e = Encapsulation::udp) {
        PacketBuffer& p = add(packet);
        p.meta.next_header = next_header(e);
        p.meta.path = &path;
        return p;
    }
    /// One packet; the reason why it was dropped, none if it passed.
    DropReason fate(Bytes packet, Encapsulation e = Encapsulation::udp) {
        batch.clear();
        arrive(packet, e);
        stage.process(batch, kNow);
        const DropReason reason = batch[0].meta.drop;
        last_session = batch[0].meta.session;
        last_tunnel = batch[0].meta.tunnel;
        batch.sweep(ledger);
        return reason;
    }
    SessionIndex last_session{};
    TunnelIndex last_tunnel{};
};

struct Sender : Worker {
    EncapStage stage;
    explicit Sender(std::shared_ptr<const SessionTable> table) : stage(std::move(table)) {}

    PacketBuffer& frame_for(std::uint32_t session, Bytes frame) {
        PacketBuffer& p = add(frame);
        p.meta.session = SessionIndex{session};
        return p;
    }
    void run() {
        stage.process(batch, kNow);
        batch.sweep(ledger);
    }
    Octets sent(std::uint32_t session, Bytes frame) {
        batch.clear();
        frame_for(session, frame);
        run();
        return batch.empty() ? Octets{} : copy(batch[0].data());
    }
};

inline SessionEntry with_cookies() {
    auto s = session_entry();
    s.options.local_cookie = cookie("f1f2f3f4f5f6f7f8");
    s.options.remote_cookie = cookie("0102030405060708");
    return s;
}
const Octets kGood = hex("00030000 a1b2c3d4 f1f2f3f4f5f6f7f8") + frame();

/// Sequenced and checked, sublayer both ways.
inline SessionEntry sequenced() {
    auto s = session_entry();
    s.options.send_sublayer = s.options.receive_sublayer = Sublayer::standard;
    s.options.send_sequence = true;
    s.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    return s;
}

}  // namespace isthmus::tunnel::test
