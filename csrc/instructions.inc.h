// The interpreter. Included by run.cpp only, inside its unnamed namespace.

template <class T>
class Runner {
 public:
  Runner(const Program& p, const std::vector<Argument>& args, const Call& call, Workspace& space)
      : p_(p), args_(args), call_(call), space_(space), k_(kernels<T>()) {
    rows_.fill(call);
  }

  // Small work is not worth a second thread.
  int useful_threads() const {
    const i64 rows = rows_.start.back();
    i64 width = p_.temp_width + p_.chunk_width;
    for (const Pack& k : p_.packs) width += k.K * k.N / 16;
    const i64 most = rows * std::max<i64>(1, width) / 20000;
    return int(std::max<i64>(1, std::min<i64>({call_.threads, most, std::max(call_.B, rows)})));
  }

  void prepare(int threads) {
    barrier_ = std::make_unique<Barrier>(threads);
    threads_ = threads;
    chunks();
    i64 packed = 0;
    places_.resize(p_.packs.size());
    for (size_t i = 0; i < p_.packs.size(); i++) {
      places_[i] = packed;
      packed += (k_.packed_size(p_.packs[i].K, p_.packs[i].N) + 15) / 16 * 16;
    }
    i64 carried = 0;
    for (const Carry& c : p_.carries) {
      carry_places_.push_back(carried);
      carried += 2 * c.width * call_.B;
    }
    size_t index = 0;
    packs_ = numbers(index++, packed);
    chunk_ = numbers(index++, p_.chunk_width * chunk_rows_);
    rowbuf_ = numbers(index++, p_.rowbuf_width * call_.B);
    carried_ = numbers(index++, carried);
    cap_ = std::max(kBlockPositions, kTileRows);
    tn_work_ = 0;
    for (const Sum& s : p_.sums) tn_work_ = std::max(tn_work_, k_.tn_work(s.N));
    int places = 1;
    for (const Strip& s : p_.strips) places = std::max(places, s.places + int(s.numbers.size()));
    const i64 gathered = 3 * p_.gather_width * std::max<i64>(256, cap_);
    const i64 each = p_.temp_width * cap_ + places * kBlockNumbers + gathered + tn_work_ + 64;
    for (int t = 0; t < threads; t++) {
      Thread own;
      T* at = numbers(index++, each);
      own.temp = at;
      own.blocks = at += p_.temp_width * cap_;
      own.gather[0] = at += places * kBlockNumbers;
      own.gather[1] = at += gathered / 3;
      own.gather[2] = at += gathered / 3;
      own.work = at += gathered / 3;
      own.pointers.resize(size_t(4 * std::max<i64>(256, cap_)));
      own.taus.resize(size_t(std::max<i64>(256, cap_)));
      own.ranks.resize(own.taus.size());
      own_.push_back(std::move(own));
    }
    divide(threads);
  }

  void work(int thread, int threads) {
    if (threads != threads_) return alone();
    Thread& own = own_[size_t(thread)];
    pack_all(thread, threads);
    load_states(thread, threads);
    barrier_->wait();
    if (!p_.rows.empty()) {
      for (i64 r = thread * kBlockPositions; r < call_.B; r += threads * kBlockPositions)
        block(own, p_.rows, Block{std::min(kBlockPositions, call_.B - r), call_.tau0, r, -1, 0, true});
      barrier_->wait();
    }
    const i64 count = i64(bounds_.size()) - 1;
    for (i64 c = 0; c < count; c++) {
      const i64 index = p_.forward ? c : count - 1 - c;
      chunk(own, thread, threads, bounds_[size_t(index)], bounds_[size_t(index) + 1]);
    }
    store_states(thread, threads);
  }

 private:
  struct Thread {
    T *temp, *blocks, *gather[3], *work;
    std::vector<T*> pointers;
    std::vector<i64> taus, ranks;
    i64 first = 0;  // position where the chunk in hand begins
  };

  T* numbers(size_t index, i64 count) { return static_cast<T*>(space_.take(index, size_t(count + 16) * sizeof(T))); }

