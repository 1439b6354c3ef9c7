#include "appliance/rules_watch.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "appliance/clock.h"

namespace isthmus::appliance {

namespace {

/// A firewall's service flushes first and then puts in its own, often with several calls.
constexpr std::chrono::milliseconds kSettle{20};
constexpr std::chrono::seconds kPause{1};
/// Notices were lost because there were so many, and putting rules back makes more.
constexpr std::chrono::seconds kPauseAfterOverrun{10};
constexpr std::chrono::minutes kTellAgain{1};

std::string list_of(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
}

}  // namespace

RulesWatch::RulesWatch(ControlServices& services)
    : services_(services),
      notices_(services.io),
      due_(services.io, [this](TimePoint now) { put_back(now); }) {}

RulesWatch::~RulesWatch() {
    close();
}

void RulesWatch::configure(const config::Configuration& configuration) {
    const bool wanted = configuration.guard.enabled && configuration.guard.nftables;
    if (!wanted) return close();
    if (!monitor_) open();
}

void RulesWatch::open() {
    auto monitor = bridge::NftMonitor::open();
    if (!monitor) {
        const std::string problem = monitor.error().text();
        if (problem != problem_)
            services_.log->warn(
                "guard: {}: rules that somebody takes out of the kernel are not put back at once", problem);
        problem_ = problem;
        return;
    }
    problem_.clear();
    monitor_.emplace(std::move(*monitor));
    notices_.assign(monitor_->fd());
    wait();
}

void RulesWatch::close() {
    due_.arm(std::nullopt);
    losses_ = {};
    if (notices_.is_open()) notices_.release();
    monitor_.reset();
}

void RulesWatch::wait() {
    notices_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error || !monitor_) return;
        read();
        wait();
    });
}

void RulesWatch::read() {
    bridge::RuleLosses found = monitor_->drain();
    if (found.empty()) return;
    losses_.tables.merge(found.tables);
    losses_.any |= found.any;
    due_.arm(std::max(boot_now() + kSettle, not_before_));
}

void RulesWatch::put_back(TimePoint now) {
    const bridge::RuleLosses losses = std::exchange(losses_, {});
    std::vector<std::string> done;
    for (const OnLoss& handler : handlers_)
        for (std::string& table : handler(losses)) done.push_back(std::move(table));
    if (done.empty()) return;
    not_before_ = now + (losses.any ? Duration(kPauseAfterOverrun) : Duration(kPause));
    ++times_;
    if (!losses.tables.empty()) tell(done, now);
}

void RulesWatch::tell(const std::vector<std::string>& tables, TimePoint now) {
    if (now < tell_again_) return;
    tell_again_ = now + kTellAgain;
    services_.log->warn(
        "guard: somebody took our rules out of the kernel's packet filter; they are there again ({}). A "
        "firewall should replace its own tables only, not flush the ruleset",
        list_of(tables));
}

nlohmann::json RulesWatch::status() const {
    return {{"watched", monitor_.has_value()}, {"put_back", times_}};
}

}  // namespace isthmus::appliance
