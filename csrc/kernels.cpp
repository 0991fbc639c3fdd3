// The kernels, compiled once for each instruction set: UNSPOOL_ISA_NAME is base, avx2 or avx512.
//
// Everything but the two functions at the end has internal linkage, and no function template of the standard library
// is used: the linker would keep one copy of it for the whole program, in whatever instruction set it met first.
#include "kernels.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace unspool {
namespace {

#include "vec.inc.h"

#include "math.inc.h"

#include "elementwise.inc.h"

#include "gemm.inc.h"

#include "reduce.inc.h"

#include "peak.inc.h"

template <class T>
Kernels<T> table(const char* isa) {
  Kernels<T> k = {};
  k.isa = isa;
  k.panel = kPanel<T>;
  fill_elementwise<T>(k);
  k.gather = gather<T>;
  k.scatter = scatter<T>;
  k.sum = sum<T>;
  k.max = extreme<T, true>;
  k.min = extreme<T, false>;
  k.dot = dot<T>;
  k.packed_size = packed_size<T>;
  k.pack = pack<T>;
  k.gemm = gemm<T>;
  k.tn_work = tn_work<T>;
  k.gemm_tn = gemm_tn<T>;
  k.weighted_sum = weighted_sum<T>;
  k.tn_pack = tn_pack<T>;
  k.tn_size = tn_size<T>;
  k.matmul = matmul<T>;
  k.multiply_add = multiply_add<T>;
  return k;
}

}  // namespace

#define UNSPOOL_JOIN2(a, b) a##b
#define UNSPOOL_JOIN(a, b) UNSPOOL_JOIN2(a, b)
#define UNSPOOL_TEXT2(a) #a
#define UNSPOOL_TEXT(a) UNSPOOL_TEXT2(a)

const Kernels<float>& UNSPOOL_JOIN(kernels_f32_, UNSPOOL_ISA_NAME)() {
  static const Kernels<float> made = table<float>(UNSPOOL_TEXT(UNSPOOL_ISA_NAME));
  return made;
}
const Kernels<double>& UNSPOOL_JOIN(kernels_f64_, UNSPOOL_ISA_NAME)() {
  static const Kernels<double> made = table<double>(UNSPOOL_TEXT(UNSPOOL_ISA_NAME));
  return made;
}

}  // namespace unspool
