#include "engine/coord/store.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::coord {

namespace {

// Garbage is removed in batches, since a removal ends the walk that found it.
constexpr size_t kGarbageBatch = 64;

}  // namespace

bool Store::commit() {
  if (next_sub_ == 0) return false;
  ++revision_;
  next_sub_ = 0;
  return true;
}

void Store::append(const Version::Content& content, const KeyIndex::Place& place, Version* older) {
  Version* const version = Version::make(content, older, compact_revision_);
  history_.append(version);
  if (older == nullptr) {
    index_.insert(place, version);
  } else {
    if (!older->is_deletion()) bytes_in_use_ -= older->key().size() + older->value().size();
    leases_.detach(*older);
    index_.replace(place, version);
  }
  if (!version->is_deletion()) bytes_in_use_ += content.key.size() + content.value.size();
  leases_.attach(*version);
}

void Store::put(std::string_view key, std::string_view value, LeaseId lease) {
  KeyIndex::Place place;
  Version* const older = index_.find(key, place) ? index_.at(place) : nullptr;
  const Revision main = revision_ + 1;
  const bool is_new = older == nullptr || older->is_deletion();
  append({.key = key,
          .value = value,
          .main = main,
          .sub = next_sub_++,
          .create = is_new ? main : older->create(),
          .count = is_new ? 1 : older->count() + 1,
          .lease = lease},
         place, older);
}

void Store::append_deletion(const KeyIndex::Place& place) {
  Version* const older = index_.at(place);
  append({.key = older->key(), .value = {}, .main = revision_ + 1, .sub = next_sub_++}, place, older);
}

KeyIndex::Place Store::end_of(std::string_view key, std::string_view range_end) const {
  if (range_end == kFromKeyOn) return index_.end();
  return range_end <= key ? index_.lower_bound(key) : index_.lower_bound(range_end);
}

int64_t Store::erase_range(std::string_view key, std::string_view range_end) {
  int64_t count = 0;
  if (range_end.empty()) {
    KeyIndex::Place place;
    if (index_.find(key, place) && !index_.at(place)->is_deletion()) {
      append_deletion(place);
      count = 1;
    }
    return count;
  }
  const KeyIndex::Place end = end_of(key, range_end);
  for (KeyIndex::Place place = index_.lower_bound(key); place < end; index_.advance(place)) {
    if (index_.at(place)->is_deletion()) continue;
    append_deletion(place);
    ++count;
  }
  return count;
}

void Store::drop_lease(LeaseId id) {
  const Lease* const lease = leases_.find(id);
  for (const Version* version : Leases::keys_of(*lease)) {
    KeyIndex::Place place;
    KEELSON_CHECK(index_.find(version->key(), place), "coord: a lease has a key that is not there");
    append_deletion(place);
  }
  leases_.remove(id);
}

const Version* Store::latest(std::string_view key) const {
  KeyIndex::Place place;
  if (!index_.find(key, place)) return nullptr;
  const Version* const version = index_.at(place);
  return version->is_deletion() ? nullptr : version;
}

void Store::visit(std::string_view key, std::string_view range_end, Revision at,
                  FunctionRef<bool(const Version&)> take) const {
  if (range_end.empty()) {
    KeyIndex::Place place;
    if (!index_.find(key, place)) return;
    const Version* const version = index_.at(place)->at(at);
    if (version != nullptr && !version->is_deletion()) take(*version);
    return;
  }
  const KeyIndex::Place end = end_of(key, range_end);
  for (KeyIndex::Place place = index_.lower_bound(key); place < end; index_.advance(place)) {
    const Version* const version = index_.at(place)->at(at);
    if (version != nullptr && !version->is_deletion() && !take(*version)) return;
  }
}

