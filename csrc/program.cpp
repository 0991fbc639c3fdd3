#include "program.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace unspool {
namespace {

constexpr i64 kMost = i64(1) << 40;  // no size, offset or stride of a program is larger
const char* const kOps[] = {"mov", "neg", "abs", "sign", "recip", "sqrt", "rsqrt", "exp", "expm1", "log", "log1p", "tanh",
                            "sigmoid", "softplus", "relu", "erf", "sin", "cos", "tan", "atan", "floor", "ceil", "round",
                            "trunc", "isnan", "logical_not", "add", "sub", "mul", "div", "max", "min", "pow", "atan2",
                            "remainder", "fmod", "lt", "le", "gt", "ge", "eq", "ne", "logical_and", "logical_or",
                            "logical_xor", "fma", "where", "dsigmoid", "dtanh"};
static_assert(sizeof(kOps) / sizeof(*kOps) == static_cast<size_t>(Op::count_), "one name for each operation");

int arity(Op op) { return op < Op::add ? 1 : op == Op::fma || op == Op::where ? 3 : 2; }

class Reader {
 public:
  Reader(const std::string& text, Program& p) : text_(text), p_(p) {}

  void read() {
    head();
    while (next()) {
      const std::string what = word();
      if (what == "phase") phase();
      else if (in_phase_) instruction(what);
      else if (what == "carry") carry();
      else if (what == "pack") pack();
      else tensor(what);
      end();
    }
    finish();
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw std::invalid_argument("program, line " + std::to_string(number_) + " (" + line_ + "): " + why);
  }
  void require(bool fine, const char* why) const {
    if (!fine) fail(why);
  }

  bool next() {
    while (std::getline(text_, line_)) {
      ++number_;
      const auto comment = line_.find('#');
      words_.clear();
      words_.str(line_.substr(0, comment));
      words_ >> std::ws;
      if (!words_.eof()) return true;
    }
    return false;
  }
  void end() {
    words_ >> std::ws;
    require(words_.eof(), "more words than expected");
  }
  std::string word() {
    std::string w;
    require(static_cast<bool>(words_ >> w), "a word is missing");
    return w;
  }
  i64 integer(i64 least, i64 most) {
    i64 v = 0;
    require(static_cast<bool>(words_ >> v), "a whole number is missing");
    require(v >= least && v <= most, "a number is out of range");
    return v;
  }
  i64 size() { return integer(0, kMost); }
  i64 stride() { return integer(-kMost, kMost); }
  i64 slot() { return integer(0, p_.args - 1); }
  int tensor_id() { return int(integer(0, i64(p_.tensors.size()) - 1)); }

  void head() {
    require(next(), "the program is empty");
    require(word() == "unspool" && integer(1, 1) == 1, "expected `unspool 1 …`");
    const std::string type = word(), direction = word();
    require(type == "f32" || type == "f64", "expected f32 or f64");
    require(direction == "forward" || direction == "backward", "expected forward or backward");
    p_.single = type == "f32";
    p_.forward = direction == "forward";
    end();
    require(next() && word() == "args", "expected `args <n>`");
    p_.args = integer(0, 1 << 20);
    end();
  }

