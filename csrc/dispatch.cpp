// Which table of kernels runs here.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels.h"

namespace unspool {

#if defined(__x86_64__)
const Kernels<float>& kernels_f32_avx512();
const Kernels<float>& kernels_f32_avx2();
const Kernels<double>& kernels_f64_avx512();
const Kernels<double>& kernels_f64_avx2();
#endif
const Kernels<float>& kernels_f32_base();
const Kernels<double>& kernels_f64_base();

namespace {

enum class Isa { base, avx2, avx512 };

bool runs(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx2) return avx2;
  if (isa == Isa::avx512)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
  return isa == Isa::base;
}

Isa chosen() {
  const char* asked = std::getenv("UNSPOOL_ISA");
  if (asked == nullptr || *asked == 0) return runs(Isa::avx512) ? Isa::avx512 : runs(Isa::avx2) ? Isa::avx2 : Isa::base;
  const std::string name = asked;
  for (Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
    static const char* names[] = {"base", "avx2", "avx512"};
    if (name != names[static_cast<int>(isa)]) continue;
    if (!runs(isa)) throw std::runtime_error("UNSPOOL_ISA=" + name + ", but this processor does not run " + name);
    return isa;
  }
  throw std::runtime_error("UNSPOOL_ISA=" + name + "; expected base, avx2 or avx512");
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  static const Isa isa = chosen();
#if defined(__x86_64__)
  if (isa == Isa::avx512) return kernels_f32_avx512();
  if (isa == Isa::avx2) return kernels_f32_avx2();
#endif
  return kernels_f32_base();
}

template <>
const Kernels<double>& kernels<double>() {
  static const Isa isa = chosen();
#if defined(__x86_64__)
  if (isa == Isa::avx512) return kernels_f64_avx512();
  if (isa == Isa::avx2) return kernels_f64_avx2();
#endif
  return kernels_f64_base();
}

}  // namespace unspool