  // The team came out smaller than planned: do everything here.
  void alone() {
    barrier_ = std::make_unique<Barrier>(1);
    threads_ = 1;
    divide(1);
    work(0, 1);
  }

  // Whole steps, so many that their scratch stays in the cache; by the program, the rows and their lengths alone.
  void chunks() {
    const i64 steps = call_.tau1 - call_.tau0;
    const bool split = p_.chunk_width > 0;
    const i64 bytes = std::max<i64>(1, p_.chunk_width) * i64(sizeof(T));
    const i64 target = std::max(kChunkPositions, kChunkBytes / bytes);
    std::vector<i64> sizes;
    chunk_rows_ = 0;
    auto size = [&](i64 from, i64 to) { return rows_.start[size_t(to)] - rows_.start[size_t(from)]; };
    bounds_.assign(1, 0);
    for (i64 t = 1; t <= steps; t++) {
      const bool full = split && size(bounds_.back(), t) >= target;
      if (full || t == steps) {
        chunk_rows_ = std::max(chunk_rows_, size(bounds_.back(), t));
        bounds_.push_back(t);
      }
    }
  }

  // Ranks for each thread, with about equal sums of lengths.
  void divide(int threads) {
    ranges_.assign(1, 0);
    const i64 total = rows_.start.back();
    i64 sum = 0, rank = 0;
    for (int t = 1; t < threads; t++) {
      while (rank < call_.B && sum * threads < total * t) sum += steps_of(rank++);
      ranges_.push_back(rank);
    }
    ranges_.push_back(call_.B);
  }

  i64 length(i64 rank) const { return rows_.length.empty() ? call_.T : rows_.length[size_t(rank)]; }
  i64 steps_of(i64 rank) const { return std::max<i64>(0, std::min(length(rank), call_.tau1) - call_.tau0); }
  i64 row(i64 rank) const { return rows_.order.empty() ? rank : rows_.order[size_t(rank)]; }
  i64 time(i64 tau, i64 rank) const { return call_.reverse ? length(rank) - 1 - tau : tau; }
  T* slot(i64 index) const { return static_cast<T*>(args_[size_t(index)].data); }

  // Parameters and states

  void pack_all(int thread, int threads) {
    for (size_t i = size_t(thread); i < p_.packs.size(); i += size_t(threads)) {
      const Pack& k = p_.packs[i];
      k_.pack(slot(p_.tensors[size_t(k.tensor)].slot) + k.offset, k.sk, k.sn, k.K, k.N, packs_ + places_[i]);
    }
  }

  T* carried(size_t k, i64 tau, i64 rank) const {
    const i64 width = p_.carries[k].width;
    return carried_ + carry_places_[k] + (tau & 1) * width * call_.B + rank * width;
  }

  void load_states(int thread, int threads) {
    for (size_t k = 0; k < p_.carries.size(); k++)
      for (i64 r = thread; r < call_.B; r += threads) {
        const Carry& c = p_.carries[k];
        const i64 steps = steps_of(r);
        T* to = steps == 0 ? user(c.out, r) : carried(k, call_.tau0 + (p_.forward ? 0 : steps), r);
        if (c.in >= 0) std::memcpy(to, user(c.in, r), size_t(c.width) * sizeof(T));
        else std::memset(to, 0, size_t(c.width) * sizeof(T));
      }
  }

  void store_states(int thread, int threads) {
    barrier_->wait();
    for (size_t k = 0; k < p_.carries.size(); k++)
      for (i64 r = thread; r < call_.B; r += threads) {
        const i64 steps = steps_of(r);
        if (steps == 0) continue;
        const T* from = carried(k, call_.tau0 + (p_.forward ? steps : 0), r);
        std::memcpy(user(p_.carries[k].out, r), from, size_t(p_.carries[k].width) * sizeof(T));
      }
  }

  T* user(i64 index, i64 rank) const { return slot(index) + row(rank) * args_[size_t(index)].sb; }

  // Phases

