#include "raft/batch.h"

#include "base/coding.h"

namespace keelson::raft {

void append_batch_header(int64_t time_ms, Buffer& out) {
  append_u8(out, kBatchVersion);
  append_u64(out, static_cast<uint64_t>(time_ms));
}

void put_record_header(const BatchRecord& record, uint32_t payload_bytes, char* to) {
  put_u64(to, record.origin);
  put_u64(to + 8, record.number);
  put_u32(to + 16, payload_bytes);
  put_u16(to + 20, record.slot);
  to[22] = static_cast<char>(record.kind);
  to[23] = 0;
}

bool read_record(std::string_view& from, BatchRecord& record) {
  if (from.size() < kRecordHeaderBytes) return false;
  const char* at = from.data();
  const uint32_t payload_bytes = get_u32(at + 16);
  const auto kind = static_cast<uint8_t>(at[22]);
  if (payload_bytes > from.size() - kRecordHeaderBytes || kind > 1 || at[23] != 0) return false;
  if (kind == static_cast<uint8_t>(RecordKind::kRefused) && payload_bytes != 0) return false;
  record.origin = get_u64(at);
  record.number = get_u64(at + 8);
  record.slot = get_u16(at + 20);
  record.kind = static_cast<RecordKind>(kind);
  record.payload = from.substr(kRecordHeaderBytes, payload_bytes);
  from.remove_prefix(kRecordHeaderBytes + payload_bytes);
  return true;
}

bool read_batch_header(std::string_view& from, int64_t& time_ms) {
  std::string_view rest = from;
  uint8_t version = 0;
  uint64_t time = 0;
  if (!read_u8(rest, version) || version != kBatchVersion || !read_u64(rest, time)) return false;
  time_ms = static_cast<int64_t>(time);
  from = rest;
  return true;
}

uint64_t last_number_of(std::string_view records, log::NodeId origin) {
  uint64_t last = 0;
  while (!records.empty()) {
    BatchRecord record;
    if (!read_record(records, record)) return 0;
    if (record.origin != origin || record.number <= last || record.kind != RecordKind::kRecord) return 0;
    last = record.number;
  }
  return last;
}

}  // namespace keelson::raft
