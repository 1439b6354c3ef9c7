#include "appliance/ike_report.h"

#include <nlohmann/json.hpp>

namespace isthmus::appliance {

using namespace crypto::ike;
using nlohmann::json;

namespace {

std::int64_t seconds(Duration time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

json seconds(const std::optional<Duration>& time) {
    return time ? json(seconds(*time)) : json();
}

json report(const ChildSnapshot& child) {
    return {{"name", child.name},
            {"state", child.state},
            {"spi_in", "0x" + text_of(child.inbound)},
            {"spi_out", "0x" + text_of(child.outbound)},
            {"sends", child.sends},
            {"mode", child.mode == crypto::esp::Mode::transport ? "transport" : "tunnel"},
            {"in_udp", child.path.in_udp},
            {"local", child.path.local.text()},
            {"remote", child.path.remote.text()},
            {"suite", child.suite},
            {"local_selectors", text_of(child.local_selectors)},
            {"remote_selectors", text_of(child.remote_selectors)},
            {"age", seconds(child.age)},
            {"rekey_in", seconds(child.rekey_in)},
            {"packets_in", child.packets_in},
            {"packets_out", child.packets_out},
            {"bytes_in", child.bytes_in},
            {"bytes_out", child.bytes_out}};
}

json report(const IkeSaSnapshot& sa) {
    json children = json::array();
    for (const ChildSnapshot& child : sa.children) children.push_back(report(child));
    return {{"spi_initiator", text_of(sa.initiator_spi)},
            {"spi_responder", text_of(sa.responder_spi)},
            {"role", sa.we_initiated ? "initiator" : "responder"},
            {"state", sa.state},
            {"local", sa.local.text()},
            {"remote", sa.remote.text()},
            {"local_identity", sa.local_identity},
            {"remote_identity", sa.remote_identity},
            {"local_auth", sa.local_auth},
            {"remote_auth", sa.remote_auth},
            {"suite", sa.suite},
            {"nat",
             {{"local_behind", sa.local_behind_nat},
              {"remote_behind", sa.remote_behind_nat},
              {"esp_in_udp", sa.in_udp}}},
            {"fragmentation", sa.fragmentation},
            {"ppk", sa.ppk},
            {"age", seconds(sa.age)},
            {"silent_for", seconds(sa.silent_for)},
            {"rekey_in", seconds(sa.rekey_in)},
            {"reauthentication_in", seconds(sa.reauthentication_in)},
            {"retransmissions", sa.retransmissions},
            {"children", std::move(children)}};
}

json report(const PeerSnapshot& peer) {
    json sas = json::array();
    for (const IkeSaSnapshot& sa : peer.ike_sas) sas.push_back(report(sa));
    json out = {{"name", peer.name},
                {"state", name_of(peer.state)},
                {"why", peer.why},
                {"remote_host", peer.remote_host},
                {"last_error", nullptr},
                {"mismatch", nullptr},
                {"next_attempt_in", seconds(peer.next_attempt_in)},
                {"failed_attempts", peer.failed_attempts},
                {"ike_sas", std::move(sas)}};
    if (peer.last_error)
        out["last_error"] = {{"text", *peer.last_error}, {"age", seconds(peer.last_error_age)}};
    if (peer.mismatch)
        out["mismatch"] = {{"ours", peer.mismatch->ours},
                           {"theirs", peer.mismatch->theirs},
                           {"what", peer.mismatch->what},
                           {"child", peer.mismatch->child}};
    return out;
}

}  // namespace

json ike_report(const Snapshot& snapshot) {
    json peers = json::array();
    for (const PeerSnapshot& peer : snapshot.peers) peers.push_back(report(peer));
    return {{"peers", std::move(peers)},
            {"half_open", snapshot.half_open},
            {"cookies_demanded", snapshot.cookies_demanded},
            {"cookies_sent", snapshot.cookies_sent},
            {"invalid_spi_sent", snapshot.invalid_spi_sent},
            {"dropped_datagrams", snapshot.dropped_datagrams}};
}

}  // namespace isthmus::appliance
