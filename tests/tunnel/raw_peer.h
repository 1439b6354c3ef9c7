// A peer that a test drives by hand: it builds each message itself, right or wrong, and sees what comes back.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "tests/tunnel/control_net.h"

namespace isthmus::test {

class RawPeer {
  public:
    /// Talks to `gateway` from the address of its peer. Take the peer's engine away first.
    RawPeer(ControlNet& net, SimGateway& gateway, std::string_view address) : net_(net), gateway_(gateway) {
        arrival.path.local = {gateway.address, 1701};
        arrival.path.remote = {*IpAddress::parse(address), 1701};
        net.filter = [this](const ControlNet::Packet& packet) {
            if (packet.what.path.remote.address == arrival.path.remote.address) take(packet.what.bytes);
            return false;
        };
    }
    ~RawPeer() { net_.filter = nullptr; }
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;

    tunnel::ControlArrival arrival;
    ControlConnectionId gateways_id{};  ///< what we put into headers
    ControlConnectionId own_id{0x1001};
    std::uint16_t ns = 0;
    std::uint16_t nr = 0;

    void send(const tunnel::ControlMessage& message) { send_body(tunnel::emit_body(message)); }
    void send_body(Bytes body) { send_numbered(body, ns++, nr); }
    void send_numbered(Bytes body, std::uint16_t as_ns, std::uint16_t as_nr) {
        net_.inject(gateway_, arrival, tunnel::plain_message({gateways_id, as_ns, as_nr}, body));
    }
    void send_bytes(Bytes bytes) { net_.inject(gateway_, arrival, bytes); }
    void start_over() {
        ns = nr = 0;
        gateways_id = {};
        forget();
    }
    void acknowledge() { send_numbered({}, ns, nr); }

    /// The next message of type T that came, others before it are skipped.
    template <class T>
    std::optional<T> take_message() {
        while (!in_.empty()) {
            const tunnel::ControlMessage message = std::move(in_.front());
            in_.pop_front();
            if (const auto* found = std::get_if<T>(&message)) return *found;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::size_t waiting() const { return in_.size(); }
    void forget() { in_.clear(); }
    [[nodiscard]] std::uint64_t count() const { return count_; }

    tunnel::Sccrq sccrq() const {
        tunnel::Sccrq message;
        message.host_name = "raw.example";
        message.router_id = tunnel::RouterId{77};
        message.assigned_id = own_id;
        message.pseudowires = {tunnel::PseudowireType::ethernet, tunnel::PseudowireType::ethernet_vlan};
        message.receive_window = 8;
        return message;
    }
    tunnel::Icrq icrq(SessionId id, std::string end_id) const {
        tunnel::Icrq message;
        message.ids.local = id;
        message.serial = 1;
        message.end_id = std::move(end_id);
        message.offer.status = tunnel::CircuitStatus{};
        return message;
    }
    /// SCCRQ, SCCRP, SCCCN; whether it came to that.
    bool connect() {
        send(sccrq());
        const auto sccrp = take_message<tunnel::Sccrp>();
        if (!sccrp) return false;
        gateways_id = sccrp->assigned_id;
        send(tunnel::Scccn{});
        return true;
    }
    /// ICRQ, ICRP, ICCN for a pseudowire; the gateway's Session ID.
    std::optional<SessionId> call(SessionId id, const std::string& end_id) {
        send(icrq(id, end_id));
        const auto icrp = take_message<tunnel::Icrp>();
        if (!icrp) return std::nullopt;
        tunnel::Iccn iccn;
        iccn.ids = {id, icrp->ids.local};
        send(iccn);
        return icrp->ids.local;
    }

  private:
    void take(Bytes bytes) {
        ++count_;
        const auto packet = tunnel::ControlPacket::parse(arrival.encapsulation, bytes);
        if (!packet) return;
        auto message = tunnel::parse_body(packet->body);
        if (!message) return;
        const bool numbered = !std::holds_alternative<tunnel::Zlb>(message->message) &&
                              !std::holds_alternative<tunnel::Ack>(message->message);
        if (numbered && packet->header.ns != nr && gateways_id != ControlConnectionId{}) return;  // repeated
        if (numbered) nr = static_cast<std::uint16_t>(packet->header.ns + 1);
        last_header = packet->header;
        in_.push_back(std::move(message->message));
    }

  public:
    std::optional<tunnel::ControlHeader> last_header;

  private:
    ControlNet& net_;
    SimGateway& gateway_;
    std::deque<tunnel::ControlMessage> in_;
    std::uint64_t count_ = 0;
};

}  // namespace isthmus::test
