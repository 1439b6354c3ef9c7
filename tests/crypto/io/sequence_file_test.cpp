#include "crypto/io/sequence_file.h"

#include <sys/stat.h>

#include "tests/crypto/esp/esp_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::crypto::io;

namespace {
std::string content_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
std::size_t files_in(const std::filesystem::path& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}
const SaOptions& options() {
    static const SaOptions all = options_for(Suite::aes256_gcm16);
    return all;
}
void initialise(const TemporaryFolder& folder, SaDirection direction = SaDirection::out) {
    REQUIRE(initialise_sequence_file(folder.path(), identity_of(options(), direction)));
}
}  // namespace

TEST_CASE("without its state file an SA refuses to start and says what to do") {
    const TemporaryFolder folder;
    const auto sequence = DurableSequence::open(folder.path(), options());
    REQUIRE_FALSE(sequence);
    CHECK(sequence.error().find("sa-out-c0000001.state does not exist") != std::string::npos);
    CHECK(sequence.error().find("isthmus sa init") != std::string::npos);
    CHECK_FALSE(DurableReplayFloor::open(folder.path(), options()));
    CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("after the explicit act numbers start at 1, and the file says so before the first is used") {
    const TemporaryFolder folder;
    initialise(folder);
    const auto path = sequence_file_path(folder.path(), SaDirection::out, Spi{0xc0000001});
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);

    auto sequence = DurableSequence::open(folder.path(), options());
    REQUIRE(sequence);
    CHECK(sequence->range().first == 1);
    CHECK(sequence->range().limit == kExtendedBlock);
    CHECK(content_of(path).find("sequence " + std::to_string(kExtendedBlock) + "\n") != std::string::npos);
    CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a restart goes on behind the last reserved block, however little of it was used") {
    const TemporaryFolder folder;
    initialise(folder);
    REQUIRE(DurableSequence::open(folder.path(), options()));
    const auto again = DurableSequence::open(folder.path(), options());
    REQUIRE(again);
    CHECK(again->range().first == kExtendedBlock + 1);
    CHECK(again->range().limit == 2 * kExtendedBlock);
}

TEST_CASE("the next block is on disk before the SA may use it") {
    const TemporaryFolder folder;
    initialise(folder);
    auto sequence = DurableSequence::open(folder.path(), options());
    REQUIRE(sequence);
    CHECK(*sequence->advance(10) == std::nullopt);
    const auto limit = sequence->advance(kExtendedBlock / 2 + 1);
    REQUIRE(limit);
    CHECK(*limit == 2 * kExtendedBlock);
    const auto file = content_of(sequence_file_path(folder.path(), SaDirection::out, Spi{0xc0000001}));
    CHECK(file.find("sequence " + std::to_string(2 * kExtendedBlock)) != std::string::npos);
}

TEST_CASE("a disk that refuses keeps the old limit and is asked again") {
    const TemporaryFolder folder;
    initialise(folder);
    auto sequence = DurableSequence::open(folder.path(), options());
    REQUIRE(sequence);
    const auto path = sequence_file_path(folder.path(), SaDirection::out, Spi{0xc0000001});
    // A folder where the temporary goes refuses root as well.
    std::filesystem::create_directory(path.string() + ".new");
    const auto refused = sequence->advance(kExtendedBlock);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().find("cannot create") != std::string::npos);
    CHECK(sequence->range().limit == kExtendedBlock);
    std::filesystem::remove(path.string() + ".new");
    CHECK(*sequence->advance(kExtendedBlock) == 2 * kExtendedBlock);
}

TEST_CASE("a damaged file, or another key's, stops the start") {
    const TemporaryFolder folder;
    initialise(folder);
    const auto path = sequence_file_path(folder.path(), SaDirection::out, Spi{0xc0000001});
    SUBCASE("damaged") {
        std::filesystem::resize_file(path, 100);
        const auto sequence = DurableSequence::open(folder.path(), options());
        REQUIRE_FALSE(sequence);
        CHECK(sequence.error().find("damaged") != std::string::npos);
        CHECK(sequence.error().find("new keys") != std::string::npos);
    }
    SUBCASE("empty, as after a crash of another program") {
        std::filesystem::resize_file(path, 0);
        CHECK_FALSE(DurableSequence::open(folder.path(), options()));
    }
    SUBCASE("huge") {
        std::filesystem::resize_file(path, 1'000'000);
        CHECK_FALSE(DurableSequence::open(folder.path(), options()));
    }
    SUBCASE("another key") {
        auto other = options_for(Suite::aes256_gcm16);
        other.key = crypto::SecretBytes(counted_bytes(36, 99));
        const auto sequence = DurableSequence::open(folder.path(), other);
        REQUIRE_FALSE(sequence);
        CHECK(sequence.error().find("another key") != std::string::npos);
    }
}

TEST_CASE("initialising refuses what exists, damaged or not") {
    const TemporaryFolder folder;
    initialise(folder);
    const auto identity = identity_of(options(), SaDirection::out);
    const auto path = sequence_file_path(folder.path(), SaDirection::out, Spi{0xc0000001});
    const auto before = content_of(path);
    const auto again = initialise_sequence_file(folder.path(), identity);
    REQUIRE_FALSE(again);
    CHECK(again.error().find("has been initialised before") != std::string::npos);
    CHECK(content_of(path) == before);
    std::filesystem::resize_file(path, 0);
    CHECK_FALSE(initialise_sequence_file(folder.path(), identity));
}

TEST_CASE("a key that moves to another SPI or the other direction is recognised") {
    const TemporaryFolder folder;
    initialise(folder);
    auto moved = options_for(Suite::aes256_gcm16);
    moved.spi = Spi{0xc0000077};
    for (const auto& identity :
         {identity_of(moved, SaDirection::out), identity_of(options(), SaDirection::in)}) {
        const auto refused = initialise_sequence_file(folder.path(), identity);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().find("already in use") != std::string::npos);
    }
    moved.key = crypto::SecretBytes(counted_bytes(36, 50));
    CHECK(initialise_sequence_file(folder.path(), identity_of(moved, SaDirection::out)));
}

TEST_CASE("when all numbers are used up the start is refused") {
    const TemporaryFolder folder;
    auto short_numbers = options_for(Suite::aes256_gcm16, false);
    const auto identity = identity_of(short_numbers, SaDirection::out);
    const auto path = sequence_file_path(folder.path(), SaDirection::out, short_numbers.spi);
    std::ofstream(path) << SequenceState{identity, 0xfffffffe}.emit();
    auto last = DurableSequence::open(folder.path(), short_numbers);
    REQUIRE(last);
    CHECK(last->range().first == 0xffffffff);
    CHECK(last->range().limit == 0xffffffff);
    CHECK(last->exhausted());
    const auto none = DurableSequence::open(folder.path(), short_numbers);
    REQUIRE_FALSE(none);
    CHECK(none.error().find("make new keys") != std::string::npos);
}

TEST_CASE("an inbound SA's number is saved as it grows") {
    const TemporaryFolder folder;
    initialise(folder, SaDirection::in);
    auto floor = DurableReplayFloor::open(folder.path(), options());
    REQUIRE(floor);
    CHECK(floor->highest_seen() == 0);
    REQUIRE(floor->save(5000));
    REQUIRE(floor->save(4000));
    const auto again = DurableReplayFloor::open(folder.path(), options());
    REQUIRE(again);
    CHECK(again->highest_seen() == 5000);
}
