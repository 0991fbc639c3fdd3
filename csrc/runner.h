// What the parts of a running call share. Internal to run.cpp and its *.inc.h.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "run.h"
#include "threads.h"

namespace unspool {

constexpr i64 kBlockNumbers = 1024;  // numbers of a register block: one stays in the first-level cache with its like
constexpr i64 kBlockPositions = 96;  // positions done at once before and after the loop
constexpr i64 kTileRows = 96;        // rows done at once in the loop
constexpr i64 kChunkBytes = 2 << 20;
constexpr i64 kChunkPositions = 512;
constexpr i64 kSummed = 512;           // rows that a sum over rows takes at once
constexpr i64 kFarBytes = 4096;        // left sides whose rows lie farther apart are put together for so many columns
constexpr i64 kManyColumns = 512;
constexpr i64 kTogether = 4;        // right sides that one pass over a left side serves
constexpr i64 kGrouped = 1 << 14;      // numbers of the widest instruction between two products that are done at once
constexpr i64 kJoined = 2048;          // numbers that each part of a product hands at once to the strip that reads it
constexpr i64 kStepPositions = 24;     // a step of more rows than that is done in blocks of its own
constexpr i64 kNearBytes = 3 << 19;    // matrices larger than this leave a core's own cache
constexpr i64 kStepWork = 1 << 14;     // multiplications in a step, for each meeting of the threads, that make up for it

// Ranks and steps of a call: row b of rank r has `length[r]` steps; at step τ the ranks below active[τ - tau0] take part.
struct Rows {
  std::vector<i64> order;   // rank → b; empty: the same
  std::vector<i64> length;  // of each rank; empty: T
  std::vector<i64> active;
  std::vector<i64> start;  // first position of each step, and one past the last
  void fill(const Call& call);
};

// Some rows in hand: consecutive positions, from rank `rank` at step `tau` on, perhaps over several steps.
struct Block {
  i64 rows;
  i64 tau, rank, position;
  i64 local;    // number of the first row within the scratch of the thread
  bool single;  // all of one step
};

template <class T>
struct View {
  T* base;
  i64 ld;  // from row to row; -1: see rows
  T** rows;
  T* at(i64 r) const { return ld >= 0 ? base + r * ld : rows[r]; }
  bool regular() const { return ld >= 0; }
};

}  // namespace unspool
