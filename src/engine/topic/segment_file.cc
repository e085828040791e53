#include "engine/topic/segment_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"
#include "engine/topic/record_batch.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {

namespace {

constexpr std::string_view kIndexMagic = "KTI1";
constexpr size_t kIndexHeaderBytes = 4 + 4 + 8;
constexpr size_t kIndexEntryBytes = 8 + 4 + 8;
constexpr size_t kOffsetDigits = 20;
constexpr size_t kIdDigits = 32;
// What find_time() reads at a time, and what an index is made from.
constexpr uint32_t kScanBytes = uint32_t{1} << 20;

// What check_frame() finds where a batch should begin.
std::string_view text_of(BatchErrc error) {
  const bool is_none = error == BatchErrc::kOldMagic || error == BatchErrc::kBadMagic;
  return is_none ? "there is no record batch where one should begin" : errc_text(error);
}

std::unexpected<Error> damaged(const SegmentFile& file, uint64_t position, std::string_view what) {
  return fail(std::make_error_code(std::errc::bad_message),
              "topic: " + file.path() + ", at byte " + std::to_string(position) + ": " + std::string(what));
}

template <class Number>
bool parse_number(std::string_view digits, Number& number) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() && number >= 0;
}

bool parse_hex(std::string_view digits, TopicId& id) {
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    const char* from = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, id.bytes[i], 16);
    if (error != std::errc() || end != from + 2) return false;
  }
  return true;
}

}  // namespace

// ---- Index.

void add_to_index(SegmentIndex& index, int64_t offset, uint32_t position, int64_t max_timestamp_before_ms,
                  uint32_t interval_bytes) {
  const uint32_t spacing = std::max(interval_bytes, kIndexSpacingBytes);
  if (!index.empty() && position - index.back().position < spacing) return;
  index.push_back({offset, position, max_timestamp_before_ms});
}

uint32_t position_of_offset(const SegmentIndex& index, int64_t offset) {
  const auto behind = std::ranges::upper_bound(index, offset, {}, &IndexEntry::offset);
  return behind == index.begin() ? 0 : std::prev(behind)->position;
}

uint32_t position_of_time(const SegmentIndex& index, int64_t time_ms) {
  // All before an entry whose greatest time is below is too early.
  const auto late = std::ranges::lower_bound(index, time_ms, {}, &IndexEntry::max_timestamp_before_ms);
  return late == index.begin() ? 0 : std::prev(late)->position;
}

std::string encode_index(const SegmentIndex& index, uint64_t segment_bytes) {
  std::string out(kIndexMagic);
  append_u32(out, static_cast<uint32_t>(index.size()));
  append_u64(out, segment_bytes);
  for (const IndexEntry& entry : index) {
    append_u64(out, static_cast<uint64_t>(entry.offset));
    append_u32(out, entry.position);
    append_u64(out, static_cast<uint64_t>(entry.max_timestamp_before_ms));
  }
  append_u32(out, crc32c(0, out));
  return out;
}

bool decode_index(std::string_view bytes, uint64_t segment_bytes, SegmentIndex& index) {
  index.clear();
  if (bytes.size() < kIndexHeaderBytes + 4 || !bytes.starts_with(kIndexMagic)) return false;
  const std::string_view guarded = bytes.substr(0, bytes.size() - 4);
  if (get_u32(bytes.data() + guarded.size()) != crc32c(0, guarded)) return false;
  std::string_view rest = guarded.substr(kIndexMagic.size());
  uint32_t count = 0;
  uint64_t size = 0;
  if (!read_u32(rest, count) || !read_u64(rest, size)) return false;
  if (size != segment_bytes || rest.size() != count * kIndexEntryBytes) return false;
  index.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t offset = 0;
    uint64_t time = 0;
    IndexEntry entry;
    if (!read_u64(rest, offset) || !read_u32(rest, entry.position) || !read_u64(rest, time)) return false;
    entry.offset = static_cast<int64_t>(offset);
    entry.max_timestamp_before_ms = static_cast<int64_t>(time);
    if (entry.position >= segment_bytes) return false;
    index.push_back(entry);
  }
  return true;
}

// ---- Names.

std::string file_name(const SegmentName& name, std::string_view suffix) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (uint8_t byte : name.partition.topic.bytes) {
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
  const std::string base = std::to_string(name.base_offset);
  out += "-" + std::to_string(name.partition.partition) + "-";
  out.append(kOffsetDigits - base.size(), '0').append(base);
  out += "." + std::to_string(name.generation);
  return out.append(suffix);
}

bool parse_file_name(std::string_view file, std::string_view suffix, SegmentName& name) {
  const std::string_view whole = file;
  if (!file.ends_with(suffix)) return false;
  file.remove_suffix(suffix.size());
  if (file.size() < kIdDigits + 1 || file[kIdDigits] != '-' || !parse_hex(file, name.partition.topic)) return false;
  file.remove_prefix(kIdDigits + 1);
  const size_t dash = file.find('-');
  const size_t dot = file.find('.');
  if (dash == std::string_view::npos || dot == std::string_view::npos || dot < dash) return false;
  if (!parse_number(file.substr(0, dash), name.partition.partition) ||
      !parse_number(file.substr(dash + 1, dot - dash - 1), name.base_offset) ||
      !parse_number(file.substr(dot + 1), name.generation)) {
    return false;
  }
  // One spelling for each.
  return file_name(name, suffix) == whole;
}

