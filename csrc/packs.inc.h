// Packed matrices of a program. Included by run.cpp only, in its unnamed namespace.

// Where each packed matrix begins, and at the end how many numbers there are in all.
template <class T>
void pack_places(const Program& p, const Kernels<T>& k, std::vector<i64>& places) {
  places.assign(1, 0);
  for (const Pack& pack : p.packs) places.push_back(places.back() + (k.packed_size(pack.K, pack.N) + 15) / 16 * 16);
}

template <class T>
void pack_one(const Program& p, const Kernels<T>& k, const Places<T>& at, size_t i, T* to) {
  const Pack& pack = p.packs[i];
  k.pack(at.slot(p.tensors[size_t(pack.tensor)].slot) + pack.offset, pack.sk, pack.sn, pack.K, pack.N, to);
}
