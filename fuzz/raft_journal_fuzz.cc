// What a member of a Raft group reads: records of its journal, the prelude of a checkpoint, frames and entries of other
// nodes. Any bytes: an error, or something that is whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "raft/batch.h"
#include "raft/frame.h"
#include "raft/journal.h"

using namespace keelson::raft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto prelude = decode_prelude(bytes); prelude.ok()) {
    KEELSON_CHECK(encode_prelude(*prelude) == bytes, "a prelude has one form");
    Replay behind(*prelude);
    (void)behind.on_record(prelude->position, bytes).ok();
  }
  // A record, and the same once more.
  Replay replay;
  if (replay.on_record(1, bytes).ok()) {
    const KrHardState state = replay.hard_state();
    KEELSON_CHECK(state.commit >= replay.base().index, "the base is committed");
    uint64_t index = replay.base().index;
    for (const JournalEntry& entry : replay.entries()) KEELSON_CHECK(entry.index == ++index, "entries without a gap");
    KEELSON_CHECK(state.commit <= index, "what is committed is there");
    (void)replay.on_record(2, bytes).ok();
  }
  Frame frame;
  if (decode_frame(bytes, frame)) {
    (void)is_snapshot(frame.rest);
    (void)last_number_of(frame.rest, 1);
  }
  std::string_view rest = bytes;
  int64_t time_ms = 0;
  if (read_batch_header(rest, time_ms)) {
    BatchRecord record;
    while (read_record(rest, record)) {
      KEELSON_CHECK(record.payload.data() + record.payload.size() <= bytes.data() + bytes.size(), "within the bytes");
    }
  }
  return 0;
}
