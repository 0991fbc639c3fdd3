// Packed products. Included by kernels.cpp only, inside its unnamed namespace.
//
// A panel is two native vectors wide. A tile is R rows by P panels, held in registers while k runs over a block.

constexpr i64 kBlock = 256;

template <class T>
constexpr int kPanel = 2 * kLanes<T>;

#if defined(__AVX512F__)
constexpr int kRows = 12;
constexpr int panels_for(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : rows == 4 ? 3 : rows <= 6 ? 2 : 1; }
#else
constexpr int kRows = 6;
constexpr int panels_for(int rows) { return rows == 1 ? 4 : rows == 2 ? 3 : rows == 3 ? 2 : 1; }
#endif

// How a tile meets what is in C: overwrites it, or adds.
enum class Meet { write, add };

// C[r, …] (=, +=) Σ_k A[r·am + k·ak] B[k, …] over one block; panel p of B lies at B + p·bp. `start` (or null) is added.
template <class T, int R, int P, bool kUnit>
INLINE void tile(const T* A, i64 am, i64 ak, const T* B, i64 bp, i64 K, const T* start, Meet meet, T* C, i64 ldc) {
  constexpr int L = kLanes<T>, W = 2 * L;
  Vec<T> acc[R][P][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) acc[r][p][0] = acc[r][p][1] = Vec<T>{};
  for (i64 k = 0; k < K; k++) {
#pragma GCC unroll 8
    for (int p = 0; p < P; p++) {
      const T* b = B + p * bp;
      Vec<T> b0 = load(b), b1 = load(b + L);
      if (P == 1) {
        __builtin_prefetch(b + 24 * W);
        if (kBytes == 64) __builtin_prefetch(b + 24 * W + L);
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        Vec<T> a = spread<T>(kUnit ? A[r * am + k] : A[r + k * ak]);
        acc[r][p][0] = fused(a, b0, acc[r][p][0]);
        acc[r][p][1] = fused(a, b1, acc[r][p][1]);
      }
    }
    B += W;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        T* c = C + r * ldc + p * W + v * L;
        Vec<T> made = acc[r][p][v];
        if (meet == Meet::add) made = load(c) + made;
        else if (start) made = load(start + p * W + v * L) + made;
        store(c, made);
      }
}

template <class T, bool kUnit>
using Tile = void (*)(const T*, i64, i64, const T*, i64, i64, const T*, Meet, T*, i64);

template <class T, int R, int P, bool kUnit>
static void tile_of(const T* A, i64 am, i64 ak, const T* B, i64 bp, i64 K, const T* start, Meet meet, T* C, i64 ldc) {
  tile<T, R, P, kUnit>(A, am, ak, B, bp, K, start, meet, C, ldc);
}

template <class T, bool kUnit, bool kWide, int R = 1>
struct Tiles {
  static void fill(Tile<T, kUnit>* table) {
    table[R] = tile_of<T, R, kWide ? panels_for(R) : 1, kUnit>;
    if constexpr (R < kRows) Tiles<T, kUnit, kWide, R + 1>::fill(table);
  }
};

template <class T, bool kUnit, bool kWide>
struct Table {
  Tile<T, kUnit> at[kRows + 1] = {};
  Table() { Tiles<T, kUnit, kWide>::fill(at); }
};

template <class T>
static i64 packed_size(i64 K, i64 N) {
  constexpr i64 W = kPanel<T>;
  return K * ((N + W - 1) / W * W);
}

template <class T>
static void pack(const T* w, i64 sk, i64 sn, i64 K, i64 N, T* packed) {
  constexpr i64 W = kPanel<T>;
  for (i64 n0 = 0; n0 < N; n0 += W) {
    const i64 width = N - n0 < W ? N - n0 : W;
    T* panel = packed + n0 * K;
    // In squares, so that neither side of a transposition leaves the cache.
    for (i64 k0 = 0; k0 < K; k0 += 16) {
      const i64 k1 = k0 + 16 < K ? k0 + 16 : K;
      for (i64 j = 0; j < W; j++) {
        const T* from = w + (n0 + j) * sn;
        for (i64 k = k0; k < k1; k++) panel[k * W + j] = j < width ? from[k * sk] : T(0);
      }
    }
  }
}

// All rows of one run of panels over all blocks of k; C has room for whole panels.
template <class T, bool kWide>
static void run_panels(i64 M, i64 K, const T* A, i64 lda, const T* B, i64 bp, Init init, const T* bias, T* C, i64 ldc,
                       i64 most) {
  static const Table<T, true, kWide> table;
  constexpr i64 W = kPanel<T>;
  if (K == 0) {
    const i64 width = W * (kWide ? panels_for(int(most)) : 1);
    for (i64 m = 0; m < M && init != Init::accumulate; m++)
      for (i64 n = 0; n < width; n++) C[m * ldc + n] = init == Init::bias ? bias[n] : T(0);
    return;
  }
  const i64 tiles = (M + most - 1) / most;
  for (i64 k = 0; k < K; k += kBlock) {
    const i64 block = K - k < kBlock ? K - k : kBlock;
    const Meet meet = k || init == Init::accumulate ? Meet::add : Meet::write;
    i64 m = 0;
    for (i64 t = 0; t < tiles; t++) {
      const i64 rows = (M - m) / (tiles - t);  // tiles of equal height, give or take one row
      table.at[rows](A + m * lda + k, lda, 1, B + k * W, bp, block, init == Init::bias ? bias : nullptr, meet, C + m * ldc,
                     ldc);
      m += rows;
    }
  }
}

