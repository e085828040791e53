#include "engine/kv/members.h"

#include <numeric>

#include "base/check.h"

namespace keelson::kv {

std::vector<uint32_t> pick_indexes(Chance& chance, size_t size, size_t count) {
  KEELSON_CHECK(count <= size && size <= UINT32_MAX, "more members are wanted than there are");
  std::vector<uint32_t> picked;
  // Few of many: draw until a new one comes; at most every other draw is in vain.
  if (count <= size / 2) {
    boost::unordered_flat_set<uint32_t> seen;
    seen.reserve(count);
    picked.reserve(count);
    while (picked.size() < count) {
      const auto index = static_cast<uint32_t>(chance.below(size));
      if (seen.insert(index).second) picked.push_back(index);
    }
    return picked;
  }
  // Many: shuffle all, as far as needed.
  picked.resize(size);
  std::iota(picked.begin(), picked.end(), 0u);
  for (size_t i = 0; i < count; ++i) std::swap(picked[i], picked[i + chance.below(size - i)]);
  picked.resize(count);
  return picked;
}

}  // namespace keelson::kv
