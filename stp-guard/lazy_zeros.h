// A large array of zeros of which only what is used costs memory: the kernel backs its pages when they are first written. T is
// something whose bytes may all be zero.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace isthmus::stp_guard {

template <class T>
class LazyZeros {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  public:
    explicit LazyZeros(std::size_t size) : size_(size) {
        constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* const memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, kFlags, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        // Huge pages would back two megabytes where four kilobytes are used.
        madvise(memory, bytes(), MADV_NOHUGEPAGE);
        data_ = static_cast<T*>(memory);
    }
    ~LazyZeros() {
        if (data_ != nullptr) munmap(data_, bytes());
    }
    LazyZeros(LazyZeros&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    LazyZeros& operator=(LazyZeros&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    LazyZeros(const LazyZeros&) = delete;
    LazyZeros& operator=(const LazyZeros&) = delete;

    [[nodiscard]] T* at(std::size_t i) const noexcept { return data_ + i; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(T); }
    T* data_ = nullptr;
    std::size_t size_;
};

}  // namespace isthmus::stp_guard
