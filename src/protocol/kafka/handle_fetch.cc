// Fetch: reads all partitions of a request at once, waits until there is enough, and hands out the batches as they lie
// in memory, without copying them.
//
// An answer has at least one batch if there is any (whatever its size), else no more than the request's max_bytes and
// what this reactor has left for answers under way. While it waits for more, it is told which partitions have got
// something, and reads only those again.
#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/logging.h"
#include "engine/topic/record_batch.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/fetch_session.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/fetch.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topics::Asked;
using topics::Asking;
using topics::Topics;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int8_t kReadCommitted = 1;
constexpr int32_t kLeaderEpoch = 0;
constexpr int64_t kUnknownOffset = -1;
// However little memory there is, a fetch may have this much.
constexpr size_t kFetchBytesMin = 64 * 1024;
// Each of its partitions takes at most this part of what is left for answers.
constexpr size_t kMemoryShare = 4;
// A client that asks to wait longer is answered after this; it asks again.
constexpr int64_t kWaitMsMax = 300'000;

struct Part {
  FetchPartition wanted;
  Topics::TopicPointer topic{};
  ErrorCode error = ErrorCode::kNone;
  topic::ReadAnswer read{};
  std::optional<Asking> asking{};

  [[nodiscard]] topic::PartitionId id() const { return {topic->id, wanted.partition}; }
  [[nodiscard]] size_t bytes() const {
    // What a span has is known once it was read; it counts as something until then.
    size_t count = 0;
    if (read.span)
      count = std::clamp<uint64_t>(read.span->end - read.span->position, 1, std::max(1U, read.span->bytes_max));
    for (const topic::Slice& slice : read.slices) count += slice.bytes.size();
    return count;
  }
};

// What an answer has so far counts among the bytes under way, like those that are done: others leave room for it.
class Held {
 public:
  explicit Held(Local& local) : local_(local) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { set(0); }
  void set(size_t bytes) {
    local_.bytes_under_way += bytes - bytes_;
    bytes_ = bytes;
  }

 private:
  Local& local_;
  size_t bytes_ = 0;
};

struct Fetch {
  explicit Fetch(Call& of) : call(of), held(of.local()) {}
  Call& call;
  Held held;
  FetchRequest request;
  FetchPlan plan;
  std::vector<Part> parts;
  bool is_committed_only = false;
  size_t bytes_max = 0;
  int64_t deadline_ns = 0;
};

// ---- What is to be read.

ErrorCode wrong_with(Call& call, const Part& part) {
  if (part.topic == nullptr) {
    // Whether there is a topic of that name is for those to know who may read it.
    const bool may =
        part.wanted.topic.empty() || call.may(AclOperation::kRead, ResourceType::kTopic, part.wanted.topic);
    return may ? part.error : ErrorCode::kTopicAuthorizationFailed;
  }
  if (!call.may(AclOperation::kRead, ResourceType::kTopic, part.topic->name)) {
    return ErrorCode::kTopicAuthorizationFailed;
  }
  if (part.wanted.partition < 0 || part.wanted.partition >= part.topic->partition_count) {
    return ErrorCode::kUnknownTopicOrPartition;
  }
  if (part.wanted.leader_epoch > kLeaderEpoch) return ErrorCode::kUnknownLeaderEpoch;
  return ErrorCode::kNone;
}

// Without asking a shard, if that can be.
Topics::TopicPointer known_topic(Call& call, const Part& part, const Part* before) {
  const bool is_by_id = part.wanted.topic.empty();
  // Partitions of a topic mostly stand together.
  if (before != nullptr && before->topic != nullptr && before->wanted.topic == part.wanted.topic &&
      before->wanted.id == part.wanted.id) {
    return before->topic;
  }
  Topics& topics = call.topics();
  return is_by_id ? topics.known_topic(call.here(), part.wanted.id)
                  : topics.known_topic(call.here(), part.wanted.topic);
}

Task<void> find_topic(Call& call, Part& part) {
  const bool is_by_id = part.wanted.topic.empty();
  Topics& topics = call.topics();
  const Topics::Found found = is_by_id ? co_await topics.find_topic(call.here(), part.wanted.id)
                                       : co_await topics.find_topic(call.here(), part.wanted.topic);
  part.topic = found.topic;
  part.error = error_of(found, is_by_id ? ErrorCode::kUnknownTopicId : ErrorCode::kUnknownTopicOrPartition);
}

