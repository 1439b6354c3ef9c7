#include "appliance/logging.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mutex>
#include <string_view>

#include "appliance/file_descriptor.h"

namespace isthmus::appliance {

namespace {

/// systemd's native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram a line, so that priorities survive.
class JournalSink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    [[nodiscard]] static std::shared_ptr<JournalSink> connect_to_journal() {
        FileDescriptor fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        constexpr std::string_view kPath = "/run/systemd/journal/socket";
        kPath.copy(address.sun_path, sizeof address.sun_path - 1);
        if (!fd || connect(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            return nullptr;
        return std::make_shared<JournalSink>(std::move(fd));
    }
    explicit JournalSink(FileDescriptor fd) : fd_(std::move(fd)) {}

  private:
    static char priority_of(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical: return '2';
            case spdlog::level::err: return '3';
            case spdlog::level::warn: return '4';
            case spdlog::level::info: return '6';
            default: return '7';
        }
    }
    void sink_it_(const spdlog::details::log_msg& message) override {
        std::string text(message.payload.data(), message.payload.size());
        for (char& c : text)
            if (c == '\n') c = ' ';  // a line end would end the field
        const std::string datagram = std::string("PRIORITY=") + priority_of(message.level) +
                                     "\nSYSLOG_IDENTIFIER=isthmusd\nMESSAGE=" + text + "\n";
        // A full journal loses the line: the daemon must not wait for it.
        (void)!send(fd_.value(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    void flush_() override {}
    FileDescriptor fd_;
};

spdlog::level::level_enum spdlog_level(config::LogLevel level) {
    switch (level) {
        case config::LogLevel::trace: return spdlog::level::trace;
        case config::LogLevel::debug: return spdlog::level::debug;
        case config::LogLevel::info: return spdlog::level::info;
        case config::LogLevel::warning: return spdlog::level::warn;
        case config::LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

Result<spdlog::sink_ptr, std::string> make_sink(const config::GatewayConfig& config) {
    if (config.log_target == config::LogTarget::console)
        return spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    if (config.log_target == config::LogTarget::journal) {
        if (auto journal = JournalSink::connect_to_journal()) return spdlog::sink_ptr(std::move(journal));
        return Unexpected<std::string>(
            "log_target \"journal\": no systemd journal answers here; use \"console\" or \"file:/path\"");
    }
    try {
        return spdlog::sink_ptr(std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.log_file));
    } catch (const spdlog::spdlog_ex& e) {
        return Unexpected("log_target \"file:" + config.log_file + "\" cannot be written: " + e.what());
    }
}

}  // namespace

Result<Logger, std::string> make_logger(const config::GatewayConfig& config) {
    auto sink = make_sink(config);
    if (!sink) return Unexpected(sink.error());
    auto logger = std::make_shared<spdlog::logger>("isthmusd", std::move(*sink));
    set_level(*logger, config.log_level);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%-7l%$ %v");
    logger->flush_on(spdlog::level::info);
    return logger;
}

void set_level(spdlog::logger& logger, config::LogLevel level) {
    logger.set_level(spdlog_level(level));
}

}  // namespace isthmus::appliance
