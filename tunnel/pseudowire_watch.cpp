#include "tunnel/pseudowire_watch.h"

#include <algorithm>

namespace isthmus::tunnel {

void PseudowireWatch::watch(SessionIndex session, std::optional<BfdOptions> bfd, TimePoint now) {
    Watched& watched = sessions_.try_emplace(session).first->second;
    if (!bfd) {
        watched.bfd.reset();
        watched.alive.reset();
    } else if (watched.bfd) {
        watched.bfd->set_options(*bfd, now);
    } else {
        // Random, so that packets of an earlier run of this program are taken for nobody's.
        BfdDiscriminator mine{};
        while (mine == BfdDiscriminator{}) mine = BfdDiscriminator{rng_.u32()};
        watched.bfd.emplace(*bfd, mine, rng_, now);
    }
    settle(session, watched);
}

void PseudowireWatch::forget(SessionIndex session) {
    deadlines_.set(session, std::nullopt);
    sessions_.erase(session);
    std::vector<PingId> orphans;
    for (auto& [id, run] : pings_) {
        if (run.session != session) continue;
        run.ping.give_up();
        orphans.push_back(id);
    }
    for (const PingId id : orphans) settle(id);
}

void PseudowireWatch::on_message(SessionIndex session, Bytes bytes, TimePoint now) {
    const auto at = sessions_.find(session);
    const auto message = ChannelMessage::parse(bytes);
    if (at == sessions_.end() || !message) return;
    if (message->type == ChannelType::echo) return on_echo(session, at->second, message->payload, now);
    if (message->type != ChannelType::bfd || !at->second.bfd) return;
    at->second.bfd->on_packet(message->payload, now);
    settle(session, at->second);
}

void PseudowireWatch::on_echo(SessionIndex session, Watched& watched, Bytes payload, TimePoint now) {
    const auto echo = EchoPacket::parse(payload);
    if (!echo) return;
    if (echo->kind == EchoPacket::Kind::request) {
        if (watched.echoes.take(now)) send(session, ChannelType::echo, echo->reply().emit());
        return;
    }
    for (auto& [id, run] : pings_) {
        if (run.session != session) continue;
        run.ping.on_reply(*echo, now);
    }
    std::vector<PingId> ids;
    for (const auto& [id, run] : pings_)
        if (run.session == session) ids.push_back(id);
    for (const PingId id : ids) settle(id);
}

bool PseudowireWatch::ping(PingId id, SessionIndex session, PingOptions options, TimePoint now) {
    if (!sessions_.contains(session)) return false;
    if (!pings_.try_emplace(id, Run{session, PseudowirePing(options, rng_, now)}).second) return false;
    settle(id);
    return true;
}

void PseudowireWatch::cancel(PingId id) {
    ping_deadlines_.set(id, std::nullopt);
    pings_.erase(id);
}

void PseudowireWatch::stop(TimePoint now) {
    for (auto& [session, watched] : sessions_) {
        if (!watched.bfd) continue;
        watched.bfd->set_admin_down(true, now);
        settle(session, watched);
    }
}

void PseudowireWatch::on_timeout(TimePoint now) {
    while (const auto session = deadlines_.take_due(now)) {
        Watched& watched = sessions_.at(*session);
        watched.bfd->on_timeout(now);
        settle(*session, watched);
    }
    while (const auto id = ping_deadlines_.take_due(now)) {
        pings_.at(*id).ping.on_timeout(now);
        settle(*id);
    }
}

std::optional<TimePoint> PseudowireWatch::next_timeout() const {
    const auto bfd = deadlines_.earliest();
    const auto ping = ping_deadlines_.earliest();
    if (!bfd || !ping) return bfd ? bfd : ping;
    return std::min(*bfd, *ping);
}

std::optional<WatchAction> PseudowireWatch::poll_action() {
    if (actions_.empty()) return std::nullopt;
    WatchAction out = std::move(actions_.front());
    actions_.pop_front();
    return out;
}

std::optional<BfdStatus> PseudowireWatch::status(SessionIndex session) const {
    const auto at = sessions_.find(session);
    if (at == sessions_.end() || !at->second.bfd) return std::nullopt;
    return at->second.bfd->status();
}

void PseudowireWatch::settle(SessionIndex session, Watched& watched) {
    if (!watched.bfd) return deadlines_.set(session, std::nullopt);
    while (const auto action = watched.bfd->poll_action()) {
        if (const auto* packet = std::get_if<BfdSend>(&*action))
            send(session, ChannelType::bfd, packet->bytes);
        if (const auto* change = std::get_if<BfdChanged>(&*action)) on_change(session, watched, *change);
    }
    deadlines_.set(session, watched.bfd->next_timeout());
}

void PseudowireWatch::on_change(SessionIndex session, Watched& watched, const BfdChanged& change) {
    if (change.state == BfdState::up) {
        // The first time too: whoever holds frames back since an earlier death lets go.
        watched.alive = true;
        actions_.emplace_back(PathChanged{session, true, BfdDiagnostic::none});
        return;
    }
    if (change.before != BfdState::up) return;
    // Who stops BFD on purpose, here or there, says nothing about the path.
    const bool on_purpose =
        change.state == BfdState::admin_down || watched.bfd->status().peer_state == BfdState::admin_down;
    if (on_purpose || watched.alive != true) return;
    watched.alive = false;
    actions_.emplace_back(PathChanged{session, false, change.why});
}

void PseudowireWatch::settle(PingId id) {
    Run& run = pings_.at(id);
    const SessionIndex session = run.session;
    while (const auto action = run.ping.poll_action()) {
        if (const auto* request = std::get_if<PingSend>(&*action)) {
            send(session, ChannelType::echo, request->payload);
        } else if (const auto* outcome = std::get_if<PingOutcome>(&*action)) {
            actions_.emplace_back(PingReport{id, *outcome});
        } else {
            actions_.emplace_back(PingReport{id, std::get<PingFinished>(*action)});
        }
    }
    if (run.ping.finished()) return cancel(id);
    ping_deadlines_.set(id, run.ping.next_timeout());
}

void PseudowireWatch::send(SessionIndex session, ChannelType type, Bytes payload) {
    actions_.emplace_back(SendChannel{session, ChannelMessage{type, payload}.emit()});
}

}  // namespace isthmus::tunnel
