// A program over rows and time.
#pragma once

#include <memory>
#include <vector>

#include "program.h"

namespace unspool {

// An argument slot of a call: where the tensor begins, and its strides in elements.
struct Argument {
  void* data;
  i64 sb, st;  // from row to row, from step to step; an element's neighbours are contiguous
};

struct Call {
  i64 B, T;           // rows; steps that the strides of the `step` tensors cover
  i64 tau0, tau1;     // the steps to run
  const i64* lengths;  // [B], or null: every row has T steps
  bool reverse;
  i64 truncate;  // 0: never
  int threads;
  bool fresh = false;  // sums into parameter gradients begin at zero, whatever stands there
};

// Row-steps that a call on the steps tau0 ≤ τ < tau1 visits.
i64 positions(const Call& call);

// Memory that calls use again and again, so that pages are touched once. One per running call.
class Workspace {
 public:
  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace(Workspace&&) = default;
  Workspace& operator=(Workspace&&) = default;
  void* take(size_t index, size_t bytes);  // at least that many bytes, aligned to 64, kept under `index`

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  struct Block {
    std::unique_ptr<void, Free> data;
    size_t bytes = 0;
  };
  std::vector<Block> blocks_;
};

// Runs the program on its arguments (see csrc/README.md, "A call"). Throws std::invalid_argument where arguments and
// call do not fit the program, before anything is written.
void run(const Program& program, const std::vector<Argument>& args, const Call& call);

// A forward program over the same parameters and rows again and again, a few steps at a time: its matrices are packed
// once, and its states, where a step's `in` and `out` are the same slot's memory, stay where they are.
class Stream {
 public:
  // `args` as for `run`; those numbered x and y (or -1: there is none) come with each push instead.
  Stream(std::shared_ptr<const Program> program, std::vector<Argument> args, i64 x, i64 y, i64 B, int threads);
  Stream(Stream&&) = default;
  void push(const Argument& x, const Argument& y, i64 T);

 private:
  std::shared_ptr<const Program> program_;
  std::vector<Argument> args_;
  i64 x_, y_, B_;
  int threads_;
  Workspace packs_, space_;
  const void* packed_;
};

}  // namespace unspool
