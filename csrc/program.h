// A program: what the text of csrc/README.md says, checked.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace unspool {

enum class Kind { step, row, param, saved, chunk, rowbuf, temp, state, next, prev };

// Rows that lie a whole number of KiB apart meet in few places of the first-level cache: a line more sends them elsewhere.
inline i64 apart(i64 width, i64 size) { return width * size >= 1024 && width * size % 512 == 0 ? width + 64 / size : width; }

struct Tensor {
  Kind kind;
  i64 slot = -1;    // step, row, param, saved: argument slot
  i64 width = 0;    // numbers a row; param: in all
  i64 ld = 0;       // temp, chunk, state, next: from row to row in its scratch
  i64 index = 0;    // state, next: which carried value; chunk, rowbuf, temp: offset in its scratch
  int source = -1;  // prev: the sequence, and `first`, the row tensor before its first step
  int first = -1;
};

struct Carry {
  i64 width = 0, ld = 0;
  i64 in = -1, out = -1;
};

struct Pack {
  int tensor;
  i64 offset, K, N, sk, sn;
  i64 place = 0;  // where it lies among all packed numbers; its size depends on the kernels
};

// Part of a tensor: numbers of a row from `offset`, walked by `s`.
struct Operand {
  int tensor = -1;
  i64 offset = 0;
  i64 s[3] = {0, 0, 0};
};

struct StripOp {
  Op op;
  int args[3] = {-1, -1, -1};  // values: inputs, then constants, then ops
  int place = -1;              // register block that holds the result
};

struct StripOut {
  int value;
  Operand to;
};

struct Strip {
  i64 n[3];  // n2, n1, n0
  std::vector<Operand> inputs;
  std::vector<int> input_places;  // register block for an input that is not used in place
  std::vector<double> numbers;
  std::vector<StripOp> ops;
  std::vector<StripOut> outs;
  std::vector<int> written;  // for each op, the out that it may write itself, or -1
  int places = 0;            // register blocks in all
};

struct Gemm {
  int pack;
  i64 subrows;
  Operand out, a;
  Init init;
  int bias = -1;
  i64 bias_offset = 0;
  std::vector<i64> parts;  // where the strip that comes next reads it: equal shares, each at its offset; else empty
};

struct Reduce {
  int what;  // 0 sum, 1 max, 2 min
  i64 n[3];  // n1, n, n0
  Operand out, in;
};

struct Matmul {
  i64 batch, M, N, K;
  Init init;
  Operand c, a, b;
};

struct Instruction {
  enum Type { strip, gemm, reduce, matmul } type;
  int index;  // in the list of its type
  i64 width;  // numbers a row that it touches, for choosing how many rows to do at once
};

// Sums over rows into parameter gradients, all of one left side: d' x for each of `products`, and the sums of d's
// columns for each of `columns`.
struct Sum {
  struct Product {
    i64 slot, offset, ld, N;
    Operand x;
  };
  struct Columns {
    i64 slot, offset;
  };
  Operand d;
  i64 M, subrows;
  std::vector<Product> products;
  std::vector<Columns> columns;
};

struct Program {
  bool single = true;  // float, else double
  bool forward = true;
  i64 args = 0;
  std::vector<Tensor> tensors;
  std::vector<Carry> carries;
  std::vector<Pack> packs;
  std::vector<Strip> strips;
  std::vector<Gemm> gemms;
  std::vector<Reduce> reduces;
  std::vector<Matmul> matmuls;
  std::vector<Instruction> rows, before, loop, after, fold;
  std::vector<Sum> sums;
  i64 chunk_width = 0, rowbuf_width = 0, temp_width = 0;
  i64 gather_width = 0;  // numbers of the widest operand that may have to be gathered, sub-rows included

  // Throws std::invalid_argument, naming the line and the reason, where `text` is no program.
  explicit Program(const std::string& text);
};

}  // namespace unspool
