// The Python module unspool._engine.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <memory>
#include <tuple>

#include "peak.h"
#include "rooms.h"
#include "run.h"

namespace nb = nanobind;
using namespace nb::literals;
using unspool::i64;

namespace {

using Slot = std::tuple<std::uintptr_t, i64, i64>;

std::vector<unspool::Argument> arguments(const std::vector<Slot>& slots) {
  std::vector<unspool::Argument> made;
  made.reserve(slots.size());
  for (const auto& [address, sb, st] : slots) made.push_back({reinterpret_cast<void*>(address), sb, st});
  return made;
}

void run(const unspool::Program& program, const std::vector<Slot>& slots, i64 B, i64 T, i64 tau0, i64 tau1,
         std::uintptr_t lengths, bool reverse, i64 truncate, int threads, bool fresh) {
  const std::vector<unspool::Argument> args = arguments(slots);
  const unspool::Call call{B, T, tau0, tau1, reinterpret_cast<const i64*>(lengths), reverse, truncate, threads, fresh};
  nb::gil_scoped_release release;
  unspool::run(program, args, call);
}

void make_stream(unspool::Stream* at, std::shared_ptr<unspool::Program> program, const std::vector<Slot>& slots, i64 x, i64 y,
                 i64 B, int threads) {
  new (at) unspool::Stream(std::move(program), arguments(slots), x, y, B, threads);
}

void push(unspool::Stream& stream, std::uintptr_t x, i64 xb, i64 xt, std::uintptr_t y, i64 yb, i64 yt, i64 T) {
  nb::gil_scoped_release release;
  stream.push({reinterpret_cast<void*>(x), xb, xt}, {reinterpret_cast<void*>(y), yb, yt}, T);
}

// A tensor of DLPack, as its standard lays it out, over a room that goes back to the others when nobody holds it.
struct Kept {
  nb::dlpack::dltensor tensor;
  void* manager;
  void (*deleter)(Kept*);
  i64 shape, stride;

  Kept(i64 count, bool single) : tensor{}, manager(nullptr), shape(count), stride(1) {
    const std::size_t bytes = single ? sizeof(float) : sizeof(double);
    tensor.data = unspool::take_room(std::size_t(count) * bytes);
    tensor.device = {nb::device::cpu::value, 0};
    tensor.ndim = 1;
    tensor.dtype = single ? nb::dtype<float>() : nb::dtype<double>();
    tensor.shape = &shape;
    tensor.strides = &stride;
    deleter = [](Kept* self) {
      unspool::give_room(self->tensor.data);
      delete self;
    };
  }
};

nb::capsule room(i64 count, bool single) {
  Kept* made = new Kept(count, single);
  PyObject* capsule = PyCapsule_New(made, "dltensor", [](PyObject* self) {
    if (!PyCapsule_IsValid(self, "dltensor")) return;  // its taker has renamed it, and deletes what is in it
    Kept* unused = static_cast<Kept*>(PyCapsule_GetPointer(self, "dltensor"));
    unused->deleter(unused);
  });
  if (!capsule) {
    made->deleter(made);
    throw nb::python_error();
  }
  return nb::steal<nb::capsule>(capsule);
}

}  // namespace

NB_MODULE(_engine, m) {
  nb::set_leak_warnings(false);  // programs are remembered until the process ends
  m.doc() = "The CPU engine: programs over rows and time (see csrc/README.md).";
  nb::class_<unspool::Program>(m, "Program", "A program, read from its text; ValueError where it is none.")
      .def(nb::init<const std::string&>(), "text"_a)
      .def("run", &run, "args"_a, nb::kw_only(), "B"_a, "T"_a, "tau0"_a, "tau1"_a, "lengths"_a, "reverse"_a, "truncate"_a,
           "threads"_a, "fresh"_a = false,
           "Run on arguments (address, row stride, step stride), in elements; `lengths` is the address of int64 [B], or 0.");
  nb::class_<unspool::Stream>(m, "Stream", "A forward program, its matrices packed, run a few steps at a time.")
      .def("__init__", &make_stream, "program"_a, "args"_a, "x"_a, "y"_a, "B"_a, "threads"_a)
      .def("push", &push, "x"_a, "xb"_a, "xt"_a, "y"_a, "yb"_a, "yt"_a, "T"_a, "One call from two threads at once is not safe.");
  m.def("room", &room, "count"_a, "single"_a,
        "So many numbers of unknown contents, float or double, as a DLPack capsule; their memory is used again.");
  m.def("isa", [] { return std::string(unspool::kernels<float>().isa); }, "The instruction set of the kernels in use.");
  m.def("fma_peak", &unspool::fma_peak, "seconds"_a, nb::call_guard<nb::gil_scoped_release>(),
        "The most float32 operations a second that the calling thread reached in so many seconds of multiply-adds.");
}
