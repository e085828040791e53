// Commands and queries on the directory of topics and on partitions. Codes stand in logs and are never used again for
// another meaning; the ranges of the other parts of the engine are in codes.h.
//
// A command has one argument, the body that encode() makes; Append has a second, the batches as they came. What a
// command decides by the clock (retention, say) was decided by whoever sent it: the record says what is to be done.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/codes.h"
#include "engine/topic/types.h"

namespace keelson::topic {

// ---- The directory. On one node each of these goes to every shard, in one record under a loan of all of them. In a
// cluster the first shard decides, and the others mirror what it has decided (MirrorTopic). Each change makes the next
// version of the directory. Answer: topics (the one, unless it is gone), directory.

// kTopicExists, kInvalidPartitions, kInvalidConfig. `configs`: those of topic_config.h that are not the default.
struct CreateTopic {
  static constexpr Code kCode = Code::kCreateTopic;
  TopicId id{};  // drawn by the caller
  std::string name{};
  int32_t partition_count = 1;
  Pairs configs{};
  bool is_internal = false;  // not shown to clients that do not ask for it
};
// kUnknownTopic. Segments are removed; a topic of the same name is another one.
struct DeleteTopic {
  static constexpr Code kCode = Code::kDeleteTopic;
  TopicId id{};
};
// To that many in all: kInvalidPartitions if there are as many already.
struct AddPartitions {
  static constexpr Code kCode = Code::kAddPartitions;
  TopicId id{};
  int32_t partition_count = 0;
};
// kInvalidConfig changes nothing.
struct ConfigureTopic {
  static constexpr Code kCode = Code::kConfigureTopic;
  TopicId id{};
  Pairs set{};
  std::vector<std::string> remove{};
};

// A topic that is gone: deleted by that version of the directory at the latest, and never there again.
struct GoneTopic {
  TopicId id{};
  uint64_t version = 0;
};
// Brings a mirror of the directory nearer to it: what is newer than what the mirror has takes its place, and anything
// else changes nothing, so that it may come late, twice, or in any order. Answer: directory.
//
// `topics` and `gone` hold everything that has changed behind version `since`, up to `until`: a mirror that has reached
// `since` has then reached `until`. With both 0 nothing is said of that. A mirror that is at `since` exactly takes over
// what it should have had already, too (it differs by a defect).
struct MirrorTopic {
  static constexpr Code kCode = Code::kMirrorTopic;
  std::vector<std::string> topics{};  // encode_topic()
  std::vector<GoneTopic> gone{};
  uint64_t since = 0;
  uint64_t until = 0;
};
[[nodiscard]] std::string encode_topic(const TopicInfo& info);
// False: no such bytes, or a topic that cannot be.
[[nodiscard]] bool decode_topic(std::string_view from, TopicInfo& info);

// Opaque documents of the protocols above (access lists, schemas, subscriptions): on the shard of the document's key
// (shard_of_name). With `if_version`, only if the document has that version (0: is not there); kDocumentChanged, and
// Answer::documents has the present one. Answer: documents (one: the new one, without its value).
struct PutDocument {
  static constexpr Code kCode = Code::kPutDocument;
  std::string key{};
  std::string value{};
  std::optional<uint64_t> if_version{};
};
struct DeleteDocument {
  static constexpr Code kCode = Code::kDeleteDocument;
  std::string key{};
  std::optional<uint64_t> if_version{};
};

// Whoever decides for the shard beside the engine (coordinators of groups and transactions) says so, and all before are
// over: commands of theirs that carry a claim are refused with kFencedClaim from then on. Answer: claim, the shard's
// next one (from 1).
struct ClaimShard {
  static constexpr Code kCode = Code::kClaimShard;
  uint64_t node = 0;  // whose it is, for people
};

// ---- Partitions.

// Appends batches of magic 2 (checked by check_batches() of record_batch.h before the command was submitted; the engine
// trusts their shape, not their meaning). Offsets are given here. All of them or none. Answer: append.
struct Append {
  static constexpr Code kCode = Code::kAppend;
  PartitionId to{};
  // By a Kafka client's producer: its sequence numbers are looked at. Others (markers, the house's own) go past that.
  bool is_from_client = true;
};

// Everything below `start` is gone for readers; whole segments below it are removed. Never goes back.
// kOffsetOutOfRange: beyond the high watermark. Answer: append.log_start.
struct TrimPartition {
  static constexpr Code kCode = Code::kTrimPartition;
  PartitionId at{};
  int64_t start = 0;
};

// Ends a producer's transaction on this partition with a control batch; none under way: nothing is appended (kOk).
// kInvalidProducerEpoch if the producer has a newer epoch here. Answer: append.
struct EndPartitionTransaction {
  static constexpr Code kCode = Code::kEndPartitionTransaction;
  PartitionId at{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  bool is_commit = false;
  int32_t coordinator_epoch = 0;
};

// ---- Queries.

// Any shard. By id, or by name if the id is none. Answer: topics (one).
struct FindTopic {
  static constexpr Code kCode = Code::kFindTopic;
  TopicId id{};
  std::string name{};
};
// Any shard. Answer: topics, by name, above `after`.
struct ListTopics {
  static constexpr Code kCode = Code::kListTopics;
  std::string prefix{};
  std::string after{};
  uint32_t count_max = 1000;
};
// Any shard. Answer: directory, and the shard's present claim.
struct DescribeDirectory {
  static constexpr Code kCode = Code::kDescribeDirectory;
};
// All shards. By key, above `after`. Answer: documents.
struct FindDocuments {
  static constexpr Code kCode = Code::kFindDocuments;
  std::string prefix{};
  std::string after{};
  uint32_t count_max = 1000;
};

// Batches from the one that holds `offset` on (the first behind it if compaction removed it), whole batches, of about
// bytes_max and at least one if there is any (whatever its size). Answer: read. `is_committed_only`: up to the last
// stable offset, with the aborted transactions of that range. kOffsetOutOfRange, with the watermarks.
struct Read {
  static constexpr Code kCode = Code::kRead;
  PartitionId from{};
  int64_t offset = 0;
  uint32_t bytes_max = 1 << 20;
  bool is_committed_only = false;
};

// Answer: found. The first record whose timestamp is `time_ms` or later (offset -1: there is none), or Kafka's special
// times (ListOffsetsRequest): -1 the end (of what `is_committed_only` shows), -2 the start, -3 the record with the
// greatest timestamp.
struct FindOffset {
  static constexpr Code kCode = Code::kFindOffset;
  PartitionId in{};
  int64_t time_ms = -1;
  bool is_committed_only = false;
  int64_t from_offset = 0;  // not before; for times
};

// Answer: partition.
struct DescribePartition {
  static constexpr Code kCode = Code::kDescribePartition;
  PartitionId of{};
};
// Answer: producers.
struct DescribeProducers {
  static constexpr Code kCode = Code::kDescribeProducers;
  PartitionId of{};
};

// clang-format off
#define KEELSON_TOPIC_LOG_BODIES(X) \
  X(CreateTopic) \
  X(DeleteTopic) \
  X(AddPartitions) \
  X(ConfigureTopic) \
  X(MirrorTopic) \
  X(PutDocument) \
  X(DeleteDocument) \
  X(ClaimShard) \
  X(Append) \
  X(TrimPartition) \
  X(EndPartitionTransaction) \
  X(FindTopic) \
  X(ListTopics) \
  X(FindDocuments) \
  X(DescribeDirectory) \
  X(Read) \
  X(FindOffset) \
  X(DescribePartition) \
  X(DescribeProducers)
// clang-format on
// body_codec.h has the encoding. decode() is false for bytes that are no such body.
#define KEELSON_TOPIC_CODEC(Body)                     \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_TOPIC_LOG_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

// A command or query with the bytes that it refers to: what an Operation's span points at. Stays where it is.
class Encoded {
 public:
  // `payload`, if it is not empty, is the second argument; it must outlive this.
  template <class Body>
  explicit Encoded(const Body& body, std::string_view payload = {}) : bytes_(encode(body)), views_{bytes_, payload} {
    command_.code = static_cast<uint16_t>(Body::kCode);
    command_.args = {views_.data(), payload.empty() ? size_t{1} : size_t{2}};
  }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
  [[nodiscard]] const engine::Command& command() const { return command_; }
  [[nodiscard]] std::span<const engine::Command> commands() const { return {&command_, 1}; }
  [[nodiscard]] size_t size_bytes() const { return views_[0].size() + views_[1].size(); }

 private:
  std::string bytes_{};
  std::array<std::string_view, 2> views_;
  engine::Command command_;
};

}  // namespace keelson::topic
