// Products, reductions and sums over positions. Included by run.cpp only, in its unnamed namespace.

template <class T>
class Products {
 public:
  Products(const Places<T>& at, const Kernels<T>& k) : at_(at), p_(at.program), k_(k) {}

  // Packed matrices, each at its place.
  const T* packs = nullptr;
  const i64* places = nullptr;

  // The columns n0 ≤ n < n1 of a product with a packed matrix; n0 is a multiple of a panel, n1 one too or N.
  void gemm(Thread<T>& own, const Gemm& g, const Block& b, i64 n0, i64 n1) const {
    if (n0 >= n1) return;
    const Pack& k = p_.packs[size_t(g.pack)];
    const View<T> a = at_.view(own, g.a.tensor, g.a.offset, b, own.room(0));
    const View<T> out = at_.view(own, g.out.tensor, g.out.offset, b, own.room(1));
    const T* bias = g.bias < 0 ? nullptr : at_.slot(p_.tensors[size_t(g.bias)].slot) + g.bias_offset;
    const T* packed = packs + places[g.pack];
    const i64 n = g.subrows, M = b.rows * n, width = n1 - n0;
    const bool direct_a = n == 1 ? a.regular() && (a.ld > 0 || b.rows == 1) : a.ld == n * g.a.s[1];
    const bool direct_out = n == 1 ? out.regular() : out.ld == n * g.out.s[1];
    const T* from = a.base;
    i64 lda = n == 1 ? a.ld : g.a.s[1];
    const bool far = n == 1 && b.rows > 1 && lda * i64(sizeof(T)) >= kFarBytes && width >= kManyColumns;
    if (!direct_a || far) {
      const i64 ld = apart(k.K, sizeof(T));
      gathered(b.rows, n, k.K, own.gather[0], ld, a, g.a.s[1]);
      from = own.gather[0];
      lda = ld;
    }
    if (direct_out) {
      k_.gemm(M, k.N, k.K, from, lda, packed, g.init, bias, out.base, n == 1 ? out.ld : g.out.s[1], n0, n1);
      return;
    }
    T* aside = own.gather[1];
    for (i64 r = 0; r < b.rows && g.init == Init::accumulate; r++)
      k_.gather(n, width, aside + r * n * k.N + n0, k.N, out.at(r) + n0, g.out.s[1], 1);
    k_.gemm(M, k.N, k.K, from, lda, packed, g.init, bias, aside, k.N, n0, n1);
    for (i64 r = 0; r < b.rows; r++) k_.gather(n, width, out.at(r) + n0, g.out.s[1], aside + r * n * k.N + n0, k.N, 1);
  }

  void matmul(Thread<T>& own, const Matmul& m, const Block& b) const {
    const View<T> c = at_.view(own, m.c.tensor, m.c.offset, b, own.room(0));
    const View<T> x = at_.view(own, m.a.tensor, m.a.offset, b, own.room(1));
    const View<T> y = at_.view(own, m.b.tensor, m.b.offset, b, own.room(2));
    for (i64 r = 0; r < b.rows; r++)
      for (i64 i = 0; i < m.batch; i++)
        k_.matmul(m.M, m.N, m.K, x.at(r) + i * m.a.s[0], m.a.s[1], m.a.s[2], y.at(r) + i * m.b.s[0], m.b.s[1], m.b.s[2],
                  m.init, c.at(r) + i * m.c.s[0], m.c.s[1], m.c.s[2]);
  }

