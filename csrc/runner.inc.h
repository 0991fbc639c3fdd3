// A call: its phases, chunks and threads. Included by run.cpp only, in its unnamed namespace.

template <class T>
class Runner {
 public:
  Runner(const Program& p, const std::vector<Argument>& args, const Call& call, Workspace& space)
      : p_(p), call_(call), space_(space), k_(kernels<T>()), at_(p, args, call), strips_(at_, k_), products_(at_, k_) {}

  // Small work is not worth a second thread.
  int useful_threads() const {
    const i64 rows = at_.ranks.start.back();
    i64 width = p_.temp_width + p_.chunk_width;
    for (const Pack& k : p_.packs) width += k.K * k.N / 16;
    const i64 most = rows * std::max<i64>(1, width) / 20000;
    return int(std::max<i64>(1, std::min<i64>(call_.threads, most)));
  }

  // `packed`: the packed matrices, where they are at hand already.
  void prepare(int threads, const T* packed) {
    barrier_ = std::make_unique<Barrier>(threads);
    threads_ = threads;
    chunks();
    pack_places(p_, k_, places_);
    i64 carried = 0;
    for (const Carry& c : p_.carries) {
      at_.carry_places.push_back(carried);
      carried += 2 * c.ld * call_.B;
    }
    size_t index = 0;
    packs_ = packed ? nullptr : numbers(index, places_.back());
    index++;
    products_.packs = packed ? packed : packs_;
    products_.places = places_.data();
    at_.chunk = numbers(index++, p_.chunk_width * at_.chunk_rows);
    at_.rowbuf = numbers(index++, p_.rowbuf_width * call_.B);
    at_.states = numbers(index++, carried);
    const i64 most = std::max<i64>(kSummed, at_.cap = std::max(kBlockPositions, kTileRows));
    i64 tn_work = k_.tn_work();
    for (const Sum& s : p_.sums)
      for (size_t i = 0; i < s.products.size(); i += kTogether) {
        i64 sizes = k_.tn_work();
        for (size_t j = i; j < std::min(s.products.size(), i + kTogether); j++) sizes += k_.tn_size(s.products[j].N);
        tn_work = std::max(tn_work, sizes);
      }
    int places = 1;
    for (const Strip& s : p_.strips) places = std::max(places, s.places + int(s.numbers.size()));
    const i64 gathered = p_.gather_width * most;
    const i64 each = p_.temp_width * at_.cap + places * kBlockNumbers + 3 * gathered + tn_work + 64;
    for (int t = 0; t < threads; t++) {
      Thread<T> own;
      T* at = numbers(index++, each);
      own.temp = at;
      own.blocks = at += p_.temp_width * at_.cap;
      own.gather[0] = at += places * kBlockNumbers;
      own.gather[1] = at += gathered;
      own.gather[2] = at += gathered;
      own.work = at += gathered;
      own.most = most;
      own.pointers = static_cast<T**>(space_.take(index++, size_t(4 * most) * sizeof(T*)));
      own_.push_back(own);
    }
    divide(threads);
  }

