#include "run.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <numeric>
#include <stdexcept>

#include "runner.h"

namespace unspool {

void Rows::fill(const Call& call) {
  const i64 steps = call.tau1 - call.tau0;
  order.clear();
  length.clear();
  active.assign(size_t(steps), call.B);
  start.assign(size_t(steps) + 1, 0);
  if (call.lengths) {
    order.resize(size_t(call.B));
    std::iota(order.begin(), order.end(), i64(0));
    std::stable_sort(order.begin(), order.end(), [&](i64 a, i64 b) { return call.lengths[a] > call.lengths[b]; });
    length.resize(size_t(call.B));
    for (i64 r = 0; r < call.B; r++) length[size_t(r)] = call.lengths[order[size_t(r)]];
    i64 n = call.B;
    for (i64 t = 0; t < steps; t++) {
      while (n > 0 && length[size_t(n - 1)] <= call.tau0 + t) n--;
      active[size_t(t)] = n;
    }
  }
  for (i64 t = 0; t < steps; t++) start[size_t(t) + 1] = start[size_t(t)] + active[size_t(t)];
}

i64 positions(const Call& call) {
  i64 total = 0;
  for (i64 b = 0; b < call.B; b++) {
    const i64 end = call.lengths ? std::min(call.lengths[b], call.tau1) : call.tau1;
    total += std::max<i64>(0, end - call.tau0);
  }
  return total;
}

// Scratch walks through many rows at once, each on another page: large pages spare most of the address translation.
constexpr size_t kHugePage = size_t(2) << 20;

void* Workspace::take(size_t index, size_t bytes) {
  if (index >= blocks_.size()) blocks_.resize(index + 1);
  Block& block = blocks_[index];
#if defined(UNSPOOL_FRESH_SCRATCH)
  // For the sanitizers: no larger than asked for and full of NaN, so that what lies beyond and what nobody wrote shows.
  void* fresh = nullptr;
  if (posix_memalign(&fresh, 64, bytes)) throw std::bad_alloc();
  block.data.reset(std::memset(fresh, 0xff, bytes));
  return fresh;
#endif
  if (block.bytes < bytes) {
    block.data.reset();
    const size_t page = bytes < kHugePage / 2 ? 64 : kHugePage;
    block.bytes = (bytes + bytes / 4 + page - 1) / page * page;
    block.data.reset(std::aligned_alloc(page, block.bytes));
    if (!block.data) {
      block.bytes = 0;
      throw std::bad_alloc();
    }
#if defined(MADV_HUGEPAGE)
    if (page == kHugePage) madvise(block.data.get(), block.bytes, MADV_HUGEPAGE);
#endif
  }
  return block.data.get();
}

namespace {

// Workspaces that no call uses now.
class Pool {
 public:
  std::unique_ptr<Workspace> take() {
    std::lock_guard<std::mutex> hold(shared_lock());
    if (free_.empty()) return std::make_unique<Workspace>();
    std::unique_ptr<Workspace> w = std::move(free_.back());
    free_.pop_back();
    return w;
  }
  void give(std::unique_ptr<Workspace> w) {
    std::lock_guard<std::mutex> hold(shared_lock());
    if (free_.size() < 8) free_.push_back(std::move(w));
  }

 private:
  std::vector<std::unique_ptr<Workspace>> free_;
};

Pool& pool() {
  static Pool* p = new Pool;  // never destroyed: threads may still run when the process ends
  return *p;
}

struct Lease {
  std::unique_ptr<Workspace> space = pool().take();
  ~Lease() { pool().give(std::move(space)); }
};

#include "places.inc.h"

#include "packs.inc.h"

#include "strips.inc.h"

#include "products.inc.h"

#include "runner.inc.h"

void check(const Program& p, const std::vector<Argument>& args, const Call& c) {
  if (i64(args.size()) != p.args) throw std::invalid_argument("the program takes another number of arguments");
  if (c.B < 0 || c.T < 0 || c.tau0 < 0 || c.tau1 < c.tau0 || c.tau1 > c.T || c.threads < 1 || c.truncate < 0)
    throw std::invalid_argument("the sizes of the call make no sense");
  for (i64 b = 0; c.lengths && b < c.B; b++)
    if (c.lengths[b] < 0 || c.lengths[b] > c.T) throw std::invalid_argument("a length is not within 0 … T");
}

template <class T>
void run_as(const Program& p, const std::vector<Argument>& args, const Call& call, const void* packed, Workspace& space) {
  Runner<T> runner(p, args, call, space);
  const int threads = runner.useful_threads();
  runner.prepare(threads, static_cast<const T*>(packed));
  run_parallel(threads, [&](int thread, int all) { runner.work(thread, all); });
}

}  // namespace

void run(const Program& p, const std::vector<Argument>& args, const Call& call) {
  check(p, args, call);
  Lease lease;
  if (p.single) run_as<float>(p, args, call, nullptr, *lease.space);
  else run_as<double>(p, args, call, nullptr, *lease.space);
}

namespace {

template <class T>
const void* filled_packs(const Program& p, const std::vector<Argument>& args, Workspace& to) {
  const Call none{0, 0, 0, 0, nullptr, false, 0, 1};
  const Places<T> at(p, args, none);
  const Kernels<T>& k = kernels<T>();
  std::vector<i64> places;
  pack_places(p, k, places);
  T* packs = static_cast<T*>(to.take(0, size_t(places.back() + 16) * sizeof(T)));
  for (size_t i = 0; i < p.packs.size(); i++) pack_one(p, k, at, i, packs + places[i]);
  return packs;
}

}  // namespace

Stream::Stream(std::shared_ptr<const Program> program, std::vector<Argument> args, i64 x, i64 y, i64 B, int threads)
    : program_(std::move(program)), args_(std::move(args)), x_(x), y_(y), B_(B), threads_(threads) {
  check(*program_, args_, Call{B, 0, 0, 0, nullptr, false, 0, threads});
  for (i64 slot : {x, y})
    if (slot < -1 || slot >= program_->args) throw std::invalid_argument("there is no such argument slot");
  packed_ = program_->single ? filled_packs<float>(*program_, args_, packs_) : filled_packs<double>(*program_, args_, packs_);
}

void Stream::push(const Argument& x, const Argument& y, i64 T) {
  if (x_ >= 0) args_[size_t(x_)] = x;
  if (y_ >= 0) args_[size_t(y_)] = y;
  const Call call{B_, T, 0, T, nullptr, false, 0, threads_};
  check(*program_, args_, call);
  if (program_->single) run_as<float>(*program_, args_, call, packed_, space_);
  else run_as<double>(*program_, args_, call, packed_, space_);
}

}  // namespace unspool
