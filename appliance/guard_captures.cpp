#include "appliance/guard_captures.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "appliance/clock.h"
#include "bridge/io/capture_file.h"

namespace isthmus::appliance {

namespace {

constexpr std::chrono::seconds kLongestWait{2};
constexpr std::chrono::milliseconds kLookAgain{100};

std::uint64_t before(std::uint64_t count, std::uint32_t frames) {
    return count > frames ? count - frames : 0;
}

}  // namespace

GuardCaptures::GuardCaptures(asio::io_context& io, Logger log, std::filesystem::path folder,
                             const stp_guard::FrameRing& to_tunnel, const stp_guard::FrameRing& from_tunnel)
    : log_(std::move(log)),
      folder_(std::move(folder)),
      to_tunnel_(to_tunnel),
      from_tunnel_(from_tunnel),
      look_again_(io, [this](TimePoint now) { look(now); }) {}

std::string GuardCaptures::take(const std::string& name, TimePoint now) {
    if (frames_ == 0) return {};
    if (!wanted_.empty()) return wanted_.back().path.string();
    Wanted wanted;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(wall_now().time_since_epoch()).count();
    wanted.path = folder_ / (name + "-" + std::to_string(seconds) + ".pcap");
    wanted.first_to = before(to_tunnel_.count(), frames_);
    wanted.first_from = before(from_tunnel_.count(), frames_);
    wanted.enough_to = to_tunnel_.count() + frames_;
    wanted.enough_from = from_tunnel_.count() + frames_;
    wanted.deadline = now + kLongestWait;
    wanted_.push_back(wanted);
    look_again_.arm(now + kLookAgain);
    return wanted_.back().path.string();
}

void GuardCaptures::look(TimePoint now) {
    while (!wanted_.empty()) {
        const Wanted& next = wanted_.front();
        const bool enough = to_tunnel_.count() >= next.enough_to || from_tunnel_.count() >= next.enough_from;
        if (!enough && now < next.deadline) break;
        write(next);
        wanted_.pop_front();
    }
    if (!wanted_.empty()) look_again_.arm(now + kLookAgain);
}

void GuardCaptures::finish() {
    for (const Wanted& wanted : std::exchange(wanted_, {})) write(wanted);
}

void GuardCaptures::write(const Wanted& wanted) {
    std::vector<stp_guard::RecordedFrame> frames = to_tunnel_.since(wanted.first_to);
    for (auto& frame : from_tunnel_.since(wanted.first_from)) frames.push_back(std::move(frame));
    std::sort(frames.begin(), frames.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    // Frames have the steady clock's time; files are for people.
    const auto wall = std::chrono::nanoseconds(wall_now().time_since_epoch()) -
                      std::chrono::nanoseconds(boot_now().time_since_epoch());
    std::vector<bridge::CapturedFrame> out;
    out.reserve(frames.size());
    for (const auto& frame : frames)
        out.push_back({wall + std::chrono::nanoseconds(frame.at.time_since_epoch()), frame.size, frame.head});
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (!std::exchange(found_older_, true)) find_older();
    const auto done = bridge::write_capture(wanted.path, out);
    if (!done) {
        log_->error("guard: {}", done.error());
        return;
    }
    log_->info("guard: {} frames around the event are in {}", out.size(), wanted.path.string());
    std::erase(written_, wanted.path);  // of the same second
    written_.push_back(wanted.path);
    remove_oldest();
}

void GuardCaptures::find_older() {
    std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
        if (entry.path().extension() == ".pcap")
            found.emplace_back(entry.last_write_time(error), entry.path());
    std::sort(found.begin(), found.end());
    for (auto& [time, path] : found) written_.push_back(std::move(path));
}

void GuardCaptures::remove_oldest() {
    while (written_.size() > kMostFiles) {
        std::error_code error;
        std::filesystem::remove(written_.front(), error);
        written_.pop_front();
    }
}

}  // namespace isthmus::appliance
