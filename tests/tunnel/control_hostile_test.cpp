// Malformed control messages, found by others or made here, given to an engine as if its peer had sent them: it must not
// crash nor leak, and answer as RFC 3931 says.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/control_digest.h"
#include "tests/support/pcap_file.h"
#include "tests/tunnel/raw_peer.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

namespace {

using Octets = std::vector<std::uint8_t>;

/// All packets of all hostile captures; of files in another format than pcap, the file as one packet.
std::vector<Octets> hostile_packets() {
    std::vector<Octets> out;
    for (const char* folder : {"pcap-tcpdump", "pcap-suricata-verify"}) {
        const std::string path = std::string(ISTHMUS_TEST_VECTORS "/") + folder + "/hostile";
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (auto capture = read_pcap(entry.path().string(), true)) {
                for (auto& packet : capture->packets) out.push_back(std::move(packet.bytes));
                continue;
            }
            std::ifstream in(entry.path(), std::ios::binary);
            out.push_back(Octets{std::istreambuf_iterator<char>(in), {}});
        }
    }
    return out;
}

struct Target : Pair {
    Target() : Pair(17, 2) {
        start();
        REQUIRE(run_until_converged(10s));
        arrival.path.local = {a.address, 1701};
        arrival.path.remote = {b.address, 1701};
    }
    void feed(Bytes bytes) { net.inject(a, arrival, bytes); }
    /// Whatever came, afterwards both ends are together, and hold no more than they need.
    void settles() {
        net.run_for(200s);
        CHECK(converged());
        for (const auto& text : net.complaints) FAIL_CHECK(text);
        for (auto* gateway : {&a, &b}) {
            const auto status = gateway->engine->snapshot(net.now);
            CHECK(status.connections_held == 1);
            CHECK(status.sessions_held == 2);
        }
    }
    ControlArrival arrival;
};

/// One of each message of a connection and its sessions, as B sends them to A.
std::vector<Octets> real_messages() {
    Pair pair(17, 2);
    std::vector<Octets> out;
    pair.net.filter = [&](const ControlNet::Packet& packet) {
        if (packet.from == &pair.b) out.push_back(packet.what.bytes);
        return true;
    };
    pair.start();
    REQUIRE(pair.run_until_converged(10s));
    pair.b.engine->rotate_cookies(SessionIndex{0}, pair.net.now);
    CircuitStatus down;
    down.active = false;
    pair.b.engine->on_circuit(SessionIndex{1}, down, pair.net.now);
    pair.net.drain();
    pair.net.run_for(20s);
    pair.b.engine->stop("test", pair.net.now);
    pair.net.drain();
    return out;
}

}  // namespace

TEST_CASE("hostile captures disturb no session, at whatever offset a control message begins in them") {
    const auto packets = hostile_packets();
    REQUIRE(packets.size() > 50);
    Target target;
    const auto id = raw(target.a.connected.at(TunnelIndex{0}).local_id);
    for (const Octets& packet : packets) {
        for (std::size_t at = 0; at < std::min<std::size_t>(packet.size(), 64); ++at)
            target.feed(Bytes(packet).subspan(at));
        // As the body of a message with the right header, ahead of its turn: nothing of it may be believed.
        const std::size_t size = std::min<std::size_t>(packet.size(), 1400);
        target.feed(plain_message({ControlConnectionId{id}, 30'000, 0}, Bytes(packet).first(size)));
    }
    CHECK(target.a.downs + target.b.downs == 0);
    target.settles();
}

TEST_CASE("hostile captures as the body of the next message end the connection at most, and it comes back") {
    for (const Octets& packet : hostile_packets()) {
        Pair pair(19, 1, ConnectionRole::responder, ConnectionRole::both);
        RawPeer peer(pair.net, pair.a, "192.0.2.2");
        pair.a.start(pair.net.now);
        pair.net.drain();
        REQUIRE(peer.connect());
        peer.send_body(Bytes(packet).first(std::min<std::size_t>(packet.size(), 1400)));
        for (const auto& text : pair.net.complaints) FAIL_CHECK(text);
        pair.net.run_for(100s);
        peer.start_over();
        CHECK(peer.connect());
    }
}

TEST_CASE("every truncation of every message is dropped, and disturbs nothing") {
    Target target;
    const auto malformed = [&] { return target.a.engine->snapshot(target.net.now).refusals.malformed; };
    std::uint64_t cut = 0;
    for (const Octets& message : real_messages()) {
        for (std::size_t size = 0; size < message.size(); ++size, ++cut)
            target.feed(Bytes(message).first(size));
    }
    CHECK(cut > 500);
    CHECK(malformed() == cut);
    CHECK(target.a.downs + target.b.downs == 0);
    target.settles();
}

TEST_CASE("any flipped bit in any message during set-up only delays it") {
    const std::size_t messages = real_messages().size();
    std::uint64_t tried = 0;
    for (std::uint64_t number = 0; number < std::min<std::size_t>(messages * 2, 20); ++number) {
        for (std::size_t bit = 0; bit < 8 * 60; bit += 7) {
            CAPTURE(number);
            CAPTURE(bit);
            Pair pair(17, 2);
            bool done = false;
            pair.net.filter = [&](const ControlNet::Packet& packet) {
                if (packet.number != number || bit / 8 >= packet.what.bytes.size()) return true;
                auto changed = packet.what;
                changed.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> (bit % 8));
                pair.net.resend(packet, std::move(changed));
                done = true;
                return false;
            };
            pair.start();
            pair.net.run_for(250s);
            tried += done;
            REQUIRE(pair.net.complaints.empty());
            REQUIRE(pair.a.sessions.size() == 2);
            REQUIRE(pair.b.sessions.size() == 2);
            REQUIRE(pair.have_the_same_ids());
        }
    }
    CHECK(tried > 500);
}

TEST_CASE("with a secret no flipped bit gets in: each is dropped silently") {
    for (std::uint64_t number = 0; number < 12; ++number) {
        for (std::size_t bit = 0; bit < 8 * 80; bit += 13) {
            Pair pair(17, 1);
            for (auto* gateway : {&pair.a, &pair.b})
                gateway->plan.connections[0].keys = keys_with(real_digest(), {"secret"});
            bool done = false;
            pair.net.filter = [&](const ControlNet::Packet& packet) {
                if (packet.number != number || bit / 8 >= packet.what.bytes.size()) return true;
                // The acknowledgement of a refusal has no id to go to, and is ignored whatever it says.
                if (load_be32(packet.what.bytes.data() + 4) == 0 && packet.what.bytes.size() < 80)
                    return true;
                auto changed = packet.what;
                changed.bytes[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> (bit % 8));
                pair.net.resend(packet, std::move(changed));
                done = true;
                return false;
            };
            pair.start();
            REQUIRE(pair.run_until_converged(30s));
            pair.net.run_for(1s);  // the changed one may still be on its way
            if (!done) continue;
            std::uint64_t dropped = 0;
            for (auto* gateway : {&pair.a, &pair.b}) {
                const auto r = gateway->engine->snapshot(pair.net.now).refusals;
                dropped += r.bad_digest + r.malformed + r.unknown_connection;
            }
            CHECK(dropped >= 1);
            CHECK(pair.a.downs + pair.b.downs == 0);
        }
    }
}