Task<void> find_parts(Fetch& fetch) {
  if (fetch.plan.session != nullptr) {
    for (const FetchPartition& wanted : fetch.plan.session->partitions) fetch.parts.push_back({.wanted = wanted});
  } else {
    for (FetchPartition& wanted : partitions_of(fetch.request, fetch.call.version())) {
      fetch.parts.push_back({.wanted = std::move(wanted)});
    }
  }
  for (size_t i = 0; i < fetch.parts.size(); ++i) {
    Part& part = fetch.parts[i];
    part.topic = known_topic(fetch.call, part, i == 0 ? nullptr : &fetch.parts[i - 1]);
    if (part.topic == nullptr) co_await find_topic(fetch.call, part);
    part.error = wrong_with(fetch.call, part);
  }
}

// ---- Reading.

topic::Read read_of(const Fetch& fetch, const Part& part) {
  const auto bytes_max = static_cast<size_t>(std::max(part.wanted.bytes_max, 1));
  return {.from = part.id(),
          .offset = part.wanted.offset,
          .bytes_max = static_cast<uint32_t>(std::min(bytes_max, fetch.bytes_max)),
          .is_committed_only = fetch.is_committed_only};
}

void start_read(Fetch& fetch, Part& part) {
  if (!fetch.call.leads(part.id())) {
    part.error = ErrorCode::kNotLeaderOrFollower;
    part.read = {};
    return;
  }
  const topic::Read read = read_of(fetch, part);
  Topics& topics = fetch.call.topics();
  // Of a client that is sent elsewhere by and by the old state is good enough, and it costs no message.
  part.asking.emplace(topics.ask_stale(fetch.call.here(), topics.shard_of(read.from), read));
}

// The shard's state here may be one that others have left behind, if they have taken its lead over: what a client
// would draw far-reaching conclusions from must be confirmed.
bool needs_confirmation(const Asked& asked) {
  return asked.outcome == log::LogErrc::kOk && (asked.answer.error == topic::TopicErrc::kOffsetOutOfRange ||
                                                asked.answer.error == topic::TopicErrc::kUnknownTopic ||
                                                asked.answer.error == topic::TopicErrc::kUnknownPartition);
}

Task<void> finish_reads(Fetch& fetch) {
  Topics& topics = fetch.call.topics();
  const bool is_trusting = fetch.call.service().options().faults.trusts_stale_reads;
  for (Part& part : fetch.parts) {
    if (!part.asking) continue;
    Asked asked = co_await *part.asking;
    part.asking.reset();
    if (topics.is_clustered() && needs_confirmation(asked) && !is_trusting) {
      const topic::Read again = read_of(fetch, part);
      asked = co_await topics.ask(fetch.call.here(), topics.shard_of(again.from), again);
    }
    part.error = error_of(asked);
    part.read = std::move(asked.answer.read);
  }
}

struct Sum {
  size_t bytes = 0;
  bool has_error = false;
};

Sum sum_of(const Fetch& fetch) {
  Sum sum;
  for (const Part& part : fetch.parts) {
    sum.has_error |= part.error != ErrorCode::kNone;
    sum.bytes += part.bytes();
  }
  return sum;
}

// What this node does not lead any more others have to answer for.
void give_up_unled(Fetch& fetch) {
  for (Part& part : fetch.parts) {
    if (part.error != ErrorCode::kNone || fetch.call.leads(part.id())) continue;
    part.error = ErrorCode::kNotLeaderOrFollower;
    part.read = {};
  }
}

Task<void> read_all(Fetch& fetch) {
  for (Part& part : fetch.parts) {
    if (part.error == ErrorCode::kNone) start_read(fetch, part);
  }
  co_await finish_reads(fetch);
  const auto bytes_min = static_cast<size_t>(std::max(fetch.request.min_bytes, 0));
  for (bool is_first = true;; is_first = false) {
    const Sum sum = sum_of(fetch);
    if (sum.has_error || sum.bytes >= std::min(bytes_min, fetch.bytes_max) || fetch.parts.empty()) co_return;
    if (fetch.call.local().is_stopping || fetch.deadline_ns <= fetch.call.here().clock().monotonic_ns()) co_return;
    std::vector<topics::WaitPoint> points;
    for (const Part& part : fetch.parts) {
      // What is there has been counted, though a limit may have kept some of it back.
      const int64_t end = fetch.is_committed_only ? part.read.last_stable : part.read.high_watermark;
      points.push_back({part.id(), std::max(end, part.wanted.offset), fetch.is_committed_only});
    }
    if (is_first) fetch.call.local().counters.fetch_waits.add();
    fetch.call.let_next_begin();
    const std::vector<topic::PartitionId> woken =
        co_await fetch.call.topics().wait(fetch.call.here(), std::move(points), fetch.deadline_ns);
    give_up_unled(fetch);
    if (woken.empty()) co_return;
    for (Part& part : fetch.parts) {
      if (part.error == ErrorCode::kNone && std::ranges::find(woken, part.id()) != woken.end()) start_read(fetch, part);
    }
    co_await finish_reads(fetch);
  }
}

