// The object of a list that is too long for its entry: chunks of packed elements, in a ring of their addresses and
// counts.
//
// A chunk has room at both ends, so a push at either end writes only the element. Behind each element stands the length
// of its packed form, to be read backwards: 7 bits in the last byte, the high bit set if more bytes stand before it.
//
// The ring has one word for each chunk: 48 bits of address, 16 bits of count; so an index is found by a walk over words
// that lie together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/numbers.h"
#include "engine/kv/big_object.h"
#include "engine/kv/packed.h"

namespace keelson::kv {

struct ListChunk {
  uint32_t capacity;  // bytes behind this header
  uint32_t begin;     // where the elements begin and end, from the end of this header
  uint32_t end;
  uint32_t epoch;  // for checkpoints

  [[nodiscard]] char* data() { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] const char* data() const { return reinterpret_cast<const char*>(this + 1); }
};

class ListObject final : public BigObject {
 public:
  // Chunk limits, from list-max-listpack-size; looked at whenever a chunk takes an element.
  struct Limits {
    uint32_t bytes_max;
    uint32_t elements_max;
  };
  static Limits limits_of(int32_t list_max_listpack_size);
  using Visit = FunctionRef<bool(size_t index, std::string_view element)>;

  ListObject() : BigObject(Kind::kList) {}
  ~ListObject();

  [[nodiscard]] size_t size() const { return size_; }
  void push_front(const PackedElement& element, const Limits& limits);
  void push_back(const PackedElement& element, const Limits& limits);
  [[nodiscard]] std::string pop_front();
  [[nodiscard]] std::string pop_back();
  [[nodiscard]] std::string_view at(size_t index, IntegerText& scratch) const;
  void set(size_t index, const PackedElement& element, const Limits& limits);
  void insert(size_t index, const PackedElement& element, const Limits& limits);
  void erase(size_t first, size_t count);
  size_t remove_equal(const PackedElement& element, size_t count, bool from_tail);
  void for_range(size_t first, size_t count, Visit visit) const;
  void for_range_reverse(size_t first, size_t count, Visit visit) const;

  // Frees chunks from the end on; true when none is left.
  bool drain(size_t& budget);

  // ---- For checkpoints
  [[nodiscard]] size_t chunk_count() const { return chunks_; }
  [[nodiscard]] ListChunk* chunk(size_t index) const { return chunk_of(word(index)); }
  [[nodiscard]] uint32_t epoch() const { return epoch_; }
  void set_epoch(uint32_t epoch) { epoch_ = epoch; }
  // Takes a chunk's elements (as in a chunk) at the end; false if they are not well formed.
  bool append_chunk(std::string_view elements);
  [[nodiscard]] size_t bytes() const;

 private:
  struct Position {
    size_t chunk;  // index in the ring
    size_t index;  // within the chunk
  };

  static constexpr unsigned kCountShift = 48;
  static constexpr uint64_t kAddressMask = (uint64_t{1} << kCountShift) - 1;
  static constexpr size_t kChunkElementsMax = 0xffff;

  static ListChunk* chunk_of(uint64_t word) { return reinterpret_cast<ListChunk*>(word & kAddressMask); }
  static size_t count_of(uint64_t word) { return word >> kCountShift; }
  [[nodiscard]] uint64_t& word(size_t index) { return ring_[(head_ + index) & (ring_.size() - 1)]; }
  [[nodiscard]] uint64_t word(size_t index) const { return ring_[(head_ + index) & (ring_.size() - 1)]; }

  [[nodiscard]] Position position_of(size_t index) const;
  // Byte offset, from the chunk's begin, of its element number `index`.
  [[nodiscard]] static size_t offset_of(uint64_t word, size_t index);
  void changing(ListChunk& chunk);
  ListChunk* new_chunk(size_t capacity);
  static void free_chunk(ListChunk* chunk);
  void open_slot(size_t index);
  void close_slot(size_t index);
  void put_chunk(size_t index, ListChunk* chunk, size_t count);
  void remove_chunk(size_t index);
  // Room for `bytes` at the front or the back of the chunk; may move the chunk.
  ListChunk* make_room(size_t index, size_t bytes, bool at_front, const Limits& limits);
  [[nodiscard]] size_t initial_bytes(const Limits& limits) const;
  [[nodiscard]] bool fits(size_t index, size_t bytes, const Limits& limits) const;
  void split(size_t index, size_t elements);
  void splice(size_t index, size_t offset, size_t erased, const PackedElement* element, const Limits& limits);
  void erase_in(size_t index, size_t first, size_t count);
  size_t remove_equal_in(size_t index, const PackedElement& element, size_t count, bool from_tail);

  std::vector<uint64_t> ring_;  // a power of two, or empty
  size_t head_ = 0;
  size_t chunks_ = 0;
  size_t size_ = 0;
  uint32_t epoch_ = 0;
};

}  // namespace keelson::kv
