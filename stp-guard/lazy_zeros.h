// A large array of zeros of which only what is used costs memory: the kernel backs its pages when they are first written.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace isthmus::stp_guard {

template <class T>
class LazyZeros {
    static_assert(std::is_integral_v<T>);

  public:
    explicit LazyZeros(std::size_t size) : data_(static_cast<T*>(std::calloc(size, sizeof(T)))), size_(size) {
        if (!data_) throw std::bad_alloc();
    }
    [[nodiscard]] T* at(std::size_t i) const noexcept { return data_.get() + i; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    struct Free {
        void operator()(T* p) const noexcept { std::free(p); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_;
};

}  // namespace isthmus::stp_guard