  void reduce(Thread<T>& own, const Reduce& q, const Block& b) const {
    const View<T> in = at_.view(own, q.in.tensor, q.in.offset, b, own.room(0));
    const View<T> out = at_.view(own, q.out.tensor, q.out.offset, b, own.room(1));
    const auto line = q.what == 0 ? k_.sum : q.what == 1 ? k_.max : k_.min;
    const i64 n1 = q.n[0], n = q.n[1], n0 = q.n[2];
    if (n1 == 1 && n0 == 1 && (q.in.s[1] == 1 || n <= 1) && in.regular() && out.regular())
      return line(b.rows, n, out.base, out.ld, in.base, in.ld);
    for (i64 r = 0; r < b.rows; r++) {
      if (n0 == 1 && (q.in.s[1] == 1 || n <= 1)) line(n1, n, out.at(r), 1, in.at(r), q.in.s[0]);
      else if (q.in.s[2] == 1 && n > 0) lines(q, in.at(r), out.at(r));
      else
        for (i64 i = 0; i < n1; i++)
          for (i64 j = 0; j < n0; j++) {
            k_.gather(1, n, own.gather[0], n, in.at(r) + i * q.in.s[0] + j * q.in.s[2], 0, q.in.s[1]);
            line(1, n, out.at(r) + i * n0 + j, 1, own.gather[0], n);
          }
    }
  }

  // Every thread sums all positions of a chunk, of its own part of the outputs: the same bits at any number of threads.
  // `fresh`: they begin at zero.
  void sums(Thread<T>& own, int thread, int threads, i64 from, i64 end, bool fresh) const {
    for (const Sum& s : p_.sums) {
      if (s.M == 1) {
        weighted_sums(own, s, thread, threads, from, end, fresh);
        continue;
      }
      const i64 m0 = s.M * thread / threads, m1 = s.M * (thread + 1) / threads;
      if (m0 >= m1) continue;
      if (fresh) clear(s, m0, m1);
      const i64 step = std::max<i64>(1, kSummed / s.subrows);  // a position of more sub-rows is a run of its own
      for (i64 at = at_.first; at < end; at += step) sum(own, s, at_.at_position(from, at, std::min(step, end - at)), m0, m1);
    }
  }

 private:
  // Whole lines joined, one after the other.
  void lines(const Reduce& q, const T* in, T* out) const {
    const auto join = k_.elementwise[int(q.what == 0 ? Op::add : q.what == 1 ? Op::max : Op::min)];
    for (i64 i = 0; i < q.n[0]; i++) {
      const T* from = in + i * q.in.s[0];
      T* to = out + i * q.n[2];
      std::memcpy(to, from, size_t(q.n[2]) * sizeof(T));
      for (i64 k = 1; k < q.n[1]; k++) join(1, q.n[2], to, q.n[2], to, q.n[2], from + k * q.in.s[1], 0, nullptr, 0);
    }
  }

  // The outputs m0 … m1 of a sum.
  void clear(const Sum& s, i64 m0, i64 m1) const {
    for (const auto& c : s.columns) std::memset(at_.slot(c.slot) + c.offset + m0, 0, size_t(m1 - m0) * sizeof(T));
    for (const auto& p : s.products)
      for (i64 m = m0; m < m1; m++) std::memset(at_.slot(p.slot) + p.offset + m * p.ld, 0, size_t(p.N) * sizeof(T));
  }

  // Sums whose left side is one column: every thread takes its part of the other side's columns.
  void weighted_sums(Thread<T>& own, const Sum& s, int thread, int threads, i64 from, i64 end, bool fresh) const {
    auto first = [threads](const Sum::Product& p, int t) { return std::min(p.N, (p.N + 15) / 16 * t / threads * 16); };
    auto place = [this](i64 slot, i64 offset) { return at_.slot(slot) + offset; };
    for (const auto& p : s.products)
      if (const i64 n0 = first(p, thread), n1 = first(p, thread + 1); fresh && n0 < n1)
        std::memset(place(p.slot, p.offset) + n0, 0, size_t(n1 - n0) * sizeof(T));
    for (const auto& c : s.columns)
      if (fresh && thread == 0) *place(c.slot, c.offset) = 0;
    const i64 step = std::max<i64>(1, kSummed / s.subrows);
    for (i64 at = at_.first; at < end; at += step) {
      const Block b = at_.at_position(from, at, std::min(step, end - at));
      const Side d = side(own, s.d, b, s.subrows, 1, 0);
      const i64 rows = b.rows * s.subrows;
      for (size_t i = 0; thread == 0 && i < s.columns.size(); i++) {
        T* to = place(s.columns[i].slot, s.columns[i].offset);
        for (i64 r = 0; r < rows; r += kSummed)
          k_.gemm_tn(std::min(kSummed, rows - r), d.data + r * d.ld, d.ld, 0, 1, 0, nullptr, 1, &to, own.work);
      }
      for (const auto& p : s.products) {
        const i64 n0 = first(p, thread), n1 = first(p, thread + 1);
        if (n0 == n1) continue;
        const Side x = side(own, p.x, b, s.subrows, p.N, 1);
        for (i64 r = 0; r < rows; r += kSummed)
          k_.weighted_sum(std::min(kSummed, rows - r), n1 - n0, d.data + r * d.ld, d.ld, x.data + r * x.ld + n0, x.ld,
                          place(p.slot, p.offset) + n0);
      }
    }
  }

