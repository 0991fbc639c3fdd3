#include "peak.h"

#include <algorithm>
#include <chrono>

#include "kernels.h"

namespace unspool {

double fma_peak(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto& k = kernels<float>();
  volatile float kept = 0;  // a result that is used
  double best = 0;
  i64 rounds = 1 << 10;
  const Clock::time_point begin = Clock::now();
  do {
    float end;
    const Clock::time_point start = Clock::now();
    const double operations = 2.0 * double(k.multiply_add(rounds, &end));
    const double took = since(start);
    kept = end;
    if (took < 1e-3) rounds *= 2;
    else best = std::max(best, operations / took);
  } while (best == 0 || since(begin) < seconds);
  (void)kept;
  return best;
}

}  // namespace unspool
