// Messages of Pub/Sub as records of the house (engine/topic/record_batch.h), and back. Pure.
//
// One message is one record: its data are the value, its ordering key the key (none: null), its attributes the headers,
// the time of publishing the timestamp. A record that a client of Kafka has written is read the same way: a key that is
// no UTF-8, and headers whose names or values are none, cannot be told in Pub/Sub's messages and are left out; of
// several headers with one name the last counts; a tombstone is a message without data.
//
// A message's id is its offset * 10,000 (more than a topic can have partitions) + its partition, in decimal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/topic/answer.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/record_reader.h"
#include "topics/lease_table.h"

namespace keelson::pubsub {

[[nodiscard]] std::string format_message_id(int32_t partition, int64_t offset);

// Valid UTF-8 (RFC 3629)?
[[nodiscard]] bool is_utf8(std::string_view text);

[[nodiscard]] std::unique_ptr<topics::Message> message_of(int32_t partition, const topic::Record& record);

// What walk() finds, in the order of offsets.
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  // A record that readers see. False: no more is wanted.
  virtual bool record(const topic::Record& record) = 0;
  // Everything below has been shown, or is nothing for readers (a transaction that was aborted, a marker, what
  // compaction has removed). False: no more is wanted.
  virtual bool reached(int64_t next_offset) = 0;
};
// Over the slices of an answer to a read of what is committed, from `offset` on. An error: a batch that cannot be read.
[[nodiscard]] Status walk(const topic::ReadAnswer& answer, int64_t offset, RecordVisitor& visitor);

}  // namespace keelson::pubsub
