// A FrameSink that takes merged frames apart again the plain way, and the order that must hold among frames.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/frame_builder.h"
#include "tunnel/offload/coalescer.h"

namespace isthmus::tunnel::test {

using namespace isthmus::test;

class UndoingSink final : public FrameSink {
  public:
    void on_frame(const GatheredFrame& gathered) noexcept override {
        Frame whole;
        for (const Bytes piece : gathered.pieces) whole.insert(whole.end(), piece.begin(), piece.end());
        sound = sound && whole.size() == gathered.size;
        const auto segments = plain_segments(whole, gathered.offload);
        sound = sound && segments.size() == gathered.packets;
        frames.insert(frames.end(), segments.begin(), segments.end());
        writes.push_back(
            {gathered.session, gathered.offload, gathered.packets, gathered.pieces.size(), std::move(whole)});
    }

    struct Write {
        SessionIndex session;
        Offload offload;
        std::size_t packets;
        std::size_t pieces;
        Frame whole;
    };
    std::vector<Write> writes;
    std::vector<Frame> frames;  ///< as they were before merging
    bool sound = true;          ///< sizes and counts of what came agree
};

/// "4 6 addresses ports" for whole TCP and UDP packets; "barrier" for IP packets whose ports cannot be known;
/// "direct" for all that has no ports.
inline std::string order_key(const Frame& f) {
    if (f.size() < 14) return "direct";
    std::size_t l3 = 14;
    for (int tags = 0; at16(f, l3 - 2) == 0x8100 || at16(f, l3 - 2) == 0x88a8 || at16(f, l3 - 2) == 0x9100;
         ++tags) {
        l3 += 4;
        if (tags == 2 || l3 > f.size()) return "direct";
    }
    const bool v4 = at16(f, l3 - 2) == 0x0800;
    if (!v4 && at16(f, l3 - 2) != 0x86dd) return "direct";
    const auto view = TransportView::of(f);
    if (view.l4 == 0) return "barrier";
    if (view.protocol != 6 && view.protocol != 17) return "direct";
    if (view.payload == 0) return "barrier";
    const auto from = f.begin() + static_cast<std::ptrdiff_t>(v4 ? l3 + 12 : l3 + 8);
    std::string key(from, from + (v4 ? 8 : 32));
    key.append(f.begin() + view.l4, f.begin() + view.l4 + 4);
    key.push_back(static_cast<char>(view.protocol));
    return key;
}

/// Empty: `out` is `in` but for the order of frames of different flows. Otherwise what is wrong.
inline std::string compare_flows(const std::vector<Frame>& in, const std::vector<Frame>& out) {
    if (in.size() != out.size())
        return "frames lost or made: " + std::to_string(in.size()) + " in, " + std::to_string(out.size()) +
               " out";
    std::map<std::string, std::vector<std::size_t>> expected;
    for (std::size_t i = 0; i < in.size(); ++i) expected[order_key(in[i])].push_back(i);
    std::map<std::string, std::size_t> taken;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto key = order_key(out[i]);
        const auto& places = expected[key];
        const std::size_t n = taken[key]++;
        if (n >= places.size()) return "a frame of a flow that has no more: " + to_hex(out[i]);
        if (in[places[n]] != out[i])
            return "expected " + to_hex(in[places[n]]) + " but got " + to_hex(out[i]);
        if (key == "barrier" && places[n] != i)
            return "a fragment overtook, or was overtaken: " + to_hex(out[i]);
    }
    return {};
}

}  // namespace isthmus::tunnel::test
