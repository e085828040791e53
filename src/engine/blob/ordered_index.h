// An ordered map from short byte strings to short byte strings, for tens of millions of entries in little memory.
//
// Entries lie packed in leaves of about 4 KiB, each key without what it shares with the one before; a directory (a
// std::map) finds the leaf. So an entry costs what is new in its key, its value and 3 bytes, plus about 5% for
// directory and slack: leaves grow in small steps instead of being half empty. A search decodes at most one leaf.
//
//   leaf  = entries, back to back, keys rising
//   entry = varint bytes shared with the key before, varint further bytes, varint bytes of the value, those bytes, the
//           value
//
// A checkpoint writes leaves one after another as they lie in memory. A leaf that is about to change before its turn
// gives its bytes to the checkpoint first, so what is written is the state at begin_checkpoint(). One at a time.
//
// Order is that of memcmp. Own thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::blob {

class OrderedIndex {
 public:
  // A leaf is split above this, if it has more than one entry.
  static constexpr size_t kLeafBytesMax = 4096;

  OrderedIndex();
  OrderedIndex(const OrderedIndex&) = delete;
  OrderedIndex& operator=(const OrderedIndex&) = delete;
  ~OrderedIndex();

  [[nodiscard]] size_t size() const { return size_; }
  // Held from the allocator, about.
  [[nodiscard]] size_t bytes_used() const;
  void clear();

  // Inserts, or replaces the value.
  void put(std::string_view key, std::string_view value);
  // False if there is none.
  bool erase(std::string_view key);
  // The value holds until the next change.
  [[nodiscard]] bool find(std::string_view key, std::string_view& value) const;

 private:
  struct Leaf;
  using Directory = std::map<std::string, Leaf, std::less<>>;

 public:
  // Walks entries upwards. Invalid after a change of the index.
  class Cursor {
   public:
    explicit Cursor(const OrderedIndex& index) : index_(index) {}
    // To the first entry whose key is not less.
    void seek(std::string_view key);
    // The same for a key behind the present one (only if is_valid()): cheaper, if it is not far.
    void seek_forward(std::string_view key);
    // Only if is_valid().
    void next();
    [[nodiscard]] bool is_valid() const { return is_valid_; }
    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] std::string_view value() const { return value_; }

   private:
    void seek_in_leaf(std::string_view key);
    void enter_leaf();
    void decode();

    const OrderedIndex& index_;
    Directory::const_iterator leaf_;
    size_t at_ = 0;  // of the next entry within the leaf
    std::string key_;
    std::string_view value_;
    bool is_valid_ = false;
  };

  // ---- Checkpoints.

  using TakeLeaf = std::function<void(std::string_view leaf)>;
  // From now on leaves that change are given to `take_early` first, until end_checkpoint().
  void begin_checkpoint(TakeLeaf take_early);
  // Gives leaves to `take` until it has been given `bytes_wanted`; true when none is left.
  bool checkpoint_some(size_t bytes_wanted, const TakeLeaf& take);
  void end_checkpoint();
  // Takes a leaf of a checkpoint, in any order, into an index that has got nothing but those. `look` sees each entry
  // and says whether it is good. An error: the bytes are no leaf, or it does not fit between the others.
  Status load_leaf(std::string_view leaf, const std::function<bool(std::string_view, std::string_view)>& look);

 private:
  struct Leaf {
    std::unique_ptr<char[]> bytes;
    uint32_t size = 0;
    uint32_t capacity = 0;
    uint32_t count = 0;
    uint32_t epoch = 0;
    [[nodiscard]] std::string_view view() const { return {bytes.get(), size}; }
  };
  // Where a key stands, or would stand, in a leaf.
  struct Spot;

  static Spot find_in(const Leaf& leaf, std::string_view key);
  [[nodiscard]] Directory::iterator leaf_of(std::string_view key);
  [[nodiscard]] Directory::const_iterator leaf_of(std::string_view key) const;
  void before_change(Leaf& leaf);
  void splice(Leaf& leaf, size_t from, size_t to, std::string_view bytes);
  void split(Directory::iterator at, bool is_append);
  void merge_if_small(Directory::iterator at);

  Directory directory_;
  size_t size_ = 0;
  size_t leaf_bytes_ = 0;       // capacities
  size_t directory_bytes_ = 0;  // separators beyond what a node holds
  uint32_t epoch_ = 0;
  bool is_checkpointing_ = false;
  bool has_more_ = false;
  std::string next_separator_;
  TakeLeaf take_early_;
};

}  // namespace keelson::blob
