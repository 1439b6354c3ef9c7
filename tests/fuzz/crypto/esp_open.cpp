// Opens packets under a known key. Without help no random input passes an ICV, so the first byte asks for assistance:
// the input is then taken as plain text with trailer and sealed here, and what is behind the ICV check is exercised.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "base/packet_batch.h"
#include "crypto/esp/header.h"
#include "crypto/esp/open_stage.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::esp;

namespace {

constexpr std::uint8_t kAssist = 0x80;
constexpr std::uint8_t kExtended = 0x40;
constexpr std::size_t kMaxInput = 2000;

struct World {
    std::unique_ptr<CipherProvider> provider = std::move(make_provider(ProviderKind::openssl)).value();
    PacketPool pool{4096, 4};
    std::array<std::uint8_t, 96> material{};
};

SaOptions options_for(const World& world, std::uint8_t mode) {
    SaOptions options;
    options.spi = Spi{0x1000};
    options.suite = kAllSuites[(mode & 0x0fU) % kAllSuites.size()];
    options.key = SecretBytes(Bytes(world.material).first(key_size(options.suite)));
    options.extended_sequence = (mode & kExtended) != 0;
    options.replay_window = 64;
    return options;
}

/// Seals `text` as it is: padding and trailer are whatever the fuzzer wrote.
void seal_raw(World& world, const SaOptions& options, PacketBuffer& packet, Bytes text) {
    const SuiteShape shape = shape_of(options.suite);
    const std::size_t whole = text.size() / shape.alignment * shape.alignment;
    const MutableBytes all = packet.append(kHeaderSize + shape.iv + whole + shape.icv);
    std::ranges::fill(all, std::uint8_t{0});
    Header{options.spi, 1}.emit(all);
    std::copy_n(text.begin(), whole, all.begin() + static_cast<std::ptrdiff_t>(kHeaderSize + shape.iv));
    std::array<std::uint8_t, 12> nonce{};
    std::array<std::uint8_t, 12> aad{};
    std::copy_n(all.begin(), 4, aad.begin());
    aad[11] = 1;
    PacketJob job;
    job.nonce = shape.is_aead() ? Bytes(nonce) : Bytes(all.subspan(kHeaderSize, shape.iv));
    job.aad = all.first(kHeaderSize);
    if (options.extended_sequence && shape.is_aead()) job.aad = aad;
    if (options.extended_sequence && !shape.is_aead()) job.aad_tail = Bytes(nonce).first(4);
    job.in = all.subspan(kHeaderSize + shape.iv, whole);
    job.out = all.data() + kHeaderSize + shape.iv;
    job.tag = all.last(shape.icv);
    auto cipher = world.provider->make(options.suite, Direction::seal, options.key.reveal());
    (*cipher)->seal({&job, 1});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static World world;
    if (size == 0 || size > kMaxInput) return 0;
    const SaOptions options = options_for(world, data[0]);
    const Bytes input(data + 1, size - 1);
    const bool assisted = (data[0] & kAssist) != 0;
    auto sa = InboundSa::create(options, 0, *world.provider);
    std::vector<InboundTable::Entry> entries;
    entries.push_back({std::move(sa).value(), TunnelIndex{3}});
    OpenStage stage;
    stage.set_sas(std::make_shared<InboundTable>(std::move(entries)));

    PacketBatch batch;
    auto packet = world.pool.allocate(64);
    if (assisted) {
        seal_raw(world, options, *packet, input);
    } else {
        std::ranges::copy(input, packet->append(input.size()).begin());
    }
    const PacketBuffer& p = batch.push(std::move(*packet));
    stage.process(batch, {});
    // Unassisted nothing opens. Assisted nothing is bad but what lies behind the ICV.
    if (!assisted && p.meta.drop == DropReason::none) std::abort();
    if (assisted && p.meta.drop == DropReason::esp_bad_icv) std::abort();
    if (p.meta.drop == DropReason::none && (p.size() > input.size() || p.meta.tunnel != TunnelIndex{3}))
        std::abort();
    return 0;
}
