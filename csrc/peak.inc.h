// What the processor could do at most: multiply-adds that wait for no memory. Included by kernels.cpp only.

template <class T>
i64 multiply_add(i64 rounds, T* end) {
  // Two units with a latency of 4 cycles (5 on some) keep up to 10 in flight; 12, a factor and an addend fit in 16
  // registers. Each chain tends to addend / (1 - factor), so no number ever becomes subnormal or infinite.
  constexpr int kChains = 12;
  const Vec<T> factor = spread<T>(T(0.5)), addend = spread<T>(T(0.25));
  Vec<T> chain[kChains];
  for (int i = 0; i < kChains; i++) chain[i] = spread<T>(T(i));
  for (i64 round = 0; round < rounds; round++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) chain[i] = fused(chain[i], factor, addend);
  }
  Vec<T> total = chain[0];
  for (int i = 1; i < kChains; i++) total += chain[i];
  *end = total[0];
  return rounds * kChains * kLanes<T>;
}
