// Files with the frames before and after an event, for tcpdump and Wireshark.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>

#include "appliance/asio.h"
#include "appliance/deadline.h"
#include "appliance/logging.h"
#include "stp-guard/frame_ring.h"

namespace isthmus::appliance {

class GuardCaptures {
  public:
    static constexpr std::size_t kMostFiles = 20;  ///< the oldest make room

    /// All outlive this. Files go into `folder`, which is made when the first is.
    GuardCaptures(asio::io_context& io, Logger log, std::filesystem::path folder,
                  const stp_guard::FrameRing& to_tunnel, const stp_guard::FrameRing& from_tunnel);

    /// So many frames of each direction before an event and after it; 0: no files.
    void keep(std::uint32_t frames) noexcept { frames_ = frames; }
    /// The file that will be written once the frames after are there, or two seconds are over. Empty: none. Events while one waits share
    /// its file.
    [[nodiscard]] std::string take(const std::string& name, TimePoint now);
    /// Writes what waits, now.
    void finish();

  private:
    struct Wanted {
        std::filesystem::path path;
        std::uint64_t first_to = 0;  ///< numbers of the first frames, by direction
        std::uint64_t first_from = 0;
        std::uint64_t enough_to = 0;
        std::uint64_t enough_from = 0;
        TimePoint deadline{};
    };
    void look(TimePoint now);
    void write(const Wanted& wanted);
    void remove_oldest();
    /// Those of earlier runs, oldest first: they count too.
    void find_older();

    Logger log_;
    std::filesystem::path folder_;
    const stp_guard::FrameRing& to_tunnel_;
    const stp_guard::FrameRing& from_tunnel_;
    std::uint32_t frames_ = 0;
    std::deque<Wanted> wanted_;
    std::deque<std::filesystem::path> written_;
    bool found_older_ = false;
    Deadline look_again_;
};

}  // namespace isthmus::appliance
