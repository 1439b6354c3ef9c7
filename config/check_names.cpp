// Names and numbers that must differ.
#include <map>

#include "config/draft.h"
#include "config/words.h"

namespace isthmus::config {

namespace {

/// Who had a value first. Empty names and zeros are values that could not be read.
template <class Key>
class FirstUse {
  public:
    /// "session \"a\" on line 12", if it was in use.
    [[nodiscard]] std::optional<std::string> claim(const Key& key, std::string_view what,
                                                   std::string_view who, std::uint32_t line) {
        if (key == Key{}) return std::nullopt;
        const auto [at, is_new] = users_.try_emplace(key);
        if (is_new) {
            at->second = std::string(what) + " " + quoted(who) + " on line " + std::to_string(line);
            return std::nullopt;
        }
        return at->second;
    }

  private:
    std::map<Key, std::string> users_;
};

void check_object_names(const Draft& draft) {
    const Configuration& c = draft.configuration;
    const auto check = [](FirstUse<std::string>& names, const Section& section, std::string_view what,
                          const std::string& name) {
        if (const auto first = names.claim(name, what, name, section.line_of("name")))
            section.problem("name", quoted(name) + " is the name of " + *first + " already",
                            "give each its own name");
    };
    FirstUse<std::string> bridges;
    FirstUse<std::string> tunnels;
    FirstUse<std::string> sessions;
    for (std::size_t i = 0; i < c.bridges.size(); ++i)
        check(bridges, draft.bridges[i], "bridge", c.bridges[i].options.name);
    for (std::size_t i = 0; i < c.tunnels.size(); ++i)
        check(tunnels, draft.tunnels[i].tunnel, "tunnel", c.tunnels[i].name);
    for (std::size_t i = 0; i < c.sessions.size(); ++i)
        check(sessions, draft.sessions[i], "session", c.sessions[i].name);
}

/// Bridges, physical ports and TAPs share the kernel's one list of interfaces.
void check_interfaces(const Draft& draft) {
    const Configuration& c = draft.configuration;
    FirstUse<std::string> interfaces;
    for (std::size_t i = 0; i < c.bridges.size(); ++i)  // two bridges of one name were reported as such
        (void)interfaces.claim(c.bridges[i].options.name, "bridge", c.bridges[i].options.name,
                               draft.bridges[i].line_of("name"));
    for (std::size_t i = 0; i < c.bridges.size(); ++i) {
        for (const auto& [port, line] : draft.bridges[i].texts("ports"))
            if (const auto first = interfaces.claim(port, "port of bridge", c.bridges[i].options.name, line))
                draft.bridges[i].problem_at(line, "ports", quoted(port) + " is " + *first + " already",
                                            "an interface is a port of one bridge, once");
    }
    for (std::size_t i = 0; i < c.sessions.size(); ++i) {
        const Section& section = draft.sessions[i];
        const auto first = interfaces.claim(c.sessions[i].interface, "interface of session",
                                            c.sessions[i].name, section.line_of("interface"));
        if (first)
            section.problem("interface", quoted(c.sessions[i].interface) + " is " + *first + " already",
                            "give the session's TAP a name of its own: interface = \"...\"");
    }
}

void check_session_ids(const Draft& draft) {
    const Configuration& c = draft.configuration;
    FirstUse<std::uint32_t> local;
    FirstUse<std::pair<std::size_t, std::uint32_t>> remote;
    for (std::size_t i = 0; i < c.sessions.size(); ++i) {
        const SessionConfig& session = c.sessions[i];
        const Section& section = draft.sessions[i];
        if (const auto first = local.claim(raw(session.options.local_id), "session", session.name,
                                           section.line_of("local_id")))
            section.problem("local_id",
                            "session id " + hex_text(raw(session.options.local_id)) + " is that of " +
                                *first + " already",
                            "each session of a daemon receives with an id of its own");
        if (session.tunnel == kUnknown || raw(session.options.remote_id) == 0) continue;
        const auto first = remote.claim({session.tunnel, raw(session.options.remote_id)}, "session",
                                        session.name, section.line_of("remote_id"));
        if (first)
            section.problem("remote_id",
                            "session id " + hex_text(raw(session.options.remote_id)) + " is that of " +
                                *first + " already",
                            "the peer receives each session with an id of its own");
    }
}

void check_connection_ids(const Draft& draft) {
    const Configuration& c = draft.configuration;
    FirstUse<std::uint32_t> local;
    for (std::size_t i = 0; i < c.tunnels.size(); ++i) {
        const Section& section = draft.tunnels[i].tunnel;
        const std::uint32_t id = raw(c.tunnels[i].options.local_id);
        if (const auto first = local.claim(id, "tunnel", c.tunnels[i].name, section.line_of("local_id")))
            section.problem(
                "local_id",
                "control connection id " + std::to_string(id) + " is that of " + *first + " already",
                "each tunnel of a daemon has its own");
    }
}

}  // namespace

void check_names(const Draft& draft) {
    check_object_names(draft);
    check_interfaces(draft);
    check_session_ids(draft);
    check_connection_ids(draft);
}

}  // namespace isthmus::config
