#include "engine/topic/record_reader.h"

#include "engine/topic/compression.h"

namespace keelson::topic {

namespace {

constexpr size_t kControlKeyBytes = 4;
constexpr size_t kControlValueBytes = 6;

// Of 32 or 64 bits; longer forms than needed are taken, as every reader of Kafka's does.
bool read_signed(std::string_view& from, int64_t& value) {
  uint64_t result = 0;
  for (size_t i = 0; i < from.size() && i < kVarintBytesMax; ++i) {
    const auto byte = static_cast<uint8_t>(from[i]);
    result |= uint64_t{byte & 0x7fU} << (7 * i);
    if (byte < 0x80) {
      value = unzigzag(result);
      from.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool read_bytes(std::string_view& from, std::string_view& bytes) {
  int64_t size = 0;
  if (!read_signed(from, size) || size < 0 || static_cast<uint64_t>(size) > from.size()) return false;
  bytes = from.substr(0, static_cast<size_t>(size));
  from.remove_prefix(bytes.size());
  return true;
}

bool read_nullable(std::string_view& from, std::optional<std::string_view>& bytes) {
  int64_t size = 0;
  std::string_view rest = from;
  if (!read_signed(rest, size)) return false;
  if (size < 0) {
    bytes.reset();
    from = rest;
    return size == -1;
  }
  return read_bytes(from, bytes.emplace());
}

}  // namespace

std::vector<RecordHeader> Record::headers() const {
  std::vector<RecordHeader> headers(header_count);
  std::string_view rest = headers_bytes;
  for (RecordHeader& header : headers) {
    if (!read_bytes(rest, header.key) || !read_nullable(rest, header.value)) break;
  }
  return headers;
}

BatchErrc RecordReader::begin(std::string_view batch) {
  error_ = check_frame(batch);
  rest_ = {};
  records_left_ = 0;
  if (error_ != BatchErrc::kOk) return error_;
  const BatchView view(batch);
  const auto codec = view.attributes() & kCodecMask;
  if (codec >= static_cast<int>(kCodecCount)) return error_ = BatchErrc::kBadCodec;
  if (view.record_count() < 0) return error_ = BatchErrc::kBadCount;
  records_left_ = view.record_count();
  base_offset_ = view.base_offset();
  base_timestamp_ms_ = view.base_timestamp_ms();
  append_time_ms_.reset();
  if (view.is_log_append_time()) append_time_ms_ = view.max_timestamp_ms();
  if (view.codec() == Codec::kNone || view.records().empty()) {
    rest_ = view.records();
  } else {
    decompressed_.clear();
    error_ = decompress(view.codec(), view.records(), decompressed_bytes_max_, decompressed_);
    if (error_ != BatchErrc::kOk) records_left_ = 0;
    rest_ = decompressed_;
  }
  return error_;
}

bool RecordReader::next(Record& record) {
  if (records_left_ == 0) {
    // Bytes behind the last record, which the header does not speak of.
    if (error_ == BatchErrc::kOk && !rest_.empty()) error_ = BatchErrc::kBadRecord;
    return false;
  }
  --records_left_;
  std::string_view body;
  if (!read_bytes(rest_, body) || !read_one(body, record)) {
    error_ = BatchErrc::kBadRecord;
    records_left_ = 0;
    return false;
  }
  return true;
}

bool RecordReader::read_one(std::string_view body, Record& record) {
  record.bytes = body;
  if (body.empty()) return false;
  body.remove_prefix(1);  // attributes, of which there are none
  int64_t timestamp_delta = 0;
  int64_t offset_delta = 0;
  int64_t count = 0;
  if (!read_signed(body, timestamp_delta) || !read_signed(body, offset_delta) || offset_delta < 0 ||
      offset_delta > INT32_MAX || !read_nullable(body, record.key) || !read_nullable(body, record.value) ||
      !read_signed(body, count) || count < 0 || static_cast<uint64_t>(count) > body.size()) {
    return false;
  }
  record.offset_delta = static_cast<int32_t>(offset_delta);
  // Unsigned, since what a client sends may overflow.
  record.offset = static_cast<int64_t>(static_cast<uint64_t>(base_offset_) + static_cast<uint64_t>(offset_delta));
  const auto time = static_cast<uint64_t>(base_timestamp_ms_) + static_cast<uint64_t>(timestamp_delta);
  record.timestamp_ms = append_time_ms_.value_or(static_cast<int64_t>(time));
  record.header_count = static_cast<uint32_t>(count);
  record.headers_bytes = body;
  RecordHeader header;
  for (uint32_t i = 0; i < record.header_count; ++i) {
    if (!read_bytes(body, header.key) || !read_nullable(body, header.value)) return false;
  }
  return body.empty();
}

std::optional<ControlRecord> read_control(std::string_view batch) {
  RecordReader reader;
  Record record;
  if (reader.begin(batch) != BatchErrc::kOk || !BatchView(batch).is_control() || !reader.next(record)) return {};
  if (!record.key || record.key->size() < kControlKeyBytes) return {};
  ControlRecord control{.type = get_be<int16_t>(record.key->data() + 2)};
  if (control.type != static_cast<int16_t>(ControlType::kAbort) &&
      control.type != static_cast<int16_t>(ControlType::kCommit)) {
    return control;
  }
  if (!record.value || record.value->size() < kControlValueBytes) return {};
  control.coordinator_epoch = get_be<int32_t>(record.value->data() + 2);
  return control;
}

}  // namespace keelson::topic
