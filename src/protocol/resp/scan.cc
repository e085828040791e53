// SCAN: walks the shards one after another.
//
// The client's cursor is shard << 48 | the shard's own cursor (below 2^48), so that 0 begins and ends the walk. A shard
// whose own cursor is 0 has not been begun.

#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/numbers.h"
#include "engine/kv/args.h"
#include "protocol/resp/keyed_commands.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

namespace {

constexpr unsigned kShardShift = 48;
constexpr uint64_t kInnerMask = (uint64_t{1} << kShardShift) - 1;

// Takes the answer of _SCAN apart: [cursor, [key, ...]].
class ScanSink final : public kv::ReplySink {
 public:
  [[nodiscard]] uint64_t cursor() const { return cursor_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  void status(std::string_view) override {}
  void error(std::string_view text) override { failure_ = text; }
  void integer(int64_t value) override { cursor_ = static_cast<uint64_t>(value); }
  void bulk(std::string_view bytes) override {
    if (arrays_ < 2) {
      cursor_ = parse_uint64(bytes).value_or(0);
    } else {
      keys_.emplace_back(bytes);
    }
  }
  void null() override {}
  void null_array() override {}
  void array(size_t) override { ++arrays_; }
  void map(size_t) override {}
  void set(size_t) override {}
  void push(size_t) override {}
  void real(double) override {}
  void boolean(bool) override {}
  void verbatim(std::string_view, std::string_view) override {}
  [[nodiscard]] bool is_resp3() const override { return false; }

 private:
  int arrays_ = 0;
  uint64_t cursor_ = 0;
  std::vector<std::string> keys_;
  std::string failure_;
};

}  // namespace

Task<void> cmd_scan(Session& session, kv::Args args) {
  const std::optional<uint64_t> cursor = kv::parse_cursor(args[1]);
  if (!cursor) {
    session.out().error("ERR invalid cursor");
    co_return;
  }
  const uint16_t shard_count = session.service().router().shard_count();
  uint64_t shard = *cursor >> kShardShift;
  uint64_t inner = *cursor & kInnerMask;
  const kv::CommandSpec* step = kv::command_by_code(kv::code::kScan);
  std::vector<std::string> keys;
  if (shard < shard_count) {
    const std::string inner_text = std::to_string(inner);
    std::vector<std::string_view> step_args{step->name, inner_text};
    step_args.insert(step_args.end(), args.begin() + 2, args.end());
    ScanSink sink;
    co_await session.query_shard(static_cast<shard::ShardId>(shard), *step, step_args, sink);
    if (!sink.failure().empty()) {
      session.out().error(sink.failure());
      co_return;
    }
    keys = sink.keys();
    inner = sink.cursor();
    if (inner == 0) ++shard;
  } else {
    // Not one of ours; the walk is over, as in Redis.
    inner = 0;
  }
  const uint64_t next = shard >= shard_count ? 0 : shard << kShardShift | inner;
  session.out().array(2);
  session.out().bulk(std::to_string(next));
  session.out().array(keys.size());
  for (const std::string& key : keys) session.out().bulk(key);
}

}  // namespace keelson::resp
