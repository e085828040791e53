// HPACK, the compression of HTTP/2's field lines (RFC 7541): one direction of one connection each. Pure: bytes in,
// lines out, and the other way round.
//
// Both sides keep a table of lines that came before (§2.3.2); what one block changes in it the next one needs, so every
// block must be decoded, even of a stream that is refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace keelson::net::http {

// The dynamic table (§2.3.2, §4): the newest lines, as many as `limit` bytes hold.
class HpackTable {
 public:
  // SETTINGS_HEADER_TABLE_SIZE until somebody says otherwise (RFC 9113 §6.5.2). We never ask for more, nor use it.
  static constexpr size_t kBytesMax = 4096;
  static constexpr size_t kLineOverheadBytes = 32;  // §4.1
  static constexpr size_t kLinesMax = kBytesMax / kLineOverheadBytes;

  struct Line {
    std::string_view name;
    std::string_view value;
    uint32_t mark;
  };

  // At most kBytesMax. Drops what has no room any more.
  void set_limit(size_t bytes);
  [[nodiscard]] size_t limit() const { return limit_; }
  // Drops what has no room beside it; a line that is larger than the table leaves it empty (§4.4). The texts may be the
  // table's own. `mark` is the caller's.
  void insert(std::string_view name, std::string_view value, uint32_t mark);
  [[nodiscard]] size_t size() const { return count_; }
  // 0 is the newest. Valid until the next insert().
  [[nodiscard]] Line at(size_t place) const {
    const Slot& slot = slot_at(place);
    const char* const bytes = bytes_.get() + slot.at;
    return {{bytes, slot.name_size}, {bytes + slot.name_size, slot.value_size}, slot.mark};
  }
  [[nodiscard]] uint32_t mark_at(size_t place) const { return slot_at(place).mark; }

 private:
  struct Slot {
    uint32_t at = 0;
    uint16_t name_size = 0;
    uint16_t value_size = 0;
    uint32_t mark = 0;
  };
  // Their bytes lie one behind the other; when the end is reached, those that are left move to the front.
  static constexpr size_t kRoomBytes = 2 * kBytesMax;

  const Slot& slot_at(size_t place) const { return slots_[(newest_ + kLinesMax - place) % kLinesMax]; }
  void evict(size_t bytes_max);

  size_t limit_ = kBytesMax;
  size_t used_ = 0;   // as §4.1 counts
  size_t count_ = 0;  // lines
  size_t newest_ = 0;
  size_t end_ = 0;  // of the newest line's bytes
  std::array<Slot, kLinesMax> slots_{};
  std::unique_ptr<char[]> bytes_;  // null before the first line
};

class HpackDecoder {
 public:
  struct Line {
    std::string_view name;  // valid until the next call
    std::string_view value;
    bool is_known_good = false;  // it is in the static table
  };
  enum class Outcome : uint8_t { kLine, kEnd, kBad };

  // Takes the next line off `block`. After kBad, which is a COMPRESSION_ERROR of the connection (RFC 9113 §4.3), the
  // decoder is of no use any more. `is_first` at a block's beginning, where alone the table's size may change (§4.2).
  [[nodiscard]] Outcome next(std::string_view& block, bool is_first, Line& line);

 private:
  [[nodiscard]] bool find(uint64_t index, Line& line) const;
  [[nodiscard]] static bool take_text(std::string_view& block, std::string& scratch, std::string_view& text);

  HpackTable table_;
  std::string name_, value_;  // decoded ones
};

// Lines that come a second time go into the table, so that it holds what a connection's answers have in common, and not
// what each of them has for itself. Texts are not Huffman coded: it costs both sides more than the bytes are worth.
class HpackEncoder {
 public:
  // The client's SETTINGS_HEADER_TABLE_SIZE; the next block says that it was heard (§4.2).
  void set_limit(size_t bytes);
  // Before the first line of a block.
  void begin(Buffer& into);
  // `name` in lower case.
  void add(std::string_view name, std::string_view value, Buffer& into);
  void add_status(uint16_t status, Buffer& into);
  // Changes whenever lines may be encoded otherwise than before.
  [[nodiscard]] uint64_t generation() const { return generation_; }

 private:
  static constexpr size_t kSeen = 64;

  HpackTable table_;
  bool has_new_limit_ = false;
  size_t lowest_limit_ = 0;
  uint64_t generation_ = 0;
  std::array<uint32_t, kSeen> seen_{};  // hashes of lines that came once
};

}  // namespace keelson::net::http
