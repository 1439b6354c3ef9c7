#include "appliance/datapath/outbound_worker.h"

#include <algorithm>

#include "appliance/clock.h"

namespace isthmus::appliance {

namespace {

/// Frames taken from one TAP before the others have their turn.
constexpr int kFramesPerTurn = 128;
/// A port that gave so many at once has probably more already.
constexpr int kDense = 4;
constexpr std::size_t kFewPorts = 4;
/// Where hosts do not answer within our write, we look for answers after each 16th only: epoll tells of those that we miss.
constexpr int kMostVainLooks = 4;

}  // namespace

Overhead OutboundWorker::room_needed() {
    return Overhead{tunnel::kMaxDataHeaderSize + tunnel::UdpHeader::kSize + tunnel::InnerIpHeader::kIpv6Size,
                    0} +
           crypto::esp::largest_overhead();
}

Result<std::unique_ptr<OutboundWorker>, std::string> OutboundWorker::make(OutboundMemory memory,
                                                                          stp_guard::KnownHosts& hosts,
                                                                          Doorbell& bell) {
    const Overhead room = room_needed();
    std::unique_ptr<OutboundWorker> worker(new OutboundWorker(memory, room, bell));
    if (auto built = worker->build_pipelines(room, hosts); !built) return Unexpected(built.error());
    return worker;
}

OutboundWorker::OutboundWorker(OutboundMemory memory, Overhead room, Doorbell& bell)
    : room_(room),
      slots_(room.head + memory.largest_frame + room.tail, memory.slots),
      // A large frame begins where a slot's would and runs over into the block: see Tap::read().
      large_(2 * room.head + memory.largest_frame + bridge::Tap::kMaxFrame + room.tail, memory.large_blocks),
      bell_(bell),
      largest_frame_(memory.largest_frame),
      segmenter_(slots_, room.head, room.tail) {
    events_.add(thread_.wakeup().fd(), kWakeupKey);
}

Result<void, std::string> OutboundWorker::build_pipelines(Overhead room, stp_guard::KnownHosts& hosts) {
    const auto no_sessions = tunnel::SessionTable::build({}, {});
    if (!no_sessions) return Unexpected(no_sessions.error());

    auto admission = std::make_unique<stp_guard::AdmissionStage>(
        stp_guard::Direction::to_tunnel, &punted_,
        stp_guard::HostTables{&hosts.lan, &hosts.tunnel, nullptr, &hosts.floods, nullptr, &hosts.elsewhere});
    auto mss = std::make_unique<tunnel::MssClampStage>();
    admission_ = admission.get();
    mss_ = mss.get();
    std::vector<std::unique_ptr<Stage>> front;
    front.push_back(std::move(admission));
    front.push_back(std::move(mss));
    auto built = Pipeline::build(std::move(front), room);
    if (!built) return Unexpected(built.error());
    front_pipeline_.emplace(std::move(*built));

    for (Lane* lane : {&clear_, &protected_}) {
        std::vector<std::unique_ptr<Stage>> stages;
        auto encap = std::make_unique<tunnel::EncapStage>(*no_sessions);
        lane->encap = encap.get();
        stages.push_back(std::move(encap));
        if (lane == &protected_) {
            auto inner_udp =
                std::make_unique<tunnel::InnerUdpEncapStage>(std::make_shared<tunnel::InnerUdpTable>());
            auto inner_ip =
                std::make_unique<tunnel::InnerIpEncapStage>(std::make_shared<tunnel::InnerIpTable>());
            auto seal = std::make_unique<crypto::esp::SealStage>();
            lane->inner_udp = inner_udp.get();
            lane->inner_ip = inner_ip.get();
            lane->seal = seal.get();
            stages.push_back(std::move(inner_udp));
            stages.push_back(std::move(inner_ip));
            stages.push_back(std::move(seal));
        }
        auto pipeline = Pipeline::build(std::move(stages), room);
        if (!pipeline) return Unexpected(pipeline.error());
        lane->pipeline.emplace(std::move(*pipeline));
    }
    return {};
}

void OutboundWorker::run() {
    while (!thread_.stopping()) {
        const auto now = turn(true);
        // The call to stop may have been heard in this turn: a helper would wait for it in vain.
        if (now && !thread_.stopping()) lend_if_quiet(*now);
    }
    take_injected(boot_now());  // the last words to our peers
    slot_ = PacketBuffer();
    block_ = PacketBuffer();
}

std::optional<TimePoint> OutboundWorker::turn(bool sleeps) {
    was_busy_ = false;
    const auto now = take_turn(
        thread_, events_, memory_, patience_, sleeps, boot_now,
        [this](std::uint32_t port, TimePoint at) {
            const bool more = read_port(port, at);
            was_busy_ = was_busy_ || more;
            return more;
        },
        [this](TimePoint at) { finish_turn(at); },
        [this](TimePoint at) {
            if (auto view = view_.take_if_new()) adopt(std::move(view));
            take_injected(at);
        });
    if (now && was_busy_) busy_at_ = *now;
    return now;
}

void OutboundWorker::finish_turn(TimePoint now) {
    process_front(now);
    flush_lanes(now);
    if (punted_.take_offered()) bell_.ring();
}

bool OutboundWorker::take_lent_turn(TimePoint now) {
    const bool found = read_few_ports(now);
    const bool busy = found && was_busy_;
    // Now and then the kernel is asked all the same, or control's calls could wait for as long as frames come.
    if (!found || ++lent_turns_ % kTurnsWithoutAsking == 0) turn(false);
    return busy || was_busy_ || thread_.stopping();
}

bool OutboundWorker::look_for_answers(TimePoint now) {
    if (looks_left_out_ > 0) {
        --looks_left_out_;
        return false;
    }
    const bool found = read_few_ports(now);
    vain_looks_ = found ? 0 : std::min(vain_looks_ + 1, kMostVainLooks);
    looks_left_out_ = (1 << vain_looks_) - 1;
    return found && was_busy_;
}

/// Reads ports without asking which have something, which costs more than reading from a few that have not. Whether there was
/// something.
bool OutboundWorker::read_few_ports(TimePoint now) {
    if (!current_ || current_->lan.size() > kFewPorts) return false;
    was_busy_ = false;
    for (std::size_t i = 0; i < current_->lan.size(); ++i) {
        const bool more = read_port(i, now);
        was_busy_ = was_busy_ || more;
    }
    if (front_.empty()) return false;
    finish_turn(now);
    return true;
}

void OutboundWorker::lend_if_quiet(TimePoint now) {
    if (helpers_events_ == nullptr || now - busy_at_ <= Custody::kLull || !custody_.helper_is_quiet(now))
        return;
    move_ports(true);
    custody_.lend();
    helpers_events_->add(events_.fd(), helpers_key_);
    custody_.wait_until_back();
    busy_at_ = boot_now();
}

void OutboundWorker::give_back() {
    helpers_events_->remove(events_.fd());
    move_ports(false);
    custody_.give_back();
}

/// A few ports are watched by the helper itself: a set within a set costs a wake-up more.
void OutboundWorker::move_ports(bool lent) {
    unwatch_ports();
    lent_ = lent;
    watch_ports();
}

void OutboundWorker::watch_ports() {
    if (!current_) return;
    const bool by_helper = lent_ && current_->lan.size() <= kFewPorts;
    watched_by_ = by_helper ? helpers_events_ : &events_;
    for (std::size_t i = 0; i < current_->lan.size(); ++i)
        watched_by_->add(current_->lan[i].tap->fd(),
                         by_helper ? helpers_key_ : static_cast<std::uint32_t>(i));
}

void OutboundWorker::unwatch_ports() noexcept {
    if (!current_) return;
    for (const LanPort& port : current_->lan) watched_by_->remove(port.tap->fd());
}

void OutboundWorker::adopt(std::shared_ptr<const OutboundView> view) {
    // Most changes are of the guard's verdicts: ports stay.
    const bool same_ports = current_ && current_->lan == view->lan;
    if (!same_ports) unwatch_ports();
    admission_->set_sessions(view->admission);
    mss_->set_limits(view->mss_limits);
    for (Lane* lane : {&clear_, &protected_}) lane->encap->set_sessions(view->sessions);
    protected_.inner_udp->set_tunnels(view->inner_udp);
    protected_.inner_ip->set_tunnels(view->inner_ip);
    protected_.seal->set_sas(view->sas);
    ledger_.set_scopes(view->tunnel_drops, view->session_drops);
    current_ = std::move(view);
    adopt_senders();
    if (same_ports) return;
    hopes_.assign(current_->lan.size(), Hope{});
    watch_ports();
}

void OutboundWorker::adopt_senders() {
    std::vector<Sender> next;
    for (const WanPort& port : current_->wan) {
        const auto same = std::find_if(senders_.begin(), senders_.end(),
                                       [&](const Sender& s) { return s.socket == port.socket; });
        if (same != senders_.end()) {
            next.push_back(std::move(*same));
            senders_.erase(same);
        } else {
            // The encap stage has put control traffic first already.
            tunnel::io::WanSenderOptions options;
            options.control_first = false;
            next.push_back({port.socket, std::make_unique<tunnel::io::WanSender>(*port.socket, options)});
        }
        next.back().sender->set_peers(port.peers);
    }
    senders_ = std::move(next);
}

bool OutboundWorker::arm_buffers() {
    if (!slot_) {
        auto slot = slots_.allocate(room_.head);
        if (!slot) return false;
        slot_ = std::move(*slot);
    }
    if (!block_) {
        auto block = large_.allocate(room_.head + slot_.tailroom());
        if (!block) return false;
        block_ = std::move(*block);
    }
    return true;
}

bool OutboundWorker::read_port(std::size_t port, TimePoint now) {
    const LanPort& lan = current_->lan[port];
    Hope& hope = hopes_[port];
    const int most = hope.frames;
    for (int n = 0; n < most; ++n) {
        if (front_.room() == 0 || !arm_buffers()) {
            process_front(now);
            // Frames that wait in the lanes hold slots too.
            if (!arm_buffers()) {
                flush_lanes(now);
                if (!arm_buffers()) return true;
            }
        }
        const auto outcome = lan.tap->read(slot_, block_);
        switch (outcome) {
            case bridge::Tap::Read::empty: hope = {std::max(1, n), false}; return false;
            case bridge::Tap::Read::gone: watched_by_->remove(lan.tap->fd()); return false;
            case bridge::Tap::Read::refused:
                ledger_.count(slot_.meta.drop, lan.tunnel, lan.session);
                slot_.meta = {};
                continue;
            case bridge::Tap::Read::in_slot: front_.push(std::move(slot_)); break;
            case bridge::Tap::Read::in_large:
                was_busy_ = true;
                front_.push(std::move(block_));
                break;
        }
        PacketMeta& meta = front_[front_.size() - 1].meta;
        meta.session = lan.session;
        meta.tunnel = lan.tunnel;
    }
    hope = {hope.fulfilled ? std::min(2 * most, kFramesPerTurn) : most, true};
    return most >= kDense;
}

void OutboundWorker::process_front(TimePoint now) {
    if (front_.empty()) return;
    front_pipeline_->process(front_, now, ledger_);
    for (PacketBuffer& frame : front_) {
        Lane& lane = lane_of(frame.meta.tunnel);
        if (frame.meta.offload.kind != Offload::Kind::none || frame.meta.offload.needs_checksum) {
            segment(std::move(frame), lane, now);
            continue;
        }
        if (lane.batch.room() == 0) flush(lane, now);
        lane.batch.push(std::move(frame));
    }
    front_.clear();
}

void OutboundWorker::segment(PacketBuffer frame, Lane& lane, TimePoint now) {
    const PacketMeta meta = frame.meta;
    if (const DropReason refused = segmenter_.start(std::move(frame)); refused != DropReason::none) {
        ledger_.count(refused, meta.tunnel, meta.session);
        return;
    }
    while (segmenter_.busy()) {
        if (lane.batch.room() == 0) flush(lane, now);
        const std::size_t before = lane.batch.size();
        segmenter_.fill(lane.batch);
        if (segmenter_.busy() && lane.batch.size() == before) {
            // No slot: those of this lane come back when it is sent; those of the other one may be all.
            flush_lanes(now);
            if (slots_.available() > 0) continue;
            ledger_.count(DropReason::no_buffer, meta.tunnel, meta.session);
            segmenter_.abandon();
        }
    }
}

bool OutboundWorker::inject(InjectClass c, TunnelIndex tunnel, SessionIndex session, Bytes packet) noexcept {
    return packet.size() <= largest_frame_ && injected_.offer(c, tunnel, session, packet);
}

void OutboundWorker::take_injected(TimePoint now) {
    injected_.drain(InjectRings::kDepth, [&](InjectClass c, const InjectMessage& message) {
        // What was published before this was injected has to be known before it is sent.
        if (auto view = view_.take_if_new()) adopt(std::move(view));
        send_injected(c, message, now);
    });
    flush_lanes(now);
}

void OutboundWorker::send_injected(InjectClass c, const InjectMessage& message, TimePoint now) {
    const std::size_t tunnel = raw(message.tunnel);
    const bool is_message = c == InjectClass::l2tp_control;
    if (!current_ || tunnel >= current_->tunnels.size()) {
        ledger_.count(DropReason::session_down, message.tunnel, message.session);
        return;
    }
    auto packet = slot_for_injected(now);
    if (!packet) {
        ledger_.count(DropReason::no_buffer, message.tunnel, message.session);
        return;
    }
    std::ranges::copy(message.data(), packet->append(message.size).begin());
    packet->meta.tunnel = message.tunnel;
    packet->meta.session = message.session;
    packet->meta.control = true;
    packet->meta.channel = c == InjectClass::liveness;
    if (is_message) {
        packet->meta.session = kNoSession;
        packet->meta.next_header = current_->tunnels[tunnel].l2tp_next_header;
        packet->meta.traffic_class = current_->tunnels[tunnel].control_traffic_class;
    }
    Lane& lane = lane_of(message.tunnel);
    if (lane.batch.room() == 0) flush(lane, now);
    lane.batch.push(std::move(*packet));
}

std::optional<PacketBuffer> OutboundWorker::slot_for_injected(TimePoint now) {
    if (slots_.available() == 0) flush_lanes(now);
    return slots_.allocate(room_.head);
}

void OutboundWorker::flush_lanes(TimePoint now) {
    flush(clear_, now);
    flush(protected_, now);
}

void OutboundWorker::flush(Lane& lane, TimePoint now) {
    if (lane.batch.empty()) return;
    lane.pipeline->process(lane.batch, now, ledger_);
    send(lane.batch);
}

void OutboundWorker::send(PacketBatch& batch) {
    while (!batch.empty()) {
        tunnel::io::WanSender* const sender = sender_of(batch[0]);
        const auto is_its = [&](const PacketBuffer& packet) { return sender_of(packet) == sender; };
        if (std::all_of(batch.begin() + 1, batch.end(), is_its)) return send_with(sender, batch);
        for (PacketBuffer& packet : batch)
            if (is_its(packet)) scratch_.push(std::move(packet));
        batch.sweep(ledger_);  // closes the gaps
        send_with(sender, scratch_);
    }
}

void OutboundWorker::send_with(tunnel::io::WanSender* sender, PacketBatch& batch) {
    if (sender != nullptr) return sender->send(batch, ledger_);
    for (PacketBuffer& packet : batch) packet.meta.drop = DropReason::send_refused;
    batch.sweep(ledger_);
}

tunnel::io::WanSender* OutboundWorker::sender_of(const PacketBuffer& packet) noexcept {
    const auto tunnel = raw(packet.meta.tunnel);
    if (tunnel >= current_->tunnels.size()) return nullptr;
    const auto wan = current_->tunnels[tunnel].wan;
    return wan && *wan < senders_.size() ? senders_[*wan].sender.get() : nullptr;
}

OutboundWorker::Lane& OutboundWorker::lane_of(TunnelIndex tunnel) noexcept {
    // Fails closed: only a tunnel that is known to be unprotected goes in the clear.
    const bool clear = raw(tunnel) < current_->tunnels.size() && !current_->tunnels[raw(tunnel)].is_protected;
    return clear ? clear_ : protected_;
}

}  // namespace isthmus::appliance
