#include "net/http/hpack.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "net/http/hpack_huffman.h"

namespace keelson::net::http {

namespace {

struct StaticLine {
  std::string_view name;
  std::string_view value;
};

// RFC 7541 Appendix A. Index 1 is the first.
constexpr std::array<StaticLine, 61> kStatic = {{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};
constexpr uint64_t kStatusIndex = 8;  // of ":status"

// Kinds of lines (§6): the bits before the integer, and how many are left for it.
constexpr uint8_t kIndexed = 0x80;
constexpr uint8_t kIndexing = 0x40;
constexpr uint8_t kNewLimit = 0x20;
constexpr uint8_t kNeverIndexed = 0x10;
constexpr uint8_t kNotIndexed = 0x00;
constexpr unsigned kIndexedBits = 7;
constexpr unsigned kIndexingBits = 6;
constexpr unsigned kNewLimitBits = 5;
constexpr unsigned kLiteralBits = 4;
constexpr unsigned kLengthBits = 7;
constexpr uint8_t kHuffman = 0x80;

// §5.1. False if it is cut off, or larger than anything here may be.
bool take_integer(std::string_view& block, unsigned bits, uint64_t& value) {
  if (block.empty()) return false;
  const uint64_t most = (1u << bits) - 1;
  value = static_cast<uint8_t>(block.front()) & most;
  block.remove_prefix(1);
  if (value < most) return true;
  for (unsigned shift = 0; shift <= 21; shift += 7) {  // 28 bits more
    if (block.empty()) return false;
    const auto byte = static_cast<uint8_t>(block.front());
    block.remove_prefix(1);
    value += uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

void put_integer(uint8_t kind, unsigned bits, uint64_t value, Buffer& into) {
  const uint64_t most = (1u << bits) - 1;
  if (value < most) {
    into.push_back(static_cast<char>(kind | value));
    return;
  }
  into.push_back(static_cast<char>(kind | most));
  for (value -= most; value >= 0x80; value >>= 7) into.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  into.push_back(static_cast<char>(value));
}

void put_text(std::string_view text, Buffer& into) {
  put_integer(0, kLengthBits, text.size(), into);
  into.append(text);
}

// Where the names of each length begin in a list of the table's lines that is sorted by length.
struct NamesByLength {
  static constexpr size_t kLengthMax = 27;
  std::array<uint8_t, kLengthMax + 2> begin{};
  std::array<uint8_t, kStatic.size()> index{};  // in kStatic
};
constexpr NamesByLength make_names() {
  NamesByLength made;
  uint8_t count = 0;
  for (size_t length = 0; length <= NamesByLength::kLengthMax; ++length) {
    made.begin[length] = count;
    for (uint8_t i = 0; i < kStatic.size(); ++i) {
      if (kStatic[i].name.size() == length) made.index[count++] = i;
    }
  }
  made.begin[NamesByLength::kLengthMax + 1] = count;
  return made;
}
constexpr NamesByLength kNames = make_names();
static_assert(kNames.begin.back() == kStatic.size(), "a name is longer than kLengthMax");

// The index of the first line with this name; 0 if there is none.
uint64_t static_index(std::string_view name) {
  if (name.size() > NamesByLength::kLengthMax) return 0;
  for (size_t i = kNames.begin[name.size()]; i < kNames.begin[name.size() + 1]; ++i) {
    const size_t place = kNames.index[i];
    if (kStatic[place].name == name) return place + 1;
  }
  return 0;
}

// §7.1.3: what a proxy must not keep in a table either.
bool is_secret(std::string_view name) { return name == "set-cookie" || name == "authorization" || name == "cookie"; }

}  // namespace

// --- the table -------------------------------------------------------------------------------------------------------

void HpackTable::evict(size_t bytes_max) {
  while (used_ > bytes_max) {
    const Slot& oldest = slot_at(count_ - 1);
    used_ -= size_t{oldest.name_size} + oldest.value_size + kLineOverheadBytes;
    --count_;
  }
  if (count_ == 0) KEELSON_CHECK(used_ == 0, "an empty table holds nothing");
}

void HpackTable::set_limit(size_t bytes) {
  KEELSON_CHECK(bytes <= kBytesMax, "a table larger than there is room for");
  limit_ = bytes;
  evict(limit_);
}

void HpackTable::insert(std::string_view name, std::string_view value, uint32_t mark) {
  const size_t bytes = name.size() + value.size();
  if (bytes + kLineOverheadBytes > limit_) {
    evict(0);
    return;
  }
  evict(limit_ - bytes - kLineOverheadBytes);
  if (bytes_ == nullptr) bytes_ = std::make_unique_for_overwrite<char[]>(kRoomBytes);
  std::string kept_name;
  std::string kept_value;
  if (end_ + bytes > kRoomBytes) {
    kept_name = name;  // they may lie where the others move to
    kept_value = value;
    name = kept_name;
    value = kept_value;
    const size_t begin = count_ == 0 ? end_ : slot_at(count_ - 1).at;
    std::memmove(bytes_.get(), bytes_.get() + begin, end_ - begin);
    for (size_t i = 0; i < count_; ++i)
      slots_[(newest_ + kLinesMax - i) % kLinesMax].at -= static_cast<uint32_t>(begin);
    end_ -= begin;
  }
  newest_ = (newest_ + 1) % kLinesMax;
  slots_[newest_] = {static_cast<uint32_t>(end_), static_cast<uint16_t>(name.size()),
                     static_cast<uint16_t>(value.size()), mark};
  if (!name.empty()) std::memcpy(bytes_.get() + end_, name.data(), name.size());
  if (!value.empty()) std::memcpy(bytes_.get() + end_ + name.size(), value.data(), value.size());
  end_ += bytes;
  used_ += bytes + kLineOverheadBytes;
  ++count_;
}

// --- decoding --------------------------------------------------------------------------------------------------------

bool HpackDecoder::find(uint64_t index, Line& line) const {
  if (index == 0) return false;
  if (index <= kStatic.size()) {
    line = {kStatic[index - 1].name, kStatic[index - 1].value, true};
    return true;
  }
  const uint64_t place = index - kStatic.size() - 1;
  if (place >= table_.size()) return false;
  const HpackTable::Line known = table_.at(place);
  line = {known.name, known.value, false};
  return true;
}

bool HpackDecoder::take_text(std::string_view& block, std::string& scratch, std::string_view& text) {
  if (block.empty()) return false;
  const bool is_coded = (static_cast<uint8_t>(block.front()) & kHuffman) != 0;
  uint64_t size = 0;
  if (!take_integer(block, kLengthBits, size) || size > block.size()) return false;
  text = block.substr(0, size);
  block.remove_prefix(size);
  if (!is_coded) return true;
  scratch.clear();
  if (!huffman_decode(text, scratch)) return false;
  text = scratch;
  return true;
}

HpackDecoder::Outcome HpackDecoder::next(std::string_view& block, bool is_first, Line& line) {
  while (true) {
    if (block.empty()) return Outcome::kEnd;
    const auto kind = static_cast<uint8_t>(block.front());
    uint64_t number = 0;
    if ((kind & kIndexed) != 0) {
      if (!take_integer(block, kIndexedBits, number) || !find(number, line)) return Outcome::kBad;
      return Outcome::kLine;
    }
    if ((kind & kIndexing) == 0 && (kind & kNewLimit) != 0) {
      if (!is_first || !take_integer(block, kNewLimitBits, number) || number > HpackTable::kBytesMax) {
        return Outcome::kBad;
      }
      table_.set_limit(number);
      continue;
    }
    const bool is_kept = (kind & kIndexing) != 0;
    if (!take_integer(block, is_kept ? kIndexingBits : kLiteralBits, number)) return Outcome::kBad;
    if (number == 0) {
      if (!take_text(block, name_, line.name)) return Outcome::kBad;
    } else if (!find(number, line)) {
      return Outcome::kBad;
    }
    line.is_known_good = false;
    if (!take_text(block, value_, line.value)) return Outcome::kBad;
    if (is_kept) {
      const bool has_room = line.name.size() + line.value.size() + HpackTable::kLineOverheadBytes <= table_.limit();
      table_.insert(line.name, line.value, 0);
      // A name out of the table may have moved.
      if (has_room) line = {table_.at(0).name, table_.at(0).value, false};
    }
    return Outcome::kLine;
  }
}

// --- encoding --------------------------------------------------------------------------------------------------------

void HpackEncoder::set_limit(size_t bytes) {
  const size_t limit = std::min(bytes, HpackTable::kBytesMax);
  if (limit == table_.limit() && !has_new_limit_) return;
  // The lowest that was asked for in between counts as well (§4.2).
  lowest_limit_ = has_new_limit_ ? std::min(lowest_limit_, limit) : std::min(limit, table_.limit());
  has_new_limit_ = true;
  table_.set_limit(lowest_limit_);
  table_.set_limit(limit);
  ++generation_;
}

void HpackEncoder::begin(Buffer& into) {
  if (!has_new_limit_) return;
  has_new_limit_ = false;
  if (lowest_limit_ < table_.limit()) put_integer(kNewLimit, kNewLimitBits, lowest_limit_, into);
  put_integer(kNewLimit, kNewLimitBits, table_.limit(), into);
  ++generation_;  // no other block begins like this one
}

void HpackEncoder::add(std::string_view name, std::string_view value, Buffer& into) {
  const auto hash = static_cast<uint32_t>(hash64(value, hash64(name, 0)));
  for (size_t i = 0; i < table_.size(); ++i) {
    if (table_.mark_at(i) != hash) continue;
    const HpackTable::Line line = table_.at(i);
    if (line.name == name && line.value == value) {
      put_integer(kIndexed, kIndexedBits, kStatic.size() + 1 + i, into);
      return;
    }
  }
  ++generation_;
  uint8_t kind = kNotIndexed;
  uint32_t& seen = seen_[hash % kSeen];
  if (is_secret(name)) {
    kind = kNeverIndexed;
  } else if (seen == hash && name.size() + value.size() + HpackTable::kLineOverheadBytes <= table_.limit() / 2) {
    kind = kIndexing;
  } else {
    seen = hash;
  }
  const uint64_t index = static_index(name);
  put_integer(kind, kind == kIndexing ? kIndexingBits : kLiteralBits, index, into);
  if (index == 0) put_text(name, into);
  put_text(value, into);
  if (kind == kIndexing) table_.insert(name, value, hash);
}

void HpackEncoder::add_status(uint16_t status, Buffer& into) {
  const IntegerText text = format_uint64(status);
  for (size_t index = kStatusIndex; kStatic[index - 1].name == kStatic[kStatusIndex - 1].name; ++index) {
    if (kStatic[index - 1].value == text.view()) {
      put_integer(kIndexed, kIndexedBits, index, into);
      return;
    }
  }
  put_integer(kNotIndexed, kLiteralBits, kStatusIndex, into);
  put_text(text, into);
}

}  // namespace keelson::net::http
