// The table of kernels that the interpreter calls. One table for each instruction set and element type.
//
// Every kernel is compiled from the same source for baseline, AVX2 + FMA and AVX-512 (kernels.cpp, three objects).
// AVX2 and AVX-512 give the same bits: products and sums are explicit fused multiply-adds in a stated order that does
// not depend on the width of a vector, on the number of rows, or on where a row lies in a tile.
//
// Units are elements, never bytes. Pointers need no alignment. Nothing is read or written outside the stated ranges.
#pragma once

#include <cstdint>

namespace unspool {

using i64 = std::int64_t;

// Elementwise operations on up to three operands. `d` may be the same block as an operand, never a shifted one.
// Masks are numbers: 0 is false, anything else (NaN too) is true; comparisons make 0 or 1.
enum class Op : int {
  mov, neg, abs, sign, recip, sqrt, rsqrt,          // rsqrt = 1 / sqrt(a), both correctly rounded
  exp, expm1, log, log1p, tanh, sigmoid, softplus,  // softplus = log(1 + exp(a)), beta 1, no threshold
  relu, erf, sin, cos, tan, atan, floor, ceil, round, trunc, isnan, logical_not,
  add, sub, mul, div, max, min, pow, atan2, remainder, fmod,  // max, min hand on NaN; remainder has the divisor's sign
  lt, le, gt, ge, eq, ne, logical_and, logical_or, logical_xor,
  fma,        // a * b + c, rounded once
  where,      // a ? b : c
  dsigmoid,   // a * (1 - b) * b,     b = sigmoid(…)
  dtanh,      // a * (1 - b * b),     b = tanh(…)
  count_
};

// How a product or a reduction begins.
enum class Init : int { zero, bias, accumulate };

// A right side of a product that sums over rows: X [R, N] as `tn_pack` writes it, and where its sums go.
template <class T>
struct Right {
  T* packed;  // by tn_pack; and behind it, room for sums
  i64 N;
  T* C;
  i64 ldc;
};

template <class T>
struct Kernels {
  const char* isa;  // "base", "avx2" or "avx512"
  int panel;        // columns of a packed panel; column ranges handed to `gemm` begin at multiples of it

  // d[r, j] = op(a[r, j], b[r, j], c[r, j]) for r < rows, j < n; row r of a lies at a + r * lda (lda may be 0).
  void (*elementwise[static_cast<int>(Op::count_)])(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, const T* b,
                                                    i64 ldb, const T* c, i64 ldc);

  // d[r, j] = a[r * lda + j * sa]; sa may be 0 (spread one number over a row) or any stride.
  void (*gather)(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, i64 sa);
  // d[r * ldd + j * sd] = a[r * lda + j]
  void (*scatter)(i64 rows, i64 n, T* d, i64 ldd, i64 sd, const T* a, i64 lda);

  // d[r] = Σ_j a[r * lda + j] (sum), or the largest, or the smallest (NaN if one is NaN); n = 0 gives 0, -inf, +inf.
  // The sum runs in 64-byte virtual vectors, four of them in turn, joined as ((0+1)+(2+3)), lanes by halves.
  void (*sum)(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda);
  void (*max)(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda);
  void (*min)(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda);
  // d[r] = Σ_j a[r, j] * b[r, j], in the order of `sum`, by fused multiply-adds.
  void (*dot)(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, const T* b, i64 ldb);

  // Numbers that `pack` writes for a K × N matrix.
  i64 (*packed_size)(i64 K, i64 N);
  // Packs B[k, n] = w[k * sk + n * sn] into panels; the last panel is filled up with zeros.
  void (*pack)(const T* w, i64 sk, i64 sn, i64 K, i64 N, T* packed);
  // C[m, n] = init + Σ_k A[m, k] B[k, n] for columns n0 ≤ n < n1 (n0 a multiple of `panel`, n1 one too or N).
  // k runs in blocks of 128 from 0; each block is two chains of 64 fused multiply-adds from 0, in the order of k, added
  // to each other; blocks are added to the beginning (0, bias[n] or C[m, n]) in order. K = 0 leaves the beginning. A row's bits do not
  // depend on M or on the column range.
  void (*gemm)(i64 M, i64 N, i64 K, const T* A, i64 lda, const T* packed, Init init, const T* bias, T* C, i64 ldc,
               i64 n0, i64 n1);

  // For each of `rights`, C[m, n] += Σ_r D[r, m] X[r, n] over R ≤ 512 rows, for m0 ≤ m < m1 and all n < N: rows in
  // blocks of 128 from 0, each two chains of 64 as in `gemm`, blocks added to each other in order, and
  // their sum to C. And for each of `sums`, sum[m] += Σ_r D[r, m]: runs of 16 rows, each added from 0 in order, then to
  // each other in order, and their sum to sum[m]. The bits do not depend on m0, m1. `work` holds at least tn_work() numbers.
  void (*gemm_tn)(i64 R, const T* D, i64 ldd, i64 m0, i64 m1, i64 rights, const Right<T>* right, i64 sums, T* const* sum,
                  T* work);
  i64 (*tn_work)();
  // X for gemm_tn, tn_size(N) numbers: row r lies at X + r * ldx, or, where `listed` is no null pointer, at listed[r].
  void (*tn_pack)(i64 R, i64 N, const T* X, i64 ldx, const T* const* listed, T* packed);
  i64 (*tn_size)(i64 N);

  // gemm_tn for one column of D and one X: the same bits, and no copy of X.
  void (*weighted_sum)(i64 R, i64 N, const T* D, i64 ldd, const T* X, i64 ldx, T* C);

  // One small product for one row: C[m, n] = init(zero or accumulate) + Σ_k A[m, k] B[k, n], any strides.
  // Where the B's columns are contiguous (bn == 1) or not: k is one chain of fused multiply-adds, in order, from the
  // beginning, unless bn != 1 and ak == bk == 1: then each element is a `dot`, added to the beginning.
  void (*matmul)(i64 M, i64 N, i64 K, const T* A, i64 am, i64 ak, const T* B, i64 bk, i64 bn, Init init, T* C, i64 cm,
                 i64 cn);

  // Fused multiply-adds in registers alone, as many at once as the processor can have under way; returns their number.
  // `end` gets what they come to, so that no compiler leaves them out.
  i64 (*multiply_add)(i64 rounds, T* end);
};

// The best table that this processor runs, or the one that the environment variable UNSPOOL_ISA names.
// Throws std::runtime_error, naming the choices, where the name is unknown or the processor lacks it.
template <class T>
const Kernels<T>& kernels();

}  // namespace unspool
