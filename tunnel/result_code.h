// Why a control connection or a session ends: Result Code AVP (RFC 3931 section 5.4.2).
//
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |          Result Code          |     Error Code (optional)     |   then an Error Message in UTF-8
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tunnel/avp.h"

namespace isthmus::tunnel {

/// Of a StopCCN.
enum class StopResult : std::uint16_t {
    reserved = 0,
    general = 1,         ///< general request to clear the control connection
    general_error = 2,   ///< see the error code
    already_exists = 3,  ///< or a lost tie
    not_authorized = 4,
    version_unsupported = 5,
    shutting_down = 6,
    state_machine = 7,  ///< finite state machine error or timeout
};

/// Of a CDN (RFC 3931; 13 to 16 are those of L2TPv3).
enum class CdnResult : std::uint16_t {
    reserved = 0,
    loss_of_carrier = 1,
    general_error = 2,  ///< see the error code
    administrative = 3,
    no_facilities_temporary = 4,
    no_facilities_permanent = 5,
    lost_tie = 13,
    unsupported_pseudowire = 14,
    sequencing_without_sublayer = 15,
    state_machine = 16,
};

enum class ErrorCode : std::uint16_t {
    none = 0,
    no_control_connection = 1,
    wrong_length = 2,
    out_of_range = 3,
    no_resources = 4,
    invalid_session_id = 5,
    vendor_specific = 6,
    try_another = 7,
    unknown_mandatory_avp = 8,
    try_another_directed = 9,
};

[[nodiscard]] std::string words(StopResult result);
[[nodiscard]] std::string words(CdnResult result);
[[nodiscard]] std::string words(ErrorCode error);

/// A result with its error and message. R: StopResult or CdnResult.
template <class R>
struct Ending {
    R result{};
    ErrorCode error = ErrorCode::none;
    std::string message;  ///< for people; the peer's may contain anything: show it with printable()

    friend bool operator==(const Ending&, const Ending&) = default;
};

/// "requester is not authorized to establish a control connection", with the error and the message if any, as
/// far as they are printable.
template <class R>
[[nodiscard]] std::string words(const Ending<R>& ending);

/// Peers' bytes as text for people: printable ASCII and whole UTF-8 stay, the rest becomes \xNN; cut at 200 bytes.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace isthmus::tunnel