  void tensor(const std::string& what) {
    Tensor t{};
    if (what == "step" || what == "row" || what == "param" || what == "saved") {
      t.kind = what == "step" ? Kind::step : what == "row" ? Kind::row : what == "param" ? Kind::param : Kind::saved;
      t.slot = slot();
      t.width = size();
    } else if (what == "chunk" || what == "rowbuf") {
      t.kind = what == "chunk" ? Kind::chunk : Kind::rowbuf;
      t.width = size();
      i64& total = what == "chunk" ? p_.chunk_width : p_.rowbuf_width;
      t.ld = what == "chunk" ? apart(t.width, number()) : t.width;
      t.index = total;
      total += t.ld;
      require(total <= kMost, "scratch is too wide");
    } else if (what == "temp") {
      t.kind = Kind::temp;
      t.index = size();
      t.width = size();
      t.ld = size();
      require(t.ld >= t.width, "rows of a temp overlap");
      p_.temp_width = std::max(p_.temp_width, t.index + t.ld);
    } else if (what == "state" || what == "next") {
      t.kind = what == "state" ? Kind::state : Kind::next;
      t.index = integer(0, 4096);
      t.width = size();
      if (t.index >= i64(p_.carries.size())) p_.carries.resize(size_t(t.index) + 1);
      Carry& c = p_.carries[size_t(t.index)];
      require(c.width == 0 || c.width == t.width, "state and next have one width");
      t.ld = c.ld = apart(t.width, number());
      c.width = t.width;
    } else if (what == "prev") {
      t.kind = Kind::prev;
      t.source = tensor_id();
      t.first = tensor_id();
      const Tensor &s = p_.tensors[size_t(t.source)], &f = p_.tensors[size_t(t.first)];
      require((s.kind == Kind::saved || s.kind == Kind::step) && f.kind == Kind::row && s.width == f.width,
              "prev takes a saved or step tensor and a row tensor of one width");
      t.width = s.width;
    } else {
      fail("no such tensor, or an instruction outside a phase");
    }
    p_.tensors.push_back(t);
  }

  void carry() {
    const i64 k = integer(0, i64(p_.carries.size()) - 1);
    Carry& c = p_.carries[size_t(k)];
    c.in = integer(-1, p_.args - 1);
    c.out = slot();
  }

  void pack() {
    Pack k{};
    k.tensor = tensor_id();
    require(p_.tensors[size_t(k.tensor)].kind == Kind::param, "a packed matrix comes from a param tensor");
    k.offset = size();
    k.K = size();
    k.N = size();
    k.sk = stride();
    k.sn = stride();
    const Operand o{k.tensor, k.offset, {0, k.sk, k.sn}};
    const i64 n[3] = {1, k.K, k.N};
    within(o, n);
    p_.packs.push_back(k);
  }

  // Every number that `o` walks over n lies in its tensor.
  void within(const Operand& o, const i64 (&n)[3]) const {
    if (n[0] == 0 || n[1] == 0 || n[2] == 0) return;
    i64 low = o.offset, high = o.offset;
    for (int d = 0; d < 3; d++) {
      require(n[d] <= kMost && std::abs(o.s[d]) <= kMost / std::max<i64>(1, n[d]), "an operand walks too far");
      (o.s[d] < 0 ? low : high) += o.s[d] * (n[d] - 1);
    }
    require(low >= 0 && high < p_.tensors[size_t(o.tensor)].width, "an operand lies outside its tensor");
  }

  void writable(const Operand& o) const {
    const Kind k = p_.tensors[size_t(o.tensor)].kind;
    require(k != Kind::param && k != Kind::state && k != Kind::prev, "an output goes to a tensor that is only read");
    require(k != Kind::saved || p_.forward, "only a forward pass writes saved tensors");
  }

  Operand operand(int strides) {
    Operand o;
    o.tensor = tensor_id();
    o.offset = size();
    for (int d = 3 - strides; d < 3; d++) o.s[d] = stride();
    return o;
  }

  void phase() {
    const std::string name = word();
    in_phase_ = true;
    reducing_ = name == "reduce";
    list_ = name == "rows" ? &p_.rows
            : name == "before" ? &p_.before
            : name == "loop" ? &p_.loop
            : name == "after" ? &p_.after
            : name == "fold" ? &p_.fold
                             : nullptr;
    require(list_ || reducing_, "no such phase");
    per_step_ = name != "rows";
  }

  // Between steps only tensors that are there: a row phase has no step, and only the loop has a state.
  void placed(const Operand& o) const {
    const Kind k = p_.tensors[size_t(o.tensor)].kind;
    require(per_step_ || (k != Kind::step && k != Kind::saved && k != Kind::chunk && k != Kind::prev),
            "the phase `rows` has no steps");
    require(list_ == &p_.loop || (k != Kind::state && k != Kind::next), "only the loop sees a state");
    require(!reducing_ || k != Kind::temp, "a temp does not outlive its phase");
  }

