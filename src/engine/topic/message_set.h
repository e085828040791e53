// Message sets, Kafka's format before record batches (magic 0 and 1; the protocol guide's "Message sets"): what Produce
// requests below version 3 carry. Converted on the way in; nothing here writes them.
//
//   offset i64, size i32, CRC-32 u32 (of all that follows it), magic i8, attributes i8 (codec; of magic 1 bit 3: the
//   time is that of appending), of magic 1 timestamp i64, key (i32 length, -1: null), value (likewise)
//
// A message with a codec holds a message set as its value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/topic/record_batch.h"

namespace keelson::topic {

// Appends batches of magic 2 with the same records, in their order, and the compression that each had. Batches that are
// of magic 2 already are appended as they are. The limits are those of check_batches(), of what comes out too.
[[nodiscard]] BatchErrc convert_message_set(std::string_view bytes, const BatchLimits& limits, std::string& out);

}  // namespace keelson::topic