int64_t Store::count(std::string_view key, std::string_view range_end, Revision at) const {
  if (!range_end.empty() && at >= revision_so_far()) {
    return static_cast<int64_t>(index_.count_present(index_.lower_bound(key), end_of(key, range_end)));
  }
  int64_t count = 0;
  visit(key, range_end, at, [&count](const Version&) {
    ++count;
    return true;
  });
  return count;
}

const Version* Store::before(const Version& version) const {
  // What was there at the revision before can be read only if that revision can.
  if (version.main() - 1 < compact_revision_) return nullptr;
  const Version* older = version.older();
  while (older != nullptr && older->main() == version.main()) older = older->older();
  return older == nullptr || older->is_deletion() ? nullptr : older;
}

bool Store::is_readable(const Version& version) const {
  if (version.main() > compact_revision_) return true;
  if (version.is_deletion() && version.main() < compact_revision_) return false;
  if (is_tidy_) return true;
  KeyIndex::Place place;
  KEELSON_CHECK(index_.find(version.key(), place), "coord: a version's key is not in the index");
  return index_.at(place)->at(compact_revision_) == &version;
}

void Store::compact(Revision revision) {
  // Deletions at the last compacted revision were kept for watches that begin there.
  if (tidy_main_ >= compact_revision_) {
    tidy_main_ = compact_revision_;
    tidy_sub_ = 0;
  }
  compact_revision_ = revision;
  is_tidy_ = false;
}

void Store::collect_garbage(Version& version, std::vector<Version*>& garbage) {
  // One at most, unless a checkpoint that was loaded has left more behind.
  for (Version* older = version.older(); older != nullptr; older = older->older()) garbage.push_back(older);
  version.forget_older();
  if (!version.is_deletion() || version.main() >= compact_revision_) return;
  // With a newer version before it, it is that one's to take away.
  KeyIndex::Place place;
  KEELSON_CHECK(index_.find(version.key(), place), "coord: a version's key is not in the index");
  if (index_.at(place) != &version) return;
  index_.erase(place);
  garbage.push_back(&version);
}

bool Store::tidy_up(size_t steps) {
  if (is_tidy_ || is_garbage_held_) return true;
  std::vector<Version*> garbage;
  while (steps > 0) {
    garbage.clear();
    History::Cursor cursor = history_.seek(tidy_main_, tidy_sub_);
    for (size_t i = 0; i < kGarbageBatch && steps > 0; ++i, --steps) {
      Version* const version = cursor.get();
      if (version == nullptr || version->main() > compact_revision_) {
        is_tidy_ = true;
        break;
      }
      tidy_main_ = version->main();
      tidy_sub_ = version->sub() + 1;
      cursor.advance();
      collect_garbage(*version, garbage);
    }
    for (Version* version : garbage) history_.remove(version);
    if (is_tidy_) return true;
  }
  return false;
}

bool Store::load(const Version::Content& content) {
  const Version* const last = history_.last();
  if (last != nullptr && !last->is_before(content.main, content.sub)) return false;
  if (content.main > revision_) return false;
  KeyIndex::Place place;
  Version* const older = index_.find(content.key, place) ? index_.at(place) : nullptr;
  // What has been tidied up is not there any more.
  if (older != nullptr && content.main < tidy_main_) return false;
  append(content, place, older);
  return true;
}

void Store::load_counters(Revision revision, Revision compact_revision, Revision tidied_to) {
  revision_ = revision;
  compact_revision_ = compact_revision;
  tidy_main_ = tidied_to;
  tidy_sub_ = 0;
  is_tidy_ = false;
}

void Store::clear() {
  index_.clear();
  history_.clear();
  leases_.clear();
  revision_ = 1;
  load_counters(1, 0, 0);
  is_tidy_ = true;
  next_sub_ = 0;
  bytes_in_use_ = 0;
}

size_t Store::bytes_held() const {
  return history_.version_bytes() + history_.chunk_bytes() + index_.bytes_used() +
         leases_.all().size() * (sizeof(Leases::Map::value_type) + 64);
}

}  // namespace keelson::coord
