#include "cluster/leases.h"

#include "base/coding.h"
#include "peer/errors.h"

namespace keelson::cluster {

namespace {

// Within etcd's own time-out of a keep-alive that is passed on to the leader.
constexpr int64_t kTimeoutMs = 5'000;

}  // namespace

// Signed numbers travel as the unsigned ones with the same bits.
std::string encode(const coord::LeaseAnswer& answer) {
  std::string out;
  append_u8(out, static_cast<uint8_t>(answer.outcome));
  append_u8(out, answer.is_found ? 1 : 0);
  append_u64(out, static_cast<uint64_t>(answer.granted_ttl_s));
  append_u64(out, static_cast<uint64_t>(answer.ttl_s));
  return out;
}

bool decode(std::string_view from, coord::LeaseAnswer& answer) {
  uint8_t outcome = 0;
  uint8_t is_found = 0;
  uint64_t granted_ttl_s = 0;
  uint64_t ttl_s = 0;
  if (!read_u8(from, outcome) || outcome > static_cast<uint8_t>(coord::ServiceErrc::kStopping) ||
      !read_u8(from, is_found) || !read_u64(from, granted_ttl_s) || !read_u64(from, ttl_s)) {
    return false;
  }
  answer.outcome = static_cast<coord::ServiceErrc>(outcome);
  answer.is_found = is_found != 0;
  answer.granted_ttl_s = static_cast<int64_t>(granted_ttl_s);
  answer.ttl_s = static_cast<int64_t>(ttl_s);
  return true;
}

std::string encode_lease(coord::LeaseId lease) {
  std::string out;
  append_u64(out, static_cast<uint64_t>(lease));
  return out;
}

bool decode_lease(std::string_view from, coord::LeaseId& lease) {
  uint64_t number = 0;
  if (!read_u64(from, number)) return false;
  lease = static_cast<coord::LeaseId>(number);
  return true;
}

Task<coord::LeaseAnswer> RemoteLeases::ask(env::Reactor& here, CallMethod method, coord::LeaseId lease) {
  coord::LeaseAnswer answer{.outcome = coord::ServiceErrc::kNoLeader};
  const NodeId leader = leaders_.leader_of(shard_);
  if (leader == 0) co_return answer;
  const Result<std::string> bytes =
      co_await mesh_.hub(here.index()).call(leader, static_cast<uint32_t>(method), encode_lease(lease), kTimeoutMs);
  if (bytes.ok()) {
    if (!decode(*bytes, answer)) answer.outcome = coord::ServiceErrc::kFailed;
  } else if (bytes.error().code() == peer::PeerErrc::kTimedOut) {
    answer.outcome = coord::ServiceErrc::kTimedOut;
  }
  co_return answer;
}

}  // namespace keelson::cluster
