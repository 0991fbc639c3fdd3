// Elementwise kernels. Included by kernels.cpp only, inside its unnamed namespace.

template <class T, class Function>
INLINE Vec<T> each_lane(Vec<T> a, Function f) {
  for (int i = 0; i < kLanes<T>; i++) a[i] = f(a[i]);
  return a;
}
template <class T, class Function>
INLINE Vec<T> each_lane(Vec<T> a, Vec<T> b, Function f) {
  for (int i = 0; i < kLanes<T>; i++) a[i] = f(a[i], b[i]);
  return a;
}

template <class T>
INLINE Vec<T> truth(Int<T> mask) {
  return mask ? spread<T>(1) : spread<T>(0);
}

// The function of each operation; double goes through the C library where float has a polynomial.
template <class T, Op op>
INLINE Vec<T> apply(Vec<T> a, Vec<T> b, Vec<T> c) {
  constexpr bool single = sizeof(T) == 4;
  const Vec<T> zero = {}, one = spread<T>(1);
  (void)zero, (void)one, (void)b, (void)c;
  if constexpr (op == Op::mov) return a;
  if constexpr (op == Op::neg) return -a;
  if constexpr (op == Op::abs) return absolute<T>(a);
  if constexpr (op == Op::sign) return a > zero ? one : (a < zero ? -one : (a == a ? zero : a));
  if constexpr (op == Op::recip) return one / a;
  if constexpr (op == Op::sqrt) return root(a);
  if constexpr (op == Op::rsqrt) return one / root(a);
  if constexpr (op == Op::exp) {
    if constexpr (single) return vexp(a);
    else return each_lane<T>(a, [](double x) { return ::exp(x); });
  }
  if constexpr (op == Op::expm1) {
    if constexpr (single) return vexpm1(a);
    else return each_lane<T>(a, [](double x) { return ::expm1(x); });
  }
  if constexpr (op == Op::log) {
    if constexpr (single) return vlog(a);
    else return each_lane<T>(a, [](double x) { return ::log(x); });
  }
  if constexpr (op == Op::log1p) {
    if constexpr (single) return vlog1p(a);
    else return each_lane<T>(a, [](double x) { return ::log1p(x); });
  }
  if constexpr (op == Op::tanh) {
    if constexpr (single) return vtanh(a);
    else return each_lane<T>(a, [](double x) { return ::tanh(x); });
  }
  if constexpr (op == Op::sigmoid) {
    if constexpr (single) return vsigmoid(a);
    else
      return each_lane<T>(a, [](double x) {
        const double e = ::exp(-::fabs(x)), s = 1 / (1 + e);
        return x < 0 ? e * s : s;
      });
  }
  if constexpr (op == Op::softplus) {
    if constexpr (single) return vsoftplus(a);
    else return each_lane<T>(a, [](double x) { return (x > 0 ? x : 0 * x) + ::log1p(::exp(-::fabs(x))); });
  }
  if constexpr (op == Op::relu) return a < zero ? zero : a;
  if constexpr (op == Op::erf) {
    if constexpr (single) return verf(a);
    else return each_lane<T>(a, [](double x) { return ::erf(x); });
  }
  if constexpr (op == Op::sin) return each_lane<T>(a, [](T x) { return single ? T(::sinf(float(x))) : T(::sin(x)); });
  if constexpr (op == Op::cos) return each_lane<T>(a, [](T x) { return single ? T(::cosf(float(x))) : T(::cos(x)); });
  if constexpr (op == Op::tan) return each_lane<T>(a, [](T x) { return single ? T(::tanf(float(x))) : T(::tan(x)); });
  if constexpr (op == Op::atan) return each_lane<T>(a, [](T x) { return single ? T(::atanf(float(x))) : T(::atan(x)); });
  if constexpr (op == Op::floor) return each_lane<T>(a, [](T x) { return single ? T(::floorf(float(x))) : T(::floor(x)); });
  if constexpr (op == Op::ceil) return each_lane<T>(a, [](T x) { return single ? T(::ceilf(float(x))) : T(::ceil(x)); });
  if constexpr (op == Op::round) return each_lane<T>(a, [](T x) { return single ? T(::rintf(float(x))) : T(::rint(x)); });
  if constexpr (op == Op::trunc) return each_lane<T>(a, [](T x) { return single ? T(::truncf(float(x))) : T(::trunc(x)); });
  if constexpr (op == Op::isnan) return truth<T>(a != a);
  if constexpr (op == Op::logical_not) return truth<T>(a == zero);
  if constexpr (op == Op::add) return a + b;
  if constexpr (op == Op::sub) return a - b;
  if constexpr (op == Op::mul) return a * b;
  if constexpr (op == Op::div) return a / b;
  if constexpr (op == Op::max) return (a > b) | (a != a) ? a : b;
  if constexpr (op == Op::min) return (a < b) | (a != a) ? a : b;
  if constexpr (op == Op::pow)
    return each_lane<T>(a, b, [](T x, T y) { return single ? T(::powf(float(x), float(y))) : T(::pow(x, y)); });
  if constexpr (op == Op::atan2)
    return each_lane<T>(a, b, [](T x, T y) { return single ? T(::atan2f(float(x), float(y))) : T(::atan2(x, y)); });
  if constexpr (op == Op::remainder)
    return each_lane<T>(a, b, [](T x, T y) {
      const T r = single ? T(::fmodf(float(x), float(y))) : T(::fmod(x, y));
      return r != 0 && (r < 0) != (y < 0) ? r + y : r;
    });
  if constexpr (op == Op::fmod)
    return each_lane<T>(a, b, [](T x, T y) { return single ? T(::fmodf(float(x), float(y))) : T(::fmod(x, y)); });
  if constexpr (op == Op::lt) return truth<T>(a < b);
  if constexpr (op == Op::le) return truth<T>(a <= b);
  if constexpr (op == Op::gt) return truth<T>(a > b);
  if constexpr (op == Op::ge) return truth<T>(a >= b);
  if constexpr (op == Op::eq) return truth<T>(a == b);
  if constexpr (op == Op::ne) return truth<T>(a != b);
  if constexpr (op == Op::logical_and) return truth<T>((a != zero) & (b != zero));
  if constexpr (op == Op::logical_or) return truth<T>((a != zero) | (b != zero));
  if constexpr (op == Op::logical_xor) return truth<T>((a != zero) ^ (b != zero));
  if constexpr (op == Op::fma) return fused(a, b, c);
  if constexpr (op == Op::where) return a != zero ? b : c;
  if constexpr (op == Op::dsigmoid) return a * ((one - b) * b);
  if constexpr (op == Op::dtanh) return a * (one - b * b);
}