  void instruction(const std::string& what) {
    if (reducing_) return sum(what);
    if (what == "gemm") gemm();
    else if (what == "strip") strip();
    else if (what == "reduce") reduce();
    else if (what == "matmul") matmul();
    else fail("no such instruction");
  }

  void gemm() {
    Gemm g{};
    g.pack = int(integer(0, i64(p_.packs.size()) - 1));
    g.subrows = integer(1, kMost);
    g.out.tensor = tensor_id();
    g.out.offset = size();
    g.out.s[1] = size();
    g.out.s[2] = 1;
    g.a.tensor = tensor_id();
    g.a.offset = size();
    g.a.s[1] = size();
    g.a.s[2] = 1;
    const std::string init = word();
    require(init == "zero" || init == "bias" || init == "accumulate", "expected zero, bias or accumulate");
    g.init = init == "zero" ? Init::zero : init == "bias" ? Init::bias : Init::accumulate;
    const Pack& k = p_.packs[size_t(g.pack)];
    if (g.init == Init::bias) {
      g.bias = tensor_id();
      g.bias_offset = size();
      require(p_.tensors[size_t(g.bias)].kind == Kind::param, "a bias is a param tensor");
      const i64 n[3] = {1, 1, k.N};
      within(Operand{g.bias, g.bias_offset, {0, 0, 1}}, n);
    }
    const i64 out[3] = {1, g.subrows, k.N}, in[3] = {1, g.subrows, k.K};
    within(g.out, out);
    within(g.a, in);
    writable(g.out);
    placed(g.out);
    placed(g.a);
    widen(g.subrows * std::max(k.N, apart(k.K, number())));
    add(Instruction::gemm, int(p_.gemms.size()), g.subrows * k.N);
    p_.gemms.push_back(g);
  }

  i64 number() const { return p_.single ? i64(sizeof(float)) : i64(sizeof(double)); }
  void widen(i64 width) { p_.gather_width = std::max(p_.gather_width, width); }
  void add(Instruction::Type type, int index, i64 width) { list_->push_back({type, index, width}); }

  void sizes(i64 (&n)[3]) {
    for (i64& v : n) v = size();
  }

  void strip() {
    Strip s;
    sizes(s.n);
    const i64 inputs = integer(0, 4096), ops = integer(0, 4096), outs = integer(0, 4096);
    const Instruction made{Instruction::strip, int(p_.strips.size()), s.n[0] * s.n[1] * s.n[2]};
    std::vector<Operand> read;
    std::vector<int> order;  // value of each written register: inputs first, constants after them
    for (i64 i = 0; i < inputs; i++) {
      end();
      require(next(), "a strip's inputs are missing");
      const std::string w = word();
      if (w == "in") {
        require(s.numbers.empty(), "inputs stand before constants");
        s.inputs.push_back(operand(3));
        within(s.inputs.back(), s.n);
        placed(s.inputs.back());
      } else {
        require(w == "imm", "expected in or imm");
        const std::string value = word();
        char* stop = nullptr;
        s.numbers.push_back(std::strtod(value.c_str(), &stop));
        require(stop && *stop == 0 && stop != value.c_str(), "expected a number");
      }
    }
    for (i64 i = 0; i < ops; i++) {
      end();
      require(next() && word() == "op", "a strip's operations are missing");
      StripOp op{};
      const std::string name = word();
      int found = -1;
      for (int k = 0; k < int(Op::count_); k++)
        if (name == kOps[k]) found = k;
      require(found >= 0, "no such operation");
      op.op = Op(found);
      for (int k = 0; k < arity(op.op); k++) op.args[k] = int(integer(0, inputs + i - 1));
      s.ops.push_back(op);
    }
    for (i64 i = 0; i < outs; i++) {
      end();
      require(next() && word() == "out", "a strip's outputs are missing");
      StripOut out;
      out.value = int(integer(0, inputs + ops - 1));
      out.to = operand(3);
      within(out.to, s.n);
      writable(out.to);
      placed(out.to);
      s.outs.push_back(out);
    }
    assign(s);
    p_.strips.push_back(std::move(s));
    list_->push_back(made);
  }

