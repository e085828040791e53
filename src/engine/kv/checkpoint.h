// Checkpoints of a keyspace: taken while it goes on changing, and loaded.
//
// Copy on write of the serialised form. A checkpoint walks the main tables in the order of the hash, segment by segment
// (some 400 entries, some tens of microseconds), and writes each as it was when the checkpoint began: before anything
// in a segment that is not written yet changes, the segment is written ahead of its turn. Big objects are only
// announced with their segment and follow part by part (pending_object.h). What is written ahead of its turn waits in
// memory: at most once the data of one shard, and only as much of it as was changed before its turn.
//
// Format. A piece is a run of whole records; a record is a u8 kind and a body (numbers are LEB128 varints unless said
// otherwise):
//
//   1 header    version (1), count of databases that hold keys; for each: number, keys, keys with a time to live
//   2 entries   database, count; for each: bytes, then the entry as it stands in memory (entry.h), but with the
//               fields of a packed hash spelled out
//   3 object    id, database, bytes, the entry (its address is zero), u8 object kind, parts, size
//               (string: size in bytes; others: elements. parts: see pending_object.h; a sorted set's are its members)
//   4 part      id, number, bytes, then
//               string: its bytes       list: the chunk's elements (list_object.h)
//               members: for each: length, name, and for a hash length, value
//               sorted set (number: how many): for each: f64 score, length, name
//   5 end       keys in all databases
//
// The header comes first and the end last; parts come behind their object, in any order. An object's key comes into the
// keyspace when its last part has come.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/kv/database.h"
#include "engine/kv/pending_object.h"

namespace keelson::kv {

class Keyspace;

enum class CheckpointRecord : uint8_t { kHeader = 1, kEntries = 2, kObject = 3, kPart = 4, kEnd = 5 };

inline constexpr uint64_t kCheckpointVersion = 1;

class Checkpoint final : public engine::CheckpointSource {
 public:
  Checkpoint(Keyspace& keyspace, uint32_t epoch);
  ~Checkpoint() override;

  bool next(size_t bytes_wanted, Buffer& out) override;

  // ---- For the keyspace and the objects

  // Before an entry with this hash changes, comes or goes.
  void before_change(Database& in, uint64_t hash);
  // A database with keys has been dropped; the checkpoint frees it when it has been written. Gives it back if it has no
  // need of it.
  std::unique_ptr<Database> adopt(std::unique_ptr<Database> database);
  [[nodiscard]] uint32_t epoch() const { return epoch_; }
  // Where parts that are written ahead of their turn go.
  [[nodiscard]] Buffer& early();
  // All of the object is written.
  void object_written(PendingObject& pending);
  // The keyspace is going.
  void abandon();

 private:
  struct Source {
    Database* database;
    uint16_t number;
    uint64_t position = 0;  // hash up to which segments are written, or written ahead of their turn
    bool is_done = false;
    std::unique_ptr<Database> owned;
  };

  void write_header();
  void write_segment(const Source& source, Table<EntryTraits>::Segment& segment, Buffer& out);
  void announce_object(const Source& source, const Entry& entry, Buffer& out);
  bool take_early(size_t bytes_wanted, Buffer& out);
  bool walk(size_t bytes_wanted, Buffer& out);
  void finish(Source& source);

  Keyspace* keyspace_;
  const uint32_t epoch_;
  std::vector<Source> sources_;
  size_t next_source_ = 0;
  uint64_t keys_ = 0;
  std::deque<Buffer> early_;                                              // each a run of whole records
  std::unordered_map<uint64_t, std::unique_ptr<PendingObject>> pending_;  // by id; never iterated but to end
  std::vector<uint64_t> queue_;                                           // ids in the order of announcement
  size_t queue_front_ = 0;
  uint64_t next_id_ = 1;
  bool is_end_written_ = false;
};

class CheckpointLoader {
 public:
  explicit CheckpointLoader(Keyspace& keyspace);
  ~CheckpointLoader();

  Status load(std::string_view piece);

 private:
  struct Loading;

  Status load_header(std::string_view& from);
  Status load_entries(std::string_view& from);
  Status load_object(std::string_view& from);
  Status load_part(std::string_view& from);
  Status load_end(std::string_view& from);

  Keyspace& keyspace_;
  uint64_t keys_ = 0;
  bool has_header_ = false;
  bool has_end_ = false;
  std::unordered_map<uint64_t, std::unique_ptr<Loading>> loading_;
};

}  // namespace keelson::kv
