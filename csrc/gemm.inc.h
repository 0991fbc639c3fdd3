// Packed products. Included by kernels.cpp only, inside its unnamed namespace.
//
// A panel is two native vectors wide. A tile is R rows by P panels, held in registers while k runs over a block.

constexpr i64 kChain = 64;          // numbers that one chain of additions takes: PyTorch's chains are short too
constexpr i64 kBlock = 2 * kChain;  // numbers that a tile takes at once
constexpr i64 kMostSummed = 512;    // rows that one call of gemm_tn takes

template <class T>
constexpr int kPanel = 2 * kLanes<T>;

#if defined(__AVX512F__)
constexpr int kRows = 12, kMostPanels = 8;
#else
constexpr int kRows = 6, kMostPanels = 4;
#endif
// Few rows take several panels at once, so that there are enough chains of additions to hide how long one takes.
constexpr bool fits(int rows, int panels) { return panels == 1 || rows * panels <= kRows; }

// How a tile meets what is in C: overwrites it, or adds.
enum class Meet { write, add };

// acc[r, …] = Σ_k A[r, k] B[k, …], each one chain; panel p of B lies at B + p·bp, A[r, k] at r·am + k, or, packed by
// columns, at r + k·R. `ahead`, a line for each k and panel, is what will be read next.
template <class T, int R, int P, bool kPacked>
INLINE void chains(Vec<T> (&acc)[R][P][2], const T* A, i64 am, const T* B, i64 bp, i64 K, const T* ahead) {
  constexpr int L = kLanes<T>, W = 2 * L;
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
        __builtin_prefetch(ahead);
        ahead += 64 / i64(sizeof(T));
      }
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        Vec<T> a = spread<T>(kPacked ? A[r + k * R] : A[r * am + k]);
        acc[r][p][0] = fused(a, b0, acc[r][p][0]);
        acc[r][p][1] = fused(a, b1, acc[r][p][1]);
      }
    }
    B += W;
  }
}

// C[r, …] (=, +=) Σ_k A[r, k] B[k, …] over one block of two chains; operands as for `chains`. `start` (or null) is added.
template <class T, int R, int P, bool kPacked>
INLINE void tile(const T* A, i64 am, const T* B, i64 bp, i64 K, const T* start, Meet meet, T* C, i64 ldc, const T* ahead) {
  constexpr int L = kLanes<T>, W = 2 * L;
  // What is written at the end is fetched now.
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
    for (i64 n = 0; n < P * W; n += 64 / i64(sizeof(T))) __builtin_prefetch(C + r * ldc + n, 1);
  Vec<T> acc[R][P][2];
  T first[R][P][W] __attribute__((aligned(64)));
  const bool two = K > kChain;
  if (two) {
    chains<T, R, P, kPacked>(acc, A, am, B, bp, kChain, ahead);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int p = 0; p < P; p++) store(first[r][p], acc[r][p][0]), store(first[r][p] + L, acc[r][p][1]);
    A += kPacked ? kChain * R : kChain;
    B += kChain * W;
    K -= kChain;
    ahead += kChain * (64 / i64(sizeof(T)));
  }
  chains<T, R, P, kPacked>(acc, A, am, B, bp, K, ahead);
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int p = 0; p < P; p++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        T* c = C + r * ldc + p * W + v * L;
        Vec<T> made = acc[r][p][v];
        if (two) made = load(first[r][p] + v * L) + made;
        if (meet == Meet::add) made = load(c) + made;
        else if (start) made = load(start + p * W + v * L) + made;
        store(c, made);
      }
}

template <class T>
using Tile = void (*)(const T*, i64, const T*, i64, i64, const T*, Meet, T*, i64, const T*);

template <class T, int R, int P, bool kPacked>
static void tile_of(const T* A, i64 am, const T* B, i64 bp, i64 K, const T* start, Meet meet, T* C, i64 ldc, const T* ahead) {
  tile<T, R, P, kPacked>(A, am, B, bp, K, start, meet, C, ldc, ahead);
}

template <class T, bool kPacked, int P, int R = 1>
struct Tiles {
  static void fill(Tile<T>* table) {
    if constexpr (fits(R, P)) table[R] = tile_of<T, R, P, kPacked>;
    if constexpr (R < kRows) Tiles<T, kPacked, P, R + 1>::fill(table);
  }
};

template <class T, bool kPacked, int P>
struct Table {
  Tile<T> at[kRows + 1] = {};
  Table() { Tiles<T, kPacked, P>::fill(at); }
};

template <class T>
static i64 packed_size(i64 K, i64 N) {
  constexpr i64 W = kPanel<T>;
  return K * ((N + W - 1) / W * W);
}

