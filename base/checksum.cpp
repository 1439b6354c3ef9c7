#include "base/checksum.h"

#include <bit>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#define ISTHMUS_AVX2 __attribute__((target("avx2")))
#endif

namespace isthmus {

// Everything sums in native order, several bytes at a time: the one's complement sum does not care about byte
// order until the end (RFC 1071 section 2).
namespace {

constexpr std::uint16_t fold(std::uint64_t sum) noexcept {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

std::uint16_t finish(std::uint64_t native, std::uint32_t initial) noexcept {
    std::uint16_t folded = fold(native);
    if constexpr (std::endian::native == std::endian::little) {
        folded = static_cast<std::uint16_t>((folded << 8) | (folded >> 8));
    }
    return fold(std::uint64_t{folded} + initial);
}

struct SumOnly {
    static void put(std::uint8_t* /*out*/, const void* /*value*/, std::size_t /*n*/) noexcept {}
};
struct SumAndCopy {
    static void put(std::uint8_t* out, const void* value, std::size_t n) noexcept {
        std::memcpy(out, value, n);
    }
};

template <class Word, class Output>
std::uint64_t take(std::uint8_t*& out, const std::uint8_t*& in, std::size_t& n) noexcept {
    Word word = 0;
    std::memcpy(&word, in, sizeof word);
    Output::put(out, &word, sizeof word);
    in += sizeof word;
    if constexpr (std::is_same_v<Output, SumAndCopy>) out += sizeof word;
    n -= sizeof word;
    return word;
}

template <class Output>
std::uint64_t sum_words(std::uint8_t* out, const std::uint8_t* in, std::size_t n) noexcept {
    std::uint64_t even = 0;
    std::uint64_t odd = 0;
    while (n >= 8) {
        const std::uint64_t word = take<std::uint64_t, Output>(out, in, n);
        even += word & 0xffff'ffff;
        odd += word >> 32;
    }
    if (n >= 4) even += take<std::uint32_t, Output>(out, in, n);
    if (n >= 2) odd += take<std::uint16_t, Output>(out, in, n);
    if (n == 1) {
        std::uint16_t last = 0;
        std::memcpy(&last, in, 1);
        Output::put(out, in, 1);
        even += last;
    }
    return even + odd;
}

#if defined(__x86_64__)
// Below this the set-up costs more than the wide loop saves.
constexpr std::size_t kWideThreshold = 128;

struct alignas(32) Lanes {
    std::uint64_t value[4];
};

template <class Output>
ISTHMUS_AVX2 std::uint64_t sum_wide(std::uint8_t* out, const std::uint8_t* in, std::size_t n) noexcept {
    constexpr bool kCopies = std::is_same_v<Output, SumAndCopy>;
    const __m256i low_half = _mm256_set1_epi64x(0xffff'ffff);
    __m256i a = _mm256_setzero_si256();
    __m256i b = _mm256_setzero_si256();
    for (; n >= 64; n -= 64, in += 64) {
        const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
        const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 32));
        if constexpr (kCopies) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), first);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 32), second);
            out += 64;
        }
        a = _mm256_add_epi64(
            a, _mm256_add_epi64(_mm256_and_si256(first, low_half), _mm256_srli_epi64(first, 32)));
        b = _mm256_add_epi64(
            b, _mm256_add_epi64(_mm256_and_si256(second, low_half), _mm256_srli_epi64(second, 32)));
    }
    Lanes lanes;
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes.value), _mm256_add_epi64(a, b));
    return lanes.value[0] + lanes.value[1] + lanes.value[2] + lanes.value[3] + sum_words<Output>(out, in, n);
}

bool has_wide() noexcept {
    static const bool yes = __builtin_cpu_supports("avx2") != 0;
    return yes;
}
#endif

template <class Output>
std::uint64_t sum(std::uint8_t* out, const std::uint8_t* in, std::size_t n) noexcept {
#if defined(__x86_64__)
    if (n >= kWideThreshold && has_wide()) return sum_wide<Output>(out, in, n);
#endif
    return sum_words<Output>(out, in, n);
}

}  // namespace

std::uint16_t ones_complement_sum(Bytes in, std::uint32_t initial) noexcept {
    return finish(sum<SumOnly>(nullptr, in.data(), in.size()), initial);
}

std::uint16_t copy_and_sum(MutableBytes out, Bytes in, std::uint32_t initial) noexcept {
    return finish(sum<SumAndCopy>(out.data(), in.data(), in.size()), initial);
}

std::uint16_t pseudo_header_sum(Bytes source, Bytes destination, std::uint8_t protocol,
                                std::uint32_t length) noexcept {
    std::uint32_t sum = ones_complement_sum(source);
    sum += ones_complement_sum(destination);
    sum += protocol;
    sum += (length >> 16) + (length & 0xffff);
    return fold(sum);
}

}  // namespace isthmus
