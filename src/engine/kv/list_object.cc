#include "engine/kv/list_object.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "engine/kv/pending_object.h"
#include "engine/kv/size_class.h"

namespace keelson::kv {
namespace {

// The first chunk of a list is small, and grows by doubling until it is a whole one.
constexpr size_t kFirstChunkBytes = 512;

size_t back_length_bytes(size_t size) { return varint_size(size); }

// Bytes that the element takes in a chunk.
size_t chunk_bytes(const PackedElement& element) {
  const size_t size = element.size();
  return size + back_length_bytes(size);
}

// Writes the length so that it can be read from behind.
char* write_back_length(char* to, size_t size) {
  const size_t bytes = back_length_bytes(size);
  for (size_t i = bytes; i > 0; --i) {
    to[i - 1] = static_cast<char>((size & 127) | (i > 1 ? 128 : 0));
    size >>= 7;
  }
  return to + bytes;
}

// The whole size (length bytes included) of the element that ends before `end`.
size_t size_before(const char* end) {
  size_t size = 0;
  unsigned bytes = 0;
  uint8_t byte;
  do {
    byte = static_cast<uint8_t>(*--end);
    size |= size_t{byte & 127U} << (7 * bytes++);
  } while (byte >= 128);
  return size + bytes;
}

size_t size_behind(const char* at) {
  const size_t size = packed_size_at(at);
  return size + back_length_bytes(size);
}

char* write_element(char* to, const PackedElement& element) {
  char* end = element.write(to);
  return write_back_length(end, static_cast<size_t>(end - to));
}

}  // namespace

ListObject::Limits ListObject::limits_of(int32_t list_max_listpack_size) {
  if (list_max_listpack_size >= 0) {
    return {UINT32_MAX, static_cast<uint32_t>(std::clamp<int32_t>(list_max_listpack_size, 1, kChunkElementsMax))};
  }
  const int32_t step = std::clamp(-list_max_listpack_size, 1, 5);
  // The header is part of the size class.
  return {static_cast<uint32_t>((size_t{2048} << step) - sizeof(ListChunk)), kChunkElementsMax};
}

ListObject::~ListObject() {
  for (size_t i = 0; i < chunks_; ++i) free_chunk(chunk(i));
}

bool ListObject::drain(size_t& budget) {
  while (chunks_ > 0 && budget > 0) {
    budget -= std::min(budget, count_of(word(chunks_ - 1)) / 16 + 1);
    size_ -= count_of(word(chunks_ - 1));
    free_chunk(chunk(--chunks_));
  }
  return chunks_ == 0;
}

size_t ListObject::bytes() const {
  size_t total = size_class(sizeof(ListObject)) + size_class(ring_.size() * sizeof(uint64_t));
  for (size_t i = 0; i < chunks_; ++i) total += sizeof(ListChunk) + chunk(i)->capacity;
  return total;
}

void ListObject::changing(ListChunk& chunk) {
  if (pending() != nullptr) [[unlikely]]
    pending()->before_chunk(chunk);
}

ListChunk* ListObject::new_chunk(size_t capacity) {
  const size_t bytes = size_class(sizeof(ListChunk) + capacity);
  auto* chunk = static_cast<ListChunk*>(std::malloc(bytes));
  KEELSON_CHECK(chunk != nullptr, "out of memory");
  chunk->capacity = static_cast<uint32_t>(bytes - sizeof(ListChunk));
  chunk->begin = chunk->end = 0;
  chunk->epoch = epoch_;
  return chunk;
}

void ListObject::free_chunk(ListChunk* chunk) { std::free(chunk); }

// Makes a place for one more word at `index`, moving the shorter side.
void ListObject::open_slot(size_t index) {
  if (chunks_ == ring_.size()) {
    std::vector<uint64_t> larger(std::max<size_t>(2, ring_.size() * 2));
    for (size_t i = 0; i < chunks_; ++i) larger[i] = word(i);
    ring_ = std::move(larger);
    head_ = 0;
  }
  ++chunks_;
  if (index < chunks_ / 2) {
    head_ = (head_ - 1) & (ring_.size() - 1);
    for (size_t i = 0; i < index; ++i) word(i) = word(i + 1);
  } else {
    for (size_t i = chunks_ - 1; i > index; --i) word(i) = word(i - 1);
  }
}

void ListObject::close_slot(size_t index) {
  if (index < chunks_ / 2) {
    for (size_t i = index; i > 0; --i) word(i) = word(i - 1);
    head_ = (head_ + 1) & (ring_.size() - 1);
  } else {
    for (size_t i = index; i + 1 < chunks_; ++i) word(i) = word(i + 1);
  }
  --chunks_;
}

void ListObject::put_chunk(size_t index, ListChunk* chunk, size_t count) {
  word(index) = reinterpret_cast<uint64_t>(chunk) | uint64_t{count} << kCountShift;
}

void ListObject::remove_chunk(size_t index) {
  free_chunk(chunk(index));
  close_slot(index);
}

bool ListObject::fits(size_t index, size_t bytes, const Limits& limits) const {
  const ListChunk& at = *chunk(index);
  return at.end - at.begin + bytes <= limits.bytes_max &&
         count_of(word(index)) < std::min<size_t>(limits.elements_max, kChunkElementsMax);
}

// If the side is full: moves the elements within the chunk when there is plenty of room, else to a larger chunk.
ListChunk* ListObject::make_room(size_t index, size_t bytes, bool at_front, const Limits& limits) {
  ListChunk* from = chunk(index);
  if (at_front ? from->begin >= bytes : from->capacity - from->end >= bytes) return from;
  const size_t used = from->end - from->begin;
  const size_t needed = used + bytes;
  ListChunk* to = from;
  if (needed > from->capacity || (needed + needed / 8 > from->capacity && from->capacity < limits.bytes_max)) {
    const size_t wanted = std::max(needed + needed / 8, std::min<size_t>(needed * 2, limits.bytes_max));
    to = new_chunk(std::max(needed, std::min<size_t>(wanted, limits.bytes_max)));
    to->epoch = from->epoch;
  }
  // Half of what is spare goes to the other side only if it has been used before.
  const size_t spare = to->capacity - needed;
  const bool is_one_sided = at_front ? from->end == from->capacity : from->begin == 0;
  const size_t other_side = is_one_sided ? 0 : spare / 2;
  const size_t begin = at_front ? to->capacity - other_side - used : other_side;
  std::memmove(to->data() + begin, from->data() + from->begin, used);
  to->begin = static_cast<uint32_t>(begin);
  to->end = static_cast<uint32_t>(begin + used);
  if (to != from) {
    put_chunk(index, to, count_of(word(index)));
    free_chunk(from);
  }
  return to;
}

// Of a chunk at an end: a whole one, unless the list is new or its chunks are limited by elements.
size_t ListObject::initial_bytes(const Limits& limits) const {
  const bool is_small = chunks_ == 0 || limits.bytes_max == UINT32_MAX;
  return is_small ? kFirstChunkBytes - sizeof(ListChunk) : limits.bytes_max;
}

void ListObject::push_front(const PackedElement& element, const Limits& limits) {
  const size_t bytes = chunk_bytes(element);
  if (chunks_ == 0 || !fits(0, bytes, limits)) {
    ListChunk* added = new_chunk(std::max(bytes, initial_bytes(limits)));
    added->begin = added->end = added->capacity;
    open_slot(0);
    put_chunk(0, added, 0);
  } else {
    changing(*chunk(0));
  }
  ListChunk* to = make_room(0, bytes, true, limits);
  to->begin -= static_cast<uint32_t>(bytes);
  write_element(to->data() + to->begin, element);
  word(0) += uint64_t{1} << kCountShift;
  ++size_;
}

void ListObject::push_back(const PackedElement& element, const Limits& limits) {
  const size_t bytes = chunk_bytes(element);
  if (chunks_ == 0 || !fits(chunks_ - 1, bytes, limits)) {
    ListChunk* added = new_chunk(std::max(bytes, initial_bytes(limits)));
    open_slot(chunks_);
    put_chunk(chunks_ - 1, added, 0);
  } else {
    changing(*chunk(chunks_ - 1));
  }
  ListChunk* to = make_room(chunks_ - 1, bytes, false, limits);
  write_element(to->data() + to->end, element);
  to->end += static_cast<uint32_t>(bytes);
  word(chunks_ - 1) += uint64_t{1} << kCountShift;
  ++size_;
}

std::string ListObject::pop_front() {
  ListChunk& from = *chunk(0);
  changing(from);
  IntegerText scratch;
  const char* at = from.data() + from.begin;
  std::string element(read_packed(at).text(scratch));
  from.begin += static_cast<uint32_t>(size_behind(at));
  word(0) -= uint64_t{1} << kCountShift;
  --size_;
  if (count_of(word(0)) == 0) remove_chunk(0);
  return element;
}

std::string ListObject::pop_back() {
  const size_t last = chunks_ - 1;
  ListChunk& from = *chunk(last);
  changing(from);
  IntegerText scratch;
  const size_t bytes = size_before(from.data() + from.end);
  std::string element(read_packed(from.data() + from.end - bytes).text(scratch));
  from.end -= static_cast<uint32_t>(bytes);
  word(last) -= uint64_t{1} << kCountShift;
  --size_;
  if (count_of(word(last)) == 0) remove_chunk(last);
  return element;
}

// From whichever end is nearer.
auto ListObject::position_of(size_t index) const -> Position {
  if (index < size_ / 2) {
    size_t at = 0;
    while (index >= count_of(word(at))) index -= count_of(word(at++));
    return {at, index};
  }
  size_t behind = size_ - index;  // elements from this one to the end
  size_t at = chunks_ - 1;
  while (behind > count_of(word(at))) behind -= count_of(word(at--));
  return {at, count_of(word(at)) - behind};
}

size_t ListObject::offset_of(uint64_t word, size_t index) {
  const ListChunk& chunk = *chunk_of(word);
  const size_t count = count_of(word);
  const char* begin = chunk.data() + chunk.begin;
  if (index <= count / 2) {
    const char* at = begin;
    for (; index > 0; --index) at += size_behind(at);
    return static_cast<size_t>(at - begin);
  }
  const char* at = chunk.data() + chunk.end;
  for (size_t behind = count - index; behind > 0; --behind) at -= size_before(at);
  return static_cast<size_t>(at - begin);
}

std::string_view ListObject::at(size_t index, IntegerText& scratch) const {
  const Position position = position_of(index);
  const ListChunk& from = *chunk(position.chunk);
  return read_packed(from.data() + from.begin + offset_of(word(position.chunk), position.index)).text(scratch);
}

// Puts the element (or nothing) in the place of `erased` bytes. The caller counts, and knows that the chunk may change.
void ListObject::splice(size_t index, size_t offset, size_t erased, const PackedElement* element,
                        const Limits& limits) {
  const size_t added = element != nullptr ? chunk_bytes(*element) : 0;
  ListChunk* to = chunk(index);
  if (added > erased) to = make_room(index, added - erased, false, limits);
  char* at = to->data() + to->begin + offset;
  const size_t tail = to->end - to->begin - offset - erased;
  std::memmove(at + added, at + erased, tail);
  to->end = static_cast<uint32_t>(to->end + added - erased);
  if (element != nullptr) write_element(at, *element);
}

// The first `elements` stay (0 < elements < count), the others go to a new chunk behind.
void ListObject::split(size_t index, size_t elements) {
  ListChunk* from = chunk(index);
  const size_t count = count_of(word(index));
  const size_t offset = offset_of(word(index), elements);
  const size_t moved = from->end - from->begin - offset;
  ListChunk* to = new_chunk(moved);
  std::memcpy(to->data(), from->data() + from->begin + offset, moved);
  to->end = static_cast<uint32_t>(moved);
  from->end -= static_cast<uint32_t>(moved);
  open_slot(index + 1);
  put_chunk(index + 1, to, count - elements);
  put_chunk(index, from, elements);
}

void ListObject::set(size_t index, const PackedElement& element, const Limits& limits) {
  const Position position = position_of(index);
  changing(*chunk(position.chunk));
  const size_t offset = offset_of(word(position.chunk), position.index);
  const ListChunk& in = *chunk(position.chunk);
  const size_t old = size_behind(in.data() + in.begin + offset);
  const size_t bytes = chunk_bytes(element);
  if (bytes <= old || in.end - in.begin - old + bytes <= limits.bytes_max || count_of(word(position.chunk)) == 1) {
    return splice(position.chunk, offset, old, &element, limits);
  }
  erase(index, 1);
  insert(index, element, limits);
}

void ListObject::insert(size_t index, const PackedElement& element, const Limits& limits) {
  if (index == 0) return push_front(element, limits);
  if (index == size_) return push_back(element, limits);
  Position position = position_of(index);
  const size_t bytes = chunk_bytes(element);
  changing(*chunk(position.chunk));
  if (!fits(position.chunk, bytes, limits)) {
    if (position.index != 0) {
      split(position.chunk, position.index);
      ++position.chunk;
    }
    // Now the element comes before the chunk's first: at the end of the chunk before it, or in one of its own.
    const bool has_before = position.chunk > 0;
    if (has_before) changing(*chunk(position.chunk - 1));
    if (has_before && fits(position.chunk - 1, bytes, limits)) {
      --position.chunk;
      position.index = count_of(word(position.chunk));
    } else if (fits(position.chunk, bytes, limits)) {
      position.index = 0;
    } else {
      ListChunk* added = new_chunk(bytes);
      open_slot(position.chunk);
      put_chunk(position.chunk, added, 0);
      position.index = 0;
    }
  }
  splice(position.chunk, offset_of(word(position.chunk), position.index), 0, &element, limits);
  word(position.chunk) += uint64_t{1} << kCountShift;
  ++size_;
}

void ListObject::erase_in(size_t index, size_t first, size_t count) {
  ListChunk& in = *chunk(index);
  changing(in);
  const size_t whole = count_of(word(index));
  size_ -= count;
  if (count == whole) return remove_chunk(index);
  const size_t from = offset_of(word(index), first);
  const size_t to = offset_of(word(index), first + count);
  if (first == 0) {
    in.begin += static_cast<uint32_t>(to);
  } else {
    splice(index, from, to - from, nullptr, {});
  }
  word(index) -= uint64_t{count} << kCountShift;
}

void ListObject::erase(size_t first, size_t count) {
  if (count == 0) return;
  Position position = position_of(first);
  while (count > 0) {
    const size_t whole = count_of(word(position.chunk));
    const size_t here = std::min(count, whole - position.index);
    erase_in(position.chunk, position.index, here);
    count -= here;
    if (here != whole) ++position.chunk;
    position.index = 0;
  }
}

size_t ListObject::remove_equal_in(size_t index, const PackedElement& element, size_t count, bool from_tail) {
  std::vector<uint32_t> offsets;  // of equal elements
  ListChunk& in = *chunk(index);
  const char* begin = in.data() + in.begin;
  const char* end = in.data() + in.end;
  for (const char* at = begin; at < end; at += size_behind(at)) {
    if (packed_equals(at, element)) offsets.push_back(static_cast<uint32_t>(at - begin));
  }
  if (offsets.empty()) return 0;
  changing(in);
  const size_t removed = std::min(count, offsets.size());
  if (from_tail) {
    offsets.erase(offsets.begin(), offsets.end() - static_cast<ptrdiff_t>(removed));
  } else {
    offsets.resize(removed);
  }
  const size_t bytes = chunk_bytes(element);
  char* data = in.data() + in.begin;
  size_t to = offsets[0];
  for (size_t i = 0; i < removed; ++i) {
    const size_t from = offsets[i] + bytes;
    const size_t until = i + 1 < removed ? offsets[i + 1] : in.end - in.begin;
    std::memmove(data + to, data + from, until - from);
    to += until - from;
  }
  in.end = in.begin + static_cast<uint32_t>(to);
  word(index) -= uint64_t{removed} << kCountShift;
  size_ -= removed;
  return removed;
}

size_t ListObject::remove_equal(const PackedElement& element, size_t count, bool from_tail) {
  size_t left = count == 0 ? size_ : count;
  size_t removed = 0;
  size_t at = from_tail ? chunks_ : 0;
  while (left > removed && (from_tail ? at > 0 : at < chunks_)) {
    if (from_tail) --at;
    removed += remove_equal_in(at, element, left - removed, from_tail);
    if (count_of(word(at)) == 0) {
      remove_chunk(at);
    } else if (!from_tail) {
      ++at;
    }
  }
  return removed;
}

void ListObject::for_range(size_t first, size_t count, Visit visit) const {
  if (first >= size_ || count == 0) return;
  count = std::min(count, size_ - first);
  IntegerText scratch;
  const Position position = position_of(first);
  size_t offset = offset_of(word(position.chunk), position.index);
  for (size_t i = position.chunk; count > 0; ++i, offset = 0) {
    const ListChunk& in = *chunk(i);
    const char* end = in.data() + in.end;
    for (const char* at = in.data() + in.begin + offset; at < end && count > 0; --count, ++first) {
      const PackedItem item = read_packed(at);
      if (!visit(first, item.text(scratch))) return;
      at += item.size + back_length_bytes(item.size);
    }
  }
}

void ListObject::for_range_reverse(size_t first, size_t count, Visit visit) const {
  if (first >= size_ || count == 0) return;
  count = std::min(count, first + 1);
  IntegerText scratch;
  const Position position = position_of(first);
  size_t chunk_index = position.chunk;
  const char* at = chunk(chunk_index)->data() + chunk(chunk_index)->begin;
  at += offset_of(word(chunk_index), position.index + 1);
  for (;; --first) {
    if (at == chunk(chunk_index)->data() + chunk(chunk_index)->begin) {
      --chunk_index;
      at = chunk(chunk_index)->data() + chunk(chunk_index)->end;
    }
    at -= size_before(at);
    if (!visit(first, read_packed(at).text(scratch)) || --count == 0) return;
  }
}

bool ListObject::append_chunk(std::string_view elements) {
  size_t count = 0;
  for (std::string_view rest = elements; !rest.empty(); ++count) {
    const auto size = checked_packed_size(rest);
    if (!size || *size + back_length_bytes(*size) > rest.size()) return false;
    std::array<char, kVarintBytesMax> length;
    const char* end = write_back_length(length.data(), *size);
    const size_t bytes = static_cast<size_t>(end - length.data());
    if (rest.substr(*size, bytes) != std::string_view(length.data(), bytes)) return false;
    rest.remove_prefix(*size + bytes);
  }
  if (count == 0 || count > kChunkElementsMax) return false;
  ListChunk* added = new_chunk(elements.size());
  std::memcpy(added->data(), elements.data(), elements.size());
  added->end = static_cast<uint32_t>(elements.size());
  open_slot(chunks_);
  put_chunk(chunks_ - 1, added, count);
  size_ += count;
  return true;
}

}  // namespace keelson::kv