  // Gives each value that needs one a register block, and lets an operation write straight to memory where it can.
  void assign(Strip& s) const {
    const int first_number = int(s.inputs.size()), first_op = first_number + int(s.numbers.size());
    const int values = first_op + int(s.ops.size());
    std::vector<int> last(size_t(values), -1);
    for (int i = 0; i < int(s.ops.size()); i++)
      for (int a : s.ops[size_t(i)].args)
        if (a >= 0) last[size_t(a)] = i;
    for (const StripOut& o : s.outs) last[size_t(o.value)] = int(s.ops.size());
    std::vector<bool> taken;
    auto take = [&taken] {
      for (size_t i = 0; i < taken.size(); i++)
        if (!taken[i]) {
          taken[i] = true;
          return int(i);
        }
      taken.push_back(true);
      return int(taken.size()) - 1;
    };
    for (size_t i = 0; i < s.inputs.size(); i++) s.input_places.push_back(take());
    s.written.assign(s.ops.size(), -1);
    for (int i = 0; i < int(s.ops.size()); i++) {
      StripOp& op = s.ops[size_t(i)];
      op.place = take();
      for (int a : op.args) {
        if (a < 0 || last[size_t(a)] != i) continue;
        if (a < first_number) taken[size_t(s.input_places[size_t(a)])] = false;
        else if (a >= first_op) taken[size_t(s.ops[size_t(a - first_op)].place)] = false;
        last[size_t(a)] = -2;
      }
      for (int o = 0; o < int(s.outs.size()); o++) {
        const Operand& to = s.outs[size_t(o)].to;
        if (s.outs[size_t(o)].value != first_op + i || s.written[size_t(i)] >= 0 || to.s[2] != 1) continue;
        bool read = false;
        for (const Operand& in : s.inputs) read = read || shares(in.tensor, to.tensor);
        if (!read) s.written[size_t(i)] = o;
      }
    }
    s.places = int(taken.size());
  }

  bool shares(int one, int other) const {
    if (one == other) return true;
    const Tensor &a = p_.tensors[size_t(one)], &b = p_.tensors[size_t(other)];
    if (a.kind == Kind::temp && b.kind == Kind::temp) return a.index < b.index + b.ld && b.index < a.index + a.ld;
    return a.slot >= 0 && a.slot == b.slot;
  }

  void reduce() {
    Reduce r{};
    const std::string what = word();
    require(what == "sum" || what == "max" || what == "min", "expected sum, max or min");
    r.what = what == "sum" ? 0 : what == "max" ? 1 : 2;
    sizes(r.n);
    r.out.tensor = tensor_id();
    r.out.offset = size();
    r.out.s[0] = r.n[2];
    r.out.s[2] = 1;
    r.in = operand(3);
    const i64 out[3] = {r.n[0], 1, r.n[2]};
    within(r.out, out);
    within(r.in, r.n);
    writable(r.out);
    placed(r.out);
    placed(r.in);
    widen(std::max(r.n[0] * r.n[2], std::max(r.n[1], r.n[2])));
    add(Instruction::reduce, int(p_.reduces.size()), r.n[0] * r.n[1] * r.n[2]);
    p_.reduces.push_back(r);
  }

  void matmul() {
    Matmul m{};
    m.batch = size();
    m.M = size();
    m.N = size();
    m.K = size();
    const std::string init = word();
    require(init == "zero" || init == "accumulate", "expected zero or accumulate");
    m.init = init == "zero" ? Init::zero : Init::accumulate;
    m.c = operand(3);
    m.a = operand(3);
    m.b = operand(3);
    const i64 c[3] = {m.batch, m.M, m.N}, a[3] = {m.batch, m.M, m.K}, b[3] = {m.batch, m.K, m.N};
    within(m.c, c);
    within(m.a, a);
    within(m.b, b);
    writable(m.c);
    placed(m.c);
    placed(m.a);
    placed(m.b);
    add(Instruction::matmul, int(p_.matmuls.size()), m.batch * (m.M * m.N + m.K * m.N + m.M * m.K));
    p_.matmuls.push_back(m);
  }