  void sum(Thread<T>& own, const Sum& s, const Block& b, i64 m0, i64 m1) const {
    const Side d = side(own, s.d, b, s.subrows, s.M, 0);
    std::vector<T*> sums;
    for (const auto& c : s.columns) sums.push_back(at_.slot(c.slot) + c.offset);
    Right<T> rights[kTogether];
    for (i64 r = 0, rows = b.rows * s.subrows; r < rows; r += kSummed) {
      const i64 R = std::min(kSummed, rows - r);
      i64 columns = i64(sums.size());
      for (size_t done = 0; done < s.products.size() || columns; done += kTogether) {
        const size_t count = std::min(s.products.size() - done, size_t(kTogether));
        T* at = own.work + k_.tn_work();
        for (size_t i = 0; i < count; i++) {
          const Sum::Product& p = s.products[done + i];
          packed_right(own, p, b, s.subrows, r, R, at);
          rights[i] = {at, p.N, at_.slot(p.slot) + p.offset, p.ld};
          at += k_.tn_size(p.N);
        }
        k_.gemm_tn(R, d.data + r * d.ld, d.ld, m0, m1, i64(count), rights, columns, sums.data(), own.work);
        columns = 0;
      }
    }
  }

  // R sub-rows of a block, from the r-th on.
  void packed_right(Thread<T>& own, const Sum::Product& p, const Block& b, i64 subrows, i64 r, i64 R, T* to) const {
    const View<T> v = at_.view(own, p.x.tensor, p.x.offset, b, own.room(1));
    if (!v.regular() && subrows == 1) return k_.tn_pack(R, p.N, nullptr, 0, v.rows + r, to);
    const Side x = laid(own, v, p.x, b, subrows, p.N, 1);
    k_.tn_pack(R, p.N, x.data + r * x.ld, x.ld, nullptr, to);
  }

  struct Side {
    const T* data;
    i64 ld;
  };

  // The sub-rows of a block, one below the other; gathered where they do not lie so.
  Side side(Thread<T>& own, const Operand& o, const Block& b, i64 subrows, i64 width, int which) const {
    return laid(own, at_.view(own, o.tensor, o.offset, b, own.room(which)), o, b, subrows, width, which);
  }
  Side laid(Thread<T>& own, const View<T>& v, const Operand& o, const Block& b, i64 subrows, i64 width, int which) const {
    if (subrows == 1 && v.regular()) return {v.base, v.ld};
    if (v.regular() && v.ld == subrows * o.s[1]) return {v.base, o.s[1]};
    gathered(b.rows, subrows, width, own.gather[which], width, v, o.s[1]);
    return {own.gather[which], width};
  }

  // Rows put together.
  void gathered(i64 rows, i64 subrows, i64 width, T* to, i64 ldto, const View<T>& v, i64 ld) const {
    for (i64 r = 0; r < rows; r++) k_.gather(subrows, width, to + r * subrows * ldto, ldto, v.at(r), ld, 1);
  }

  const Places<T>& at_;
  const Program& p_;
  const Kernels<T>& k_;
};
