// Elementwise work. Included by run.cpp only, in its unnamed namespace.

template <class T>
class Strips {
 public:
  Strips(const Places<T>& at, const Kernels<T>& k) : at_(at), k_(k) {}

  // The columns j0 ≤ j < j1 of the innermost dimension, of all rows of the block.
  void run(Thread<T>& own, const Strip& s, const Block& b, i64 j0, i64 j1) const {
    if (s.n[0] == 0 || s.n[1] == 0 || j0 >= j1) return;
    const size_t inputs = s.inputs.size(), all = inputs + s.outs.size();
    constexpr size_t kSmall = 48;
    View<T> few_views[kSmall];
    Plane few_planes[kSmall];
    std::vector<View<T>> more_views(all > kSmall ? all : 0);
    std::vector<Plane> more_planes(all > kSmall ? all : 0);
    std::vector<T*> more_room;
    View<T>* v = all > kSmall ? more_views.data() : few_views;
    Plane* plane = all > kSmall ? more_planes.data() : few_planes;
    size_t irregular = 0;
    for (size_t i = 0; i < all; i++) {
      const Operand& o = operand(s, i);
      if (irregular == 4 && more_room.empty()) more_room.resize(all * size_t(b.rows));
      v[i] = at_.view(own, o.tensor, o.offset, b, irregular < 4 ? own.room(int(irregular)) : more_room.data() + i * size_t(b.rows));
      irregular += !v[i].regular();
    }
    if (s.n[0] == 1 && s.n[1] == 1 && s.n[2] == 1) {  // one number a row: the rows are the line
      for (size_t i = 0; i < all; i++) plane[i] = {v[i].base, 0, v[i].ld, nullptr, v[i].rows};
      return lines(own, s, plane, 1, 0, b.rows);
    }
    if (s.n[0] == 1 && s.n[1] == 1) {
      for (size_t i = 0; i < all; i++)
        plane[i] = {v[i].base, v[i].ld, operand(s, i).s[2], v[i].rows, nullptr};
      return lines(own, s, plane, b.rows, j0, j1);
    }
    for (i64 r = 0; r < b.rows; r++)
      for (i64 i2 = 0; i2 < s.n[0]; i2++) {
        for (size_t i = 0; i < all; i++) {
          const Operand& o = operand(s, i);
          plane[i] = {v[i].at(r) + i2 * o.s[0], o.s[1], o.s[2], nullptr, nullptr};
        }
        lines(own, s, plane, s.n[1], j0, j1);
      }
  }

 private:
  // Lines of numbers: from line to line `ld` or see `rows`, from number to number `step` or see `points`.
  struct Plane {
    T* base;
    i64 ld, step;
    T* const* rows;
    T* const* points;
    bool direct() const { return !rows && !points; }
  };

  struct Source {
    const T* data;
    i64 ld;
  };

  static const Operand& operand(const Strip& s, size_t i) {
    return i < s.inputs.size() ? s.inputs[i] : s.outs[i - s.inputs.size()].to;
  }

  T* place(Thread<T>& own, int index) const { return own.blocks + index * kBlockNumbers; }

  void lines(Thread<T>& own, const Strip& s, const Plane* plane, i64 rows, i64 j0, i64 j1) const {
    const i64 width = std::min(kBlockNumbers, j1 - j0), height = std::max<i64>(1, kBlockNumbers / width);
    for (size_t i = 0; i < s.numbers.size(); i++) std::fill_n(place(own, s.places + int(i)), width, T(s.numbers[i]));
    for (i64 r = 0; r < rows; r += height)
      for (i64 j = j0; j < j1; j += width) patch(own, s, plane, r, std::min(height, rows - r), j, std::min(width, j1 - j));
  }

  // The operations of a strip on one patch of rows × n numbers, each result in a register block or right in memory.
  void patch(Thread<T>& own, const Strip& s, const Plane* plane, i64 r0, i64 rows, i64 j0, i64 n) const {
    const int inputs = int(s.inputs.size()), first = inputs + int(s.numbers.size());
    const size_t all = size_t(first) + s.ops.size();
    Source small[128];
    std::vector<Source> large(all > 128 ? all : 0);
    Source* value = all > 128 ? large.data() : small;
    for (int i = 0; i < inputs; i++) input(own, s, plane[i], i, r0, rows, j0, n, value[i]);
    for (int i = inputs; i < first; i++) value[i] = {place(own, s.places + i - inputs), 0};
    for (size_t i = 0; i < s.ops.size(); i++) {
      const StripOp& op = s.ops[i];
      T* to = place(own, op.place);
      i64 ld = n;
      const int out = s.written[i];
      if (out >= 0 && in_place(plane[inputs + out])) {
        const Plane& p = plane[inputs + out];
        to = p.base + r0 * p.ld + j0;
        ld = p.ld;
      }
      // Never copied whole: what was just written in two parts would wait for all writes before it.
      const Source& a = value[op.args[0]];
      const Source &b = op.args[1] < 0 ? a : value[op.args[1]], &c = op.args[2] < 0 ? a : value[op.args[2]];
      k_.elementwise[int(op.op)](rows, n, to, ld, a.data, a.ld, b.data, b.ld, c.data, c.ld);
      value[first + int(i)] = {to, ld};
    }
    for (size_t o = 0; o < s.outs.size(); o++) {
      const int made = s.outs[o].value;
      const Plane& p = plane[inputs + int(o)];
      if (made >= first && s.written[size_t(made - first)] == int(o) && in_place(p)) continue;
      output(p, value[made], r0, rows, j0, n);
    }
  }

  static bool in_place(const Plane& p) { return p.direct() && p.step == 1; }

  void input(Thread<T>& own, const Strip& s, const Plane& p, int i, i64 r0, i64 rows, i64 j0, i64 n, Source& found) const {
    if ((p.step == 1 || n == 1) && p.direct()) {
      found.data = p.base + r0 * p.ld + j0 * p.step;
      found.ld = p.ld;
      return;
    }
    T* to = place(own, s.input_places[size_t(i)]);
    if (p.points)
      for (i64 j = 0; j < n; j++) to[j] = *p.points[j0 + j];
    else if (p.rows)
      for (i64 r = 0; r < rows; r++) k_.gather(1, n, to + r * n, n, p.rows[r0 + r] + j0 * p.step, 0, p.step);
    else k_.gather(rows, n, to, n, p.base + r0 * p.ld + j0 * p.step, p.ld, p.step);
    found.data = to;
    found.ld = n;
  }

  void output(const Plane& p, const Source& from, i64 r0, i64 rows, i64 j0, i64 n) const {
    if (p.points)
      for (i64 j = 0; j < n; j++) *p.points[j0 + j] = from.data[j];
    else if (p.rows)
      for (i64 r = 0; r < rows; r++) k_.scatter(1, n, p.rows[r0 + r] + j0 * p.step, 0, p.step, from.data + r * from.ld, 0);
    else k_.scatter(rows, n, p.base + r0 * p.ld + j0 * p.step, p.ld, p.step, from.data, from.ld);
  }

  const Places<T>& at_;
  const Kernels<T>& k_;
};
