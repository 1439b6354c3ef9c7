#include "appliance/datapath/worker_thread.h"

#include <pthread.h>

#include <csignal>
#include <stdexcept>

namespace isthmus::appliance {

EventSet::EventSet() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw std::runtime_error("cannot make an epoll descriptor: out of file descriptors");
}

void EventSet::add(int fd, std::uint32_t key) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = key;
    if (epoll_ctl(epoll_.value(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw std::runtime_error("cannot watch a descriptor: kernel limit on epoll watches");
}

void EventSet::remove(int fd) noexcept {
    epoll_ctl(epoll_.value(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const std::uint32_t> EventSet::poll(bool wait) noexcept {
    const int n = epoll_wait(epoll_.value(), events_.data(), static_cast<int>(kMost), wait ? -1 : 0);
    const auto count = n > 0 ? static_cast<std::size_t>(n) : 0;
    for (std::size_t i = 0; i < count; ++i) keys_[i] = events_[i].data.u32;
    return {keys_.data(), count};
}

void WorkerThread::stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true, std::memory_order_relaxed);
    wakeup_.ring();
    thread_.join();
}

void WorkerThread::prepare(const std::string& name) {
    pthread_setname_np(pthread_self(), name.c_str());
    // Signals are the control thread's: a worker in the middle of a batch must not be interrupted.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace isthmus::appliance
