#include "appliance/ike_view.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "appliance/ike_report.h"

using namespace isthmus;
using namespace isthmus::appliance;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace std::chrono_literals;

namespace {

IkeSaSnapshot established() {
    IkeSaSnapshot sa;
    sa.initiator_spi = IkeSpi{0x1122334455667788};
    sa.responder_spi = IkeSpi{0x99aabbccddeeff00};
    sa.we_initiated = true;
    sa.state = "established";
    sa.local = {IpAddress::v4({192, 0, 2, 1}), 4500};
    sa.remote = {IpAddress::v4({192, 0, 2, 2}), 4500};
    sa.local_identity = "dc.example.org";
    sa.remote_identity = "cloud.example.org";
    sa.local_auth = "shared key";
    sa.remote_auth = "shared key";
    sa.suite = "aes-256-gcm, sha256, x25519";
    sa.local_behind_nat = true;
    sa.in_udp = true;
    sa.ppk = true;
    sa.age = 3725s;
    sa.silent_for = 2s;
    sa.rekey_in = 600s;
    sa.reauthentication_in = 7200s;
    sa.retransmissions = 1;
    ChildSnapshot child;
    child.name = "l2tp";
    child.state = "installed";
    child.inbound = Spi{0xc0000001};
    child.outbound = Spi{0xc0000002};
    child.sends = true;
    child.suite = "aes-256-gcm, extended sequence numbers";
    child.age = 125s;
    child.rekey_in = 300s;
    sa.children = {child};
    return sa;
}

Snapshot sample() {
    PeerSnapshot up;
    up.name = "cloud";
    up.state = PeerState::up;
    up.why = "with 192.0.2.2:4500";
    up.remote_host = "cloud.example.org";
    up.ike_sas = {established()};
    PeerSnapshot refused;
    refused.name = "lab";
    refused.state = PeerState::waiting;
    refused.last_error = "no answer from 192.0.2.9:500 to IKE_SA_INIT";
    refused.last_error_age = 3s;
    refused.mismatch =
        MismatchSnapshot{"1: IKE: ECP_384", "1: IKE: CURVE_25519", "no proposal in common", ""};
    refused.next_attempt_in = 4s;
    refused.failed_attempts = 7;
    PeerSnapshot child;
    child.name = "branch";
    child.last_error = "the peer refused child l2tp with NO_PROPOSAL_CHOSEN";
    child.mismatch = MismatchSnapshot{"1: ESP: AES_GCM_16_256", "", *child.last_error, "l2tp"};
    Snapshot all;
    all.peers = {up, refused, child};
    return all;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("isthmus ike shows who, how, for how long and on which side of a NAT") {
    const std::string text = render_ike(ike_report(sample()), false);
    CAPTURE(text);
    CHECK(has(text,
              "1122334455667788/99aabbccddeeff00 established for 1 h 2 min as initiator: 192.0.2.1:4500"));
    CHECK(has(text, "we are dc.example.org (shared key), it is cloud.example.org (shared key)"));
    CHECK(has(text, "aes-256-gcm, sha256, x25519, post-quantum key; ESP in UDP 4500, NAT in front of us"));
    CHECK(has(text, "new keys in 10 min 0 s, authentication anew in 2 h 0 min; request sent 2 times"));
    CHECK(has(text, "child l2tp: installed for 2 min 5 s, sends; in 0xc0000001 out 0xc0000002"));
}

TEST_CASE("isthmus ike shows both sides' proposals, what did not match, and what is not known") {
    const std::string text = render_ike(ike_report(sample()), false);
    CAPTURE(text);
    CHECK(has(text, "last error, 3 s ago: no answer from 192.0.2.9:500 to IKE_SA_INIT"));
    CHECK(has(text, "no agreement on the IKE SA: no proposal in common"));
    CHECK(has(text, "we propose:   1: IKE: ECP_384"));
    CHECK(has(text, "it proposes:  1: IKE: CURVE_25519"));
    CHECK(has(text, "next attempt in 4 s, after 7 that failed"));
    CHECK(has(text, "no agreement on child l2tp\n"));
    CHECK(has(text, "it proposes:  unknown"));
}

TEST_CASE("isthmus ike says when the clock is in doubt and when keys are written to a folder") {
    nlohmann::json report = ike_report(Snapshot{});
    CHECK_FALSE(has(render_ike(report, false), "keys are written"));
    report["clock_doubt"] = "this gateway does not know the time";
    report["key_log"] = "/tmp/keys";
    const std::string text = render_ike(report, false);
    CHECK(has(text, "this gateway does not know the time\n"));
    CHECK(has(text, "keys are written to /tmp/keys: whoever reads them reads all traffic\n"));
}