  void work(int thread, int threads) {
    if (threads != threads_) return alone();
    Thread<T>& own = own_[size_t(thread)];
    if (packs_)
      for (size_t i = size_t(thread); i < p_.packs.size(); i += size_t(threads)) pack_one(p_, k_, at_, i, packs_ + places_[i]);
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
      chunk(own, thread, threads, index);
    }
    store_states(thread, threads);
  }

 private:
  T* numbers(size_t index, i64 count) { return static_cast<T*>(space_.take(index, size_t(count + 16) * sizeof(T))); }

  // The team came out smaller than planned: do everything here.
  void alone() {
    barrier_ = std::make_unique<Barrier>(1);
    threads_ = 1;
    divide(1);
    work(0, 1);
  }

  // Whether a step of so many rows has its columns divided, not its rows: few rows, or matrices that no thread's cache
  // holds, and so much work in a step that meeting several times in it costs little. Which way changes no bit of any
  // result.
  bool splits_columns(i64 rows, int threads) const {
    i64 matrices = 0;
    for (const Instruction& in : p_.loop)
      if (in.type == Instruction::gemm) {
        const Pack& k = p_.packs[size_t(p_.gemms[size_t(in.index)].pack)];
        matrices += k.K * k.N;
      }
    const bool few = rows < 8 * threads, large = matrices * i64(sizeof(T)) > kNearBytes && rows <= 8 * threads;
    return threads > 1 && (few || large) && matrices * std::min<i64>(rows, 8) >= kStepWork * i64(p_.loop.size());
  }

  // Whole steps, so many that their scratch stays in the cache; by the program, the rows and their lengths alone.
  void chunks() {
    const std::vector<i64>& start = at_.ranks.start;
    const i64 steps = call_.tau1 - call_.tau0;
    const bool split = p_.chunk_width > 0;
    const i64 bytes = std::max<i64>(1, p_.chunk_width) * i64(sizeof(T));
    const i64 target = std::max(kChunkPositions, kChunkBytes / bytes);
    auto size = [&](i64 from, i64 to) { return start[size_t(to)] - start[size_t(from)]; };
    bounds_.assign(1, 0);
    for (i64 t = 1; t <= steps; t++) {
      const bool full = split && size(bounds_.back(), t) >= target;
      if (full || t == steps) {
        at_.chunk_rows = std::max(at_.chunk_rows, size(bounds_.back(), t));
        bounds_.push_back(t);
      }
    }
  }

  // Ranks for each thread, in each chunk, with about equal numbers of steps: the threads meet where a chunk ends.
  void divide(int threads) {
    ranges_.clear();
    for (size_t c = 0; c + 1 < bounds_.size(); c++) {
      const i64 from = bounds_[c], to = bounds_[c + 1];
      const i64 total = at_.ranks.start[size_t(to)] - at_.ranks.start[size_t(from)];
      auto steps = [&](i64 rank) { return std::clamp<i64>(at_.steps_of(rank), from, to) - from; };
      i64 sum = 0, rank = 0;
      for (int t = 0; t < threads; t++) {
        ranges_.push_back(rank);
        while (rank < call_.B && (2 * sum + steps(rank)) * threads <= 2 * total * (t + 1)) sum += steps(rank++);
      }
      ranges_.push_back(call_.B);
    }
  }

  // The first rank of a thread in the chunk in hand; of the thread after the last: the number of rows.
  i64 rank_of(i64 chunk, int thread) const { return ranges_[size_t(chunk * (threads_ + 1) + thread)]; }

  // States

  void load_states(int thread, int threads) {
    for (size_t k = 0; k < p_.carries.size(); k++)
      for (i64 r = thread; r < call_.B; r += threads) {
        const Carry& c = p_.carries[k];
        const i64 steps = at_.steps_of(r);
        T* to = steps == 0 ? at_.user(c.out, r) : at_.carried(k, call_.tau0 + (p_.forward ? 0 : steps), r);
        if (c.in >= 0) std::memcpy(to, at_.user(c.in, r), size_t(c.width) * sizeof(T));
        else std::memset(to, 0, size_t(c.width) * sizeof(T));
      }
  }

  void store_states(int thread, int threads) {
    barrier_->wait();
    for (size_t k = 0; k < p_.carries.size(); k++)
      for (i64 r = thread; r < call_.B; r += threads) {
        const i64 steps = at_.steps_of(r);
        if (steps == 0) continue;
        const T* from = at_.carried(k, call_.tau0 + (p_.forward ? steps : 0), r);
        std::memcpy(at_.user(p_.carries[k].out, r), from, size_t(p_.carries[k].width) * sizeof(T));
      }
  }

  // Phases

  void chunk(Thread<T>& own, int thread, int threads, i64 index) {
    const i64 from = bounds_[size_t(index)], to = bounds_[size_t(index) + 1];
    const i64 r0 = rank_of(index, thread), r1 = rank_of(index, thread + 1);
    const i64 first = at_.ranks.start[size_t(from)], end = at_.ranks.start[size_t(to)];
    if (thread == 0) at_.first = first;
    barrier_->wait();
    over_positions(own, p_.before, thread, threads, from, end);
    if (!p_.loop.empty()) {
      if (splits_columns(at_.ranks.active[size_t(from)], threads)) loop_by_columns(own, thread, threads, from, to);
      else loop(own, r0, r1, from, to);
      barrier_->wait();
    }
    over_positions(own, p_.after, thread, threads, from, end);
    if (!p_.fold.empty()) {
      fold(own, r0, r1, from, to);
      barrier_->wait();
    }
    if (!p_.sums.empty()) {
      products_.sums(own, thread, threads, from, end, call_.fresh && begins(from, to));
      barrier_->wait();
    }
  }

  // Whether the steps from … to are the first ones that the call runs.
  bool begins(i64 from, i64 to) const { return p_.forward ? from == 0 : to == call_.tau1 - call_.tau0; }

  void over_positions(Thread<T>& own, const std::vector<Instruction>& list, int thread, int threads, i64 from, i64 end) {
    if (list.empty()) return;
    const i64 all = end - at_.first, last = at_.first + all * (thread + 1) / threads;
    i64 at = at_.first + all * thread / threads;
    while (at < last) {
      const Block next = at_.at_position(from, at, 1);
      const i64 whole = at_.ranks.active[size_t(next.tau - call_.tau0)];
      // Up to the end of the step, whose rows lie at even distances, unless it is small.
      const i64 left = whole > kStepPositions ? std::min(whole - next.rank, last - at) : last - at;
      const i64 blocks = (left + kBlockPositions - 1) / kBlockPositions;
      const i64 rows = left / blocks;  // blocks of equal height, give or take one row
      block(own, list, at_.at_position(from, at, rows));
      at += rows;
    }
    barrier_->wait();
  }

  // The rows r0 … r1 of step i of the chunk; none where all of them have ended.
  Block step(i64 i, i64 r0, i64 r1) const {
    const i64 rows = std::min(r1, at_.ranks.active[size_t(i)]) - r0;
    return Block{rows, call_.tau0 + i, r0, at_.ranks.start[size_t(i)] + r0, 0, true};
  }

  bool cuts(const Block& b) const {
    return !p_.forward && call_.truncate > 0 && b.tau > 0 && b.tau % call_.truncate == 0;
  }
  void cut(const Block& b) {
    for (size_t k = 0; k < p_.carries.size(); k++)
      std::memset(at_.carried(k, b.tau, b.rank), 0, size_t(b.rows * p_.carries[k].ld) * sizeof(T));
  }

  void loop(Thread<T>& own, i64 begin, i64 end, i64 from, i64 to) {
    for (i64 r0 = begin; r0 < end; r0 += kTileRows) {
      for (i64 i = from; i < to; i++) {
        const Block b = step(p_.forward ? i : to - 1 - (i - from), r0, std::min(r0 + kTileRows, end));
        if (b.rows <= 0) continue;
        block(own, p_.loop, b);
        if (cuts(b)) cut(b);
      }
    }
  }

  void fold(Thread<T>& own, i64 r0, i64 r1, i64 from, i64 to) {
    for (i64 r = r0; r < r1; r++)
      for (i64 i = from; i < to; i++) {
        const Block b = step(p_.forward ? i : to - 1 - (i - from), r, r + 1);
        if (b.rows <= 0) continue;
        for (const Instruction& in : p_.fold) one(own, in, b);
      }
  }

  // All rows by all threads: each does its columns of an instruction, and they meet before the next.
  void loop_by_columns(Thread<T>& own, int thread, int threads, i64 from, i64 to) {
    Thread<T> shared = own;
    shared.temp = own_[0].temp;
    for (i64 r0 = 0; r0 < call_.B; r0 += kTileRows)
      for (i64 i = from; i < to; i++) {
        const Block b = step(p_.forward ? i : to - 1 - (i - from), r0, std::min(r0 + kTileRows, call_.B));
        if (b.rows <= 0) continue;
        for (size_t n = 0; n < p_.loop.size(); n++) {
          if (joined(p_.loop, n)) {
            const i64 wide = p_.strips[size_t(p_.loop[n + 1].index)].n[2];
            join(shared, p_.loop, n, b, part(wide, k_.panel, thread, threads), part(wide, k_.panel, thread + 1, threads));
            n++;
          } else {
            columns(shared, p_.loop[n], b, thread, threads);
          }
          barrier_->wait();
        }
        if (!cuts(b)) continue;
        if (thread == 0) cut(b);
        barrier_->wait();
      }
  }

  static i64 part(i64 n, i64 unit, i64 thread, i64 threads) {
    return std::min(n, (n + unit - 1) / unit * thread / threads * unit);
  }

  void columns(Thread<T>& own, const Instruction& in, const Block& b, int thread, int threads) {
    if (in.type == Instruction::gemm) {
      const Gemm& g = p_.gemms[size_t(in.index)];
      const i64 N = p_.packs[size_t(g.pack)].N;
      products_.gemm(own, g, b, part(N, k_.panel, thread, threads), part(N, k_.panel, thread + 1, threads));
    } else if (in.type == Instruction::strip && p_.strips[size_t(in.index)].n[2] >= 32 * threads) {
      const Strip& s = p_.strips[size_t(in.index)];
      strips_.run(own, s, b, part(s.n[2], 16, thread, threads), part(s.n[2], 16, thread + 1, threads));
    } else if (const i64 r0 = b.rows * thread / threads, r1 = b.rows * (thread + 1) / threads; r0 < r1) {
      one(own, in, at_.some(b, r0, r1 - r0));
    }
  }

  // Whether the n-th instruction is a product and the next a strip that reads it, column by column.
  bool joined(const std::vector<Instruction>& list, size_t n) const {
    if (list[n].type != Instruction::gemm) return false;
    const Gemm& g = p_.gemms[size_t(list[n].index)];
    if (g.parts.empty() || p_.strips[size_t(list[n + 1].index)].n[2] % k_.panel) return false;
    for (i64 offset : g.parts)
      if (offset % k_.panel) return false;
    return true;
  }

  // A product and its strip, some columns of both at a time, so that what one hands to the other stays near.
  void join(Thread<T>& own, const std::vector<Instruction>& list, size_t n, const Block& b, i64 j0, i64 j1) {
    const Gemm& g = p_.gemms[size_t(list[n].index)];
    const Strip& s = p_.strips[size_t(list[n + 1].index)];
    const i64 most = std::max<i64>(1, kJoined / b.rows / k_.panel) * k_.panel;
    for (i64 j = j0; j < j1; j += most) {
      const i64 end = std::min(j + most, j1);
      for (i64 offset : g.parts) products_.gemm(own, g, b, offset + j, offset + end);
      strips_.run(own, s, b, j, end);
    }
  }

  // Instructions between two products go over a few rows at a time, so that what they hand on stays near.
  void block(Thread<T>& own, const std::vector<Instruction>& list, const Block& b) {
    const size_t count = list.size();
    for (size_t i = 0; i < count;) {
      if (joined(list, i)) {
        join(own, list, i, b, 0, p_.strips[size_t(list[i + 1].index)].n[2]);
        i += 2;
        continue;
      }
      if (list[i].type == Instruction::gemm) {
        one(own, list[i++], b);
        continue;
      }
      size_t j = i;
      i64 width = 1;
      for (; j < count && list[j].type != Instruction::gemm; j++) width = std::max(width, list[j].width);
      const i64 few = j == i + 1 ? b.rows : std::max<i64>(1, kGrouped / width);
      for (i64 r = 0; r < b.rows; r += few) {
        const Block rows = at_.some(b, r, std::min(few, b.rows - r));
        for (size_t n = i; n < j; n++) one(own, list[n], rows);
      }
      i = j;
    }
  }

  void one(Thread<T>& own, const Instruction& in, const Block& b) {
    const size_t index = size_t(in.index);
    switch (in.type) {
      case Instruction::strip: return strips_.run(own, p_.strips[index], b, 0, p_.strips[index].n[2]);
      case Instruction::gemm: return products_.gemm(own, p_.gemms[index], b, 0, p_.packs[size_t(p_.gemms[index].pack)].N);
      case Instruction::reduce: return products_.reduce(own, p_.reduces[index], b);
      case Instruction::matmul: return products_.matmul(own, p_.matmuls[index], b);
    }
  }

  const Program& p_;
  const Call& call_;
  Workspace& space_;
  const Kernels<T>& k_;
  Places<T> at_;
  Strips<T> strips_;
  Products<T> products_;
  std::unique_ptr<Barrier> barrier_;
  int threads_ = 1;
  std::vector<i64> bounds_, ranges_, places_;
  T* packs_ = nullptr;
  std::vector<Thread<T>> own_;
};