  void sum(const std::string& what) {
    require(what == "wgrad" || what == "bgrad", "the phase `reduce` holds wgrad and bgrad");
    const bool product = what == "wgrad";
    const i64 to = slot(), offset = size(), ld = product ? size() : 0;
    const i64 M = size(), N = product ? size() : 0, subrows = integer(1, kMost);
    Sum& s = sum_of(side(subrows, M), M, subrows);
    if (product) s.products.push_back({to, offset, ld, N, side(subrows, N)});
    else s.columns.push_back({to, offset});
  }

  Operand side(i64 subrows, i64 width) {
    Operand o;
    o.tensor = tensor_id();
    o.offset = size();
    o.s[1] = size();
    o.s[2] = 1;
    const i64 n[3] = {1, subrows, width};
    within(o, n);
    placed(o);
    widen(subrows * width);
    return o;
  }

  // The sums that have this left side.
  Sum& sum_of(const Operand& d, i64 M, i64 subrows) {
    for (Sum& s : p_.sums)
      if (s.d.tensor == d.tensor && s.d.offset == d.offset && s.d.s[1] == d.s[1] && s.M == M && s.subrows == subrows) return s;
    p_.sums.push_back({d, M, subrows, {}, {}});
    return p_.sums.back();
  }

  void finish() {
    for (const Carry& c : p_.carries)
      if (c.width > 0 && c.out < 0) throw std::invalid_argument("program: a carried value has no `carry` line");
    for (const Tensor& t : p_.tensors)
      if (t.kind == Kind::state && std::none_of(p_.tensors.begin(), p_.tensors.end(), [&t](const Tensor& u) {
            return u.kind == Kind::next && u.index == t.index;
          }))
        throw std::invalid_argument("program: a state has no next");
    for (auto* list : {&p_.rows, &p_.before, &p_.loop, &p_.after})
      for (size_t i = 0; i + 1 < list->size(); i++)
        if ((*list)[i].type == Instruction::gemm && (*list)[i + 1].type == Instruction::strip)
          join(p_.gemms[size_t((*list)[i].index)], p_.strips[size_t((*list)[i + 1].index)]);
  }

  // Whether each number of a product is read by its strip in one place alone, and the strip disturbs no other.
  void join(Gemm& g, const Strip& s) const {
    if (g.subrows != 1 || s.n[0] != 1 || s.n[1] != 1 || g.init == Init::accumulate) return;
    std::vector<i64> parts;
    for (const Operand& in : s.inputs) {
      if (!shares(in.tensor, g.out.tensor)) continue;
      if (in.tensor != g.out.tensor || in.s[2] != 1) return;
      if (std::find(parts.begin(), parts.end(), in.offset - g.out.offset) == parts.end()) parts.push_back(in.offset - g.out.offset);
    }
    std::sort(parts.begin(), parts.end());
    for (size_t i = 0; i < parts.size(); i++)
      if (parts[i] != i64(i) * s.n[2]) return;
    if (i64(parts.size()) * s.n[2] != p_.packs[size_t(g.pack)].N) return;
    for (const StripOut& out : s.outs)
      if (shares(out.to.tensor, g.a.tensor) || shares(out.to.tensor, g.out.tensor)) return;
    g.parts = parts;
  }

  std::istringstream text_, words_;
  Program& p_;
  std::string line_;
  int number_ = 0;
  bool in_phase_ = false, reducing_ = false, per_step_ = true;
  std::vector<Instruction>* list_ = nullptr;
};

}  // namespace

Program::Program(const std::string& text) { Reader(text, *this).read(); }

}  // namespace unspool
