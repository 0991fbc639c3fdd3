// Reductions and small products. Included by kernels.cpp only, inside its unnamed namespace.

// A line of numbers summed in vectors of 64 bytes, four in turn: the same order in every instruction set.
template <class T>
struct Lines {
  static constexpr int L = kLanes<T>, kLine = 64 / int(sizeof(T)), kParts = kLine / L;
  Vec<T> acc[4][kParts];

  template <class Step>
  inline __attribute__((always_inline)) void run(i64 n, Step step) {
    i64 j = 0;
    for (; j + 4 * kLine <= n; j += 4 * kLine)
#pragma GCC unroll 4
      for (int q = 0; q < 4; q++)
#pragma GCC unroll 4
        for (int p = 0; p < kParts; p++) acc[q][p] = step(acc[q][p], j + q * kLine + p * L, i64(L));
    for (int q = 0; j < n; q++, j += kLine)
      for (int p = 0; p < kParts && j + p * L < n; p++) {
        const i64 left = n - j - p * L;
        acc[q][p] = step(acc[q][p], j + p * L, left < L ? left : i64(L));
      }
  }

  template <class Join>
  inline __attribute__((always_inline)) T joined(Join join) {
    Vec<T> v[kParts];
    for (int p = 0; p < kParts; p++) v[p] = join(join(acc[0][p], acc[1][p]), join(acc[2][p], acc[3][p]));
    for (int half = kParts / 2; half; half /= 2)
      for (int p = 0; p < half; p++) v[p] = join(v[p], v[p + half]);
#pragma GCC unroll 4
    for (int half = L / 2; half; half /= 2) {
      Int<T> upper;
      for (int i = 0; i < L; i++) upper[i] = (i + half) % L;
      v[0] = join(v[0], shuffled<T>(v[0], v[0], upper));
    }
    return v[0][0];
  }
};

template <class T>
INLINE Vec<T> some(const T* p, i64 n) {
  return n == kLanes<T> ? load(p) : load_part(p, n);
}

template <class T>
static T sum_line(i64 n, const T* a) {
  Lines<T> lines = {};
  lines.run(n, [a](Vec<T> acc, i64 j, i64 m) { return acc + some(a + j, m); });
  return lines.joined([](Vec<T> x, Vec<T> y) { return x + y; });
}

template <class T>
static T dot_line(i64 n, const T* a, const T* b) {
  Lines<T> lines = {};
  lines.run(n, [a, b](Vec<T> acc, i64 j, i64 m) { return fused(some(a + j, m), some(b + j, m), acc); });
  return lines.joined([](Vec<T> x, Vec<T> y) { return x + y; });
}

template <class T>
static void sum(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda) {
  for (i64 r = 0; r < rows; r++) d[r * ldd] = sum_line(n, a + r * lda);
}

template <class T>
static void dot(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, const T* b, i64 ldb) {
  for (i64 r = 0; r < rows; r++) d[r * ldd] = dot_line(n, a + r * lda, b + r * ldb);
}

template <class T, bool kLargest>
static void extreme(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda) {
  for (i64 r = 0; r < rows; r++) {
    const T* line = a + r * lda;
    T best = kLargest ? T(-INFINITY) : T(INFINITY);
    for (i64 j = 0; j < n; j++) best = (kLargest ? line[j] > best : line[j] < best) || line[j] != line[j] ? line[j] : best;
    d[r * ldd] = best;
  }
}

// One row of C, whose columns and B's are contiguous: V vectors of columns at a time.
template <class T, int V>
INLINE void combine(i64 K, const T* A, i64 ak, const T* B, i64 bk, bool add, T* C) {
  Vec<T> acc[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) acc[v] = add ? load(C + v * kLanes<T>) : Vec<T>{};
  for (i64 k = 0; k < K; k++) {
    const Vec<T> a = spread<T>(A[k * ak]);
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) acc[v] = fused(a, load(B + k * bk + v * kLanes<T>), acc[v]);
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; v++) store(C + v * kLanes<T>, acc[v]);
}

template <class T>
static void matmul(i64 M, i64 N, i64 K, const T* A, i64 am, i64 ak, const T* B, i64 bk, i64 bn, Init init, T* C, i64 cm,
                   i64 cn) {
  constexpr int L = kLanes<T>;
  const bool add = init == Init::accumulate;
  for (i64 m = 0; m < M; m++) {
    const T* a = A + m * am;
    T* c = C + m * cm;
    i64 n = 0;
    if (bn == 1 && cn == 1) {
      for (; n + 4 * L <= N; n += 4 * L) combine<T, 4>(K, a, ak, B + n, bk, add, c + n);
      for (; n + L <= N; n += L) combine<T, 1>(K, a, ak, B + n, bk, add, c + n);
    }
    for (; n < N; n++) {
      const T start = add ? c[n * cn] : T(0);
      if (bn != 1 && ak == 1 && bk == 1) {
        c[n * cn] = start + dot_line(K, a, B + n * bn);
        continue;
      }
      T acc = start;
      for (i64 k = 0; k < K; k++) acc = fused(a[k * ak], B[k * bk + n * bn], acc);
      c[n * cn] = acc;
    }
  }
}
