#include "tunnel/control_first.h"

#include <algorithm>

namespace isthmus::tunnel {

void control_first(PacketBatch& batch) noexcept {
    std::size_t front = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        if (!batch[i].meta.control) continue;
        if (i != front) std::rotate(&batch[front], &batch[i], &batch[i] + 1);
        ++front;
    }
}

}  // namespace isthmus::tunnel
