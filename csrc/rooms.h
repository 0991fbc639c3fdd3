// Memory for what a forward pass keeps for its backward pass: given out and taken back step after step, so that its
// pages are touched once, and not anew in every step.
#pragma once

#include <cstddef>

namespace unspool {

// At least so many bytes, aligned to 64, of unknown contents. Throws std::bad_alloc.
void* take_room(std::size_t bytes);
// What `take_room` gave; it may be given out again. From any thread.
void give_room(void* room) noexcept;

}  // namespace unspool
