// SCAN: walks the shards one after another.
//
// The client's cursor is shard << 48 | the shard's own cursor (below 2^48), so that 0 begins and ends the walk. A shard
// whose own cursor is 0 has not been begun.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/numbers.h"
#include "engine/kv/args.h"
#include "protocol/resp/keyed_commands.h"
#include "protocol/resp/scan_sink.h"
#include "protocol/resp/session.h"

namespace keelson::resp {

namespace {

constexpr unsigned kShardShift = 48;
constexpr uint64_t kInnerMask = (uint64_t{1} << kShardShift) - 1;

}  // namespace

Task<void> cmd_scan(Session& session, kv::Args args) {
  const std::optional<uint64_t> cursor = kv::parse_cursor(args[1]);
  if (!cursor) {
    session.out().error("ERR invalid cursor");
    co_return;
  }
  const uint16_t shard_count = session.service().router().shard_count();
  // Of a cluster those that this node leads, as KEYS; after READONLY all.
  std::vector<shard::ShardId> led;
  const bool is_partial = session.service().is_cluster() && !session.client().is_readonly;
  if (is_partial) led = co_await session.service().led_shards(session.reactor());
  const auto next_shard = [&](uint64_t from) -> uint64_t {
    if (!is_partial) return from;
    const auto found = std::lower_bound(led.begin(), led.end(), from);
    return found == led.end() ? shard_count : uint64_t{*found};
  };
  uint64_t shard = *cursor >> kShardShift;
  uint64_t inner = *cursor & kInnerMask;
  if (const uint64_t begun = shard; shard < shard_count) {
    shard = next_shard(shard);
    if (shard != begun) inner = 0;
  }
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
    if (inner == 0) shard = next_shard(shard + 1);
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
