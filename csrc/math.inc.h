// Elementary functions of float vectors. Included by kernels.cpp only, inside its unnamed namespace.
//
// Largest error over all 2^32 arguments, in units in the last place: the table FUNCTIONS in tests/engine/test_kernels.py,
// which measures it. Denormals, infinities and NaN come out as in the C library.

using F = Vec<float>;
using N = Int<float>;

INLINE F number(float x) { return spread<float>(x); }

// 2^n for whole n in [-126, 127]
INLINE F power_of_two(N n) { return (F)((n + 127) << 23); }

// p 2^n for whole n in [-150, 129] and p in [0.5, 2], rounded once; NaN where p is.
INLINE F scaled(F p, F n) {
#if defined(__AVX512F__)
  return (F)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  N whole = __builtin_convertvector(n, N);
  N half = whole >> 1;  // in two factors, so that neither leaves the range of normal numbers
  return p * power_of_two(half) * power_of_two(whole - half);
#endif
}

// e^r - 1 for |r| ≤ ln 2 / 2, and n, of x = n ln 2 + r
INLINE F reduced(F x, F& n) {
  n = nearest(x * number(1.44269504f));
  F r = fused(n, number(-0.693359375f), x);
  r = fused(n, number(2.12194440e-4f), r);
  F p = number(1.9875691500e-4f);
  p = fused(p, r, number(1.3981999507e-3f));
  p = fused(p, r, number(8.3334519073e-3f));
  p = fused(p, r, number(4.1665795894e-2f));
  p = fused(p, r, number(1.6666665459e-1f));
  p = fused(p, r, number(5.0000001201e-1f));
  return fused(p * r, r, r);
}

// exp of what lies in [-104, 89], or NaN
INLINE F exp_within(F x) {
  F n;
  F p = reduced(x, n) + number(1.f);
  return scaled(p, n);
}

INLINE F vexp(F x) { return exp_within(at_most(at_least(x, number(-104.f)), number(89.f))); }

INLINE F vexpm1(F x) {
  F n;
  F p = reduced(at_most(at_least(x, number(-30.f)), number(89.f)), n);
  F big = scaled(p + number(1.f), n) - number(1.f);
  F scale = scaled(number(1.f), at_most(n, number(126.f)));
  F small = fused(p, scale, scale - number(1.f));
  F made = n > number(100.f) ? big : small;
  return x == number(0.f) ? x : made;
}

INLINE F vtanh(F x) {
  F a = absolute<float>(x);
  F n;
  F p = reduced(at_most(a + a, number(40.f)), n);
  F scale = scaled(number(1.f), n);
  F e = fused(p, scale, scale - number(1.f));
  return with_sign<float>(e / (e + number(2.f)), x);
}

INLINE F vsigmoid(F x) {
  F e = exp_within(at_least((F)((N)x | sign_bit<float>()), number(-104.f)));
  return (x < number(0.f) ? e : number(1.f)) / (number(1.f) + e);
}

// log of a positive normal number times 2^shift
INLINE F log_normal(F x, F shift) {
  N bits = (N)x;
  N exponent = ((bits >> 23) & 255) - 126;
  F m = (F)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  N below = m < number(0.707106781f);
  F e = __builtin_convertvector(exponent + below, F) + shift;
  m = (below ? m + m : m) - number(1.f);
  F z = m * m;
  F p = number(7.0376836292e-2f);
  p = fused(p, m, number(-1.1514610310e-1f));
  p = fused(p, m, number(1.1676998740e-1f));
  p = fused(p, m, number(-1.2420140846e-1f));
  p = fused(p, m, number(1.4249322787e-1f));
  p = fused(p, m, number(-1.6668057665e-1f));
  p = fused(p, m, number(2.0000714765e-1f));
  p = fused(p, m, number(-2.4999993993e-1f));
  p = fused(p, m, number(3.3333331174e-1f));
  F y = p * m * z;
  y = fused(e, number(-2.12194440e-4f), y);
  y = fused(z, number(-0.5f), y);
  return fused(e, number(0.693359375f), m + y);
}

INLINE F vlog(F x) {
  N tiny = x < number(1.17549435e-38f);
  F scaled = tiny ? x * number(8388608.f) : x;
  F made = log_normal(scaled, tiny ? number(-23.f) : number(0.f));
  made = x == number(INFINITY) ? x : made;
  made = x == number(0.f) ? number(-INFINITY) : made;
  made = x < number(0.f) ? number(NAN) : made;
  return x == x ? made : x;
}

INLINE F vlog1p(F x) {
  F u = number(1.f) + x;
  F lost = x - (u - number(1.f));
  F made = vlog(u) + lost / u;
  made = u == number(1.f) ? x : made;
  made = x == number(INFINITY) ? x : made;
  made = x == number(-1.f) ? number(-INFINITY) : made;
  return x == x ? made : x;
}

INLINE F vsoftplus(F x) {
  F e = exp_within(at_least((F)((N)x | sign_bit<float>()), number(-104.f)));
  F u = number(1.f) + e;
  F tail = log_normal(u, number(0.f)) + (e - (u - number(1.f))) / u;
  F made = at_least(x, number(0.f)) + (u == number(1.f) ? e : tail);
  return x == x ? made : x;
}

INLINE F verf(F x) {
  F a = absolute<float>(x), s = x * x;
  F r = fused(number(-1.72853470e-5f), a, number(3.83197126e-4f));
  F u = fused(number(-3.88396438e-3f), a, number(2.42546219e-2f));
  r = fused(r, s, u);
  r = fused(r, a, number(-1.06777877e-1f));
  r = fused(r, a, number(-6.34846687e-1f));
  r = fused(r, a, number(-1.28717512e-1f));
  r = fused(r, a, -a);
  F large = with_sign<float>(number(1.f) - vexp(r), x);
  large = a > number(4.f) ? with_sign<float>(number(1.f), x) : large;
  F q = number(-5.96761703e-4f);
  q = fused(q, s, number(4.99119423e-3f));
  q = fused(q, s, number(-2.67681349e-2f));
  q = fused(q, s, number(1.12819925e-1f));
  q = fused(q, s, number(-3.76125336e-1f));
  q = fused(q, s, number(1.28379166e-1f));
  F small = fused(q, x, x);
  F made = a > number(0.927734375f) ? large : small;
  return x == x ? made : x;
}