  void chunk(Thread& own, int thread, int threads, i64 from, i64 to) {
    own.first = rows_.start[size_t(from)];
    const i64 end = rows_.start[size_t(to)];
    over_positions(own, p_.before, thread, threads, from, end);
    if (!p_.loop.empty()) {
      loop(own, thread, from, to);
      barrier_->wait();
    }
    over_positions(own, p_.after, thread, threads, from, end);
    if (!p_.fold.empty()) {
      fold(own, thread, from, to);
      barrier_->wait();
    }
    if (!p_.sums.empty()) {
      sums(own, thread, threads, from, end);
      barrier_->wait();
    }
  }

  void over_positions(Thread& own, const std::vector<Instruction>& list, int thread, int threads, i64 from, i64 end) {
    if (list.empty()) return;
    const i64 all = end - own.first, last = own.first + all * (thread + 1) / threads;
    i64 at = own.first + all * thread / threads;
    for (i64 blocks = (last - at + kBlockPositions - 1) / kBlockPositions; blocks > 0; blocks--) {
      const i64 rows = (last - at) / blocks;  // blocks of equal height, give or take one row
      block(own, list, at_position(from, at, rows));
      at += rows;
    }
    barrier_->wait();
  }

  Block at_position(i64 from, i64 position, i64 rows) const {
    const auto after = std::upper_bound(rows_.start.begin() + from, rows_.start.end(), position);
    const i64 step = after - rows_.start.begin() - 1;
    const i64 rank = position - rows_.start[size_t(step)];
    return Block{rows, call_.tau0 + step, rank, position, 0, rank + rows <= rows_.active[size_t(step)]};
  }

  void loop(Thread& own, int thread, i64 from, i64 to) {
    for (i64 r0 = ranges_[size_t(thread)]; r0 < ranges_[size_t(thread) + 1]; r0 += kTileRows) {
      const i64 r1 = std::min(r0 + kTileRows, ranges_[size_t(thread) + 1]);
      for (i64 i = from; i < to; i++) {
        const i64 step = p_.forward ? i : to - 1 - (i - from);
        const i64 rows = std::min(r1, rows_.active[size_t(step)]) - r0;
        if (rows <= 0) continue;
        const Block b{rows, call_.tau0 + step, r0, rows_.start[size_t(step)] + r0, 0, true};
        block(own, p_.loop, b);
        if (!p_.forward && call_.truncate > 0 && b.tau > 0 && b.tau % call_.truncate == 0) cut(b);
      }
    }
  }

  void cut(const Block& b) {
    for (size_t k = 0; k < p_.carries.size(); k++)
      std::memset(carried(k, b.tau, b.rank), 0, size_t(b.rows * p_.carries[k].width) * sizeof(T));
  }

  void fold(Thread& own, int thread, i64 from, i64 to) {
    for (i64 r = ranges_[size_t(thread)]; r < ranges_[size_t(thread) + 1]; r++)
      for (i64 i = from; i < to; i++) {
        const i64 step = p_.forward ? i : to - 1 - (i - from);
        if (r >= rows_.active[size_t(step)]) continue;
        const Block b{1, call_.tau0 + step, r, rows_.start[size_t(step)] + r, 0, true};
        for (const Instruction& in : p_.fold) one(own, in, b);
      }
  }

  // Instructions between two products go over a few rows at a time, so that what they hand on stays near.
  void block(Thread& own, const std::vector<Instruction>& list, const Block& b) {
    const size_t count = list.size();
    for (size_t i = 0; i < count;) {
      if (list[i].type == Instruction::gemm) {
        gemm(own, p_.gemms[size_t(list[i].index)], b);
        i++;
        continue;
      }
      size_t j = i;
      i64 width = 1;
      for (; j < count && list[j].type != Instruction::gemm; j++) width = std::max(width, list[j].width);
      const i64 few = j == i + 1 ? b.rows : std::max<i64>(1, 4096 / width);
      for (i64 r = 0; r < b.rows; r += few) {
        const Block part = some(b, r, std::min(few, b.rows - r));
        for (size_t n = i; n < j; n++) one(own, list[n], part);
      }
      i = j;
    }
  }

  Block some(const Block& b, i64 r, i64 rows) const {
    Block part = b;
    if (b.single) part.rank += r;
    else part = at_position(b.tau - call_.tau0, b.position + r, rows);
    if (b.position >= 0) part.position = b.position + r;
    part.local = b.local + r;
    part.rows = rows;
    return part;
  }

