// Keys and their versions: etcd's multi-version store.
//
// Changes are made between begin() and commit(): all of them have the revision after the present one, and growing
// sub-revisions. A change that makes nothing leaves the revision as it is.
//
// Compaction sets a revision: what no read at or above it can see is garbage from then on, whether it is still there or
// not (is_readable()). tidy_up() removes it, walking the changes that came since the last compaction: each makes the
// version before it garbage, and a deletion itself. So compaction costs by changes, not by keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "engine/coord/history.h"
#include "engine/coord/key_index.h"
#include "engine/coord/leases.h"
#include "engine/coord/types.h"
#include "engine/coord/version.h"

namespace keelson::coord {

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] Revision revision() const { return revision_; }
  [[nodiscard]] Revision compact_revision() const { return compact_revision_; }
  [[nodiscard]] Leases& leases() { return leases_; }
  [[nodiscard]] const Leases& leases() const { return leases_; }

  // ---- Changes.
  void begin() { next_sub_ = 0; }
  // True: something has changed.
  bool commit();
  // Within a change that has made something: the revision that it will make; else the present one.
  [[nodiscard]] Revision revision_so_far() const { return revision_ + (next_sub_ == 0 ? 0 : 1); }
  // The lease is there, or 0.
  void put(std::string_view key, std::string_view value, LeaseId lease);
  // The count of keys deleted.
  int64_t erase_range(std::string_view key, std::string_view range_end);
  // With all its keys.
  void drop_lease(LeaseId id);

  // ---- Reading. `at`: a revision that is not compacted and not in the future.
  // The key's version that a read at the latest state sees; null: it is not there.
  [[nodiscard]] const Version* latest(std::string_view key) const;
  // Versions present at `at`, in order of keys, until `take` returns false.
  void visit(std::string_view key, std::string_view range_end, Revision at,
             FunctionRef<bool(const Version&)> take) const;
  [[nodiscard]] int64_t count(std::string_view key, std::string_view range_end, Revision at) const;
  // The state before, as far as it can be read; null: none.
  [[nodiscard]] const Version* before(const Version& version) const;
  // Could a read at some revision that is not compacted see it, or a watch from there?
  [[nodiscard]] bool is_readable(const Version& version) const;
  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] const KeyIndex& index() const { return index_; }
  [[nodiscard]] KeyIndex::Place end_of(std::string_view key, std::string_view range_end) const;

  // ---- Compaction.
  // Above the compacted revision, not above the present one.
  void compact(Revision revision);
  // Looks at up to `steps` changes. True: nothing is left.
  bool tidy_up(size_t steps);
  // While a checkpoint is taken, what it still has to write must stay.
  void hold_garbage(bool is_held) { is_garbage_held_ = is_held; }
  // Changes before this revision have been looked at.
  [[nodiscard]] Revision tidied_to() const { return tidy_main_; }

  // ---- Loading. In the order of revisions, behind all that there is; false: not so.
  [[nodiscard]] bool load(const Version::Content& content);
  void load_counters(Revision revision, Revision compact_revision, Revision tidied_to);
  void clear();

  // Of keys and values present.
  [[nodiscard]] uint64_t bytes_in_use() const { return bytes_in_use_; }
  [[nodiscard]] size_t bytes_held() const;

 private:
  // Behind all others, as its key's latest. `place`: the key's, or where it will be.
  void append(const Version::Content& content, const KeyIndex::Place& place, Version* older);
  void append_deletion(const KeyIndex::Place& place);
  // Everything that `version`, a change at or below the compacted revision, makes garbage.
  void collect_garbage(Version& version, std::vector<Version*>& garbage);

  KeyIndex index_;
  History history_;
  Leases leases_;
  Revision revision_ = 1;
  Revision compact_revision_ = 0;
  // The next change to look at.
  Revision tidy_main_ = 0;
  uint32_t tidy_sub_ = 0;
  bool is_tidy_ = true;  // up to the compacted revision
  uint32_t next_sub_ = 0;
  uint64_t bytes_in_use_ = 0;
  bool is_garbage_held_ = false;
};

}  // namespace keelson::coord
