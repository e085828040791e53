// Produce. Each partition's batches become one record of its shard's log, all of a request's under way at once: one
// sync makes all of them durable. The batches stay in the frame that they came in until then.
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/topic/message_set.h"
#include "engine/topic/record_batch.h"
#include "engine/topic/record_reader.h"
#include "protocol/kafka/creation.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/produce.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"
#include "topics/transactions.h"

namespace keelson::kafka {

namespace {

using topics::Asking;
using topics::Topics;

// From this version on there is one batch of magic 2 for each partition; zstd may be used from the other on (KIP-110).
constexpr int16_t kBatchesFrom = 3;
constexpr int16_t kZstdFrom = 7;
// Records that an answer names.
constexpr size_t kRecordErrorsMax = 100;

struct Refusal {
  ErrorCode code = ErrorCode::kNone;
  std::string_view why;
  bool is_for_keys = false;  // records without one
  [[nodiscard]] bool is_none() const { return code == ErrorCode::kNone; }
};

// One partition's part of the request.
struct Part {
  size_t topic = 0;  // in the response
  size_t place = 0;  // among its topic's partitions
  topic::PartitionId to{};
  uint64_t records = 0;
  std::string_view batches{};  // in the frame, or those that were made from them
  std::shared_ptr<const void> owner{};
  std::optional<Asking> asking;
};

struct Produce {
  explicit Produce(Call& of) : call(of) {}
  Call& call;
  ProduceRequest request;
  ProduceResponse response;
  std::vector<Part> parts;
  uint64_t bytes = 0;
  std::optional<Brokers> brokers{};  // once a partition is led by another node
};

void tell_leader(Produce& produce, const topic::PartitionId& partition, ProduceResponse::Partition& out) {
  Call& call = produce.call;
  if (!produce.brokers) produce.brokers.emplace(call.service().brokers_for(call.session()));
  kafka::tell_leader(*produce.brokers, call.topics().shard_of(partition), produce.response, out);
}

void refuse(ProduceResponse::Partition& partition, const Refusal& refusal) {
  partition.error_code = number(refusal.code);
  partition.base_offset = -1;
  partition.error_message = refusal.why.empty() ? std::string(error_text(refusal.code)) : std::string(refusal.why);
}

// Which records of a refused batch were the reason (KIP-467).
template <class IsBad>
void name_records(std::string_view batch, std::string_view why, ProduceResponse::Partition& partition, IsBad is_bad) {
  topic::RecordReader reader;
  if (reader.begin(batch) != topic::BatchErrc::kOk) return;
  topic::Record record;
  for (int32_t index = 0; reader.next(record) && partition.record_errors.size() < kRecordErrorsMax; ++index) {
    if (is_bad(record)) partition.record_errors.push_back({index, std::string(why)});
  }
}

// What a batch may not be, though it is well-formed.
Refusal look_at_batch(const Produce& produce, const topic::BatchView& batch) {
  if (batch.base_offset() != 0 && produce.call.version() >= kBatchesFrom) {
    return {ErrorCode::kInvalidRecord, "a batch's offsets must begin with 0: the server gives them"};
  }
  if (batch.is_control()) return {ErrorCode::kInvalidRecord, "clients may not append control batches"};
  if (batch.codec() == topic::Codec::kZstd && produce.call.version() < kZstdFrom) {
    return {ErrorCode::kUnsupportedCompressionType, "zstd needs version 7 of Produce"};
  }
  if (batch.is_transactional() && !produce.request.transactional_id) {
    return {ErrorCode::kInvalidTxnState, "a transactional batch needs a transactional id in its request"};
  }
  return {};
}

Refusal check(const Produce& produce, const topic::TopicInfo& topic, std::string_view batches,
              topic::CheckedBatches& checked) {
  if (batches.empty()) return {ErrorCode::kInvalidRecord, "the partition has no record batch"};
  topic::BatchLimits limits;
  limits.needs_keys = is_compacted(topic);
  // Consumers could do nothing with records that do not come out of their compression.
  limits.depth = topic::CheckDepth::kAll;
  // Of the first one before its records are unpacked, since the answer hangs on the request's version.
  if (topic::check_frame(batches) == topic::BatchErrc::kOk && batches.size() >= topic::kBatchHeaderBytes &&
      topic::BatchView(batches).codec() == topic::Codec::kZstd && produce.call.version() < kZstdFrom) {
    return {ErrorCode::kUnsupportedCompressionType, "zstd needs version 7 of Produce"};
  }
  checked = check_batches(batches, limits);
  if (checked.error == topic::BatchErrc::kOldMagic || checked.error == topic::BatchErrc::kBadMagic) {
    return {ErrorCode::kInvalidRecord, "from version 3 of Produce on batches have magic 2"};
  }
  if (checked.error == topic::BatchErrc::kTooLarge &&
      topic::BatchView(batches.substr(checked.at)).size_bytes() > batches.size() - checked.at) {
    return {ErrorCode::kCorruptMessage, "the batch's length is beyond its request"};
  }
  if (!checked.ok()) {
    return {error_of(topic_errc(checked.error)), errc_text(checked.error), checked.error == topic::BatchErrc::kNoKey};
  }
  if (checked.batches != 1 && produce.call.version() >= kBatchesFrom) {
    return {ErrorCode::kInvalidRecord, "a request has one record batch for each partition"};
  }
  for (std::string_view rest = batches; !rest.empty();) {
    const topic::BatchView batch(rest);
    if (const Refusal refusal = look_at_batch(produce, batch); !refusal.is_none()) return refusal;
    rest.remove_prefix(batch.size_bytes());
  }
  return {};
}

// Checks what came for one partition and sends it to its shard.
Refusal append(Produce& produce, const Topics::TopicPointer& topic, const ProduceRequest::Partition& wanted,
               Part& part) {
  if (topic->is_internal) return {ErrorCode::kInvalidTopicException, "clients may not write to internal topics"};
  if (wanted.index < 0 || wanted.index >= topic->partition_count) return {ErrorCode::kUnknownTopicOrPartition, {}};
  part.to = {topic->id, wanted.index};
  if (!produce.call.leads(part.to)) return {ErrorCode::kNotLeaderOrFollower, {}};
  std::string_view batches = wanted.records.value_or(std::string_view());
  std::shared_ptr<const void> owner = produce.call.frame();
  const auto replace = [&](std::string with) {
    auto kept = std::make_shared<const std::string>(std::move(with));
    batches = *kept;
    owner = std::move(kept);
  };
  if (produce.call.version() < kBatchesFrom && !batches.empty()) {
    std::string converted;
    topic::BatchLimits limits;
    limits.needs_keys = is_compacted(*topic);
    const topic::BatchErrc error = convert_message_set(batches, limits, converted);
    if (error != topic::BatchErrc::kOk) return {error_of(topic_errc(error)), errc_text(error)};
    replace(std::move(converted));
  }
  topic::CheckedBatches checked;
  if (const Refusal refusal = check(produce, *topic, batches, checked); !refusal.is_none()) return refusal;
  // What is looked for by time, and which time is too far off, hangs on the records, not on what a producer says.
  if (!checked.has_true_times) replace(topic::with_true_times(batches));
  part.records = checked.records;
  part.batches = batches;
  part.owner = owner;
  produce.bytes += batches.size();
  TopicTraffic& traffic = produce.call.local().traffic_of(*topic);
  traffic.records_in += part.records;
  traffic.bytes_in += batches.size();
  Topics& topics = produce.call.topics();
  part.asking.emplace(topics.ask(produce.call.here(), topics.shard_of(part.to),
                                 topic::Append{.to = part.to, .is_from_client = true}, batches, std::move(owner)));
  return {};
}

// A transactional batch needs its partition to be part of the producer's transaction: else a producer whose transaction
// was ended meanwhile would leave one behind that nobody ends (KIP-890). One question for the whole request.
Task<ErrorCode> verify_transaction(Produce& produce) {
  Call& call = produce.call;
  topic::VerifyTransaction verify{.id = std::string(*produce.request.transactional_id)};
  for (const ProduceRequest::Topic& wanted : produce.request.topics) {
    const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
    // It may be found a moment later, and would take a batch that nobody has looked at.
    if (found.outcome != log::LogErrc::kOk) co_return ErrorCode::kNotEnoughReplicas;
    if (found.topic == nullptr) continue;  // said later
    for (const ProduceRequest::Partition& partition : wanted.partitions) {
      const std::string_view batches = partition.records.value_or(std::string_view());
      if (batches.size() < topic::kBatchHeaderBytes) continue;  // said later
      const topic::BatchView batch(batches);
      if (!batch.is_transactional()) continue;
      verify.producer_id = batch.producer_id();
      verify.producer_epoch = batch.producer_epoch();
      verify.partitions.push_back({found.topic->id, partition.index});
    }
  }
  if (verify.partitions.empty()) co_return ErrorCode::kNone;
  const topics::Asked asked = co_await call.service().transactions().verify(call.here(), verify);
  // Errors that make producers ask again: the transaction before is being ended, or nobody can be asked.
  if (asked.outcome != log::LogErrc::kOk) co_return ErrorCode::kNotEnoughReplicas;
  if (asked.answer.error == topic::TopicErrc::kConcurrentTransactions) co_return ErrorCode::kNotEnoughReplicas;
  co_return error_of(asked.answer.error);
}

bool are_acks_valid(int16_t acks) { return acks == 0 || acks == 1 || acks == -1; }

Task<void> begin_appends(Produce& produce) {
  Call& call = produce.call;
  const std::optional<std::string_view>& id = produce.request.transactional_id;
  const bool may_transact = !id || call.may(AclOperation::kWrite, ResourceType::kTransactionalId, *id);
  const ErrorCode verified = id && may_transact ? co_await verify_transaction(produce) : ErrorCode::kNone;
  for (const ProduceRequest::Topic& wanted : produce.request.topics) {
    ProduceResponse::Topic& out = produce.response.topics.emplace_back();
    out.name = std::string(wanted.name);
    out.partitions.resize(wanted.partitions.size());
    ErrorCode error = ErrorCode::kNone;
    Topics::TopicPointer topic;
    if (!are_acks_valid(produce.request.acks)) {
      error = ErrorCode::kInvalidRequiredAcks;
    } else if (!may_transact) {
      error = ErrorCode::kTransactionalIdAuthorizationFailed;
    } else if (verified != ErrorCode::kNone) {
      error = verified;
    } else if (!call.may(AclOperation::kWrite, ResourceType::kTopic, wanted.name)) {
      error = ErrorCode::kTopicAuthorizationFailed;
    } else if (topic = call.topics().known_topic(call.here(), wanted.name); topic == nullptr) {
      const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
      topic = found.topic;
      error = error_of(found, ErrorCode::kUnknownTopicOrPartition);
    }
    for (size_t i = 0; i < wanted.partitions.size(); ++i) {
      out.partitions[i].index = wanted.partitions[i].index;
      Part part{.topic = produce.response.topics.size() - 1, .place = i, .asking = {}};
      const Refusal refusal =
          topic == nullptr ? Refusal{error, {}} : append(produce, topic, wanted.partitions[i], part);
      if (!refusal.is_none()) refuse(out.partitions[i], refusal);
      if (refusal.code == ErrorCode::kNotLeaderOrFollower) tell_leader(produce, part.to, out.partitions[i]);
      if (refusal.is_for_keys) {
        name_records(*wanted.partitions[i].records, "a record of a compacted topic needs a key", out.partitions[i],
                     [](const topic::Record& record) { return !record.key; });
      }
      if (part.asking) produce.parts.push_back(std::move(part));
    }
  }
}

Task<void> handle_produce(Call& call) {
  Produce produce(call);
  if (!call.decode(produce.request)) co_return;
  co_await begin_appends(produce);
  // What comes behind takes effect behind, and shares the sync.
  call.let_next_begin();
  bool has_failed = false;
  for (Part& part : produce.parts) {
    topics::Asked asked = co_await *part.asking;
    ProduceResponse::Partition& out = produce.response.topics[part.topic].partitions[part.place];
    if (asked.ok()) {
      out.base_offset = asked.answer.append.base_offset;
      out.log_append_time_ms = asked.answer.append.log_append_time_ms;
      out.log_start_offset = asked.answer.append.log_start;
      call.local().counters.records_in.add(part.records);
    } else {
      refuse(out, {error_of(asked), asked.answer.reason});
      if (error_of(asked) == ErrorCode::kNotLeaderOrFollower) tell_leader(produce, part.to, out);
      if (asked.answer.error == topic::TopicErrc::kInvalidTimestamp && call.version() >= kBatchesFrom) {
        const int64_t worst_ms = topic::BatchView(part.batches).max_timestamp_ms();
        name_records(part.batches, error_text(ErrorCode::kInvalidTimestamp), out,
                     [worst_ms](const topic::Record& record) { return record.timestamp_ms == worst_ms; });
      }
    }
  }
  call.local().counters.record_bytes_in.add(produce.bytes);
  produce.response.throttle_time_ms = call.charge(QuotaKind::kProduceBytes, produce.bytes);
  if (produce.request.acks != 0) {
    call.respond(produce.response);
    co_return;
  }
  for (const ProduceResponse::Topic& topic : produce.response.topics) {
    for (const ProduceResponse::Partition& partition : topic.partitions) has_failed |= partition.error_code != 0;
  }
  // Nobody reads an answer; the end of the connection is the only way to say that something went wrong.
  call.respond_nothing();
  if (has_failed) call.session().kill();
}

constexpr auto kRows = std::to_array<HandlerRow>({{ApiKey::kProduce, handle_produce}});

}  // namespace

std::span<const HandlerRow> produce_handlers() { return kRows; }

}  // namespace keelson::kafka
