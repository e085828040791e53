// What nodes ask of one another about the cluster and about slots that move, and the texts of the cluster's keys, which
// others may write too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "cluster/calls.h"
#include "cluster/join.h"
#include "cluster/slots.h"
#include "cluster/state.h"

namespace {

using namespace keelson;
using namespace keelson::cluster;

// What can be read can be written, and is then read as the same.
template <class Call>
void read_call(std::string_view bytes) {
  Call call;
  if (!decode(bytes, call)) return;
  const std::string once = encode(call);
  Call again;
  KEELSON_CHECK(decode(once, again), "what was written cannot be read");
  KEELSON_CHECK(encode(again) == once, "what was read is written differently");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_call<MoveCall>(input);
  read_call<MoveProgress>(input);
  read_call<SlotCall>(input);
  read_call<SlotReply>(input);
  read_call<ImportCall>(input);
  read_call<ShardCall>(input);
  read_call<std::vector<ReplicaReport>>(input);
  read_call<Joined>(input);
  int64_t revision = 0;
  if (decode_revision(input, revision)) KEELSON_CHECK(revision >= 0, "a revision below zero");
  if (const auto runs = parse_slot_runs(input)) {
    KEELSON_CHECK(parse_slot_runs(format_slot_runs(*runs)) == runs, "runs are written differently");
    // Not changed by shards that are not there.
    const std::vector<ShardId> shards{0, 1, 2};
    const SlotOwners owners(shards, *runs);
    KEELSON_CHECK(SlotOwners(shards, owners.differences()).runs() == owners.runs(), "the map is another one");
  }
  if (const auto move = parse_move(7, input)) {
    const std::string once = format_move(*move);
    const auto again = parse_move(7, once);
    KEELSON_CHECK(again && format_move(*again) == once, "a move is written differently");
  }
  return 0;
}