// Transposes L vectors of L lanes, by log2 L perfect shuffles.
template <class T>
INLINE void transpose(Vec<T>* v) {
  constexpr int L = kLanes<T>;
  Int<T> low, high;
  for (int i = 0; i < L; i++) {
    low[i] = i / 2 + (i & 1) * L;
    high[i] = low[i] + L / 2;
  }
#pragma GCC unroll 4
  for (int round = 1; round < L; round *= 2) {
    Vec<T> w[L];
#pragma GCC unroll 8
    for (int i = 0; i < L / 2; i++) {
      w[2 * i] = shuffled<T>(v[i], v[i + L / 2], low);
      w[2 * i + 1] = shuffled<T>(v[i], v[i + L / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; i++) v[i] = w[i];
  }
}

// One whole panel whose columns lie side by side in memory, or whose rows do.
template <class T>
static void pack_rows(const T* w, i64 sk, i64 K, T* panel) {
  constexpr int L = kLanes<T>;
  for (i64 k = 0; k < K; k++, panel += 2 * L) {
    store(panel, load(w + k * sk));
    store(panel + L, load(w + k * sk + L));
  }
}
template <class T>
static i64 pack_columns(const T* w, i64 sn, i64 K, T* panel) {
  constexpr int L = kLanes<T>;
  i64 k = 0;
  for (; k + L <= K; k += L)
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      Vec<T> v[L];
#pragma GCC unroll 16
      for (int j = 0; j < L; j++) v[j] = load(w + (half * L + j) * sn + k);
      transpose<T>(v);
#pragma GCC unroll 16
      for (int j = 0; j < L; j++) store(panel + (k + j) * 2 * L + half * L, v[j]);
    }
  return k;
}

template <class T>
static void pack(const T* w, i64 sk, i64 sn, i64 K, i64 N, T* packed) {
  constexpr i64 W = kPanel<T>;
  for (i64 n0 = 0; n0 < N; n0 += W) {
    const i64 width = N - n0 < W ? N - n0 : W;
    const T* from = w + n0 * sn;
    T* panel = packed + n0 * K;
    i64 k = 0;
    if (width == W && sn == 1) {
      pack_rows(from, sk, K, panel);
      continue;
    }
    if (width == W && sk == 1) k = pack_columns(from, sn, K, panel);
    for (; k < K; k++)
      for (i64 j = 0; j < W; j++) panel[k * W + j] = j < width ? from[k * sk + j * sn] : T(0);
  }
}

// All rows of P panels over all blocks of k; C has room for whole panels.
template <class T, int P>
static void run_panels(i64 M, i64 K, const T* A, i64 lda, const T* B, i64 bp, Init init, const T* bias, T* C, i64 ldc) {
  static const Table<T, false, P> table;
  constexpr i64 W = kPanel<T>;
  if (K == 0) {
    for (i64 m = 0; m < M && init != Init::accumulate; m++)
      for (i64 n = 0; n < P * W; n++) C[m * ldc + n] = init == Init::bias ? bias[n] : T(0);
    return;
  }
  const i64 tiles = P == 1 ? (M + kRows - 1) / kRows : 1;
  for (i64 k = 0; k < K; k += kBlock) {
    const i64 block = K - k < kBlock ? K - k : kBlock;
    const Meet meet = k || init == Init::accumulate ? Meet::add : Meet::write;
    i64 m = 0;
    for (i64 t = 0; t < tiles; t++) {
      const i64 rows = (M - m) / (tiles - t);  // tiles of equal height, give or take one row
      const T* next = B + (k + block) * W + t % 2 * block * W / 2;
      table.at[rows](A + m * lda + k, lda, B + k * W, bp, block, init == Init::bias ? bias : nullptr, meet, C + m * ldc,
                     ldc, next);
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
    run_panels<T, 1>(rows, K, A + m * lda, lda, B, 0, init, start, aside, W);
    for (i64 r = 0; r < rows; r++)
      for (i64 n = 0; n < width; n++) C[(m + r) * ldc + n] = aside[r * W + n];
  }
}

// As many columns as there are whole runs of P panels, from n on; then of fewer.
template <class T, int P>
INLINE i64 wide_panels(i64 M, i64 K, const T* A, i64 lda, const T* packed, Init init, const T* bias, T* C, i64 ldc, i64 n,
                       i64 n1) {
  constexpr i64 W = kPanel<T>;
  if (P == 1 || fits(int(M < kRows ? M : kRows), P))
    for (; n + P * W <= n1; n += P * W)
      run_panels<T, P>(M, K, A, lda, packed + n * K, K * W, init, init == Init::bias ? bias + n : nullptr, C + n, ldc);
  if constexpr (P > 1) return wide_panels<T, P == 8 ? 4 : P - 1>(M, K, A, lda, packed, init, bias, C, ldc, n, n1);
  else return n;
}

template <class T>
static void gemm(i64 M, i64, i64 K, const T* A, i64 lda, const T* packed, Init init, const T* bias, T* C, i64 ldc,
                 i64 n0, i64 n1) {
  if (M == 0) return;
  const i64 n = wide_panels<T, kMostPanels>(M, K, A, lda, packed, init, bias, C, ldc, n0, n1);
  if (n < n1)
    run_last<T>(M, K, A, lda, packed + n * K, init, init == Init::bias ? bias + n : nullptr, C + n, ldc, n1 - n);
}

// Tiles of D that are packed at once: tile i holds columns m + iR … of all rows, row after row.
constexpr i64 kGroup = 4;

template <class T, int R>
static void pack_left(const T* D, i64 ldd, i64 rows, i64 tiles, T* left) {
  for (i64 r = 0; r < rows; r++)
    for (i64 t = 0; t < tiles; t++) __builtin_memcpy(left + (t * rows + r) * R, D + r * ldd + t * R, R * sizeof(T));
}
template <class T>
using PackLeft = void (*)(const T*, i64, i64, i64, T*);
template <class T, int R = 1>
struct PackLefts {
  static void fill(PackLeft<T>* table) {
    table[R] = pack_left<T, R>;
    if constexpr (R < kRows) PackLefts<T, R + 1>::fill(table);
  }
};
template <class T>
struct LeftTable {
  PackLeft<T> at[kRows + 1] = {};
  LeftTable() { PackLefts<T>::fill(at); }
};

// Numbers from row to row of what gemm_tn sums aside: whole panels, and a little more, for the cache's sake.
template <class T>
static i64 aside_ld(i64 N) {
  return packed_size<T>(1, N) + kLanes<T>;
}
template <class T>
static i64 tn_size(i64 N) {
  return packed_size<T>(kMostSummed, N) + kRows * kGroup * aside_ld<T>(N);
}
template <class T>
static i64 tn_work() {
  return kBlock * kRows * kGroup;
}

// Rows that lie anywhere, into panels.
template <class T>
static void pack_listed(const T* const* rows, i64 K, i64 N, T* packed) {
  constexpr i64 W = kPanel<T>;
  for (i64 n0 = 0; n0 < N; n0 += W, packed += K * W)
    for (i64 k = 0; k < K; k++) {
      const T* from = rows[k] + n0;
      T* to = packed + k * W;
      if (N - n0 >= W) {
        store(to, load(from));
        store(to + kLanes<T>, load(from + kLanes<T>));
      } else {
        for (i64 j = 0; j < W; j++) to[j] = j < N - n0 ? from[j] : T(0);
      }
    }
}

template <class T>
static void tn_pack(i64 R, i64 N, const T* X, i64 ldx, const T* const* listed, T* packed) {
  for (i64 r = 0; r < R; r += kBlock) {
    const i64 rows = R - r < kBlock ? R - r : kBlock;
    T* to = packed + packed_size<T>(r, N);
    if (listed) pack_listed<T>(listed + r, rows, N, to);
    else pack<T>(X + r * ldx, ldx, 1, rows, N, to);
  }
}

template <class T>
static void column_sums(i64 N, i64 R, const T* D, i64 ldd, T* C);

// C[h, N] += A.
template <class T>
static void add_rows(i64 h, i64 N, const T* A, i64 lda, T* C, i64 ldc) {
  constexpr int L = kLanes<T>;
  for (i64 i = 0; i < h; i++) {
    const T* a = A + i * lda;
    T* c = C + i * ldc;
    i64 n = 0;
    for (; n + L <= N; n += L) store(c + n, load(c + n) + load(a + n));
    for (; n < N; n++) c[n] += a[n];
  }
}

// Some tiles of height h, of the columns m … of D, over all R rows: blocks are summed aside, and their sum is added to C.
template <class T>
static void tn_group(i64 R, const T* D, i64 ldd, i64 m, i64 h, i64 tiles, i64 rights, const Right<T>* right, T* left) {
  static const Table<T, true, 1> table;
  static const LeftTable<T> lefts;
  constexpr i64 W = kPanel<T>;
  for (i64 r = 0; r < R; r += kBlock) {
    const i64 rows = R - r < kBlock ? R - r : kBlock;
    lefts.at[h](D + r * ldd + m, ldd, rows, tiles, left);
    for (i64 i = 0; i < rights; i++) {
      const i64 N = right[i].N, ld = aside_ld<T>(N);
      const T* panels = right[i].packed + packed_size<T>(r, N);
      T* aside = right[i].packed + packed_size<T>(kMostSummed, N);
      for (i64 n = 0; n < N; n += W)
        for (i64 q = 0; q < tiles; q++)
          table.at[h](left + q * rows * h, 0, panels + n * rows, 0, rows, nullptr, r ? Meet::add : Meet::write,
                      aside + q * h * ld + n, ld, panels + (n + W) * rows + q % 2 * rows * W / 2);
    }
  }
  for (i64 i = 0; i < rights; i++)
    add_rows<T>(tiles * h, right[i].N, right[i].packed + packed_size<T>(kMostSummed, right[i].N), aside_ld<T>(right[i].N),
                right[i].C + m * right[i].ldc, right[i].ldc);
}

template <class T>
static void gemm_tn(i64 R, const T* D, i64 ldd, i64 m0, i64 m1, i64 rights, const Right<T>* right, i64 sums, T* const* sum,
                    T* work) {
  const i64 all = (m1 - m0 + kRows - 1) / kRows;  // tiles of equal height, give or take one row
  const i64 height = all ? (m1 - m0) / all : 0, higher = all ? (m1 - m0) % all : 0;
  for (i64 i = 0; i < sums; i++) column_sums<T>(m1 - m0, R, D + m0, ldd, sum[i] + m0);
  i64 m = m0;
  for (i64 t = 0; t < all && rights;) {
    const i64 h = t < higher ? height + 1 : height, end = t < higher ? higher : all;
    const i64 tiles = end - t < kGroup ? end - t : kGroup;
    tn_group<T>(R, D, ldd, m, h, tiles, rights, right, work);
    t += tiles;
    m += tiles * h;
  }
}

// C[n] += Σ_r D[r] X[r, n] for V vectors of columns: blocks of rows, and then their sums.
template <class T, int V>
INLINE void weighted(i64 R, const T* D, i64 ldd, const T* X, i64 ldx, T* C) {
  constexpr int L = kLanes<T>;
  Vec<T> total[V] = {}, first[V] = {};
  for (i64 r0 = 0; r0 < R; r0 += kChain) {
    Vec<T> acc[V] = {};
    for (i64 r = r0; r < R && r < r0 + kChain; r++) {
      const Vec<T> d = spread<T>(D[r * ldd]);
#pragma GCC unroll 8
      for (int v = 0; v < V; v++) acc[v] = fused(d, load(X + r * ldx + v * L), acc[v]);
    }
    const bool second = r0 % kBlock != 0, whole = second || r0 + kChain >= R;
#pragma GCC unroll 8
    for (int v = 0; v < V; v++) {
      if (second) acc[v] = first[v] + acc[v];
      if (!whole) first[v] = acc[v];
      else total[v] = r0 >= kBlock ? total[v] + acc[v] : acc[v];
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; v++) store(C + v * L, load(C + v * L) + total[v]);
}

template <class T>
static void weighted_sum(i64 R, i64 N, const T* D, i64 ldd, const T* X, i64 ldx, T* C) {
  constexpr int L = kLanes<T>;
  i64 n = 0;
  for (; n + 8 * L <= N; n += 8 * L) weighted<T, 8>(R, D, ldd, X + n, ldx, C + n);
  for (; n + L <= N; n += L) weighted<T, 1>(R, D, ldd, X + n, ldx, C + n);
  for (; n < N; n++) {
    T total = 0, first = 0;
    for (i64 r0 = 0; r0 < R; r0 += kChain) {
      T acc = 0;
      for (i64 r = r0; r < R && r < r0 + kChain; r++) acc = fused(D[r * ldd], X[r * ldx + n], acc);
      const bool second = r0 % kBlock != 0;
      if (second) acc = first + acc;
      if (!second && r0 + kChain < R) first = acc;
      else total = r0 >= kBlock ? total + acc : acc;
    }
    C[n] += total;
  }
}

// Columns n … n + V vectors: sums of 16 rows, and then their sums.
template <class T, int V>
INLINE void columns_summed(i64 R, const T* D, i64 ldd, T* C) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[V] = {};
  for (i64 q = 0; q < R; q += 16) {
    Vec<T> part[V] = {};
    for (i64 r = q; r < R && r < q + 16; r++)
#pragma GCC unroll 8
      for (int v = 0; v < V; v++) part[v] += load(D + r * ldd + v * L);
#pragma GCC unroll 8
    for (int v = 0; v < V; v++) acc[v] += part[v];
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; v++) store(C + v * L, load(C + v * L) + acc[v]);
}

template <class T>
static void column_sums(i64 N, i64 R, const T* D, i64 ldd, T* C) {
  constexpr int L = kLanes<T>;
  i64 n = 0;
  for (; n + 8 * L <= N; n += 8 * L) columns_summed<T, 8>(R, D + n, ldd, C + n);
  for (; n + L <= N; n += L) columns_summed<T, 1>(R, D + n, ldd, C + n);
  for (; n < N; n++) {
    T acc = 0;
    for (i64 q = 0; q < R; q += 16) {
      T part = 0;
      for (i64 r = q; r < R && r < q + 16; r++) part += D[r * ldd + n];
      acc += part;
    }
    C[n] += acc;
  }
}