// ---- What goes out of it.

// Whole batches of at most `bytes_max` together; with `is_first`, one in any case.
void cut(topic::ReadAnswer& read, size_t bytes_max, bool is_first) {
  size_t left = bytes_max;
  std::vector<topic::Slice> kept;
  for (topic::Slice& slice : read.slices) {
    size_t taken = 0;
    while (taken < slice.bytes.size()) {
      const size_t size = topic::BatchView(slice.bytes.substr(taken)).size_bytes();
      if (size > left && !(is_first && kept.empty() && taken == 0)) break;
      left -= std::min(size, left);
      taken += size;
    }
    const bool is_whole = taken >= slice.bytes.size();
    if (taken != 0) kept.push_back({slice.owner, slice.bytes.substr(0, taken)});
    if (!is_whole) break;
  }
  read.slices = std::move(kept);
}

// What lies on disk, if any of it does.
Task<void> bring(Fetch& fetch, Part& part, size_t bytes_max) {
  if (!part.read.span) co_return;
  Topics& topics = fetch.call.topics();
  part.read.span->bytes_max = static_cast<uint32_t>(std::min<size_t>(part.read.span->bytes_max, bytes_max));
  const Status brought = co_await topics.bring(fetch.call.here(), part.read);
  if (!brought.ok()) {
    part.error = ErrorCode::kKafkaStorageError;
    log_error("kafka", "a fetch met damage",
              {{"topic", part.topic->name}, {"partition", part.wanted.partition}, {"why", brought.error().message()}});
    co_return;
  }
  if (!part.read.slices.empty() || part.read.next_offset <= part.wanted.offset) co_return;
  // Compaction has taken what was there: from where the shard goes on.
  Asked asked = co_await topics.read(fetch.call.here(),
                                     {.from = part.id(),
                                      .offset = part.read.next_offset,
                                      .bytes_max = static_cast<uint32_t>(bytes_max),
                                      .is_committed_only = fetch.is_committed_only},
                                     true);
  part.error = error_of(asked);
  part.read = std::move(asked.answer.read);
}

// How much more an answer may have that has `total`.
size_t bytes_left(const Fetch& fetch, size_t total) {
  if (total >= fetch.bytes_max) return 0;
  const size_t limit = fetch.call.service().options().reactor_bytes_max;
  const size_t share = (limit - std::min(fetch.call.local().bytes_under_way, limit)) / kMemoryShare;
  const size_t free = total < kFetchBytesMin ? kFetchBytesMin - total : 0;
  return std::min(fetch.bytes_max - total, std::max(share, free));
}

// Brings what lies on disk, and leaves out what is too much.
Task<size_t> gather(Fetch& fetch) {
  size_t total = 0;
  for (Part& part : fetch.parts) {
    if (part.error != ErrorCode::kNone || part.bytes() == 0) continue;
    const size_t left = bytes_left(fetch, total);
    if (left == 0) {
      part.read.span.reset();
      part.read.slices.clear();
      continue;
    }
    fetch.held.set(total + std::min(left, part.bytes()));
    co_await bring(fetch, part, left);
    if (part.error != ErrorCode::kNone) continue;
    if (part.bytes() > left) cut(part.read, left, total == 0);
    const size_t bytes = part.bytes();
    total += bytes;
    fetch.held.set(total);
    if (bytes != 0) fetch.call.local().traffic_of(*part.topic).bytes_out += bytes;
  }
  co_return total;
}

