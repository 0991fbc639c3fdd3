// Where the rows of every tensor of a program are, while a call runs. Included by run.cpp only, in its unnamed namespace.

// What one thread works with.
template <class T>
struct Thread {
  T *temp, *blocks, *gather[3], *work;
  T** pointers;  // four lists of rows
  i64 most;      // rows a list holds
  T** room(int which) const { return pointers + which * most; }
};

template <class T>
class Places {
 public:
  Places(const Program& p, const std::vector<Argument>& args, const Call& call) : program(p), args_(args), call(call) {
    ranks.fill(call);
  }

  const Program& program;
  const std::vector<Argument>& args_;
  const Call& call;
  Rows ranks;
  i64 chunk_rows = 0, cap = 0, first = 0;  // rows of the chunk scratch, of a temp; first position of the chunk in hand
  T *chunk = nullptr, *rowbuf = nullptr, *states = nullptr;
  std::vector<i64> carry_places;

  i64 length(i64 rank) const { return ranks.length.empty() ? call.T : ranks.length[size_t(rank)]; }
  i64 steps_of(i64 rank) const { return std::max<i64>(0, std::min(length(rank), call.tau1) - call.tau0); }
  i64 row(i64 rank) const { return ranks.order.empty() ? rank : ranks.order[size_t(rank)]; }
  i64 time(i64 tau, i64 rank) const { return call.reverse ? length(rank) - 1 - tau : tau; }
  T* slot(i64 index) const { return static_cast<T*>(args_[size_t(index)].data); }
  T* user(i64 index, i64 rank) const { return slot(index) + row(rank) * args_[size_t(index)].sb; }

  // A carried value as it comes into step tau of a forward pass, or leaves it in a backward pass.
  T* carried(size_t k, i64 tau, i64 rank) const {
    const i64 ld = program.carries[k].ld;
    return states + carry_places[k] + (tau & 1) * ld * call.B + rank * ld;
  }

  // Consecutive positions from `position` on; `from` is the step where the chunk begins.
  Block at_position(i64 from, i64 position, i64 rows) const {
    const auto after = std::upper_bound(ranks.start.begin() + from, ranks.start.end(), position);
    const i64 step = after - ranks.start.begin() - 1;
    const i64 rank = position - ranks.start[size_t(step)];
    return Block{rows, call.tau0 + step, rank, position, 0, rank + rows <= ranks.active[size_t(step)]};
  }

  // Some rows of a block, from its r-th on.
  Block some(const Block& b, i64 r, i64 rows) const {
    Block part = b;
    if (b.single) part.rank += r;
    else part = at_position(b.tau - call.tau0, b.position + r, rows);
    if (b.position >= 0) part.position = b.position + r;
    part.local = b.local + r;
    part.rows = rows;
    return part;
  }

  View<T> view(Thread<T>& own, int tensor, i64 offset, const Block& b, T** room) const {
    const Tensor& t = program.tensors[size_t(tensor)];
    switch (t.kind) {
      case Kind::param: return {slot(t.slot) + offset, 0, nullptr};
      case Kind::temp: return {own.temp + t.index * cap + b.local * t.ld + offset, t.ld, nullptr};
      case Kind::chunk: return {chunk + t.index * chunk_rows + (b.position - first) * t.ld + offset, t.ld, nullptr};
      case Kind::saved: return {slot(t.slot) + b.position * t.width + offset, t.width, nullptr};
      case Kind::state: return {carried(size_t(t.index), b.tau + !program.forward, b.rank) + offset, t.ld, nullptr};
      case Kind::next: return {carried(size_t(t.index), b.tau + program.forward, b.rank) + offset, t.ld, nullptr};
      case Kind::rowbuf:
        if (b.single) return {rowbuf + t.index * call.B + b.rank * t.width + offset, t.width, nullptr};
        break;
      case Kind::row:
        if (b.single && ranks.order.empty())
          return {slot(t.slot) + b.rank * args_[size_t(t.slot)].sb + offset, args_[size_t(t.slot)].sb, nullptr};
        break;
      case Kind::step:
        if (b.single && ranks.order.empty()) return {stepped(t, b.tau, b.rank) + offset, args_[size_t(t.slot)].sb, nullptr};
        break;
      case Kind::prev:
        if (b.single && b.tau == call.tau0) return view(own, t.first, offset, b, room);
        if (b.single) {
          Block before = b;
          before.tau--;
          before.position = ranks.start[size_t(before.tau - call.tau0)] + b.rank;
          return view(own, t.source, offset, before, room);
        }
        break;
    }
    i64 tau = b.tau, rank = b.rank;
    for (i64 r = 0; r < b.rows; r++) {
      room[r] = pointer(t, tau, rank) + offset;
      if (++rank == active(tau)) tau++, rank = 0;
    }
    return {nullptr, -1, room};
  }

 private:
  i64 active(i64 tau) const {
    const size_t step = size_t(tau - call.tau0);
    return step < ranks.active.size() ? ranks.active[step] : call.B;
  }

  T* stepped(const Tensor& t, i64 tau, i64 rank) const {
    const Argument& a = args_[size_t(t.slot)];
    return slot(t.slot) + row(rank) * a.sb + time(tau, rank) * a.st;
  }

  T* pointer(const Tensor& t, i64 tau, i64 rank) const {
    if (t.kind == Kind::step) return stepped(t, tau, rank);
    if (t.kind == Kind::row) return user(t.slot, rank);
    if (t.kind == Kind::rowbuf) return rowbuf + t.index * call.B + rank * t.width;
    if (t.kind == Kind::saved) return slot(t.slot) + (ranks.start[size_t(tau - call.tau0)] + rank) * t.width;
    return tau == call.tau0 ? user(program.tensors[size_t(t.first)].slot, rank)
                            : pointer(program.tensors[size_t(t.source)], tau - 1, rank);
  }
};
