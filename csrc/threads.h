// Several threads for one call, by the OpenMP runtime that the process has loaded already.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

namespace unspool {

// Runs work(thread, threads) on up to `threads` threads at once, the caller among them, and waits for all. There may be
// fewer: no OpenMP runtime, a forked process, a call from within another. The caller's floating-point mode holds in all.
void run_parallel(int threads, const std::function<void(int, int)>& work);

// A meeting point for the threads of one run_parallel.
// Guards what all calls share. A fork waits for it, so that no child finds it held by a thread which it lacks.
std::mutex& shared_lock();

class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  void wait();

 private:
  const int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<int> round_{0};
};

}  // namespace unspool
