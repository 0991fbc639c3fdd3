// How many floating-point operations a second one thread can do at most.
#pragma once

namespace unspool {

// The best rate of the calling thread in runs of about 2 ms, over `seconds`: float32 operations a second, a fused
// multiply-add being two. The best, because other work on the machine can only slow a run down.
double fma_peak(double seconds);

}  // namespace unspool
