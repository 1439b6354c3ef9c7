#include "config/load.h"

#include <utility>

#include "config/draft.h"
#include "config/schema.h"

namespace isthmus::config {

namespace {

/// A file of another schema would be judged by the wrong rules: the number is all that is said about it.
const Entry* another_schema(const Value& document) {
    const Entry* entry = document.find("schema");
    const bool other =
        entry != nullptr && entry->value.type == ValueType::integer && entry->value.integer != kSchemaVersion;
    return other ? entry : nullptr;
}

Draft read(const Section& root, const Environment& environment) {
    Draft draft;
    const auto gateway = root.table("gateway");
    draft.configuration.gateway = read_gateway(gateway ? &*gateway : nullptr, environment);
    const auto datapath = root.table("datapath");
    draft.configuration.datapath = read_datapath(datapath ? &*datapath : nullptr);
    const auto guard = root.table("guard");
    draft.configuration.guard =
        read_guard(guard ? &*guard : nullptr, draft.configuration.gateway, environment);
    draft.bridges = root.tables("bridge");
    for (const Section& section : draft.bridges)
        read_bridge_guard(section, draft.configuration.guard,
                          draft.configuration.bridges.emplace_back(read_bridge(section)));
    for (const Section& section : root.tables("tunnel")) read_tunnel(section, environment, draft);

    Names names;
    for (const auto& bridge : draft.configuration.bridges) names.bridges.emplace_back(bridge.options.name);
    for (const auto& tunnel : draft.configuration.tunnels) {
        names.tunnels.emplace_back(tunnel.name);
        names.negotiates.push_back(tunnel.control.has_value());
    }
    draft.sessions = root.tables("session");
    for (const Section& section : draft.sessions) {
        SessionConfig& session = draft.configuration.sessions.emplace_back(read_session(section, names));
        const TunnelConfig* tunnel =
            session.tunnel != kUnknown ? &draft.configuration.tunnels[session.tunnel] : nullptr;
        read_session_guard(section, draft.configuration.guard, tunnel, session);
    }
    return draft;
}

void warn_of_idle_parts(const Draft& draft) {
    const Configuration& c = draft.configuration;
    std::vector<bool> used(c.tunnels.size());
    for (const SessionConfig& session : c.sessions)
        if (session.tunnel != kUnknown) used[session.tunnel] = true;
    for (std::size_t i = 0; i < used.size(); ++i)
        if (!used[i])
            draft.tunnels[i].tunnel.warning("name", "no session uses this tunnel",
                                            "write a [[session]] with it");
}

}  // namespace

Result<Configuration, Problems> load(std::string_view text, const std::string& file,
                                     const Environment& environment) {
    Findings findings(file);
    if (text.size() > kMaxConfigurationSize) {
        findings.problem(0, "", "has " + std::to_string(text.size()) + " bytes",
                         "a configuration has at most " + std::to_string(kMaxConfigurationSize));
        return Unexpected(findings.take_problems());
    }
    const auto document = parse_toml(text);
    if (!document) {
        findings.problem(document.error().line, "", document.error().what, "the file has to be TOML 1.0");
        return Unexpected(findings.take_problems());
    }
    if (const Entry* schema = another_schema(*document)) {
        findings.problem(schema->line, "schema", "is " + std::to_string(schema->value.integer),
                         "this version reads schema = " + std::to_string(kSchemaVersion));
        return Unexpected(findings.take_problems());
    }
    const Section root(*document, 1, "", findings);
    Draft draft = read(root, environment);
    check_names(draft);
    check_wire(draft);
    check_bridging(draft);
    check_control(draft);
    warn_of_idle_parts(draft);
    if (!findings.good()) return Unexpected(findings.take_problems());
    draft.configuration.warnings = findings.take_warnings();
    return std::move(draft.configuration);
}

Result<Configuration, Problems> load_file(const std::string& file, const Environment& environment) {
    auto content = environment.read_file(file, kMaxConfigurationSize);
    if (content) return load(content->content, file, environment);
    return Unexpected(Problems{
        {file, 0, "", content.error(), "write the configuration there, or name another file with --config"}});
}

}  // namespace isthmus::config
