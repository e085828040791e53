// PendingObject: what a checkpoint has still to write of one big object.
//
// An object is written in parts: blocks of a string or of an array of members, chunks of a list, leaves of a sorted
// set's tree. The checkpoint takes them one after another; whoever is about to change one tells it first, and the part
// is then written ahead of its turn. When every part is written the object's `pending` is null again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "engine/kv/big_object.h"
#include "engine/kv/list_object.h"
#include "engine/kv/sorted_set_object.h"

namespace keelson::kv {

class Checkpoint;

class PendingObject {
 public:
  PendingObject(Checkpoint& checkpoint, uint64_t id, BigObject& object);

  // Before block `block` of a string or of an array of members changes. May end the pending state (and this object).
  void before_block(size_t block);
  // Before the chunk changes or goes.
  void before_chunk(ListChunk& chunk);
  // Before the leaf changes or goes.
  void before_leaf(ScoreTree::Leaf& leaf);

  // Writes parts in turn until `out` holds `bytes_wanted` or more; true when all is written.
  bool write(size_t bytes_wanted, Buffer& out);
  [[nodiscard]] BigObject& object() { return object_; }
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t parts() const { return parts_; }
  // The entry is gone: the object is the checkpoint's to free.
  void set_orphan() { is_orphan_ = true; }
  [[nodiscard]] bool is_orphan() const { return is_orphan_; }

 private:
  void write_block(size_t block, Buffer& out);
  void write_chunk(size_t index, Buffer& out);
  void write_leaf(const ScoreTree::Leaf& leaf, Buffer& out);
  bool write_leaves(size_t bytes_wanted, Buffer& out);
  void begin_part(size_t number, Buffer& out);

  Checkpoint& checkpoint_;
  const uint64_t id_;
  BigObject& object_;
  bool is_orphan_ = false;
  size_t size_ = 0;   // bytes of a string; else elements
  size_t parts_ = 0;  // blocks or chunks; of a sorted set: members
  size_t parts_written_ = 0;
  size_t next_part_ = 0;
  std::vector<bool> is_written_;    // blocks
  std::vector<ListChunk*> chunks_;  // as they were; null: written
  bool has_position_ = false;       // of a sorted set: everything up to this member is written
  double position_score_ = 0;
  std::string position_member_;
};

}  // namespace keelson::kv
