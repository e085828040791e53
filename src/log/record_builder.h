// Builds records in a buffer: parts with their headers, back to back, complete but for the header CRC, which waits for
// the place in a segment (seal_part()). Also the list of those who wait for records.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "log/format.h"

namespace keelson::log {

class RecordBuilder {
 public:
  Buffer& begin(ShardId shard, uint64_t index, int64_t time_ms) {
    KEELSON_CHECK(!is_open_, "a record is begun before the last one has ended");
    is_open_ = true;
    header_ = {};
    header_.type = kTypeRecord;
    header_.time_ms = time_ms;
    return open_part(shard, index);
  }
  Buffer& also(ShardId shard, uint64_t index) {
    KEELSON_CHECK(is_open_, "a part is added to no record");
    header_.flags |= kFlagMoreFollow;
    close_part();
    header_.flags = kFlagContinues;
    return open_part(shard, index);
  }
  void end() {
    KEELSON_CHECK(is_open_, "a record is ended that was not begun");
    is_open_ = false;
    close_part();
  }

  // Whole records, as long as none is open.
  [[nodiscard]] Buffer& bytes() { return bytes_; }
  [[nodiscard]] const Buffer& bytes() const { return bytes_; }
  [[nodiscard]] bool is_open() const { return is_open_; }

 private:
  Buffer& open_part(ShardId shard, uint64_t index) {
    header_.shard = shard;
    header_.index = index;
    part_at_ = bytes_.size();
    bytes_.reserve(kPartHeaderBytes);
    bytes_.commit(kPartHeaderBytes);
    return bytes_;
  }
  void close_part() {
    char* at = bytes_.data() + part_at_;
    const size_t payload_bytes = bytes_.size() - part_at_ - kPartHeaderBytes;
    KEELSON_CHECK(payload_bytes <= kRecordBytesMax, "a record above the limit: admit() was not asked");
    header_.payload_bytes = static_cast<uint32_t>(payload_bytes);
    header_.payload_crc = crc32c(0, {at + kPartHeaderBytes, payload_bytes});
    put_part_header(header_, at);
  }

  Buffer bytes_;
  PartHeader header_;
  size_t part_at_ = 0;
  bool is_open_ = false;
};

// Waiters in the order of their records, linked through CommitWaiter::next.
class WaiterList {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  void push(CommitWaiter& waiter) {
    waiter.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &waiter;
    last_ = &waiter;
  }
  void splice(WaiterList& behind) {
    if (behind.empty()) return;
    (first_ == nullptr ? first_ : last_->next) = behind.first_;
    last_ = behind.last_;
    behind = {};
  }
  // Tells each; a waiter may be gone, or wait anew, once it has been told.
  void tell(LogErrc outcome) {
    CommitWaiter* waiter = first_;
    *this = {};
    while (waiter != nullptr) {
      CommitWaiter* next = waiter->next;
      waiter->committed(outcome);
      waiter = next;
    }
  }

 private:
  CommitWaiter* first_ = nullptr;
  CommitWaiter* last_ = nullptr;
};

}  // namespace keelson::log
