// The functions that code calls which was compiled with the thread sanitizer's instrumentation.

#include "race_detector.h"

#include <cstddef>
#include <cstring>

using weft::model::race_detector::access;
using weft::model::race_detector::touch;

namespace {

template <std::size_t Bytes>
void read(const void* address, const void* where) noexcept {
  touch(address, Bytes, access::read, where);
}
template <std::size_t Bytes>
void write(const void* address, const void* where) noexcept {
  touch(address, Bytes, access::write, where);
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

void __tsan_read1(void* at) {
  read<1>(at, __builtin_return_address(0));
}
void __tsan_read2(void* at) {
  read<2>(at, __builtin_return_address(0));
}
void __tsan_read4(void* at) {
  read<4>(at, __builtin_return_address(0));
}
void __tsan_read8(void* at) {
  read<8>(at, __builtin_return_address(0));
}
void __tsan_read16(void* at) {
  read<16>(at, __builtin_return_address(0));
}
void __tsan_write1(void* at) {
  write<1>(at, __builtin_return_address(0));
}
void __tsan_write2(void* at) {
  write<2>(at, __builtin_return_address(0));
}
void __tsan_write4(void* at) {
  write<4>(at, __builtin_return_address(0));
}
void __tsan_write8(void* at) {
  write<8>(at, __builtin_return_address(0));
}
void __tsan_write16(void* at) {
  write<16>(at, __builtin_return_address(0));
}

void __tsan_unaligned_read2(void* at) {
  read<2>(at, __builtin_return_address(0));
}
void __tsan_unaligned_read4(void* at) {
  read<4>(at, __builtin_return_address(0));
}
void __tsan_unaligned_read8(void* at) {
  read<8>(at, __builtin_return_address(0));
}
void __tsan_unaligned_read16(void* at) {
  read<16>(at, __builtin_return_address(0));
}
void __tsan_unaligned_write2(void* at) {
  write<2>(at, __builtin_return_address(0));
}
void __tsan_unaligned_write4(void* at) {
  write<4>(at, __builtin_return_address(0));
}
void __tsan_unaligned_write8(void* at) {
  write<8>(at, __builtin_return_address(0));
}
void __tsan_unaligned_write16(void* at) {
  write<16>(at, __builtin_return_address(0));
}

// A load and a store of the same place: the store finds all that the load would.
void __tsan_read_write1(void* at) {
  write<1>(at, __builtin_return_address(0));
}
void __tsan_read_write2(void* at) {
  write<2>(at, __builtin_return_address(0));
}
void __tsan_read_write4(void* at) {
  write<4>(at, __builtin_return_address(0));
}
void __tsan_read_write8(void* at) {
  write<8>(at, __builtin_return_address(0));
}
void __tsan_read_write16(void* at) {
  write<16>(at, __builtin_return_address(0));
}

void __tsan_vptr_update(void** at, void*) {
  write<sizeof(void*)>(static_cast<const void*>(at), __builtin_return_address(0));
}
void __tsan_vptr_read(void** at) {
  read<sizeof(void*)>(static_cast<const void*>(at), __builtin_return_address(0));
}

void __tsan_read_range(void* at, unsigned long bytes) {
  touch(at, bytes, access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* at, unsigned long bytes) {
  touch(at, bytes, access::write, __builtin_return_address(0));
}

void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  touch(from, bytes, access::read, __builtin_return_address(0));
  touch(to, bytes, access::write, __builtin_return_address(0));
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  touch(from, bytes, access::read, __builtin_return_address(0));
  touch(to, bytes, access::write, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  touch(to, bytes, access::write, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}

// What the compilers make of the atomics of the standard library (guards of static objects,
// reference counts): real ones, and no decision of the checker's.
unsigned char __tsan_atomic8_load(const volatile unsigned char* at, int) {
  return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
unsigned __tsan_atomic32_fetch_add(volatile unsigned* at, unsigned value, int) {
  return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}
unsigned __tsan_atomic32_fetch_sub(volatile unsigned* at, unsigned value, int) {
  return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST);
}
unsigned __tsan_atomic32_load(const volatile unsigned* at, int) {
  return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

}  // extern "C"
