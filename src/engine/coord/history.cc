#include "engine/coord/history.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace keelson::coord {

void History::append(Version* version) {
  if (chunks_.empty() || std::prev(chunks_.end())->second->count == kChunkVersions) {
    // Not value-initialised: the pointers behind `count` are never read.
    chunks_.emplace_hint(chunks_.end(), Key{version->main(), version->sub()}, std::make_unique_for_overwrite<Chunk>())
        ->second->count = 0;
  }
  Chunk& chunk = *std::prev(chunks_.end())->second;
  chunk.versions[chunk.count++] = version;
  ++size_;
  version_bytes_ += version->size_bytes();
}

void History::join_with_next(Chunks::iterator at) {
  const auto next = std::next(at);
  if (next == chunks_.end()) return;
  Chunk& left = *at->second;
  const Chunk& right = *next->second;
  if (left.count + right.count > kChunkVersions * 3 / 4) return;
  std::copy_n(right.versions.begin(), right.count, left.versions.begin() + left.count);
  left.count += right.count;
  chunks_.erase(next);
}

void History::remove(Version* version) {
  auto at = chunks_.upper_bound(Key{version->main(), version->sub()});
  KEELSON_CHECK(at != chunks_.begin(), "coord: a version is removed that the history does not have");
  --at;
  Chunk& chunk = *at->second;
  // By address: what the neighbours hold is likely not in the cache.
  Version** const end = chunk.versions.data() + chunk.count;
  Version** const place = std::find(chunk.versions.data(), end, version);
  KEELSON_CHECK(place != end, "coord: a version is removed that the history does not have");
  std::copy(place + 1, end, place);
  --chunk.count;
  --size_;
  version_bytes_ -= version->size_bytes();
  Version::destroy(version);
  if (chunk.count == 0) {
    chunks_.erase(at);
  } else if (chunk.count < kChunkVersionsFew) {
    join_with_next(at);
  }
}

void History::clear() {
  for (const auto& [key, chunk] : chunks_) {
    for (uint32_t i = 0; i < chunk->count; ++i) Version::destroy(chunk->versions[i]);
  }
  chunks_.clear();
  size_ = 0;
  version_bytes_ = 0;
}

History::Cursor History::seek(Revision main, uint32_t sub) const {
  auto at = chunks_.upper_bound(Key{main, sub});
  if (at == chunks_.begin()) return {at, chunks_.end(), 0};
  --at;
  const Chunk& chunk = *at->second;
  const auto* const end = chunk.versions.data() + chunk.count;
  const auto* const place = std::partition_point(
      chunk.versions.data(), end, [main, sub](const Version* version) { return version->is_before(main, sub); });
  if (place == end) return {std::next(at), chunks_.end(), 0};
  return {at, chunks_.end(), static_cast<uint32_t>(place - chunk.versions.data())};
}

const Version* History::last() const {
  if (chunks_.empty()) return nullptr;
  const Chunk& chunk = *std::prev(chunks_.end())->second;
  return chunk.versions[chunk.count - 1];
}

}  // namespace keelson::coord
