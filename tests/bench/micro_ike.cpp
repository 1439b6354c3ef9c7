// What IKEv2 costs: two engines in one process, their datagrams handed over in memory. One thread, so one core.
//
//   micro_ike setups psk|ecdsa SECONDS   IKE SAs with a child set up in that time, both sides' work
//   micro_ike idle COUNT SECONDS         so many idle IKE SAs: memory of each, CPU in simulated seconds of life
//
// Prints "key value" lines.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <string_view>

#include "crypto/ike/credentials.h"
#include "crypto/ike/engine.h"
#include "crypto/ike/identity.h"
#include "crypto/pki.h"
#include "crypto/system_rng.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace std::chrono_literals;

namespace {

double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Host `number` of a side: 10.SIDE.x.y.
IpAddress host(std::uint8_t side, std::size_t number) {
    return IpAddress::v4(
        {10, side, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

struct Authentication {
    std::shared_ptr<const Credentials> a;
    std::shared_ptr<const Credentials> b;
};

Authentication with_psk() {
    auto credentials = std::make_shared<Credentials>();
    const std::string_view secret = "correct horse battery staple 0123456789";
    credentials->psk.emplace(Bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
    return {credentials, credentials};
}

Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Authentication with_ecdsa(Rng& rng, WallTime now) {
    const pki::Validity validity{now - 1h, now + 24h};
    auto ca_key = pki::generate_key(pki::KeyType::ecdsa_p256).value();
    const auto ca_pem = pki::make_authority(ca_key, "CN=bench CA", validity, rng).value();
    const pki::Authority authority{Certificate::from_pem(bytes_of(ca_pem)).value().front(),
                                   std::move(ca_key)};
    const auto side = [&](const std::string& name) {
        const auto key = pki::generate_key(pki::KeyType::ecdsa_p256).value();
        auto own = PrivateKey::from_pem(key).value();
        const auto pem =
            pki::issue_certificate(authority, own.public_key(), {"CN=" + name, {name}, {}, {}}, validity, rng)
                .value();
        auto credentials = std::make_shared<Credentials>();
        credentials->own = OwnCertificate{Certificate::from_pem(bytes_of(pem)).value(), std::move(own)};
        credentials->authorities = {authority.certificate};
        return credentials;
    };
    return {side("a.example.org"), side("b.example.org")};
}

PeerOptions peer(std::uint8_t own, std::uint8_t other, std::size_t number, Role role,
                 std::shared_ptr<const Credentials> credentials) {
    PeerOptions options;
    options.name = "peer" + std::to_string(number);
    options.local = host(own, number);
    options.remote_host = host(other, number).text();
    options.local_id = parse_identity(own == 1 ? "a.example.org" : "b.example.org").value();
    options.remote_id = parse_identity(own == 1 ? "b.example.org" : "a.example.org").value();
    options.credentials = std::move(credentials);
    options.policy.groups = {DhGroup::ecp256};
    options.role = role;
    ChildOptions child;
    child.name = options.name;
    child.local = {{.protocol = 17, .first_port = 1701, .last_port = 1701, .range = {}}};
    child.remote = child.local;
    options.children = {child};
    return options;
}

/// Two engines with `count` peers each, all in pairs.
class Bench {
  public:
    Bench(std::size_t count, const Authentication& with, WallTime wall)
        : count_(count), with_(with), wall_(wall) {
        begin(b_, 2, 1, Role::responder, with_.b);
        begin(a_, 1, 2, Role::initiator, with_.a);
    }
    /// A forgets everything, as after a crash, and begins again.
    void restart_a() { begin(a_, 1, 2, Role::initiator, with_.a); }

    void run_for(Duration time) {
        const TimePoint end = now_ + time;
        for (;;) {
            deliver();
            TimePoint next = end;
            for (const auto& engine : {a_.get(), b_.get()})
                if (const auto at = engine->next_timeout()) next = std::min(next, *at);
            if (next >= end) break;
            now_ = std::max(now_, next);
            for (const auto& engine : {a_.get(), b_.get()}) {
                engine->on_timeout(now_);
                drain(*engine);
            }
        }
        now_ = end;
    }
    [[nodiscard]] std::size_t up() const {
        std::size_t up = 0;
        for (const PeerSnapshot& p : a_->snapshot(now_).peers) up += p.state == PeerState::up ? 1 : 0;
        return up;
    }
    [[nodiscard]] std::uint64_t children() const noexcept { return children_; }

  private:
    struct Flight {
        std::vector<std::uint8_t> bytes;
        Path path;
    };
    void begin(std::unique_ptr<Engine>& engine, std::uint8_t own, std::uint8_t other, Role role,
               const std::shared_ptr<const Credentials>& credentials) {
        engine = std::make_unique<Engine>(EngineOptions{}, rng_);
        std::vector<PeerOptions> peers;
        for (std::size_t i = 0; i < count_; ++i) peers.push_back(peer(own, other, i, role, credentials));
        engine->configure(std::move(peers), now_);
        drain(*engine);
    }
    void drain(Engine& engine) {
        while (auto action = engine.poll_action()) {
            if (auto* send = std::get_if<SendDatagram>(&*action))
                flights_.push_back({std::move(send->bytes), {send->remote, send->local, std::nullopt}});
            if (auto* resolve = std::get_if<Resolve>(&*action))
                resolves_.push_back({&engine, std::move(*resolve)});
            if (std::get_if<ChildUp>(&*action) != nullptr) ++children_;
        }
        while (!resolves_.empty()) {
            auto [whose, resolve] = std::move(resolves_.front());
            resolves_.pop_front();
            const ResolvedAddress found{*IpAddress::parse(resolve.host), {}};
            whose->on_resolved(resolve.peer, {&found, 1}, now_);
            drain(*whose);
        }
    }
    void deliver() {
        while (!flights_.empty()) {
            const Flight flight = std::move(flights_.front());
            flights_.pop_front();
            Engine& to = flight.path.local.address.bytes()[1] == 1 ? *a_ : *b_;
            to.on_datagram(flight.bytes, flight.path, now_, wall_);
            drain(to);
        }
    }

    std::size_t count_;
    const Authentication& with_;
    WallTime wall_;
    SystemRng rng_;
    TimePoint now_{1h};
    std::unique_ptr<Engine> a_;
    std::unique_ptr<Engine> b_;
    std::deque<Flight> flights_;
    std::deque<std::pair<Engine*, Resolve>> resolves_;
    std::uint64_t children_ = 0;
};

int setups(const Authentication& with, WallTime wall, double seconds) {
    Bench bench(1, with, wall);
    bench.run_for(2s);
    if (bench.up() != 1) return 1;
    const double begin = cpu_seconds();
    const std::uint64_t before = bench.children();
    while (cpu_seconds() - begin < seconds) {
        bench.restart_a();
        bench.run_for(1s);
    }
    const double took = cpu_seconds() - begin;
    const double made = static_cast<double>(bench.children() - before) / 2;
    std::printf("setups %.0f\ncpu_seconds %.3f\nsetups_per_second %.1f\n", made, took, made / took);
    return 0;
}

int idle(const Authentication& with, WallTime wall, std::size_t count, long seconds) {
    malloc_trim(0);
    const auto before = mallinfo2().uordblks;
    Bench bench(count, with, wall);
    bench.run_for(30s);
    const auto after = mallinfo2().uordblks;
    const double begin = cpu_seconds();
    bench.run_for(std::chrono::seconds(seconds));
    const double took = cpu_seconds() - begin;
    // Both engines hold each IKE SA.
    std::printf("up %zu\nbytes_per_sa %.0f\ncpu_percent_of_a_core %.3f\n", bench.up(),
                static_cast<double>(after - before) / static_cast<double>(2 * count),
                100.0 * took / static_cast<double>(seconds) / 2);
    return bench.up() == count ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    SystemRng rng;
    const WallTime wall{std::chrono::seconds(std::time(nullptr))};
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "setups" && argc == 4) {
        const bool psk = std::string_view(argv[2]) == "psk";
        return setups(psk ? with_psk() : with_ecdsa(rng, wall), wall, std::atof(argv[3]));
    }
    if (what == "idle" && argc == 4)
        return idle(with_psk(), wall, static_cast<std::size_t>(std::atol(argv[2])), std::atol(argv[3]));
    std::fputs("micro_ike setups psk|ecdsa SECONDS | micro_ike idle COUNT SECONDS\n", stderr);
    return 2;
}
