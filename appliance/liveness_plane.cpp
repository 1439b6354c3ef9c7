#include "appliance/liveness_plane.h"

#include <nlohmann/json.hpp>

#include "appliance/clock.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;

constexpr std::string_view kHolder = "liveness";
constexpr std::size_t kMaxRuns = 32;

std::optional<tunnel::BfdOptions> wish_of(const SessionControl& session) {
    const auto& negotiation = session.config().negotiation;
    return negotiation ? negotiation->liveness : std::nullopt;
}

double milliseconds_of(Duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

json report_json(const tunnel::PingOutcome& outcome) {
    return {
        {"sequence", outcome.sequence},
        {"round_trip_ms", outcome.round_trip ? json(milliseconds_of(*outcome.round_trip)) : json(nullptr)}};
}

json report_json(const tunnel::PingFinished& end) {
    return {{"sent", end.sent},
            {"received", end.received},
            {"least_ms", milliseconds_of(end.least)},
            {"mean_ms", milliseconds_of(end.mean)},
            {"most_ms", milliseconds_of(end.most)}};
}

/// A number of a request within limits; nullopt: something else.
std::optional<std::int64_t> number(const json& request, const char* key, std::int64_t fallback,
                                   std::int64_t least, std::int64_t most) {
    if (!request.contains(key)) return fallback;
    if (!request[key].is_number_integer()) return std::nullopt;
    const auto value = request[key].get<std::int64_t>();
    return value < least || value > most ? std::nullopt : std::optional(value);
}

std::optional<tunnel::PingOptions> ping_options(const json& request) {
    const auto count = number(request, "count", 5, 1, 1000);
    const auto interval = number(request, "interval_ms", 200, 10, 10'000);
    const auto size = number(request, "size", 56, 0, 1400);
    if (!count || !interval || !size) return std::nullopt;
    tunnel::PingOptions out;
    out.count = static_cast<std::uint16_t>(*count);
    out.interval = std::chrono::milliseconds(*interval);
    out.padding = static_cast<std::size_t>(*size);
    return out;
}

}  // namespace

LivenessPlane::LivenessPlane(ControlServices& services)
    : services_(services), watch_(services.rng), due_(services.io, [this](TimePoint now) {
          watch_.on_timeout(now);
          act(now);
      }) {
    services_.punts.on(PuntClass::channel, [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
        watch_.on_message(message.session, message.data(), now);
        act(now);
    });
    services_.commands.on_stream("ping", "round trip and loss inside a session's pseudowire",
                                 [this](const json& request, std::shared_ptr<AnswerStream> stream) {
                                     return ping(request, std::move(stream));
                                 });
}

void LivenessPlane::configure(const config::Configuration&) {
    const TimePoint now = boot_now();
    forget_the_gone();
    for (SessionControl& session : services_.sessions) look_at(session, now);
    act(now);
}

void LivenessPlane::on_session(SessionIndex index) {
    SessionControl* session = services_.sessions.find(index);
    if (session == nullptr) return;
    const TimePoint now = boot_now();
    look_at(*session, now);
    act(now);
}

void LivenessPlane::look_at(SessionControl& session, TimePoint now) {
    const bool has_channel = session.options() && session.options()->channel;
    const auto known = watched_.find(session.index());
    if (!has_channel) {
        if (known == watched_.end()) return;
        watch_.forget(session.index());
        watched_.erase(known);
        // Whatever comes next begins anew: it may not be watched at all.
        session.hold(std::string(kHolder), std::nullopt);
        services_.changed();
        return;
    }
    const auto wish = wish_of(session);
    if (known != watched_.end() && known->second == wish) return;
    watch_.watch(session.index(), wish, now);
    watched_.insert_or_assign(session.index(), wish);
}

void LivenessPlane::forget_the_gone() {
    for (auto at = watched_.begin(); at != watched_.end();) {
        if (services_.sessions.find(at->first) != nullptr) {
            ++at;
            continue;
        }
        watch_.forget(at->first);
        at = watched_.erase(at);
    }
}

void LivenessPlane::act(TimePoint) {
    while (auto action = watch_.poll_action()) {
        if (const auto* send = std::get_if<tunnel::SendChannel>(&*action))
            (void)services_.injector.channel_message(send->session,
                                                     send->message);  // a full ring is counted there
        if (const auto* change = std::get_if<tunnel::PathChanged>(&*action)) on_path(*change);
        if (const auto* report = std::get_if<tunnel::PingReport>(&*action)) on_report(*report);
    }
    due_.arm(watch_.next_timeout());
}

void LivenessPlane::on_path(const tunnel::PathChanged& change) {
    SessionControl* session = services_.sessions.find(change.session);
    if (session == nullptr) return;
    if (change.alive) {
        services_.log->info("session {}: its data path is alive", session->config().name);
        session->hold(std::string(kHolder), std::nullopt);
    } else {
        const std::string why = "the data path is dead: " + std::string(tunnel::words(change.why));
        services_.log->warn("session {}: {}", session->config().name, why);
        session->hold(std::string(kHolder), Condition{RunState::waiting, why});
    }
    services_.changed();
}

void LivenessPlane::on_report(const tunnel::PingReport& report) {
    const auto asker = askers_.find(report.ping);
    if (asker == askers_.end()) return;
    const json part = std::visit([](const auto& what) { return report_json(what); }, report.what);
    const bool is_there = asker->second->send(part);
    if (std::holds_alternative<tunnel::PingFinished>(report.what)) {
        asker->second->end();
        askers_.erase(asker);
    } else if (!is_there) {
        watch_.cancel(report.ping);
        askers_.erase(asker);
    }
}

LivenessPlane::Answer LivenessPlane::ping(const json& request, std::shared_ptr<AnswerStream> stream) {
    if (!request.contains("session") || !request["session"].is_string())
        return Unexpected(std::string("name a session: {\"request\": \"ping\", \"session\": \"NAME\"}"));
    const auto options = ping_options(request);
    if (!options)
        return Unexpected(
            std::string("count goes from 1 to 1000, interval_ms from 10 to 10000, size from 0 to 1400"));
    const auto name = request["session"].get<std::string>();
    const SessionControl* session = services_.sessions.named(name);
    if (session == nullptr) return Unexpected("there is no session \"" + name + "\"");
    if (askers_.size() >= kMaxRuns)
        return Unexpected(std::string("too many at once; try again when others are done"));
    const tunnel::PingId id{++last_ping_};
    const TimePoint now = boot_now();
    if (!watch_.ping(id, session->index(), *options, now))
        return Unexpected("session \"" + name + "\" has no channel for it: " +
                          (session->is_negotiated() ? "it is not up, or the peer knows no such channel"
                                                    : "it is static, and only negotiated sessions have one"));
    askers_.emplace(id, std::move(stream));
    act(now);
    return {};
}

void LivenessPlane::stop() {
    watch_.stop(boot_now());
    act(boot_now());
    for (auto& [id, asker] : askers_) asker->end(Unexpected(std::string("the daemon is stopping")));
    askers_.clear();
    due_.arm(std::nullopt);
}

json LivenessPlane::status() const {
    json dead = json::array();
    for (const auto& [index, wish] : watched_) {
        const auto bfd = watch_.status(index);
        const SessionControl* session = services_.sessions.find(index);
        if (session != nullptr && bfd && bfd->times_up > 0 && bfd->state != tunnel::BfdState::up)
            dead.push_back(session->config().name);
    }
    return {{"watched", watched_.size()}, {"dead", dead}};
}

}  // namespace isthmus::appliance
