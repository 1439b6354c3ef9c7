#include "appliance/datapath/inbound_worker.h"

#include <algorithm>
#include <utility>

#include "appliance/clock.h"
#include "crypto/esp/udp4500.h"

namespace isthmus::appliance {

namespace {

/// Receive calls on one socket before the others have their turn.
constexpr int kCallsPerTurn = 4;
/// A turn with more packets than this is not a quiet one.
constexpr std::size_t kQuiet = 4;
/// Packets of a quiet gateway that come so far apart are received one by one.
constexpr std::chrono::microseconds kApart{200};

}  // namespace

Result<std::unique_ptr<InboundWorker>, std::string> InboundWorker::make(InboundMemory memory,
                                                                        stp_guard::KnownHosts& hosts,
                                                                        const IdsGivenOut& given_out,
                                                                        Doorbell& bell) {
    std::unique_ptr<InboundWorker> worker(new InboundWorker(memory, given_out, bell));
    if (auto built = worker->build_pipelines(hosts, given_out.connections); !built)
        return Unexpected(built.error());
    return worker;
}

InboundWorker::InboundWorker(InboundMemory memory, const IdsGivenOut& given_out, Doorbell& bell)
    : blocks_(tunnel::io::WanReceiver::kRunBlockSize, memory.blocks),
      bell_(bell),
      early_(given_out.spis),
      coalescer_(std::make_unique<tunnel::Coalescer>(tunnel::CoalesceOptions{})) {
    events_.add(thread_.wakeup().fd(), kWakeupKey);
}

Result<void, std::string> InboundWorker::build_pipelines(stp_guard::KnownHosts& hosts,
                                                         const tunnel::ConnectionIds& connections) {
    const auto no_sessions = tunnel::SessionTable::build({}, {});
    if (!no_sessions) return Unexpected(no_sessions.error());
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        Lane& lane = lanes_[i];
        std::vector<std::unique_ptr<Stage>> stages;
        if (i == 1) {
            auto open = std::make_unique<crypto::esp::OpenStage>(&punted_);
            open->keep_early(&early_);
            auto inner_ip =
                std::make_unique<tunnel::InnerIpDecapStage>(std::make_shared<tunnel::InnerIpTable>());
            auto inner_udp =
                std::make_unique<tunnel::InnerUdpDecapStage>(std::make_shared<tunnel::InnerUdpTable>());
            lane.open = open.get();
            lane.inner_ip = inner_ip.get();
            lane.inner_udp = inner_udp.get();
            stages.push_back(std::move(open));
            stages.push_back(std::move(inner_ip));
            stages.push_back(std::move(inner_udp));
        }
        auto decap = std::make_unique<tunnel::DecapStage>(*no_sessions, punted_, &connections);
        auto admission = std::make_unique<stp_guard::AdmissionStage>(
            stp_guard::Direction::from_tunnel, &punted_,
            stp_guard::HostTables{&hosts.tunnel, &hosts.lan, &hosts.bridge, &hosts.floods, &hosts.strays,
                                  &hosts.elsewhere});
        auto mss = std::make_unique<tunnel::MssClampStage>();
        lane.decap = decap.get();
        lane.admission = admission.get();
        lane.mss = mss.get();
        stages.push_back(std::move(decap));
        stages.push_back(std::move(admission));
        stages.push_back(std::move(mss));
        auto pipeline = Pipeline::build(std::move(stages), {});
        if (!pipeline) return Unexpected(pipeline.error());
        lane.pipeline.emplace(std::move(*pipeline));
    }
    return {};
}

void InboundWorker::run() {
    while (!thread_.stopping())
        take_turn(
            thread_, events_, memory_, patience_, true, boot_now,
            [this](std::uint32_t key, TimePoint now) { return on_ready(key, now); },
            [this](TimePoint now) {
                if (!early_.empty()) early_.expire(now, ledger_);
                if (punted_.take_offered()) bell_.ring();
                help_other(now);
            },
            [this](TimePoint now) {
                if (auto view = view_.take_if_new()) adopt(std::move(view), now);
                if (punted_.take_offered()) bell_.ring();
            });
    if (other_ != nullptr && other_->custody().is_lent()) other_->give_back();
}

bool InboundWorker::on_ready(std::uint32_t key, TimePoint now) {
    if (key != kOtherKey) return receive(key, now);
    // It may have been given back in this very turn.
    if (other_->custody().is_lent() && other_->take_lent_turn(now)) other_->give_back();
    return false;
}

void InboundWorker::help_other(TimePoint now) {
    const std::size_t packets = std::exchange(packets_, 0);
    if (packets == 0 || other_ == nullptr) return;
    const bool busy = packets > kQuiet;
    if (busy) other_->custody().helper_was_busy(now);
    if (!other_->custody().is_lent()) return;
    // Two directions that are busy are two threads' work.
    if (busy || other_->look_for_answers(now)) other_->give_back();
}

