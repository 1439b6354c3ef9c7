#include "appliance/kernel_side.h"

#include <utility>

#include "appliance/change_log.h"

namespace isthmus::appliance {

namespace {
/// Events come in bursts, one for each attribute that changes: wait for the last before looking.
constexpr std::chrono::milliseconds kSettle{30};
}  // namespace

Result<std::unique_ptr<KernelSide>, std::string> KernelSide::open(asio::io_context& io,
                                                                  bridge::Reconciler::Options options,
                                                                  Logger logger) {
    auto reconciler = bridge::Reconciler::open(std::move(options));
    if (!reconciler) return Unexpected(reconciler.error());
    auto monitor = bridge::EventMonitor::open();
    if (!monitor) return Unexpected("cannot watch links and addresses: " + monitor.error().text());
    return std::unique_ptr<KernelSide>(
        new KernelSide(io, std::move(*reconciler), std::move(*monitor), std::move(logger)));
}

KernelSide::KernelSide(asio::io_context& io, bridge::Reconciler reconciler, bridge::EventMonitor monitor,
                       Logger logger)
    : log_(std::move(logger)),
      reconciler_(std::move(reconciler)),
      monitor_(std::move(monitor)),
      netlink_(io),
      settle_(io) {}

void KernelSide::watch(std::function<void()> on_change) {
    on_change_ = std::move(on_change);
    netlink_.assign(monitor_.fd());
    wait();
}

void KernelSide::unwatch() {
    settle_.cancel();
    if (netlink_.is_open()) netlink_.release();
}

void KernelSide::wait() {
    netlink_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error) return;
        (void)monitor_.drain();
        settle_.expires_after(kSettle);
        settle_.async_wait([this](ErrorCode stopped) {
            if (!stopped) on_change_();
        });
        wait();
    });
}

void KernelSide::reconcile(const config::Configuration& configuration, const Sessions& sessions) {
    bridge::Desired desired;
    for (const auto& bridge : configuration.bridges) desired.bridges.push_back(bridge.options);
    for (const SessionControl& session : sessions)
        if (session.tap()) desired.taps.push_back(session.tap_port());
    const bridge::Report before = std::exchange(report_, reconciler_.reconcile(std::move(desired)));
    log_report(*log_, before, report_);
}

void KernelSide::open_sockets(const Tunnels& tunnels, WanSockets& sockets) {
    for (TunnelControl& tunnel : tunnels) {
        const auto wanted = tunnel.wanted_sockets();
        if (wanted.empty()) continue;
        const auto holder = reconciler_.address_present(wanted.front().local.address);
        if (!holder) {
            log_->error("tunnel {}: cannot look for its address: {}", tunnel.config().name,
                        holder.error().text());
            continue;
        }
        std::optional<std::uint32_t> mtu;
        if (*holder) mtu = (*holder)->mtu;
        tunnel.open_sockets(sockets, mtu);
    }
}

void KernelSide::stop() {
    unwatch();
    const bridge::Report report = reconciler_.stop();
    for (const auto& step : report.failed) log_->error("{}", step);
}

}  // namespace isthmus::appliance