// Has anything changed since the client was told?
bool is_told(Fetch& fetch, const Part& part) {
  if (fetch.plan.session == nullptr) return true;
  const auto found = fetch.plan.session->by_key.find(FetchSession::key_of(part.wanted));
  if (found == fetch.plan.session->by_key.end()) return true;
  FetchPartition& known = *found->second;
  const bool has_error = part.error != ErrorCode::kNone;
  const bool is_news = fetch.plan.is_full || has_error || part.bytes() != 0 ||
                       known.told_high_watermark != part.read.high_watermark ||
                       known.told_log_start != part.read.log_start;
  known.told_high_watermark = has_error ? -2 : part.read.high_watermark;
  known.told_log_start = has_error ? -2 : part.read.log_start;
  // Whoever has something stands behind the others next time, so that a busy partition does not take it all.
  if (!has_error && part.bytes() != 0) fetch.plan.session->move_to_end(found->second);
  return is_news;
}

FetchResponse::Partition answer_of(const Fetch& fetch, Part& part) {
  FetchResponse::Partition out;
  out.partition_index = part.wanted.partition;
  out.error_code = number(part.error);
  if (part.error != ErrorCode::kNone) {
    out.high_watermark = out.last_stable_offset = out.log_start_offset = kUnknownOffset;
    return out;
  }
  out.high_watermark = part.read.high_watermark;
  out.last_stable_offset = part.read.last_stable;
  out.log_start_offset = part.read.log_start;
  // Who does not ask for committed records alone must not be told what was aborted: clients would leave it out.
  if (fetch.is_committed_only) {
    auto& aborted = out.aborted_transactions.emplace();
    for (const topic::AbortedTransaction& one : part.read.aborted) {
      aborted.push_back({one.producer_id, one.first_offset});
    }
  }
  out.records.fragments = std::move(part.read.slices);
  return out;
}

FetchResponse make_response(Fetch& fetch) {
  FetchResponse response;
  Call& call = fetch.call;
  std::optional<Brokers> brokers;
  response.session_id = fetch.plan.session_id;
  // Another request of this connection may have ended the session meanwhile.
  fetch.plan.session = fetch.call.session().fetch_sessions().find(fetch.plan.session_id);
  for (Part& part : fetch.parts) {
    if (!is_told(fetch, part)) continue;
    const bool is_by_id = part.wanted.topic.empty();
    FetchResponse::Topic* topic = response.topics.empty() ? nullptr : &response.topics.back();
    if (topic == nullptr || (is_by_id ? topic->topic_id != part.wanted.id : topic->topic != part.wanted.topic)) {
      topic = &response.topics.emplace_back();
      topic->topic = part.wanted.topic;
      topic->topic_id = part.wanted.id;
    }
    topic->partitions.push_back(answer_of(fetch, part));
    if (part.error != ErrorCode::kNotLeaderOrFollower || part.topic == nullptr) continue;
    if (!brokers) brokers.emplace(call.service().brokers_for(call.session()));
    tell_leader(*brokers, call.topics().shard_of(part.id()), response, topic->partitions.back());
  }
  return response;
}

Task<void> handle_fetch(Call& call) {
  Fetch fetch(call);
  const FetchRequest& request = fetch.request;
  if (!call.decode(fetch.request)) co_return;
  const auto chance = static_cast<uint32_t>(call.here().random().next());
  fetch.plan = call.session().fetch_sessions().plan(request, call.version(), chance);
  if (fetch.plan.error != ErrorCode::kNone) {
    call.respond(FetchResponse{.error_code = number(fetch.plan.error)});
    co_return;
  }
  fetch.is_committed_only = request.isolation_level == kReadCommitted;
  fetch.bytes_max =
      std::min(static_cast<size_t>(std::max(request.max_bytes, 1)), call.service().options().fetch_bytes_max);
  const int64_t wait_ms = std::clamp<int64_t>(request.max_wait_ms, 0, kWaitMsMax);
  fetch.deadline_ns = call.here().clock().monotonic_ns() + wait_ms * kNsPerMs;
  co_await find_parts(fetch);
  co_await read_all(fetch);
  const size_t bytes = co_await gather(fetch);
  FetchResponse response = make_response(fetch);
  call.local().counters.record_bytes_out.add(bytes);
  response.throttle_time_ms = call.charge(QuotaKind::kFetchBytes, bytes);
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({{ApiKey::kFetch, handle_fetch}});

}  // namespace

std::span<const HandlerRow> fetch_handlers() { return kRows; }

}  // namespace keelson::kafka