// The last panel where N ends within it: computed aside, copied in part.
template <class T>
static void run_last(i64 M, i64 K, const T* A, i64 lda, const T* B, Init init, const T* bias, T* C, i64 ldc, i64 width) {
  constexpr i64 W = kPanel<T>;
  T aside[kRows * W], start[W] = {};
  for (i64 n = 0; n < width && init == Init::bias; n++) start[n] = bias[n];
  for (i64 m = 0; m < M; m += kRows) {
    const i64 rows = M - m < kRows ? M - m : kRows;
    for (i64 r = 0; r < rows && init == Init::accumulate; r++)
      for (i64 n = 0; n < W; n++) aside[r * W + n] = n < width ? C[(m + r) * ldc + n] : T(0);
    run_panels<T, false>(rows, K, A + m * lda, lda, B, 0, init, start, aside, W, kRows);
    for (i64 r = 0; r < rows; r++)
      for (i64 n = 0; n < width; n++) C[(m + r) * ldc + n] = aside[r * W + n];
  }
}

template <class T>
static void gemm(i64 M, i64, i64 K, const T* A, i64 lda, const T* packed, Init init, const T* bias, T* C, i64 ldc,
                 i64 n0, i64 n1) {
  constexpr i64 W = kPanel<T>;
  if (M == 0) return;
  i64 n = n0;
  const i64 group = M <= kRows / 2 ? panels_for(int(M)) : 1;
  for (; group > 1 && n + group * W <= n1; n += group * W)
    run_panels<T, true>(M, K, A, lda, packed + n * K, K * W, init, bias + (init == Init::bias ? n : 0), C + n, ldc, M);
  for (; n + W <= n1; n += W)
    run_panels<T, false>(M, K, A, lda, packed + n * K, 0, init, bias + (init == Init::bias ? n : 0), C + n, ldc, kRows);
  if (n < n1) run_last<T>(M, K, A, lda, packed + n * K, init, bias + (init == Init::bias ? n : 0), C + n, ldc, n1 - n);
}

template <class T>
static i64 tn_work(i64 N) {
  return packed_size<T>(kBlock, N) + kBlock * kRows + kRows * kPanel<T>;
}

template <class T>
static void gemm_tn(i64 M, i64 N, i64 R, const T* D, i64 ldd, const T* X, i64 ldx, T* C, i64 ldc, i64 m0, i64 m1,
                    T* work) {
  static const Table<T, false, false> table;
  constexpr i64 W = kPanel<T>;
  (void)M;
  T *right = work, *left = work + packed_size<T>(kBlock, N), *aside = left + kBlock * kRows;
  for (i64 r0 = 0; r0 < R; r0 += kBlock) {
    const i64 rows = R - r0 < kBlock ? R - r0 : kBlock;
    pack<T>(X + r0 * ldx, ldx, 1, rows, N, right);
    i64 m = m0;
    const i64 tiles = (m1 - m0 + kRows - 1) / kRows;
    for (i64 t = 0; t < tiles; t++) {
      const i64 height = (m1 - m) / (tiles - t);
      for (i64 r = 0; r < rows; r++)
        for (i64 i = 0; i < height; i++) left[r * height + i] = D[(r0 + r) * ldd + m + i];
      for (i64 n = 0; n < N; n += W) {
        const i64 width = N - n < W ? N - n : W;
        T* out = width == W ? C + m * ldc + n : aside;
        const i64 ld = width == W ? ldc : W;
        for (i64 i = 0; i < height && width < W; i++)
          for (i64 j = 0; j < W; j++) aside[i * W + j] = j < width ? C[(m + i) * ldc + n + j] : T(0);
        table.at[height](left, 1, height, right + n * rows, 0, rows, nullptr, Meet::add, out, ld);
        for (i64 i = 0; i < height && width < W; i++)
          for (i64 j = 0; j < width; j++) C[(m + i) * ldc + n + j] = aside[i * W + j];
      }
      m += height;
    }
  }
}

template <class T>
static void column_sums(i64 N, i64 R, const T* D, i64 ldd, T* C) {
  constexpr int L = kLanes<T>;
  for (i64 r0 = 0; r0 < R; r0 += kBlock) {
    const i64 rows = R - r0 < kBlock ? R - r0 : kBlock;
    for (i64 n = 0; n < N; n += L) {
      const i64 width = N - n < L ? N - n : L;
      Vec<T> acc = {};
      for (i64 q = 0; q < rows; q += 16) {
        Vec<T> part = {};
        for (i64 r = q; r < rows && r < q + 16; r++) {
          const T* d = D + (r0 + r) * ldd + n;
          part += width == L ? load(d) : load_part(d, width);
        }
        acc += part;
      }
      if (width == L) store(C + n, load(C + n) + acc);
      else store_part(C + n, load_part(C + n, width) + acc, width);
    }
  }
}