constexpr int arity(Op op) {
  return op < Op::add ? 1 : op < Op::fma || op == Op::dsigmoid || op == Op::dtanh ? 2 : 3;
}

template <class T, Op op>
static void elementwise(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, const T* b, i64 ldb, const T* c, i64 ldc) {
  constexpr int L = kLanes<T>, A = arity(op);
  if (ldd == n && lda == n && (A < 2 || ldb == n) && (A < 3 || ldc == n)) {
    n *= rows;
    rows = 1;
  }
  for (i64 r = 0; r < rows; r++) {
    i64 j = 0;
    for (; j + L <= n; j += L)
      store(d + j, apply<T, op>(load(a + j), A > 1 ? load(b + j) : Vec<T>{}, A > 2 ? load(c + j) : Vec<T>{}));
    if (j < n)
      store_part(d + j,
                 apply<T, op>(load_part(a + j, n - j), A > 1 ? load_part(b + j, n - j) : Vec<T>{},
                              A > 2 ? load_part(c + j, n - j) : Vec<T>{}),
                 n - j);
    d += ldd, a += lda, b += A > 1 ? ldb : 0, c += A > 2 ? ldc : 0;
  }
}

template <class T, int op = 0>
static void fill_elementwise(Kernels<T>& k) {
  k.elementwise[op] = elementwise<T, Op(op)>;
  if constexpr (op + 1 < int(Op::count_)) fill_elementwise<T, op + 1>(k);
}

template <class T>
static void gather(i64 rows, i64 n, T* d, i64 ldd, const T* a, i64 lda, i64 sa) {
  if (sa == 1) return elementwise<T, Op::mov>(rows, n, d, ldd, a, lda, nullptr, 0, nullptr, 0);
  for (i64 r = 0; r < rows; r++, d += ldd, a += lda) {
    if (sa == 0) {
      const Vec<T> value = spread<T>(a[0]);
      i64 j = 0;
      for (; j + kLanes<T> <= n; j += kLanes<T>) store(d + j, value);
      for (; j < n; j++) d[j] = a[0];
    } else {
      for (i64 j = 0; j < n; j++) d[j] = a[j * sa];
    }
  }
}

template <class T>
static void scatter(i64 rows, i64 n, T* d, i64 ldd, i64 sd, const T* a, i64 lda) {
  if (sd == 1) return elementwise<T, Op::mov>(rows, n, d, ldd, a, lda, nullptr, 0, nullptr, 0);
  for (i64 r = 0; r < rows; r++, d += ldd, a += lda)
    for (i64 j = 0; j < n; j++) d[j * sd] = a[j];
}
