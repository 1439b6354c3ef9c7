#include "appliance/offload_notes.h"

#include <doctest/doctest.h>

#include <cerrno>

using namespace isthmus;
using namespace isthmus::appliance;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

tunnel::io::WanSocket loopback(bool receive_runs) {
    tunnel::io::WanSocketOptions options;
    options.local = {IpAddress::v4({127, 0, 0, 1}), 0};
    options.receive_runs = receive_runs;
    auto socket = tunnel::io::WanSocket::open(options);
    REQUIRE(socket);
    return std::move(*socket);
}

}  // namespace

TEST_CASE("nothing is said of a kernel's TAPs that do all, and each that is missing is named") {
    CHECK(offload_notes(bridge::Tap::kAllOffloads).empty());
    bridge::TapOffloads some = bridge::Tap::kAllOffloads;
    some.uso4 = some.uso6 = false;
    REQUIRE(offload_notes(some).size() == 1);
    CHECK(has(offload_notes(some)[0], "do without uso4 uso6:"));
    CHECK(has(offload_notes(bridge::TapOffloads{})[0], "checksum tso4 tso6 tso-ecn uso4 uso6"));
}

TEST_CASE("a socket that receives packets one by one, or whose runs were refused, has a note for each") {
    const auto good = loopback(true);
    REQUIRE(good.receives_runs());
    CHECK(offload_notes(good).empty());
    good.refused_runs().last_error = EIO;
    REQUIRE(offload_notes(good).size() == 1);
    CHECK(has(offload_notes(good)[0], "UDP_SEGMENT: Input/output error"));

    const auto single = loopback(false);
    REQUIRE(offload_notes(single).size() == 1);
    CHECK(has(offload_notes(single)[0], "no UDP_GRO"));
    single.refused_runs().last_error = EINVAL;
    CHECK(offload_notes(single).size() == 2);
}
