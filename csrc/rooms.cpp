#include "rooms.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "threads.h"

namespace unspool {
namespace {

constexpr std::size_t kHead = 64;                        // before each room: how large it is
constexpr std::size_t kMostIdle = std::size_t(256) << 20;  // bytes that wait to be given out again
constexpr std::size_t kHugePage = std::size_t(2) << 20;

std::size_t& size_of(void* block) { return *static_cast<std::size_t*>(block); }

void* fresh(std::size_t bytes) {
  const std::size_t page = bytes < kHugePage ? kHead : kHugePage, whole = (bytes + page - 1) / page * page;
  void* block = std::aligned_alloc(page, whole);
  if (!block) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (page == kHugePage) madvise(block, whole, MADV_HUGEPAGE);
#endif
  size_of(block) = whole;
  return block;
}

class Idle {
 public:
  // The smallest block that is large enough, but not twice as large; or null.
  void* take(std::size_t bytes) {
    std::lock_guard<std::mutex> hold(shared_lock());
    std::size_t best = blocks_.size();
    for (std::size_t i = 0; i < blocks_.size(); i++) {
      const std::size_t size = size_of(blocks_[i]);
      if (size < bytes || size > 2 * bytes + kHugePage) continue;
      if (best == blocks_.size() || size < size_of(blocks_[best])) best = i;
    }
    if (best == blocks_.size()) return nullptr;
    void* found = blocks_[best];
    blocks_.erase(blocks_.begin() + std::ptrdiff_t(best));
    total_ -= size_of(found);
    return found;
  }

  // Keeps the block, and frees those that have waited longest where too much waits.
  void give(void* block) {
    std::lock_guard<std::mutex> hold(shared_lock());
    blocks_.push_back(block);
    total_ += size_of(block);
    while (total_ > kMostIdle) {
      total_ -= size_of(blocks_.front());
      std::free(blocks_.front());
      blocks_.erase(blocks_.begin());
    }
  }

 private:
  std::vector<void*> blocks_;
  std::size_t total_ = 0;
};

Idle& idle() {
  static Idle* own = new Idle;  // never destroyed: tensors may outlive the process's static objects
  return *own;
}

}  // namespace

void* take_room(std::size_t bytes) {
#if defined(UNSPOOL_FRESH_SCRATCH)
  // For the sanitizers: no larger than asked for and full of NaN, so that what lies beyond and what nobody wrote shows.
  void* block = nullptr;
  if (posix_memalign(&block, 64, bytes + kHead)) throw std::bad_alloc();
  std::memset(block, 0xff, bytes + kHead);
#else
  void* block = idle().take(bytes + kHead);
  if (!block) block = fresh(bytes + kHead);
#endif
  return static_cast<char*>(block) + kHead;
}

void give_room(void* room) noexcept {
  void* block = static_cast<char*>(room) - kHead;
#if defined(UNSPOOL_FRESH_SCRATCH)
  std::free(block);
#else
  idle().give(block);
#endif
}

}  // namespace unspool
