// Any bytes as a request of etcd's API, to what becomes of it: nothing crashes, and where Protocol Buffers' own reader
// takes the message, ours has read the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <rpc.pb.h>
#include "base/check.h"
#include "engine/coord/commands.h"
#include "protocol/etcd/requests.h"

using namespace keelson;        // tidy: using namespace, because this file is about nothing else
using namespace keelson::etcd;  // tidy: using namespace, because this file is about nothing else

namespace {

using coord::CoordErrc;

// What travels to the shard decodes there as well.
template <class Body>
void through_the_log(const Body& body) {
  const std::string bytes = coord::encode(body);
  Body back;
  KEELSON_CHECK(coord::decode(bytes, back), "what was encoded decodes");
}

void put(std::string_view message) {
  coord::Put ours;
  if (translate(message, ours) != CoordErrc::kOk) return;
  through_the_log(ours);
  etcdserverpb::PutRequest theirs;
  KEELSON_CHECK(theirs.ParseFromArray(message.data(), static_cast<int>(message.size())), "both take it");
  KEELSON_CHECK(theirs.key() == ours.key && theirs.value() == ours.value && theirs.lease() == ours.lease &&
                    theirs.prev_kv() == ours.prev_kv,
                "both have read the same");
}

void range(std::string_view message) {
  RangeAsk ours;
  if (translate(message, ours) != CoordErrc::kOk) return;
  through_the_log(ours.range);
  etcdserverpb::RangeRequest theirs;
  KEELSON_CHECK(theirs.ParseFromArray(message.data(), static_cast<int>(message.size())), "both take it");
  KEELSON_CHECK(theirs.key() == ours.range.key && theirs.range_end() == ours.range.range_end &&
                    theirs.limit() == ours.range.limit && theirs.revision() == ours.range.revision &&
                    theirs.serializable() == ours.is_serializable &&
                    theirs.max_create_revision() == ours.range.max_create_revision &&
                    theirs.sort_target() == static_cast<int>(ours.range.sort_target),
                "both have read the same");
}

void txn(std::string_view message) {
  TxnAsk ours;
  if (translate(message, 128, ours) != CoordErrc::kOk || ours.has_too_many_operations) return;
  through_the_log(ours.txn);
  etcdserverpb::TxnRequest theirs;
  KEELSON_CHECK(theirs.ParseFromArray(message.data(), static_cast<int>(message.size())), "both take it");
  KEELSON_CHECK(static_cast<size_t>(theirs.compare_size()) == ours.txn.compares.size() &&
                    static_cast<size_t>(theirs.success_size()) == ours.txn.success.size() &&
                    static_cast<size_t>(theirs.failure_size()) == ours.txn.failure.size(),
                "both have read the same");
  for (size_t i = 0; i < ours.txn.success.size(); ++i) {
    const auto kind = static_cast<size_t>(theirs.success(static_cast<int>(i)).request_case());
    KEELSON_CHECK(kind == ours.txn.success[i].op.index() + 1, "both have read the same");
  }
}

void watch(std::string_view message) {
  WatchAsk ours;
  if (translate(message, ours) != CoordErrc::kOk) return;
  etcdserverpb::WatchRequest theirs;
  if (!theirs.ParseFromArray(message.data(), static_cast<int>(message.size()))) return;
  KEELSON_CHECK(static_cast<int>(theirs.request_union_case()) == static_cast<int>(ours.kind),
                "both have read the same");
  if (ours.kind != WatchAsk::Kind::kCreate) return;
  KEELSON_CHECK(theirs.create_request().key() == ours.create.key &&
                    theirs.create_request().start_revision() == ours.create.start_revision &&
                    theirs.create_request().fragment() == ours.create.is_fragmented,
                "both have read the same");
}

template <class Ask>
void only_read(std::string_view message) {
  Ask ask;
  (void)translate(message, ask);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      put(message);
      break;
    case 1:
      range(message);
      break;
    case 2:
      txn(message);
      break;
    case 3:
      watch(message);
      break;
    case 4:
      only_read<coord::DeleteRange>(message);
      break;
    case 5:
      only_read<coord::RoleGrantPermission>(message);
      only_read<coord::RoleRevokePermission>(message);
      only_read<PasswordAsk>(message);
      break;
    case 6:
      only_read<LeaderAsk>(message);
      only_read<ElectionAsk>(message);
      only_read<AlarmAsk>(message);
      break;
    default: {
      MemberAsk ask;
      (void)translate(message, static_cast<MemberAskKind>(size % 4), ask);
      only_read<coord::LeaseGrant>(message);
      only_read<coord::LeaseTimeToLive>(message);
      break;
    }
  }
  return 0;
}
