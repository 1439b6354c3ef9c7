#include "appliance/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "appliance/datapath/wakeup.h"
#include "tunnel/io/socket_address.h"

namespace isthmus::appliance {

/// What threads and control have in common. A thread may outlive the Resolver by as long as a lookup takes.
struct Resolver::Shared {
    struct Question {
        std::uint64_t number = 0;
        std::string host;
    };
    Lookup lookup;
    Wakeup wakeup;

    std::mutex mutex;
    std::vector<std::pair<std::uint64_t, Answer>> answers;  // under the mutex

    // The control thread's own:
    std::deque<Question> waiting;
    std::map<std::uint64_t, std::function<void(Answer)>> callers;
    std::size_t running = 0;
    std::uint64_t next_number = 1;

    void answer(std::uint64_t number, Answer answer) {
        {
            const std::lock_guard lock(mutex);
            answers.emplace_back(number, std::move(answer));
        }
        wakeup.signal();
    }
};

Resolver::Resolver(asio::io_context& io, Lookup lookup)
    : descriptor_(io), shared_(std::make_shared<Shared>()) {
    shared_->lookup = std::move(lookup);
    descriptor_.assign(shared_->wakeup.fd());
    wait();
}

Resolver::~Resolver() {
    descriptor_.release();
}

void Resolver::resolve(const std::string& host, std::function<void(Answer)> done) {
    const std::uint64_t number = shared_->next_number++;
    shared_->callers.emplace(number, std::move(done));
    if (const auto address = IpAddress::parse(host)) {
        shared_->answer(number, std::vector<IpAddress>{*address});
        ++shared_->running;
        return;
    }
    shared_->waiting.push_back({number, host});
    start_next();
}

void Resolver::start_next() {
    while (shared_->running < kAtOnce && !shared_->waiting.empty()) {
        Shared::Question question = std::move(shared_->waiting.front());
        shared_->waiting.pop_front();
        ++shared_->running;
        // Detached: a lookup can take half a minute, and nobody should wait for it when the daemon stops.
        std::thread([shared = shared_, question = std::move(question)] {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, nullptr);
            shared->answer(question.number, shared->lookup(question.host));
        }).detach();
    }
}

void Resolver::wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error) return;
        take_answers();
        wait();
    });
}

void Resolver::take_answers() {
    shared_->wakeup.clear();
    std::vector<std::pair<std::uint64_t, Answer>> answers;
    {
        const std::lock_guard lock(shared_->mutex);
        answers.swap(shared_->answers);
    }
    for (auto& [number, answer] : answers) {
        --shared_->running;
        auto caller = shared_->callers.extract(number);
        caller.mapped()(std::move(answer));
    }
    start_next();
}

Resolver::Answer Resolver::system_lookup(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (failed != 0) return Unexpected("the name " + host + " cannot be resolved: " + gai_strerror(failed));
    std::vector<IpAddress> addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        tunnel::io::SocketAddress address;
        if (entry->ai_addrlen > sizeof(sockaddr_in6)) continue;
        std::copy_n(reinterpret_cast<const std::uint8_t*>(entry->ai_addr), entry->ai_addrlen,
                    reinterpret_cast<std::uint8_t*>(&address.any));
        const IpAddress ip = address.endpoint().address;
        if (std::find(addresses.begin(), addresses.end(), ip) == addresses.end()) addresses.push_back(ip);
    }
    freeaddrinfo(found);
    if (addresses.empty()) return Unexpected("the name " + host + " has no address");
    return addresses;
}

}  // namespace isthmus::appliance
