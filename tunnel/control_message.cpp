#include "tunnel/control_message.h"

namespace isthmus::tunnel {

namespace {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

MessageType type_of(const ControlMessage& message) noexcept {
    return std::visit(Overloaded{
                          [](const Zlb&) { return MessageType::ack; },
                          [](const Ack&) { return MessageType::ack; },
                          [](const Hello&) { return MessageType::hello; },
                          [](const Sccrq&) { return MessageType::sccrq; },
                          [](const Sccrp&) { return MessageType::sccrp; },
                          [](const Scccn&) { return MessageType::scccn; },
                          [](const StopCcn&) { return MessageType::stop_ccn; },
                          [](const Icrq&) { return MessageType::icrq; },
                          [](const Icrp&) { return MessageType::icrp; },
                          [](const Iccn&) { return MessageType::iccn; },
                          [](const Ocrq&) { return MessageType::ocrq; },
                          [](const Ocrp&) { return MessageType::ocrp; },
                          [](const Occn&) { return MessageType::occn; },
                          [](const Cdn&) { return MessageType::cdn; },
                          [](const Wen&) { return MessageType::wen; },
                          [](const Sli&) { return MessageType::sli; },
                          [](const UnknownMessage& unknown) { return MessageType{unknown.type.type}; },
                      },
                      message);
}

std::string name_of(const ControlMessage& message) {
    if (std::holds_alternative<Zlb>(message)) return "ZLB";
    if (const auto* unknown = std::get_if<UnknownMessage>(&message)) {
        if (unknown->type.vendor != kIetfVendor)
            return "message type " + std::to_string(unknown->type.vendor) + "/" +
                   std::to_string(unknown->type.type);
    }
    return name_of(type_of(message));
}

std::optional<SessionPair> session_of(const ControlMessage& message) noexcept {
    return std::visit(
        [](const auto& m) -> std::optional<SessionPair> {
            if constexpr (requires { m.ids; }) {
                return m.ids;
            } else {
                return std::nullopt;
            }
        },
        message);
}

}  // namespace isthmus::tunnel
