#include "tunnel/result_code.h"

namespace isthmus::tunnel {

namespace {

std::string unknown(std::string_view what, unsigned value) {
    return std::string(what) + " " + std::to_string(value);
}

/// Bytes of the UTF-8 sequence at the front, 0 if there is none (RFC 3629: shortest form, no surrogates).
std::size_t utf8_length(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((at(i) & 0xc0) != 0x80) return 0;
    const bool overlong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xf0 && at(1) < 0x90);
    const bool outside = (first == 0xed && at(1) > 0x9f) || (first == 0xf4 && at(1) > 0x8f);
    const bool control = first == 0xc2 && at(1) < 0xa0;
    return overlong || outside || control ? 0 : length;
}

template <class R>
std::string ending_words(const Ending<R>& ending) {
    std::string out = words(ending.result);
    if (ending.error != ErrorCode::none) out += ": " + words(ending.error);
    if (!ending.message.empty()) out += " (" + printable(ending.message) + ")";
    return out;
}

}  // namespace

std::string words(StopResult result) {
    switch (result) {
        case StopResult::reserved: return "no reason given";
        case StopResult::general: return "asked to clear the control connection";
        case StopResult::general_error: return "general error";
        case StopResult::already_exists: return "the control connection exists already";
        case StopResult::not_authorized:
            return "requester is not authorized to establish a control connection";
        case StopResult::version_unsupported: return "protocol version is not supported";
        case StopResult::shutting_down: return "peer is being shut down";
        case StopResult::state_machine: return "state machine error or timeout";
    }
    return unknown("unknown result", static_cast<unsigned>(result));
}

std::string words(CdnResult result) {
    switch (result) {
        case CdnResult::reserved: return "no reason given";
        case CdnResult::loss_of_carrier: return "loss of carrier or circuit disconnect";
        case CdnResult::general_error: return "general error";
        case CdnResult::administrative: return "administrative reasons";
        case CdnResult::no_facilities_temporary: return "facilities are lacking for now";
        case CdnResult::no_facilities_permanent: return "facilities are lacking for good";
        case CdnResult::lost_tie: return "lost the tie breaker";
        case CdnResult::unsupported_pseudowire: return "pseudowire type is not supported";
        case CdnResult::sequencing_without_sublayer:
            return "sequencing is demanded without an L2-Specific Sublayer";
        case CdnResult::state_machine: return "state machine error or timeout";
    }
    return unknown("unknown result", static_cast<unsigned>(result));
}

std::string words(ErrorCode error) {
    switch (error) {
        case ErrorCode::none: return "no general error";
        case ErrorCode::no_control_connection: return "no control connection exists yet";
        case ErrorCode::wrong_length: return "a length is wrong";
        case ErrorCode::out_of_range: return "a value is out of range";
        case ErrorCode::no_resources: return "not enough resources now";
        case ErrorCode::invalid_session_id: return "the Session ID is invalid";
        case ErrorCode::vendor_specific: return "an error of the implementation";
        case ErrorCode::try_another: return "try another gateway";
        case ErrorCode::unknown_mandatory_avp: return "an unknown AVP has the M bit";
        case ErrorCode::try_another_directed: return "try one of the gateways named";
    }
    return unknown("unknown error", static_cast<unsigned>(error));
}

template <>
std::string words(const Ending<StopResult>& ending) {
    return ending_words(ending);
}
template <>
std::string words(const Ending<CdnResult>& ending) {
    return ending_words(ending);
}

std::string printable(std::string_view text) {
    constexpr std::size_t kMost = 200;
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        if (out.size() >= kMost) return out + "...";
        const auto c = static_cast<unsigned char>(text[0]);
        std::size_t take = 1;
        if (c >= 0x20 && c < 0x7f && c != '\\') {
            out += text[0];
        } else if ((take = utf8_length(text)) != 0) {
            out += text.substr(0, take);
        } else {
            take = 1;
            out += {'\\', 'x', kDigits[c >> 4], kDigits[c & 15]};
        }
        text.remove_prefix(take);
    }
    return out;
}

}  // namespace isthmus::tunnel
