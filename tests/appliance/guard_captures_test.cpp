#include "appliance/guard_captures.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "appliance/clock.h"
#include "tests/support/temporary_folder.h"

using namespace isthmus;
using appliance::GuardCaptures;

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("captures of earlier runs make room for new ones, the oldest first") {
    const test::TemporaryFolder folder;
    const auto captures = folder.path() / "captures";
    std::filesystem::create_directories(captures);
    const auto now = std::filesystem::file_time_type::clock::now();
    for (int i = 0; i < static_cast<int>(GuardCaptures::kMostFiles); ++i) {
        const auto path = captures / ("blocked-" + std::to_string(i) + ".pcap");
        std::ofstream(path) << "old";
        std::filesystem::last_write_time(path, now - std::chrono::hours(100 - i));
    }
    std::ofstream(captures / "notes.txt") << "somebody's";
    appliance::asio::io_context io;
    const stp_guard::FrameRing to_tunnel(16);
    const stp_guard::FrameRing from_tunnel(16);
    GuardCaptures guard(io, std::make_shared<spdlog::logger>("test"), captures, to_tunnel, from_tunnel);
    guard.keep(10);
    const std::filesystem::path written = guard.take("storm", appliance::boot_now());
    guard.finish();
    CHECK(std::filesystem::exists(written));
    CHECK(files_in(captures) == GuardCaptures::kMostFiles + 1);
    CHECK_FALSE(std::filesystem::exists(captures / "blocked-0.pcap"));
    CHECK(std::filesystem::exists(captures / "blocked-1.pcap"));
    CHECK(std::filesystem::exists(captures / "notes.txt"));
}