// ---- The file.

SegmentFile::SegmentFile(env::Disk& disk, std::string folder, const SegmentName& name, std::unique_ptr<env::File> file)
    : disk_(disk), folder_(std::move(folder)), name_(name), file_(std::move(file)) {}

SegmentFile::~SegmentFile() { const std::unique_ptr<const SegmentIndex> owned(index_.load(std::memory_order_acquire)); }

std::string SegmentFile::path() const { return folder_ + "/" + file_name(name_, kSegmentSuffix); }

Task<Result<env::Fetched>> SegmentFile::read(uint64_t position, size_t bytes, env::Reactor& here) const {
  env::Fetched cached{std::make_unique_for_overwrite<char[]>(bytes)};
  Result<size_t> count = file_->read_cached(position, {cached.bytes.get(), bytes});
  if (!count.ok()) co_return forward_error(count);
  cached.count = *count;
  if (cached.count == bytes) co_return cached;
  co_return co_await file_->fetch(position, bytes, here);
}

namespace {

// An index from the batches themselves.
Task<Result<SegmentIndex>> scan_index(const SegmentFile& file, uint64_t bytes, env::Reactor& here) {
  SegmentIndex index;
  int64_t max_timestamp_ms = kNoTimestamp;
  uint64_t position = 0;
  while (position < bytes) {
    const size_t wanted = std::min<uint64_t>(kScanBytes, bytes - position);
    auto fetched = co_await file.read(position, wanted, here);
    if (!fetched.ok()) co_return forward_error(fetched);
    const std::string_view all(fetched->bytes.get(), fetched->count);
    size_t at = 0;
    while (at + kBatchHeaderBytes <= all.size()) {
      const BatchErrc error = check_frame(all.substr(at));
      if (error != BatchErrc::kOk && error != BatchErrc::kCutShort) {
        co_return damaged(file, position + at, text_of(error));
      }
      const BatchView batch(all.substr(at));
      add_to_index(index, batch.base_offset(), static_cast<uint32_t>(position + at), max_timestamp_ms, 0);
      max_timestamp_ms = std::max(max_timestamp_ms, batch.max_timestamp_ms());
      // Its header tells all that is needed: the next one may begin beyond what was read.
      at += batch.size_bytes();
    }
    if (at == 0) co_return damaged(file, position, "the segment is cut short");
    position += at;
  }
  co_return index;
}

}  // namespace

// For whoever opens the segment next. That it cannot be written does no harm, nor that two write it, which is the same.
void SegmentFile::keep_index(const std::string& content) const {
  if (!disk_.exists(path())) return;  // removed meanwhile
  const std::string index = folder_ + "/" + file_name(name_, kIndexSuffix);
  auto file = disk_.open(index, disk_.exists(index) ? env::OpenMode::kReadWrite : env::OpenMode::kCreate);
  if (file.ok() && (*file)->truncate(content.size()).ok()) (void)(*file)->write_at(0, content);
}

Task<Result<const SegmentIndex*>> SegmentFile::index(uint64_t bytes, env::Reactor& here) const {
  if (const SegmentIndex* known = index_.load(std::memory_order_acquire); known != nullptr) co_return known;
  auto made = std::make_unique<SegmentIndex>();
  bool is_good = false;
  auto file = disk_.open(folder_ + "/" + file_name(name_, kIndexSuffix), env::OpenMode::kRead);
  if (file.ok()) {
    const auto size = (*file)->size();
    if (size.ok()) {
      auto content = co_await (*file)->fetch(0, *size, here);
      is_good = content.ok() && decode_index({content->bytes.get(), content->count}, bytes, *made);
    }
  }
  if (!is_good) {
    auto scanned = co_await scan_index(*this, bytes, here);
    if (!scanned.ok()) co_return forward_error(scanned);
    *made = std::move(*scanned);
    keep_index(encode_index(*made, bytes));
  }
  const SegmentIndex* known = nullptr;
  // Another reader may have been faster.
  if (index_.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) known = made.release();
  co_return known;
}

// ---- Reading spans.

namespace {

// Walks over the batches of a span that are wanted, a buffer at a time.
class SpanReader {
 public:
  // `span` outlives it.
  SpanReader(const FileSpan& span, uint32_t buffer_bytes) : span_(span), buffer_bytes_(buffer_bytes) {}

  // Where the span's batches begin.
  Task<Status> seek(std::optional<int64_t> time_ms, env::Reactor& here) {
    position_ = span_.position;
    if (!span_.has_index) co_return Status();
    auto index = co_await span_.file->index(span_.end, here);
    if (!index.ok()) co_return forward_error(index);
    position_ = std::max<uint64_t>(position_, position_of_offset(**index, span_.offset));
    if (time_ms) position_ = std::max<uint64_t>(position_, position_of_time(**index, *time_ms));
    co_return Status();
  }

