#include "bridge/journal.h"

#include <charconv>

namespace isthmus::bridge {

namespace {

constexpr std::string_view kHeader = "isthmus-bridge-journal 1";

using Words = std::vector<std::string_view>;

Words split(std::string_view line) {
    Words words;
    while (!line.empty()) {
        const auto blank = line.find(' ');
        if (blank != 0) words.push_back(line.substr(0, blank));
        if (blank == std::string_view::npos) break;
        line.remove_prefix(blank + 1);
    }
    return words;
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

std::optional<bool> flag(std::string_view text) {
    if (text == "0") return false;
    if (text == "1") return true;
    return std::nullopt;
}

/// port NAME INDEX BRIDGE MTU UP INET6-DISABLED ADDR-GEN-MODE; the last two are "-" where there was no IPv6
std::optional<PortRecord> parse_port(const Words& words) {
    if (words.size() != 8 || !valid_interface_name(words[1]) || !valid_interface_name(words[3]))
        return std::nullopt;
    const auto index = number(words[2]);
    const auto mtu = number(words[4]);
    const auto up = flag(words[5]);
    if (!index || *index == 0 || !mtu || !up) return std::nullopt;
    PortRecord record{std::string(words[1]), IfIndex{*index}, std::string(words[3]), *mtu, *up, std::nullopt};
    if (words[6] == "-" && words[7] == "-") return record;
    const auto disabled = flag(words[6]);
    const auto mode = number(words[7]);
    if (!disabled || !mode || *mode > 3) return std::nullopt;
    record.inet6 = Inet6Settings{*disabled, static_cast<AddrGenMode>(*mode)};
    return record;
}

bool parse_netfilter(const Words& words, BridgeNetfilter& into) {
    if (words.size() != 3) return false;
    const auto value = flag(words[2]);
    if (!value) return false;
    if (words[1] == "iptables") return into.iptables = value, true;
    if (words[1] == "ip6tables") return into.ip6tables = value, true;
    if (words[1] == "arptables") return into.arptables = value, true;
    return false;
}

bool parse_line(const Words& words, Journal& into) {
    if (words[0] == "created" && words.size() == 2 && valid_interface_name(words[1])) {
        into.created.emplace_back(words[1]);
        return true;
    }
    if (words[0] == "port") {
        auto record = parse_port(words);
        if (record) into.ports.push_back(std::move(*record));
        return record.has_value();
    }
    return words[0] == "netfilter" && parse_netfilter(words, into.netfilter);
}

std::string scope_line(const JournalScope& scope) {
    return "scope " + scope.boot_id + " " + scope.network_namespace;
}

}  // namespace

std::string serialize(const Journal& journal, const JournalScope& scope) {
    std::string out = std::string(kHeader) + "\n" + scope_line(scope) + "\n";
    const auto digit = [](bool value) { return value ? "1" : "0"; };
    for (const auto& name : journal.created) out += "created " + name + "\n";
    for (const auto& p : journal.ports) {
        out += "port " + p.name + " " + std::to_string(raw(p.index)) + " " + p.bridge + " " +
               std::to_string(p.mtu) + " " + digit(p.up);
        out += p.inet6 ? std::string(" ") + digit(p.inet6->disabled) + " " +
                             std::to_string(static_cast<unsigned>(p.inet6->addr_gen_mode)) + "\n"
                       : " - -\n";
    }
    const auto netfilter = [&](const char* name, const std::optional<bool>& value) {
        if (value) out += std::string("netfilter ") + name + " " + digit(*value) + "\n";
    };
    netfilter("iptables", journal.netfilter.iptables);
    netfilter("ip6tables", journal.netfilter.ip6tables);
    netfilter("arptables", journal.netfilter.arptables);
    return out + "end\n";
}

Result<Journal, std::string> parse_journal(std::string_view text, const JournalScope& scope) {
    constexpr std::string_view kEnd = "\nend\n";
    if (text.size() < kEnd.size() || text.substr(text.size() - kEnd.size()) != kEnd)
        return Unexpected("it was cut off: the last line is not \"end\"");
    Journal journal;
    std::size_t line_number = 0;
    while (!text.empty()) {
        const auto newline = text.find('\n');
        const auto line = text.substr(0, newline);
        text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
        ++line_number;
        if (line_number == 1) {
            if (line != kHeader) return Unexpected("line 1: not a journal of version 1");
            continue;
        }
        if (line_number == 2) {
            const auto words = split(line);
            if (words.size() != 3 || words[0] != "scope") return Unexpected("line 2: no scope");
            if (line != scope_line(scope)) return Journal{};
            continue;
        }
        if (line == "end") return journal;
        const auto words = split(line);
        if (words.empty() || !parse_line(words, journal))
            return Unexpected("line " + std::to_string(line_number) + ": \"" + std::string(line) +
                              "\" is no record");
    }
    return Unexpected("line " + std::to_string(line_number + 1) + ": ends without \"end\"");
}

}  // namespace isthmus::bridge
