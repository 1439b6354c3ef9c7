#include "base/packet_buffer.h"

namespace isthmus {

namespace {
// Keeps neighbouring packets' headers out of one cache line.
constexpr std::size_t kAlignment = 64;
constexpr std::size_t round_up(std::size_t n) {
    return (n + kAlignment - 1) / kAlignment * kAlignment;
}
}  // namespace

PacketPool::PacketPool(std::size_t block_size, std::size_t count)
    : block_size_(round_up(block_size)),
      count_(count),
      available_(count),
      bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(block_size_ * count)),
      blocks_(std::make_unique<PacketBlock[]>(count)) {
    for (std::size_t i = count; i-- > 0;) {
        blocks_[i] = {this, free_, static_cast<std::uint32_t>(block_size_), 0,
                      bytes_.get() + i * block_size_};
        free_ = &blocks_[i];
    }
}

PacketPool::~PacketPool() {
    assert(available_ == count_ && "a packet outlives its pool");
}

std::optional<PacketBuffer> PacketPool::allocate(std::size_t headroom) noexcept {
    if (free_ == nullptr || headroom > block_size_) return std::nullopt;
    PacketBlock* block = free_;
    free_ = block->next_free;
    --available_;
    block->references = 1;
    PacketBuffer packet;
    packet.block_ = block;
    packet.begin_ = packet.end_ = static_cast<std::uint32_t>(headroom);
    packet.upper_ = block->capacity;
    return packet;
}

void PacketPool::give_back(PacketBlock* block) noexcept {
    block->next_free = free_;
    free_ = block;
    ++available_;
}

}  // namespace isthmus