void InboundWorker::adopt(std::shared_ptr<const InboundView> view, TimePoint now) {
    // Most changes are of the guard's verdicts: sockets and TAPs stay.
    const bool same_sockets =
        current_ && std::ranges::equal(current_->wan, view->wan, {}, &WanPort::socket, &WanPort::socket);
    const bool same_taps = current_ && current_->taps == view->taps;
    if (current_ && !same_sockets)
        for (const WanPort& port : current_->wan) events_.remove(port.socket->fd());
    for (Lane& lane : lanes_) {
        lane.decap->set_sessions(view->sessions);
        lane.admission->set_sessions(view->admission);
        lane.mss->set_limits(view->mss_limits);
    }
    lanes_[1].inner_ip->set_tunnels(view->inner_ip);
    lanes_[1].inner_udp->set_tunnels(view->inner_udp);
    lanes_[1].open->set_sas(view->sas);
    ledger_.set_scopes(view->tunnel_drops, view->session_drops);
    current_ = std::move(view);
    if (!same_taps) adopt_coalescer();
    if (!early_.empty()) deliver_early(now);
    if (same_sockets) return;
    adopt_receivers();
    for (std::size_t i = 0; i < current_->wan.size(); ++i)
        events_.add(current_->wan[i].socket->fd(), static_cast<std::uint32_t>(i));
}

/// Before anything else is received, so that nothing that came later overtakes them.
void InboundWorker::deliver_early(TimePoint now) {
    early_.take(*current_->sas, batch_, now, ledger_);
    lanes_[1].pipeline->process(batch_, now, ledger_);
    coalescer_->add(batch_, sink_);
    coalescer_->flush(sink_);
}

void InboundWorker::adopt_receivers() {
    std::vector<Receiver> next;
    for (const WanPort& port : current_->wan) {
        const auto same = std::find_if(receivers_.begin(), receivers_.end(),
                                       [&](const Receiver& r) { return r.socket == port.socket; });
        if (same != receivers_.end()) {
            next.push_back(std::move(*same));
            receivers_.erase(same);
        } else {
            next.push_back({port.socket, std::make_unique<tunnel::io::WanReceiver>(
                                             *port.socket, blocks_, tunnel::io::WanReceiverOptions{})});
        }
    }
    receivers_ = std::move(next);
}

void InboundWorker::adopt_coalescer() {
    // One coalescer serves all TAPs: it merges what all of their kernels take.
    tunnel::CoalesceOptions options{true, true, true, true};
    for (const auto& tap : current_->taps) {
        if (!tap) continue;
        options.tcp4 = options.tcp4 && tap->offloads().tso4;
        options.tcp6 = options.tcp6 && tap->offloads().tso6;
        options.udp4 = options.udp4 && tap->offloads().uso4;
        options.udp6 = options.udp6 && tap->offloads().uso6;
    }
    coalescer_ = std::make_unique<tunnel::Coalescer>(options);
}

bool InboundWorker::receive(std::size_t wan, TimePoint now) {
    const bool is_protected = current_->wan_is_protected[wan];
    const bool in_udp = current_->wan[wan].socket->protocol() == tunnel::io::WanProtocol::udp;
    Lane& lane = lanes_[is_protected ? 1 : 0];
    auto outcome = tunnel::io::WanReceiver::Outcome::more;
    tunnel::io::WanReceiver& receiver = *receivers_[wan].receiver;
    const bool apart = now - std::exchange(received_at_, now) > kApart;
    const bool one_by_one = apart && other_ != nullptr && other_->custody().is_lent();
    for (int n = 0; n < kCallsPerTurn && outcome == tunnel::io::WanReceiver::Outcome::more; ++n) {
        outcome = one_by_one ? receiver.receive_one(batch_, ledger_) : receiver.receive(batch_, ledger_);
        packets_ += batch_.size();
        if (is_protected && in_udp) classify_udp4500();
        lane.pipeline->process(batch_, now, ledger_);
        coalescer_->add(batch_, sink_);
    }
    coalescer_->flush(sink_);
    return outcome == tunnel::io::WanReceiver::Outcome::more;
}

void InboundWorker::classify_udp4500() noexcept {
    for (PacketBuffer& packet : batch_) {
        switch (crypto::esp::classify_udp4500(packet.data())) {
            case crypto::esp::Udp4500Kind::esp: break;
            case crypto::esp::Udp4500Kind::keepalive: packet.meta.drop = DropReason::nat_keepalive; break;
            case crypto::esp::Udp4500Kind::runt: packet.meta.drop = DropReason::esp_truncated; break;
            case crypto::esp::Udp4500Kind::ike: {
                const Bytes message = Bytes(packet.data()).subspan(crypto::esp::kNonEspMarkerSize);
                const bool taken =
                    punted_.offer(PuntClass::ike, kNoTunnel, kNoSession, *packet.meta.path, message);
                packet.meta.drop = taken ? DropReason::none : DropReason::punt_overflow;
                if (taken) packet = PacketBuffer();
                break;
            }
        }
    }
    batch_.sweep(ledger_);
}

void InboundWorker::TapSink::on_frame(const tunnel::GatheredFrame& frame) noexcept {
    const auto& taps = worker_.current_->taps;
    const auto session = raw(frame.session);
    if (session >= taps.size() || !taps[session]) {
        worker_.ledger_.count(DropReason::session_down, frame.tunnel, frame.session);
        return;
    }
    const DropReason refused = taps[session]->write(frame.offload, frame.pieces);
    if (refused == DropReason::none) return;
    for (std::uint16_t n = 0; n < frame.packets; ++n)
        worker_.ledger_.count(refused, frame.tunnel, frame.session);
}

}  // namespace isthmus::appliance