  void one(Thread& own, const Instruction& in, const Block& b) {
    switch (in.type) {
      case Instruction::strip: return strip(own, p_.strips[size_t(in.index)], b);
      case Instruction::gemm: return gemm(own, p_.gemms[size_t(in.index)], b);
      case Instruction::reduce: return reduce(own, p_.reduces[size_t(in.index)], b);
      case Instruction::matmul: return matmul(own, p_.matmuls[size_t(in.index)], b);
    }
  }

  // Where the rows of a tensor are

  View<T> view(Thread& own, int tensor, i64 offset, const Block& b, T** room) {
    const Tensor& t = p_.tensors[size_t(tensor)];
    switch (t.kind) {
      case Kind::param: return {slot(t.slot) + offset, 0, nullptr};
      case Kind::temp: return {own.temp + t.index * cap_ + b.local * t.width + offset, t.width, nullptr};
      case Kind::chunk:
        return {chunk_ + t.index * chunk_rows_ + (b.position - own.first) * t.width + offset, t.width, nullptr};
      case Kind::saved: return {slot(t.slot) + b.position * t.width + offset, t.width, nullptr};
      case Kind::state: return {carried(size_t(t.index), b.tau + !p_.forward, b.rank) + offset, t.width, nullptr};
      case Kind::next: return {carried(size_t(t.index), b.tau + p_.forward, b.rank) + offset, t.width, nullptr};
      case Kind::rowbuf:
        if (b.single) return {rowbuf_ + t.index * call_.B + b.rank * t.width + offset, t.width, nullptr};
        break;
      case Kind::row:
        if (b.single && rows_.order.empty())
          return {slot(t.slot) + b.rank * args_[size_t(t.slot)].sb + offset, args_[size_t(t.slot)].sb, nullptr};
        break;
      case Kind::step:
        if (b.single && rows_.order.empty()) return {stepped(t, b.tau, b.rank) + offset, args_[size_t(t.slot)].sb, nullptr};
        break;
      case Kind::prev:
        if (b.single && b.tau == call_.tau0) return view(own, t.first, offset, b, room);
        if (b.single) {
          Block before = b;
          before.tau--;
          before.position = rows_.start[size_t(before.tau - call_.tau0)] + b.rank;
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

  i64 active(i64 tau) const {
    const size_t step = size_t(tau - call_.tau0);
    return step < rows_.active.size() ? rows_.active[step] : call_.B;
  }

  T* stepped(const Tensor& t, i64 tau, i64 rank) const {
    const Argument& a = args_[size_t(t.slot)];
    return slot(t.slot) + row(rank) * a.sb + time(tau, rank) * a.st;
  }

  T* pointer(const Tensor& t, i64 tau, i64 rank) const {
    if (t.kind == Kind::step) return stepped(t, tau, rank);
    if (t.kind == Kind::row) return user(t.slot, rank);
    if (t.kind == Kind::rowbuf) return rowbuf_ + t.index * call_.B + rank * t.width;
    if (t.kind == Kind::saved) return slot(t.slot) + (rows_.start[size_t(tau - call_.tau0)] + rank) * t.width;
    return tau == call_.tau0 ? user(p_.tensors[size_t(t.first)].slot, rank)
                             : pointer(p_.tensors[size_t(t.source)], tau - 1, rank);
  }

  T** room(Thread& own, int which) { return own.pointers.data() + which * i64(own.taus.size()); }

  // Products

  void gemm(Thread& own, const Gemm& g, const Block& b) {
    const Pack& k = p_.packs[size_t(g.pack)];
    View<T> a = view(own, g.a.tensor, g.a.offset, b, room(own, 0));
    View<T> out = view(own, g.out.tensor, g.out.offset, b, room(own, 1));
    const T* bias = g.bias < 0 ? nullptr : slot(p_.tensors[size_t(g.bias)].slot) + g.bias_offset;
    const T* packed = packs_ + places_[size_t(g.pack)];
    const i64 n = g.subrows, M = b.rows * n;
    const bool direct_a = n == 1 ? a.regular() && (a.ld > 0 || b.rows == 1) : a.ld == n * g.a.s[1];
    const bool direct_out = n == 1 ? out.regular() : out.ld == n * g.out.s[1];
    const T* from = a.base;
    i64 lda = n == 1 ? a.ld : g.a.s[1];
    if (!direct_a) {
      for (i64 r = 0; r < b.rows; r++) k_.gather(n, k.K, own.gather[0] + r * n * k.K, k.K, a.at(r), g.a.s[1], 1);
      from = own.gather[0];
      lda = k.K;
    }
    if (direct_out) {
      k_.gemm(M, k.N, k.K, from, lda, packed, g.init, bias, out.base, n == 1 ? out.ld : g.out.s[1], 0, k.N);
      return;
    }
    T* aside = own.gather[1];
    for (i64 r = 0; r < b.rows && g.init == Init::accumulate; r++)
      k_.gather(n, k.N, aside + r * n * k.N, k.N, out.at(r), g.out.s[1], 1);
    k_.gemm(M, k.N, k.K, from, lda, packed, g.init, bias, aside, k.N, 0, k.N);
    for (i64 r = 0; r < b.rows; r++) k_.gather(n, k.N, out.at(r), g.out.s[1], aside + r * n * k.N, k.N, 1);
  }

  void matmul(Thread& own, const Matmul& m, const Block& b) {
    View<T> c = view(own, m.c.tensor, m.c.offset, b, room(own, 0));
    View<T> x = view(own, m.a.tensor, m.a.offset, b, room(own, 1));
    View<T> y = view(own, m.b.tensor, m.b.offset, b, room(own, 2));
    for (i64 r = 0; r < b.rows; r++)
      for (i64 i = 0; i < m.batch; i++)
        k_.matmul(m.M, m.N, m.K, x.at(r) + i * m.a.s[0], m.a.s[1], m.a.s[2], y.at(r) + i * m.b.s[0], m.b.s[1], m.b.s[2],
                  m.init, c.at(r) + i * m.c.s[0], m.c.s[1], m.c.s[2]);
  }

  // Reductions

  void reduce(Thread& own, const Reduce& q, const Block& b) {
    View<T> in = view(own, q.in.tensor, q.in.offset, b, room(own, 0));
    View<T> out = view(own, q.out.tensor, q.out.offset, b, room(own, 1));
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

  // Whole lines joined, one after the other.
  void lines(const Reduce& q, const T* in, T* out) {
    const auto join = k_.elementwise[int(q.what == 0 ? Op::add : q.what == 1 ? Op::max : Op::min)];
    for (i64 i = 0; i < q.n[0]; i++) {
      const T* from = in + i * q.in.s[0];
      T* to = out + i * q.n[2];
      std::memcpy(to, from, size_t(q.n[2]) * sizeof(T));
      for (i64 k = 1; k < q.n[1]; k++) join(1, q.n[2], to, q.n[2], to, q.n[2], from + k * q.in.s[1], 0, nullptr, 0);
    }
  }

  // Elementwise

  // A plane of a strip: `rows` lines of n0 numbers; where each operand begins and how far its lines lie apart.
  struct Plane {
    T* base;
    i64 ld;
    T* const* rows;
    T* at(i64 r) const { return rows ? rows[r] : base + r * ld; }
  };

  void strip(Thread& own, const Strip& s, const Block& b) {
    if (s.n[0] == 0 || s.n[1] == 0 || s.n[2] == 0) return;
    const size_t inputs = s.inputs.size(), all = inputs + s.outs.size();
    constexpr size_t kSmall = 48;
    View<T> views[kSmall];
    Plane planes[kSmall];
    std::vector<View<T>> more_views;
    std::vector<Plane> more_planes;
    std::vector<T*> more_room;
    View<T>* v = views;
    Plane* plane = planes;
    if (all > kSmall) {
      more_views.resize(all);
      more_planes.resize(all);
      v = more_views.data();
      plane = more_planes.data();
    }
    size_t irregular = 0;
    const size_t most = own.pointers.size() / own.taus.size();
    for (size_t i = 0; i < all; i++) {
      const Operand& o = i < inputs ? s.inputs[i] : s.outs[i - inputs].to;
      if (irregular == most && more_room.empty()) more_room.resize(all * size_t(b.rows));
      T** room = irregular < most ? own.pointers.data() + irregular * own.taus.size() : more_room.data() + i * size_t(b.rows);
      v[i] = view(own, o.tensor, o.offset, b, room);
      irregular += !v[i].regular();
    }
    numbers_of(own, s);
    if (s.n[0] == 1 && s.n[1] == 1) {
      for (size_t i = 0; i < all; i++) plane[i] = {v[i].base, v[i].ld, v[i].rows};
      return lines_of(own, s, plane, b.rows);
    }
    for (i64 r = 0; r < b.rows; r++)
      for (i64 i2 = 0; i2 < s.n[0]; i2++) {
        for (size_t i = 0; i < all; i++) {
          const Operand& o = i < inputs ? s.inputs[i] : s.outs[i - inputs].to;
          plane[i] = {v[i].at(r) + i2 * o.s[0], o.s[1], nullptr};
        }
        lines_of(own, s, plane, s.n[1]);
      }
  }

  T* place(Thread& own, int index) const { return own.blocks + index * kBlockNumbers; }

  void numbers_of(Thread& own, const Strip& s) {
    const i64 n = std::min(kBlockNumbers, s.n[2]);
    for (size_t i = 0; i < s.numbers.size(); i++) std::fill_n(place(own, s.places + int(i)), n, T(s.numbers[i]));
  }

  void lines_of(Thread& own, const Strip& s, const Plane* plane, i64 rows) {
    const i64 n0 = s.n[2], width = std::min(kBlockNumbers, n0), height = std::max<i64>(1, kBlockNumbers / width);
    for (i64 r = 0; r < rows; r += height)
      for (i64 j = 0; j < n0; j += width)
        patch(own, s, plane, r, std::min(height, rows - r), j, std::min(width, n0 - j));
  }

  struct Source {
    const T* data;
    i64 ld;
  };

  // The operations of a strip on one patch of rows × n numbers, each result in a register block or right in memory.
  void patch(Thread& own, const Strip& s, const Plane* plane, i64 r0, i64 rows, i64 j0, i64 n) {
    const int inputs = int(s.inputs.size()), first = inputs + int(s.numbers.size());
    Source small[128];
    std::vector<Source> large;
    Source* value = small;
    if (first + s.ops.size() > 128) {
      large.resize(size_t(first) + s.ops.size());
      value = large.data();
    }
    for (int i = 0; i < inputs; i++) value[i] = input(own, s, plane[i], i, r0, rows, j0, n);
    for (int i = inputs; i < first; i++) value[i] = {place(own, s.places + i - inputs), 0};
    for (size_t i = 0; i < s.ops.size(); i++) {
      const StripOp& op = s.ops[i];
      T* to = place(own, op.place);
      i64 ld = n;
      const int out = s.written[i];
      if (out >= 0 && !plane[inputs + out].rows) {
        to = plane[inputs + out].base + r0 * plane[inputs + out].ld + j0;
        ld = plane[inputs + out].ld;
      }
      const Source a = value[op.args[0]];
      const Source b = op.args[1] < 0 ? a : value[op.args[1]], c = op.args[2] < 0 ? a : value[op.args[2]];
      k_.elementwise[int(op.op)](rows, n, to, ld, a.data, a.ld, b.data, b.ld, c.data, c.ld);
      value[first + int(i)] = {to, ld};
    }
    for (size_t o = 0; o < s.outs.size(); o++) output(s, plane[inputs + int(o)], int(o), value, first, r0, rows, j0, n);
  }

  Source input(Thread& own, const Strip& s, const Plane& p, int i, i64 r0, i64 rows, i64 j0, i64 n) {
    const i64 step = s.inputs[size_t(i)].s[2];
    if ((step == 1 || n == 1) && !p.rows) return {p.base + r0 * p.ld + j0 * step, p.ld};
    T* to = place(own, s.input_places[size_t(i)]);
    if (p.rows)
      for (i64 r = 0; r < rows; r++) k_.gather(1, n, to + r * n, n, p.rows[r0 + r] + j0 * step, 0, step);
    else k_.gather(rows, n, to, n, p.base + r0 * p.ld + j0 * step, p.ld, step);
    return {to, n};
  }

  void output(const Strip& s, const Plane& p, int o, const Source* value, int first, i64 r0, i64 rows, i64 j0, i64 n) {
    const StripOut& out = s.outs[size_t(o)];
    const Source from = value[out.value];
    const i64 step = out.to.s[2];
    if (out.value >= first && s.written[size_t(out.value - first)] == o && !p.rows) return;
    if (p.rows)
      for (i64 r = 0; r < rows; r++) k_.scatter(1, n, p.rows[r0 + r] + j0 * step, 0, step, from.data + r * from.ld, 0);
    else k_.scatter(rows, n, p.base + r0 * p.ld + j0 * step, p.ld, step, from.data, from.ld);
  }

  // Sums over positions

  // Every thread sums all positions, of its own part of the outputs: the same bits at any number of threads.
  void sums(Thread& own, int thread, int threads, i64 from, i64 end) {
    for (size_t i = 0; i < p_.sums.size(); i++) {
      const Sum& s = p_.sums[i];
      if (s.x.tensor < 0) {
        if (int(i) % threads == thread) column_sums(own, s, from, end);
        continue;
      }
      const i64 m0 = s.M * thread / threads, m1 = s.M * (thread + 1) / threads;
      if (m0 < m1) weight_sum(own, s, from, end, m0, m1);
    }
  }

  // Positions are taken in runs of 256 sub-rows or whole multiples, so that blocks of the sum lie where they would.
  i64 run_of(const Sum& s) const { return s.subrows >= 256 || 256 % s.subrows ? 256 : 256 / s.subrows; }

  void weight_sum(Thread& own, const Sum& s, i64 from, i64 end, i64 m0, i64 m1) {
    T* to = slot(s.slot) + s.offset;
    const i64 step = run_of(s);
    for (i64 at = own.first; at < end; at += step) {
      const Block b = at_position(from, at, std::min(step, end - at));
      const Side d = side(own, s.d, b, s.subrows, s.M, 0), x = side(own, s.x, b, s.subrows, s.N, 1);
      k_.gemm_tn(s.M, s.N, b.rows * s.subrows, d.data, d.ld, x.data, x.ld, to, s.ld, m0, m1, own.work);
    }
  }

  void column_sums(Thread& own, const Sum& s, i64 from, i64 end) {
    const i64 step = run_of(s);
    for (i64 at = own.first; at < end; at += step) {
      const Block b = at_position(from, at, std::min(step, end - at));
      const Side d = side(own, s.d, b, s.subrows, s.N, 0);
      k_.column_sums(s.N, b.rows * s.subrows, d.data, d.ld, slot(s.slot) + s.offset);
    }
  }

  struct Side {
    const T* data;
    i64 ld;
  };

  // The sub-rows of a block, one below the other; gathered where they do not lie so.
  Side side(Thread& own, const Operand& o, const Block& b, i64 subrows, i64 width, int which) {
    View<T> v = view(own, o.tensor, o.offset, b, room(own, which));
    if (subrows == 1 && v.regular()) return {v.base, v.ld};
    if (v.regular() && v.ld == subrows * o.s[1]) return {v.base, o.s[1]};
    for (i64 r = 0; r < b.rows; r++)
      k_.gather(subrows, width, own.gather[which] + r * subrows * width, width, v.at(r), o.s[1], 1);
    return {own.gather[which], width};
  }

  const Program& p_;
  const std::vector<Argument>& args_;
  const Call& call_;
  Workspace& space_;
  const Kernels<T>& k_;
  Rows rows_;
  std::unique_ptr<Barrier> barrier_;
  int threads_ = 1;
  std::vector<i64> bounds_, ranges_, places_, carry_places_;
  i64 chunk_rows_ = 0, cap_ = 0, tn_work_ = 0;
  T *packs_ = nullptr, *chunk_ = nullptr, *rowbuf_ = nullptr, *carried_ = nullptr;
  std::vector<Thread> own_;
};
