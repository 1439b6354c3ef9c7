// What the control socket can be asked: request names and who answers. Control planes add theirs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace isthmus::appliance {

/// The asker's end of an answer in many parts: a trace, or one that takes its time.
class AnswerStream {
  public:
    virtual ~AnswerStream() = default;
    /// Adds a part. False: the asker has gone; nothing will arrive any more. Parts that a slow asker has no room for are
    /// left out and counted to him.
    virtual bool send(const nlohmann::json& part) = 0;
    /// No more parts. Error: what went wrong, for the asker.
    virtual void end(Result<void, std::string> outcome = {}) = 0;
};

class Commands {
  public:
    /// Answers at once. Error: one sentence for the asker.
    using Handler = std::function<Result<nlohmann::json, std::string>(const nlohmann::json& request)>;
    /// Keeps the stream and answers when and as often as it likes, then end()s it. Error: refused, with a sentence.
    using StreamHandler = std::function<Result<void, std::string>(const nlohmann::json& request,
                                                                  std::shared_ptr<AnswerStream> stream)>;

    /// `about`: a phrase for whoever asks for the list of requests.
    void on(const std::string& name, std::string about, Handler handler);
    void on_stream(const std::string& name, std::string about, StreamHandler handler);

    [[nodiscard]] bool is_stream(const std::string& name) const { return streams_.count(name) != 0; }
    /// Error: the handler's, or what requests are known.
    [[nodiscard]] Result<nlohmann::json, std::string> answer(const nlohmann::json& request) const;
    [[nodiscard]] Result<void, std::string> answer(const nlohmann::json& request,
                                                   std::shared_ptr<AnswerStream> stream) const;
    /// Name and phrase of each.
    [[nodiscard]] const std::map<std::string, std::string>& known() const noexcept { return known_; }

  private:
    std::map<std::string, std::string> known_;
    std::map<std::string, Handler> handlers_;
    std::map<std::string, StreamHandler> streams_;
};

}  // namespace isthmus::appliance
