#include "tests/support/counting_allocator.h"

#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ISTHMUS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ISTHMUS_SANITIZED 1
#endif
#endif

namespace isthmus::test {
namespace {
thread_local std::uint64_t g_count __attribute__((tls_model("initial-exec"))) = 0;
}
std::uint64_t allocations_so_far() noexcept {
    return g_count;
}
}  // namespace isthmus::test

#ifndef ISTHMUS_SANITIZED

// glibc lets a program replace malloc and keeps its own under these names. operator new calls malloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) {
    ++isthmus::test::g_count;
    return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
    ++isthmus::test::g_count;
    return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) {
    ++isthmus::test::g_count;
    return __libc_realloc(p, n);
}
void* memalign(std::size_t alignment, std::size_t n) {
    ++isthmus::test::g_count;
    return __libc_memalign(alignment, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
    ++isthmus::test::g_count;
    return __libc_memalign(alignment, n);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t n) {
    ++isthmus::test::g_count;
    *out = __libc_memalign(alignment, n);
    return *out == nullptr ? 12 : 0;  // ENOMEM
}
void free(void* p) {
    __libc_free(p);
}
}

bool isthmus::test::counts_malloc() noexcept {
    return true;
}

#else

bool isthmus::test::counts_malloc() noexcept {
    return false;
}

namespace {
void* counted(std::size_t n) {
    ++isthmus::test::g_count;
    if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
    throw std::bad_alloc();
}
void* counted(std::size_t n, std::align_val_t alignment) {
    ++isthmus::test::g_count;
    const auto a = static_cast<std::size_t>(alignment);
    if (void* p = std::aligned_alloc(a, (n + a - 1) / a * a)) return p;
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t n) {
    return counted(n);
}
void* operator new[](std::size_t n) {
    return counted(n);
}
void* operator new(std::size_t n, std::align_val_t a) {
    return counted(n, a);
}
void* operator new[](std::size_t n, std::align_val_t a) {
    return counted(n, a);
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    ++isthmus::test::g_count;
    return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
    ++isthmus::test::g_count;
    return std::malloc(n == 0 ? 1 : n);
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete[](void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
    std::free(p);
}

#endif
