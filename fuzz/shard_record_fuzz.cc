// What a replica of a shard reads: the payload of a record, and the table of slots. Any bytes: an error, or something
// that is whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "shard/record.h"
#include "shard/slot_table.h"

using namespace keelson;
using namespace keelson::shard;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RecordDecoder decoder;
  if (decoder.decode(bytes).ok()) {
    Buffer again;
    encode_commands(decoder.commands(), again);
    KEELSON_CHECK(again.size() <= size, "what was decoded is not longer than its bytes");
    RecordDecoder second;
    KEELSON_CHECK(second.decode(again.view()).ok(), "what was encoded is decoded");
    KEELSON_CHECK(second.commands().size() == decoder.commands().size(), "with as many commands");
  }
  SlotTable table;
  if (table.decode(bytes).ok()) {
    Buffer again;
    table.encode(again);
    SlotTable second;
    KEELSON_CHECK(second.decode(again.view()).ok() && second.ranges() == table.ranges(), "a table is what was written");
    uint32_t next = 0;
    for (const SlotRange& range : table.ranges()) {
      KEELSON_CHECK(range.first == next && range.first <= range.last, "ranges without a gap");
      next = uint32_t{range.last} + 1;
    }
    KEELSON_CHECK(table.ranges().empty() || next == shard::kSlotCount, "of all slots");
  }
  return 0;
}
