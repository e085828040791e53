// What one Raft entry carries: the records that a leader took in one turn. Pure functions over bytes.
//
//   entry    = version (u8, 1), time_ms (i64), record, ...
//   record   = header, payload
//   header     0  u64 origin: the node that proposed it      20  u16 slot
//              8  u64 number, see below                      22  u8 kind: 0 record, 1 refused (no payload)
//             16  u32 payload bytes                          23  u8 zero
//
// A number is the life of the member that proposed it (journal.h) in the upper 24 bits, and a count from 1 below: so it
// grows over restarts too. A record of kind 1 stands in the place of one that the leader did not take. All integers are
// little-endian. An empty entry (raft-rs appends one at the begin of a term) holds no records.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "log/agreed_log.h"

namespace keelson::raft {

inline constexpr uint8_t kBatchVersion = 1;
inline constexpr size_t kBatchHeaderBytes = 9;
inline constexpr size_t kRecordHeaderBytes = 24;
inline constexpr unsigned kLifeShift = 40;
inline constexpr uint64_t kLifeMax = (uint64_t{1} << (64 - kLifeShift)) - 1;

enum class RecordKind : uint8_t { kRecord = 0, kRefused = 1 };

struct BatchRecord {
  log::NodeId origin = 0;
  uint64_t number = 0;
  uint16_t slot = 0;
  RecordKind kind = RecordKind::kRecord;
  std::string_view payload;
};

void append_batch_header(int64_t time_ms, Buffer& out);
// Writes kRecordHeaderBytes to `to`.
void put_record_header(const BatchRecord& record, uint32_t payload_bytes, char* to);
// Takes one record from the front; false if there is none that follows the format.
[[nodiscard]] bool read_record(std::string_view& from, BatchRecord& record);
// The header of an entry; what is left are records. False: of a newer version, or no batch.
[[nodiscard]] bool read_batch_header(std::string_view& from, int64_t& time_ms);
// The number of the last, if these bytes are whole records of that origin with growing numbers; else 0.
[[nodiscard]] uint64_t last_number_of(std::string_view records, log::NodeId origin);

}  // namespace keelson::raft
