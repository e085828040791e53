#include "engine/kv/pending_object.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"
#include "engine/kv/checkpoint.h"
#include "engine/kv/member_object.h"
#include "engine/kv/string_object.h"

namespace keelson::kv {

PendingObject::PendingObject(Checkpoint& checkpoint, uint64_t id, BigObject& object)
    : checkpoint_(checkpoint), id_(id), object_(object) {
  switch (object.kind()) {
    case BigObject::Kind::kString:
      size_ = static_cast<const StringObject&>(object).size();
      parts_ = (size_ + StringObject::kBlockBytes - 1) / StringObject::kBlockBytes;
      is_written_.resize(parts_);
      break;
    case BigObject::Kind::kMembers:
      size_ = static_cast<const MemberObject&>(object).size();
      parts_ = (size_ + MemberObject::kBlockMembers - 1) / MemberObject::kBlockMembers;
      is_written_.resize(parts_);
      break;
    case BigObject::Kind::kList: {
      auto& list = static_cast<ListObject&>(object);
      size_ = list.size();
      parts_ = list.chunk_count();
      for (size_t i = 0; i < parts_; ++i) chunks_.push_back(list.chunk(i));
      list.set_epoch(checkpoint.epoch());
      break;
    }
    case BigObject::Kind::kSortedSet: {
      auto& sorted_set = static_cast<SortedSetObject&>(object);
      size_ = parts_ = sorted_set.size();
      sorted_set.set_epoch(checkpoint.epoch());
      break;
    }
  }
}

void PendingObject::begin_part(size_t number, Buffer& out) {
  append_u8(out, static_cast<uint8_t>(CheckpointRecord::kPart));
  append_varint(out, id_);
  append_varint(out, number);
}

void PendingObject::write_block(size_t block, Buffer& out) {
  begin_part(block, out);
  is_written_[block] = true;
  ++parts_written_;
  if (object_.kind() == BigObject::Kind::kString) {
    const size_t begin = block * StringObject::kBlockBytes;
    const size_t bytes = std::min(StringObject::kBlockBytes, size_ - begin);
    return append_string(out, static_cast<const StringObject&>(object_).view().substr(begin, bytes));
  }
  const auto& members = static_cast<const MemberObject&>(object_);
  const size_t begin = block * MemberObject::kBlockMembers;
  const size_t end = std::min(begin + MemberObject::kBlockMembers, size_);
  Buffer part;
  for (size_t i = begin; i < end; ++i) {
    append_string(part, members.at(i).name());
    if (members.has_values()) append_string(part, members.at(i).value());
  }
  append_string(out, part.view());
}

void PendingObject::write_chunk(size_t index, Buffer& out) {
  ListChunk& chunk = *chunks_[index];
  begin_part(index, out);
  append_string(out, std::string_view(chunk.data() + chunk.begin, chunk.end - chunk.begin));
  chunk.epoch = checkpoint_.epoch();
  chunks_[index] = nullptr;
  ++parts_written_;
}

void PendingObject::write_leaf(const ScoreTree::Leaf& leaf, Buffer& out) {
  begin_part(leaf.count, out);
  Buffer part;
  for (size_t i = 0; i < leaf.count; ++i) {
    char score[sizeof(double)];
    std::memcpy(score, &leaf.keys[i].score, sizeof(score));
    part.append({score, sizeof(score)});
    append_string(part, leaf.keys[i].member->name());
  }
  append_string(out, part.view());
  parts_written_ += leaf.count;
}

void PendingObject::before_block(size_t block) {
  if (block >= parts_ || is_written_[block]) return;
  write_block(block, checkpoint_.early());
  if (parts_written_ == parts_) checkpoint_.object_written(*this);
}

void PendingObject::before_chunk(ListChunk& chunk) {
  if (chunk.epoch == checkpoint_.epoch()) return;
  // Changes come mostly at the ends.
  size_t index = 0;
  for (size_t front = next_part_, back = parts_ - 1;; ++front, --back) {
    if (chunks_[front] == &chunk) {
      index = front;
      break;
    }
    if (chunks_[back] == &chunk) {
      index = back;
      break;
    }
  }
  write_chunk(index, checkpoint_.early());
  if (parts_written_ == parts_) checkpoint_.object_written(*this);
}

void PendingObject::before_leaf(ScoreTree::Leaf& leaf) {
  if (leaf.epoch == checkpoint_.epoch()) return;
  leaf.epoch = checkpoint_.epoch();
  if (leaf.count == 0) return;
  write_leaf(leaf, checkpoint_.early());
  if (parts_written_ == parts_) checkpoint_.object_written(*this);
}

bool PendingObject::write_leaves(size_t bytes_wanted, Buffer& out) {
  const ScoreTree& tree = static_cast<const SortedSetObject&>(object_).tree();
  ScoreTree::Leaf* leaf = tree.leaf_from([this](const ScoreKey& key) {
    if (!has_position_) return false;
    return key.score != position_score_ ? key.score < position_score_ : key.member->name() <= position_member_;
  });
  // The position may lie within a leaf that was joined from written ones; leaves know whether they are written.
  for (; leaf != nullptr; leaf = leaf->behind) {
    if (out.size() >= bytes_wanted) return false;
    if (leaf->epoch != checkpoint_.epoch()) {
      leaf->epoch = checkpoint_.epoch();
      write_leaf(*leaf, out);
    }
    const ScoreKey& last = leaf->keys[leaf->count - 1U];
    has_position_ = true;
    position_score_ = last.score;
    position_member_ = last.member->name();
    if (parts_written_ == parts_) break;
  }
  return true;
}

bool PendingObject::write(size_t bytes_wanted, Buffer& out) {
  if (object_.kind() == BigObject::Kind::kSortedSet) {
    if (!write_leaves(bytes_wanted, out)) return false;
    KEELSON_CHECK(parts_written_ == parts_, "a checkpoint lost members of a sorted set");
    return true;
  }
  const bool is_list = object_.kind() == BigObject::Kind::kList;
  for (; next_part_ < parts_; ++next_part_) {
    if (is_list ? chunks_[next_part_] == nullptr : is_written_[next_part_]) continue;
    if (out.size() >= bytes_wanted) return false;
    if (is_list) {
      write_chunk(next_part_, out);
    } else {
      write_block(next_part_, out);
    }
  }
  return true;
}

}  // namespace keelson::kv
