#include "appliance/ike_view.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "appliance/text_table.h"

namespace isthmus::appliance {

using nlohmann::json;

namespace {

std::string time_in(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number()) return "-";
    return duration_text(found->get<std::uint64_t>());
}

std::string nat_text(const json& sa) {
    const json& nat = sa.at("nat");
    std::string where;
    if (nat.at("local_behind").get<bool>()) where = "us";
    if (nat.at("remote_behind").get<bool>()) where += where.empty() ? "the peer" : " and the peer";
    if (!nat.at("esp_in_udp").get<bool>()) return "ESP as IP protocol 50";
    return "ESP in UDP 4500" + (where.empty() ? std::string() : ", NAT in front of " + where);
}

std::string child_text(const json& child) {
    return "child " + text_of(child, "name") + ": " + text_of(child, "state") + " for " +
           time_in(child, "age") + (child.at("sends").get<bool>() ? ", sends" : "") + "; in " +
           text_of(child, "spi_in") + " out " + text_of(child, "spi_out") + "; " + text_of(child, "mode") +
           ", " + text_of(child, "suite") + "; " + text_of(child, "local_selectors") + " to " +
           text_of(child, "remote_selectors") + "; in " +
           short_count(child.at("packets_in").get<std::uint64_t>()) + " packets, " +
           byte_count(child.at("bytes_in").get<std::uint64_t>()) + ", out " +
           short_count(child.at("packets_out").get<std::uint64_t>()) + " packets, " +
           byte_count(child.at("bytes_out").get<std::uint64_t>()) + "; new keys in " +
           time_in(child, "rekey_in");
}

void add_sa(TextTable& table, const json& sa) {
    table.detail("  IKE SA " + text_of(sa, "spi_initiator") + "/" + text_of(sa, "spi_responder") + " " +
                 text_of(sa, "state") + " for " + time_in(sa, "age") + " as " + text_of(sa, "role") + ": " +
                 text_of(sa, "local") + " to " + text_of(sa, "remote"));
    const std::string who = text_of(sa, "remote_identity");
    if (who != "-" && !who.empty())
        table.detail("    we are " + text_of(sa, "local_identity") + " (" + text_of(sa, "local_auth") +
                     "), it is " + who + " (" + text_of(sa, "remote_auth") + ")");
    const auto repeated = sa.at("retransmissions").get<std::uint64_t>();
    table.detail("    " + text_of(sa, "suite") + (sa.at("ppk").get<bool>() ? ", post-quantum key" : "") +
                 "; " + nat_text(sa) + "; silent for " + time_in(sa, "silent_for") + "; new keys in " +
                 time_in(sa, "rekey_in") +
                 (sa.at("reauthentication_in").is_number()
                      ? ", authentication anew in " + time_in(sa, "reauthentication_in")
                      : "") +
                 (repeated == 0 ? "" : "; request sent " + std::to_string(repeated + 1) + " times"));
    for (const json& child : sa.at("children")) table.detail("    " + child_text(child));
}

/// What did not match is often the last error, which is shown already.
void add_mismatch(TextTable& table, const json& mismatch, const json& last_error) {
    const std::string child = text_of(mismatch, "child");
    const bool of_child = child != "-" && !child.empty();
    const std::string what = text_of(mismatch, "what");
    const bool is_told =
        last_error.is_object() && text_of(last_error, "text").find(what) != std::string::npos;
    table.detail("  no agreement on " + (of_child ? "child " + child : std::string("the IKE SA")) +
                 (is_told ? "" : ": " + what));
    table.detail("    we propose:   " + text_of(mismatch, "ours"));
    const std::string theirs = text_of(mismatch, "theirs");
    const bool is_known = theirs != "-" && !theirs.empty();
    table.detail("    it proposes:  " + (is_known ? theirs : "unknown, for it has not begun itself"));
}

}  // namespace

std::string render_ike(const json& report, bool coloured) {
    TextTable table({"PEER", "STATE", "HOST", "WHY"});
    for (const json& peer : report.at("peers")) {
        const std::string host = text_of(peer, "remote_host");
        table.row({text_of(peer, "name"), text_of(peer, "state"), host.empty() ? "any" : host,
                   text_of(peer, "why")});
        for (const json& sa : peer.at("ike_sas")) add_sa(table, sa);
        if (const json& error = peer.at("last_error"); error.is_object())
            table.detail("  last error, " + time_in(error, "age") + " ago: " + text_of(error, "text"));
        if (const json& mismatch = peer.at("mismatch"); mismatch.is_object())
            add_mismatch(table, mismatch, peer.at("last_error"));
        if (peer.at("next_attempt_in").is_number())
            table.detail("  next attempt in " + time_in(peer, "next_attempt_in") + ", after " +
                         std::to_string(peer.at("failed_attempts").get<std::uint64_t>()) + " that failed");
    }
    std::ostringstream out;
    table.print(out);
    if (const json& doubt = report.value("clock_doubt", json()); doubt.is_string())
        out << doubt.get<std::string>() << '\n';
    if (const json& log = report.value("key_log", json()); log.is_string())
        out << "keys are written to " << log.get<std::string>() << ": whoever reads them reads all traffic\n";
    if (report.at("peers").empty()) out << "no tunnel has its keys from IKE\n";
    out << report.at("half_open").get<std::uint64_t>() << " half open"
        << (report.at("cookies_demanded").get<bool>() ? ", cookies demanded" : "") << "; "
        << report.at("dropped_datagrams").get<std::uint64_t>() << " datagrams dropped\n";
    return coloured ? with_coloured_states(out.str()) : out.str();
}

}  // namespace isthmus::appliance
