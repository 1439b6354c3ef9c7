#include "appliance/commands.h"

#include <nlohmann/json.hpp>

namespace isthmus::appliance {

void Commands::on(const std::string& name, std::string about, Handler handler) {
    known_[name] = std::move(about);
    handlers_[name] = std::move(handler);
}

void Commands::on_stream(const std::string& name, std::string about, StreamHandler handler) {
    known_[name] = std::move(about);
    streams_[name] = std::move(handler);
}

Result<nlohmann::json, std::string> Commands::answer(const nlohmann::json& request) const {
    const auto name = request["request"].get<std::string>();
    const auto handler = handlers_.find(name);
    if (handler != handlers_.end()) return handler->second(request);
    std::string names;
    for (const auto& [known, about] : known_) names += (names.empty() ? "" : ", ") + known;
    return Unexpected("request \"" + name + "\" is unknown; this version knows " + names);
}

Result<void, std::string> Commands::answer(const nlohmann::json& request,
                                           std::shared_ptr<AnswerStream> stream) const {
    return streams_.at(request["request"].get<std::string>())(request, std::move(stream));
}

}  // namespace isthmus::appliance
