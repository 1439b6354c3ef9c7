// Sessions whose ids and cookies are negotiated.
#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

constexpr std::size_t kMaxEndId = 255;
constexpr std::uint32_t kLeastRotation = 60;

std::string read_end_id(const Section& section, const SessionConfig& session) {
    const auto text = section.text("end_id");
    if (!text) return session.name;
    if (text->empty() || text->size() > kMaxEndId)
        section.problem("end_id", "has " + std::to_string(text->size()) + " characters",
                        "a Remote End ID has 1 to 255; leave it out to use the session's name");
    return *text;
}

std::uint8_t read_cookie_size(const Section& section) {
    const auto size = section.integer("cookie_size", 0, 8);
    if (!size) return 8;
    if (*size != 0 && *size != 4 && *size != 8)
        section.problem("cookie_size", std::to_string(*size) + " is no size of a cookie", "write 8, 4 or 0");
    else if (*size < 8)
        section.warning("cookie_size",
                        *size == 0 ? "there will be no cookie" : "the cookie will have 4 bytes only",
                        "8 random bytes keep blind packets out of the session");
    return static_cast<std::uint8_t>(*size);
}

std::uint32_t read_rotation(const Section& section) {
    const auto seconds = section.integer("cookie_rotation", 0, 604'800);
    if (!seconds || *seconds == 0 || *seconds >= kLeastRotation) return seconds.value_or(0);
    section.problem("cookie_rotation", std::to_string(*seconds) + " seconds is too often",
                    "write 60 or more, or 0 to keep the cookies");
    return 0;
}

std::optional<tunnel::BfdOptions> read_liveness(const Section& section, const SessionConfig& session,
                                                std::uint8_t cookie_size) {
    tunnel::BfdOptions bfd;
    const bool wanted = section.boolean("bfd").value_or(true);
    bfd.interval = std::chrono::milliseconds(section.integer("bfd_interval", 10, 60'000).value_or(300));
    bfd.multiplier = static_cast<std::uint8_t>(section.integer("bfd_multiplier", 2, 50).value_or(3));
    if (!wanted)
        for (const std::string_view key : {"bfd_interval", "bfd_multiplier"})
            if (section.has(key)) section.problem(key, "bfd is false", "remove one of the two");
    const bool no_channel = cookie_size == 0 && session.options.receive_sublayer == tunnel::Sublayer::none;
    if (wanted && no_channel)
        section.problem(section.has("bfd") ? "bfd" : "cookie_size",
                        "without a cookie and without a sublayer there is no channel for BFD",
                        "write cookie_size = 8, receive_sublayer = \"default\", or bfd = false");
    return wanted ? std::optional(bfd) : std::nullopt;
}

}  // namespace

NegotiationConfig read_negotiation(const Section& section, const SessionConfig& session) {
    for (const std::string_view key :
         {"local_id", "remote_id", "local_cookie", "remote_cookie", "send_sublayer", "send_sequence"})
        if (section.has(key))
            section.problem(key, "is negotiated, since the session's tunnel has a [tunnel.control]",
                            "remove it");
    NegotiationConfig out;
    out.end_id = read_end_id(section, session);
    out.cookie_size = read_cookie_size(section);
    out.cookie_rotation_seconds = read_rotation(section);
    out.liveness = read_liveness(section, session, out.cookie_size);
    return out;
}

}  // namespace isthmus::config
