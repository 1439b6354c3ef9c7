#include "base/pipeline.h"

namespace isthmus {

Result<Pipeline, std::string> Pipeline::build(std::vector<std::unique_ptr<Stage>> stages, Overhead room) {
    Overhead sum;
    std::string needs;
    for (const auto& stage : stages) {
        const Overhead o = stage->overhead();
        sum = sum + o;
        needs += (needs.empty() ? "" : ", ") + std::string(stage->name()) + " " + std::to_string(o.head) +
                 "+" + std::to_string(o.tail);
    }
    if (sum.head > room.head || sum.tail > room.tail) {
        return Unexpected("pipeline needs " + std::to_string(sum.head) + " bytes before and " +
                          std::to_string(sum.tail) + " behind each packet (" + needs +
                          "), but buffers have " + std::to_string(room.head) + " and " +
                          std::to_string(room.tail));
    }
    return Pipeline(std::move(stages), sum);
}

}  // namespace isthmus
