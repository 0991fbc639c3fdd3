#include "threads.h"

#if defined(UNSPOOL_STD_THREADS)
#include <thread>
#include <vector>
#else
#include <dlfcn.h>
#include <link.h>
#endif
#include <pthread.h>
#include <sched.h>

#include <cstring>
#include <exception>
#include <mutex>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unspool {
namespace {

#if defined(__x86_64__)
using Mode = unsigned;
Mode mode() { return _mm_getcsr() & ~0x3fu; }  // without the sticky exception flags
void set_mode(Mode m) { _mm_setcsr(m); }
void pause() { _mm_pause(); }
#elif defined(__aarch64__)
using Mode = unsigned long;
Mode mode() {
  Mode m;
  asm volatile("mrs %0, fpcr" : "=r"(m));
  return m;
}
void set_mode(Mode m) { asm volatile("msr fpcr, %0" ::"r"(m)); }
void pause() { asm volatile("yield"); }
#else
using Mode = int;
Mode mode() { return 0; }
void set_mode(Mode) {}
void pause() {}
#endif

struct Team {
  const std::function<void(int, int)>* work;
  int threads;
  Mode mode;
  std::atomic<int> next{0};
  std::mutex lock;
  std::exception_ptr error;

  void join(int index) {
    const Mode own = unspool::mode();
    set_mode(mode);
    try {
      (*work)(index, threads);
    } catch (...) {
      std::lock_guard<std::mutex> hold(lock);
      if (!error) error = std::current_exception();
    }
    set_mode(own);
  }
};

#if defined(UNSPOOL_STD_THREADS)

bool fork_together(Team& team) {
  std::vector<std::thread> others;
  for (int i = 1; i < team.threads; i++) others.emplace_back([&team, i] { team.join(i); });
  team.join(0);
  for (std::thread& t : others) t.join();
  return true;
}

#else

std::atomic<bool> forked{false};

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
using Count = int (*)();

struct Runtime {
  Parallel parallel = nullptr;
  Count index = nullptr, size = nullptr, level = nullptr;

  void take(void* library) {
    parallel = reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel"));
    index = reinterpret_cast<Count>(dlsym(library, "omp_get_thread_num"));
    size = reinterpret_cast<Count>(dlsym(library, "omp_get_num_threads"));
    level = reinterpret_cast<Count>(dlsym(library, "omp_get_level"));
  }
  bool whole() const { return parallel && index && size && level; }
};

int look(dl_phdr_info* info, size_t, void* data) {
  auto* found = static_cast<Runtime*>(data);
  const char* name = info->dlpi_name;
  if (!name || !(std::strstr(name, "libgomp") || std::strstr(name, "libomp") || std::strstr(name, "libiomp"))) return 0;
  if (void* library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD)) found->take(library);
  return found->whole();
}

const Runtime& runtime() {
  static const Runtime found = [] {
    pthread_atfork(nullptr, nullptr, [] { forked.store(true); });
    Runtime r;
    r.take(RTLD_DEFAULT);
    if (!r.whole()) dl_iterate_phdr(look, &r);
    return r;
  }();
  return found;
}

// Whether there was a team of the size asked for.
bool fork_together(Team& team) {
  const Runtime& r = runtime();
  if (!r.whole() || forked.load() || r.level() > 0) return false;
  struct Data {
    Team* team;
    const Runtime* runtime;
    std::atomic<int> small{0};
  } data{&team, &r, {0}};
  r.parallel(
      [](void* p) {
        Data& d = *static_cast<Data*>(p);
        // A smaller team would wait for ever at a barrier made for all; it does nothing, and the caller works alone.
        if (d.runtime->size() != d.team->threads) d.small.store(1);
        else d.team->join(d.runtime->index());
      },
      &data, unsigned(team.threads), 0);
  return data.small.load() == 0;
}

#endif

}  // namespace

void run_parallel(int threads, const std::function<void(int, int)>& work) {
  if (threads > 1) {
    Team team;
    team.work = &work;
    team.threads = threads;
    team.mode = mode();
    if (fork_together(team)) {
      if (team.error) std::rethrow_exception(team.error);
      return;
    }
  }
  work(0, 1);
}

std::mutex& shared_lock() {
  static std::mutex lock;
  static const bool forks_wait [[maybe_unused]] = [] {
    const auto take = [] { lock.lock(); };
    const auto give = [] { lock.unlock(); };
    return pthread_atfork(take, give, give) == 0;
  }();
  return lock;
}

void Barrier::wait() {
  if (threads_ == 1) return;
  const int round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int turn = 0; round_.load(std::memory_order_acquire) == round; turn++) {
    if (turn < 4096) pause();
    else sched_yield();
  }
}

}  // namespace unspool
