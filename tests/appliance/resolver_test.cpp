#include "appliance/resolver.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace isthmus;
using appliance::Resolver;

namespace {
/// Runs until `done` or ten seconds.
template <class Done>
bool run_until(boost::asio::io_context& io, Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::seconds(1));
    return done();
}
}  // namespace

TEST_CASE("names are looked up elsewhere and answered on the control thread, failures in words") {
    boost::asio::io_context io;
    const auto here = std::this_thread::get_id();
    Resolver resolver(io, [&](const std::string& host) -> Resolver::Answer {
        CHECK((std::this_thread::get_id() != here));
        if (host == "nowhere.example") return Unexpected<std::string>("the name nowhere.example is unknown");
        return std::vector<IpAddress>{*IpAddress::parse("192.0.2.7")};
    });
    int answers = 0;
    for (int i = 0; i < 20; ++i)
        resolver.resolve("gw.example", [&](Resolver::Answer answer) {
            CHECK((std::this_thread::get_id() == here));
            CHECK(answer.value().front().text() == "192.0.2.7");
            ++answers;
        });
    resolver.resolve("nowhere.example", [&](Resolver::Answer answer) {
        CHECK(answer.error() == "the name nowhere.example is unknown");
        ++answers;
    });
    CHECK(answers == 0);
    CHECK(run_until(io, [&] { return answers == 21; }));
}

TEST_CASE("an address in text is its own answer") {
    boost::asio::io_context io;
    Resolver resolver(io, [](const std::string&) -> Resolver::Answer {
        return Unexpected<std::string>("nobody should ask");
    });
    std::string answered;
    resolver.resolve("2001:db8::1",
                     [&](Resolver::Answer answer) { answered = answer.value().front().text(); });
    CHECK(answered.empty());
    CHECK(run_until(io, [&] { return !answered.empty(); }));
    CHECK(answered == "2001:db8::1");
}

TEST_CASE("a resolver may go while a lookup hangs") {
    struct Gate {
        std::mutex mutex;
        std::condition_variable opened;
        bool open = false;
        bool left = false;
    };
    const auto gate = std::make_shared<Gate>();
    boost::asio::io_context io;
    {
        Resolver resolver(io, [gate](const std::string&) -> Resolver::Answer {
            std::unique_lock lock(gate->mutex);
            gate->opened.wait(lock, [&] { return gate->open; });
            gate->left = true;
            gate->opened.notify_all();
            return Unexpected<std::string>("too late");
        });
        resolver.resolve("slow.example", [](const Resolver::Answer&) { FAIL("answered after its end"); });
    }
    std::unique_lock lock(gate->mutex);
    gate->open = true;
    gate->opened.notify_all();
    gate->opened.wait(lock, [&] { return gate->left; });
    lock.unlock();
    io.run_for(std::chrono::milliseconds(1));
}
