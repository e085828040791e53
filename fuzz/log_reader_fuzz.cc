// The log's reader on any bytes: a folder of segments made by a script that stands in the input.
//
// Random bytes never pass a CRC, so most of the script writes valid parts and only places them, links segments and
// damages them as the input says; raw bytes stand between. Whatever the folder holds, reading ends, each shard gets
// records without a gap, and inspection agrees that the folder can be read.
#include <fuzzer/FuzzedDataProvider.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "log/format.h"
#include "log/inspect.h"
#include "log/recovery.h"
#include "memory_disk.h"

namespace keelson {
namespace {

constexpr size_t kShards = 3;
constexpr uint64_t kLogId = 0x0123456789abcdef;
constexpr size_t kFolderBytesMax = size_t{1} << 20;

// Runs a task that never waits.
struct RunNow {
  struct promise_type {
    RunNow get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
template <class T>
RunNow keep(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

class Follower final : public log::RecoveryHandler {
 public:
  void on_record(log::ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    KEELSON_CHECK(shard < kShards, "a shard that is not there");
    KEELSON_CHECK(index == next_index[shard]++, "a gap in a shard's records");
    for (char byte : payload) sum += static_cast<uint8_t>(byte);  // the bytes can be read
  }
  std::vector<uint64_t> next_index;
  uint64_t sum = 0;
};

class FolderScript {
 public:
  FolderScript(FuzzedDataProvider& input, fuzz::MemoryDisk& disk) : input_(input), disk_(disk) {}

  void run() {
    begin_segment();
    while (input_.remaining_bytes() > 0 && total_bytes_ < kFolderBytesMax) step();
    end_segment();
  }

 private:
  void step() {
    switch (input_.ConsumeIntegralInRange<int>(0, 9)) {
      case 0:
        end_segment();
        begin_segment();
        break;
      case 1:
        segment_.append(input_.ConsumeRandomLengthString(200));
        break;
      case 2:
        flip();
        break;
      case 3:
        add_mark();
        break;
      case 4:
        segment_.append(std::string(input_.ConsumeIntegralInRange<size_t>(0, 5000), '\0'));
        break;
      default:
        add_record();
    }
  }
  void begin_segment() {
    const uint64_t previous = number_;
    number_ += input_.ConsumeIntegralInRange<uint64_t>(1, 3);
    log::SegmentHeader header{.log_id = kLogId, .number = number_, .previous = {previous, end_}, .created_wall_ms = 1};
    if (input_.ConsumeIntegralInRange<int>(0, 15) == 0) header.previous.segment = input_.ConsumeIntegral<uint8_t>();
    if (input_.ConsumeIntegralInRange<int>(0, 15) == 0) header.previous.offset = input_.ConsumeIntegral<uint32_t>();
    Buffer start;
    append_segment_start(header, start);
    segment_.assign(start.view());
  }
  void end_segment() {
    end_ = segment_.size();
    total_bytes_ += segment_.size();
    disk_.files[log::segment_name(number_)] = segment_;
  }
  void seal(size_t at) { log::seal_part(segment_.data() + at, log::segment_seed(kLogId, number_), at); }
  void add_record() {
    const size_t at = segment_.size();
    const std::string payload = input_.ConsumeRandomLengthString(100);
    log::PartHeader header;
    header.type = log::kTypeRecord;
    header.flags = input_.ConsumeBool() ? 0 : input_.ConsumeIntegralInRange<uint8_t>(0, 3);
    header.shard = input_.ConsumeIntegralInRange<uint16_t>(0, kShards - (input_.ConsumeBool() ? 1 : 0));
    header.index = header.shard < kShards ? ++last_index_[header.shard] : 1;
    if (input_.ConsumeIntegralInRange<int>(0, 15) == 0) header.index = input_.ConsumeIntegral<uint64_t>();
    header.payload_bytes = static_cast<uint32_t>(payload.size());
    if (input_.ConsumeIntegralInRange<int>(0, 15) == 0) header.payload_bytes = input_.ConsumeIntegral<uint32_t>();
    header.payload_crc = crc32c(0, payload);
    segment_.resize(at + log::kPartHeaderBytes);
    log::put_part_header(header, segment_.data() + at);
    seal(at);
    segment_.append(payload);
  }
  void add_mark() {
    const size_t at = segment_.size();
    const log::LogPlace synced{number_ - input_.ConsumeIntegralInRange<uint64_t>(0, 1),
                               input_.ConsumeIntegralInRange<uint64_t>(0, at + 1)};
    const size_t shards = input_.ConsumeIntegralInRange<int>(0, 15) == 0 ? input_.ConsumeIntegral<uint8_t>() : kShards;
    std::vector<uint64_t> indexes(shards);
    for (size_t i = 0; i < shards && i < kShards; ++i) indexes[i] = last_index_[i];
    Buffer mark;
    log::append_mark(synced, indexes, 1, mark);
    segment_.append(mark.view());
    seal(at);
  }
  void flip() {
    const auto at = input_.ConsumeIntegralInRange<size_t>(0, segment_.size() - 1);
    segment_[at] = static_cast<char>(segment_[at] ^ (1 << input_.ConsumeIntegralInRange<int>(0, 7)));
  }

  FuzzedDataProvider& input_;
  fuzz::MemoryDisk& disk_;
  uint64_t number_ = 0;
  uint64_t end_ = 0;
  uint64_t last_index_[kShards] = {};
  size_t total_bytes_ = 0;
  std::string segment_;
};

}  // namespace
}  // namespace keelson

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  FuzzedDataProvider input(data, size);
  fuzz::MemoryDisk disk;
  Follower follower;
  std::vector<uint64_t> first_index;
  for (size_t i = 0; i < kShards; ++i) first_index.push_back(input.ConsumeIntegralInRange<uint64_t>(1, 4));
  follower.next_index = first_index;
  const bool ignore_crc = input.ConsumeBool();
  if (input.ConsumeBool()) {
    FolderScript(input, disk).run();
  } else {
    disk.files[log::segment_name(1)] = input.ConsumeRemainingBytesAsString();
  }
  std::optional<Result<log::RecoveredLog>> recovered;
  keep(log::recover_log(disk, "log", first_index, ignore_crc, follower), recovered);
  KEELSON_CHECK(recovered.has_value(), "recovery ends");
  if (recovered->ok()) {
    for (size_t i = 0; i < kShards; ++i) {
      KEELSON_CHECK(
          (*recovered)->report.last_index[i] >= follower.next_index[i] - 1 || follower.next_index[i] == first_index[i],
          "the last index is behind what was read");
    }
  }
  uint64_t lines = 0;
  const auto report = log::inspect_log(disk, "log", {.with_records = true}, [&](std::string_view) { ++lines; });
  KEELSON_CHECK(report.ok(), "a folder that can be listed can be inspected");
  return 0;
}
