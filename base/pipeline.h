// Stages in a row. Each says how much room it needs; a pipeline that does not fit its buffers refuses to be built.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/packet_batch.h"
#include "base/result.h"
#include "base/time.h"

namespace isthmus {

/// Bytes that a stage adds at most, before and behind the data.
struct Overhead {
    std::size_t head = 0;
    std::size_t tail = 0;
    friend constexpr bool operator==(Overhead, Overhead) = default;
};
[[nodiscard]] constexpr Overhead operator+(Overhead a, Overhead b) noexcept {
    return {a.head + b.head, a.tail + b.tail};
}

/// One step of the datapath, owned by one worker. A packet is dropped by setting its meta.drop.
class Stage {
  public:
    virtual ~Stage() = default;
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    [[nodiscard]] virtual Overhead overhead() const noexcept = 0;
    virtual void process(PacketBatch& batch, TimePoint now) noexcept = 0;
};

class Pipeline {
  public:
    /// `room` is what each buffer that enters has around its data. Error: a sentence that names each stage's need.
    [[nodiscard]] static Result<Pipeline, std::string> build(std::vector<std::unique_ptr<Stage>> stages,
                                                             Overhead room);

    /// Runs all stages; drops are swept and booked after each one.
    void process(PacketBatch& batch, TimePoint now, DropLedger& ledger) noexcept {
        for (auto& stage : stages_) {
            if (batch.empty()) return;
            stage->process(batch, now);
            batch.sweep(ledger);
        }
    }
    [[nodiscard]] Overhead overhead() const noexcept { return overhead_; }

  private:
    Pipeline(std::vector<std::unique_ptr<Stage>> stages, Overhead overhead)
        : stages_(std::move(stages)), overhead_(overhead) {}
    std::vector<std::unique_ptr<Stage>> stages_;
    Overhead overhead_;
};

}  // namespace isthmus