  // Reads the next bytes, so that the batch at position() is whole. False: the span's end.
  Task<Result<bool>> fill(env::Reactor& here) {
    size_t wanted = buffer_bytes_;
    for (;;) {
      if (position_ >= span_.end) co_return false;
      wanted = std::min<uint64_t>(wanted, span_.end - position_);
      auto fetched = co_await span_.file->read(position_, wanted, here);
      if (!fetched.ok()) co_return forward_error(fetched);
      const std::string_view all(fetched->bytes.get(), fetched->count);
      const BatchErrc error = check_frame(all);
      if (error == BatchErrc::kCutShort && all.size() == wanted && position_ + wanted < span_.end) {
        wanted = all.size() < kBatchHeaderBytes ? kBatchHeaderBytes : BatchView(all).size_bytes();
        continue;
      }
      if (error != BatchErrc::kOk) co_return damaged(*span_.file, position_, text_of(error));
      owner_ = std::shared_ptr<const char[]>(std::move(fetched->bytes));
      rest_ = all;
      co_return true;
    }
  }

  // The next whole batch of what fill() has read, with its CRC looked at if its offset is wanted. None: fill again.
  Result<std::optional<BatchView>> next() {
    while (check_frame(rest_) == BatchErrc::kOk) {
      const BatchView batch(rest_);
      const uint64_t position = position_;
      rest_.remove_prefix(batch.size_bytes());
      position_ += batch.size_bytes();
      if (batch.next_offset() <= span_.offset) continue;
      if (batch.base_offset() >= span_.offset_end) {
        position_ = span_.end;
        return std::optional<BatchView>();
      }
      if (batch.crc() != batch.computed_crc()) {
        return damaged(*span_.file, position,
                       "the batch at offset " + std::to_string(batch.base_offset()) + " does not have its CRC");
      }
      return std::optional<BatchView>(batch);
    }
    return std::optional<BatchView>();
  }
  [[nodiscard]] const std::shared_ptr<const char[]>& owner() const { return owner_; }
  // Whoever has read this reads on: the device may begin with what follows.
  void read_ahead() const {
    if (position_ < span_.end)
      span_.file->file().will_need(position_, std::min(span_.end - position_, uint64_t{2} * buffer_bytes_));
  }

 private:
  const FileSpan& span_;
  const uint32_t buffer_bytes_;
  uint64_t position_ = 0;
  std::shared_ptr<const char[]> owner_;
  std::string_view rest_;
};

}  // namespace

Task<Result<SpanBytes>> read_span(FileSpan span, env::Reactor& here) {
  SpanBytes out;
  // Nothing of what is wanted: it goes on behind the span, or nowhere yet.
  out.next_offset = std::max(span.offset, std::min(span.offset_after, span.offset_end));
  SpanReader reader(span, span.bytes_max + kIndexSpacingBytes);
  if (Status sought = co_await reader.seek({}, here); !sought.ok()) co_return forward_error(sought);
  while (out.batches.bytes.empty()) {
    auto more = co_await reader.fill(here);
    if (!more.ok()) co_return forward_error(more);
    if (!*more) co_return out;
    // All from one buffer, in a row.
    for (;;) {
      auto batch = reader.next();
      if (!batch.ok()) co_return forward_error(batch);
      if (!*batch) break;
      const std::string_view bytes = (*batch)->bytes();
      std::string_view& all = out.batches.bytes;
      if (!all.empty() && all.size() + bytes.size() > span.bytes_max) break;
      all = all.empty() ? bytes : std::string_view(all.data(), all.size() + bytes.size());
      out.batches.owner = reader.owner();
      out.next_offset = (*batch)->next_offset();
    }
  }
  reader.read_ahead();
  co_return out;
}

Task<Result<FoundOffset>> find_time(FileSpan span, int64_t time_ms, env::Reactor& here) {
  FoundOffset found;
  SpanReader reader(span, kScanBytes);
  if (Status sought = co_await reader.seek(time_ms, here); !sought.ok()) co_return forward_error(sought);
  for (;;) {
    auto more = co_await reader.fill(here);
    if (!more.ok()) co_return forward_error(more);
    if (!*more) co_return found;
    for (;;) {
      auto batch = reader.next();
      if (!batch.ok()) co_return forward_error(batch);
      if (!*batch) break;
      if ((*batch)->max_timestamp_ms() < time_ms) continue;
      if (find_time_in_batch((*batch)->bytes(), span.offset, time_ms, found)) co_return found;
    }
  }
}

bool find_time_in_batch(std::string_view batch, int64_t from, int64_t time_ms, FoundOffset& found) {
  RecordReader reader;
  Record record;
  if (reader.begin(batch) != BatchErrc::kOk) return false;
  while (reader.next(record)) {
    if (record.offset < from || record.timestamp_ms < time_ms) continue;
    found.offset = record.offset;
    found.timestamp_ms = record.timestamp_ms;
    return true;
  }
  return false;
}

}  // namespace keelson::topic
