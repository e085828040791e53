// Words that the topic engine and everybody above it share.
//
// A topic has partitions 0 .. partition_count-1; a partition is a log of record batches (record_batch.h) whose records
// have offsets from 0, without end. Every shard of the service knows every topic (the directory); each partition,
// consumer group and transactional id lives on one shard, by the functions below, whose results never change.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::topic {

// A UUID in network order, as Kafka's topic ids. All zero: none.
struct TopicId {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const TopicId&) const = default;
  [[nodiscard]] bool is_none() const { return *this == TopicId{}; }
};

struct PartitionId {
  TopicId topic;
  int32_t partition = 0;
  auto operator<=>(const PartitionId&) const = default;
};

// 0 .. shard_count-1, within the service. Neighbouring partitions of a topic lie on neighbouring shards.
[[nodiscard]] uint16_t shard_of_partition(const PartitionId& id, uint16_t shard_count);
// Of a consumer group, a transactional id, or another name.
[[nodiscard]] uint16_t shard_of_name(std::string_view name, uint16_t shard_count);

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Kafka's errors as far as the engine has them; a protocol gives them its own codes and words.
enum class TopicErrc : uint8_t {
  kOk = 0,
  kUnknownTopic,
  kTopicExists,
  kInvalidPartitions,
  kInvalidConfig,
  kUnknownPartition,
  kOffsetOutOfRange,
  kCorruptBatch,
  kInvalidRecord,     // a record without a key for a compacted topic, a control batch from a client
  kInvalidTimestamp,  // further from the log's time than the topic allows
  kMessageTooLarge,   // a batch above max.message.bytes
  kUnsupportedCompression,
  kOutOfOrderSequence,
  kDuplicateSequence,     // older than the batches that are remembered; what is remembered is answered as if appended
  kInvalidProducerEpoch,  // fenced by a newer one
  kUnknownProducer,
  kInvalidTxnState,
  kConcurrentTransactions,
  kTransactionCoordinatorFenced,
  kInvalidProducerIdMapping,
  kUnknownGroup,
  kGroupNotEmpty,
  kIllegalGeneration,
  kUnknownMember,
  kFencedInstance,
  kUnknownCursor,
  kCursorExists,
  kNoSuchDocument,
  kDocumentChanged,  // a condition did not hold
  kInvalid,          // the command breaks a limit, or is malformed
  kFencedClaim,      // another one has claimed the shard since (ClaimShard)
};
[[nodiscard]] std::string_view errc_text(TopicErrc code);

// Limits. Names: Kafka's (Topic.java) for Kafka's topics; other protocols encode theirs.
inline constexpr size_t kTopicNameBytesMax = 249;
inline constexpr int32_t kPartitionsMax = 10'000;  // of a topic
inline constexpr int64_t kNoTimestamp = -1;
inline constexpr int64_t kNoProducerId = -1;

}  // namespace keelson::topic
