// Native vectors of one instruction set. Included by kernels.cpp only, inside its unnamed namespace.
//
// Arithmetic and comparisons are the compiler's vector extensions; what they lack has a name here. Sums of products
// are fused wherever the processor can: nothing else would be the same at every vector width.

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
struct Types;
template <>
struct Types<float> {
  typedef float V __attribute__((vector_size(kBytes)));
  typedef float U __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef int I __attribute__((vector_size(kBytes)));
};
template <>
struct Types<double> {
  typedef double V __attribute__((vector_size(kBytes)));
  typedef double U __attribute__((vector_size(kBytes), aligned(8), may_alias));
  typedef long long I __attribute__((vector_size(kBytes)));
};
template <class T>
using Vec = typename Types<T>::V;
template <class T>
using Int = typename Types<T>::I;
template <class T>
constexpr int kLanes = kBytes / int(sizeof(T));

#define INLINE static inline __attribute__((always_inline))

template <class T>
INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename Types<T>::U*>(p);
}
template <class T>
INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename Types<T>::U*>(p) = v;
}
template <class T>
INLINE Vec<T> spread(T x) {
  return x - Vec<T>{};
}

// The first n lanes; the others are zero and are never read from memory.
template <class T>
INLINE Vec<T> load_part(const T* p, i64 n) {
  T lanes[kLanes<T>] = {};
  __builtin_memcpy(lanes, p, size_t(n) * sizeof(T));
  return load(lanes);
}
template <class T>
INLINE void store_part(T* p, Vec<T> v, i64 n) {
  T lanes[kLanes<T>];
  store(lanes, v);
  __builtin_memcpy(p, lanes, size_t(n) * sizeof(T));
}

INLINE float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
INLINE double fused(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

#if defined(__AVX512F__)
INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) { return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) { return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE Vec<float> root(Vec<float> a) { return (Vec<float>)_mm512_sqrt_ps((__m512)a); }
INLINE Vec<double> root(Vec<double> a) { return (Vec<double>)_mm512_sqrt_pd((__m512d)a); }
INLINE Vec<float> nearest(Vec<float> a) { return (Vec<float>)_mm512_roundscale_ps((__m512)a, 0); }
INLINE Vec<float> at_least(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm512_max_ps((__m512)b, (__m512)a); }
INLINE Vec<float> at_most(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm512_min_ps((__m512)b, (__m512)a); }
#elif defined(__AVX2__)
INLINE Vec<float> fused(Vec<float> a, Vec<float> b, Vec<float> c) { return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE Vec<double> fused(Vec<double> a, Vec<double> b, Vec<double> c) { return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE Vec<float> root(Vec<float> a) { return (Vec<float>)_mm256_sqrt_ps((__m256)a); }
INLINE Vec<double> root(Vec<double> a) { return (Vec<double>)_mm256_sqrt_pd((__m256d)a); }
INLINE Vec<float> nearest(Vec<float> a) { return (Vec<float>)_mm256_round_ps((__m256)a, 0); }
INLINE Vec<float> at_least(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm256_max_ps((__m256)b, (__m256)a); }
INLINE Vec<float> at_most(Vec<float> a, Vec<float> b) { return (Vec<float>)_mm256_min_ps((__m256)b, (__m256)a); }
#else
template <class V>
INLINE V fused(V a, V b, V c) {
  V d;
  for (unsigned i = 0; i < sizeof(V) / sizeof(a[0]); i++) d[i] = fused(a[i], b[i], c[i]);
  return d;
}
INLINE Vec<float> root(Vec<float> a) {
  for (int i = 0; i < kLanes<float>; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
INLINE Vec<double> root(Vec<double> a) {
  for (int i = 0; i < kLanes<double>; i++) a[i] = __builtin_sqrt(a[i]);
  return a;
}
INLINE Vec<float> nearest(Vec<float> a) {
  for (int i = 0; i < kLanes<float>; i++) a[i] = __builtin_rintf(a[i]);
  return a;
}
INLINE Vec<float> at_least(Vec<float> a, Vec<float> b) { return a < b ? b : a; }
INLINE Vec<float> at_most(Vec<float> a, Vec<float> b) { return a > b ? b : a; }
#endif
// at_least and at_most: the larger and the smaller of both; a where a is NaN.

template <class T>
INLINE Vec<T> bits_and(Vec<T> a, Int<T> mask) {
  return (Vec<T>)((Int<T>)a & mask);
}
template <class T>
INLINE Int<T> sign_bit() {
  return (Int<T>)spread<T>(T(-0.0));
}
template <class T>
INLINE Vec<T> absolute(Vec<T> a) {
  return (Vec<T>)((Int<T>)a & ~sign_bit<T>());
}
template <class T>
INLINE Vec<T> with_sign(Vec<T> magnitude, Vec<T> sign) {
  return (Vec<T>)((Int<T>)magnitude | ((Int<T>)sign & sign_bit<T>()));
}

// Lane i is the number `lanes[i]` of a and b, a's lanes first.
template <class T>
INLINE Vec<T> shuffled(Vec<T> a, Vec<T> b, Int<T> lanes) {
#if defined(__clang__)
  Vec<T> made;
  for (int i = 0; i < kLanes<T>; i++) made[i] = lanes[i] < kLanes<T> ? a[int(lanes[i])] : b[int(lanes[i]) - kLanes<T>];
  return made;
#else
  return __builtin_shuffle(a, b, lanes);
#endif
}
