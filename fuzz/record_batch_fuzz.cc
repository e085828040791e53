// Record batches and message sets as producers send them. What check_batches() lets through must be readable to its
// end, and no input may cost more memory than the limit on decompressed records.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/message_set.h"
#include "engine/topic/record_batch.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {
namespace {

constexpr BatchLimits kLimits = {
    .batch_bytes_max = 1 << 20, .decompressed_bytes_max = 1 << 20, .depth = CheckDepth::kAll};

// Gives each batch that has a length the CRC that belongs to it, so that what lies behind the CRC is reached.
std::string sealed(std::string bytes) {
  size_t at = 0;
  while (at < bytes.size() && check_frame(std::string_view(bytes).substr(at)) == BatchErrc::kOk) {
    const BatchView view(std::string_view(bytes).substr(at));
    put_be(bytes.data() + at + 17, view.computed_crc());
    at += view.size_bytes();
  }
  return bytes;
}

void read_all(std::string_view bytes) {
  const CheckedBatches checked = check_batches(bytes, kLimits);
  RecordReader reader(kLimits.decompressed_bytes_max);
  Record record;
  uint64_t records = 0;
  size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    if (check_frame(rest, kLimits.batch_bytes_max) != BatchErrc::kOk) break;
    if (reader.begin(rest) != BatchErrc::kOk) break;
    BatchBuilder again({.base_offset = BatchView(rest).base_offset()});
    int32_t last = -1;
    while (reader.next(record)) {
      ++records;
      KEELSON_CHECK(record.headers().size() == record.header_count, "headers are all there");
      if (record.offset_delta <= last) break;
      last = record.offset_delta;
      again.add(record);
    }
    (void)read_control(rest);
    const std::string made = again.finish();
    KEELSON_CHECK(again.empty() && check_frame(made) == BatchErrc::kOk, "what is built has a frame");
    at += BatchView(rest).size_bytes();
  }
  if (!checked.ok()) return;
  KEELSON_CHECK(at == bytes.size() && records == checked.records, "all of it can be read");
  const CheckedBatches timed = check_batches(with_true_times(bytes, kLimits.decompressed_bytes_max), kLimits);
  KEELSON_CHECK(timed.ok() && timed.has_true_times, "batches can have their records' time");
}

}  // namespace
}  // namespace keelson::topic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson::topic;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read_all(bytes);
  read_all(sealed(bytes));
  std::string converted;
  if (convert_message_set(bytes, kLimits, converted) == BatchErrc::kOk) read_all(converted);
  return 0;
}
