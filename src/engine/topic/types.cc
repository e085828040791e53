#include "engine/topic/types.h"

#include "base/hash.h"

namespace keelson::topic {

uint16_t shard_of_partition(const PartitionId& id, uint16_t shard_count) {
  const uint64_t topic = hash64(std::string_view(reinterpret_cast<const char*>(id.topic.bytes.data()), 16), 0);
  return static_cast<uint16_t>((topic + static_cast<uint32_t>(id.partition)) % shard_count);
}

uint16_t shard_of_name(std::string_view name, uint16_t shard_count) {
  return static_cast<uint16_t>(hash64(name, 0) % shard_count);
}

std::string_view errc_text(TopicErrc code) {
  switch (code) {
    case TopicErrc::kOk:
      return "no error";
    case TopicErrc::kUnknownTopic:
      return "no such topic";
    case TopicErrc::kTopicExists:
      return "the topic exists already";
    case TopicErrc::kInvalidPartitions:
      return "no such number of partitions";
    case TopicErrc::kInvalidConfig:
      return "a setting of the topic is not valid";
    case TopicErrc::kUnknownPartition:
      return "no such partition";
    case TopicErrc::kOffsetOutOfRange:
      return "the offset is not within the partition";
    case TopicErrc::kCorruptBatch:
      return "a batch is damaged";
    case TopicErrc::kInvalidRecord:
      return "a record is not allowed in this topic";
    case TopicErrc::kInvalidTimestamp:
      return "a record's timestamp is out of range";
    case TopicErrc::kMessageTooLarge:
      return "a batch is larger than the topic allows";
    case TopicErrc::kUnsupportedCompression:
      return "a compression that is not supported";
    case TopicErrc::kOutOfOrderSequence:
      return "the producer's sequence numbers have a gap";
    case TopicErrc::kDuplicateSequence:
      return "a duplicate that is too old to be known";
    case TopicErrc::kInvalidProducerEpoch:
      return "the producer is fenced by a newer one";
    case TopicErrc::kUnknownProducer:
      return "the producer is not known here";
    case TopicErrc::kInvalidTxnState:
      return "the transaction is not in a state for this";
    case TopicErrc::kConcurrentTransactions:
      return "the transaction before is still being ended";
    case TopicErrc::kTransactionCoordinatorFenced:
      return "a newer coordinator has ended the transaction";
    case TopicErrc::kInvalidProducerIdMapping:
      return "the producer id is not that of the transactional id";
    case TopicErrc::kUnknownGroup:
      return "no such group";
    case TopicErrc::kGroupNotEmpty:
      return "the group has members";
    case TopicErrc::kIllegalGeneration:
      return "the group has another generation";
    case TopicErrc::kUnknownMember:
      return "the group has no such member";
    case TopicErrc::kFencedInstance:
      return "another member has taken the instance's place";
    case TopicErrc::kUnknownCursor:
      return "no such cursor";
    case TopicErrc::kCursorExists:
      return "the cursor exists already";
    case TopicErrc::kNoSuchDocument:
      return "no such document";
    case TopicErrc::kDocumentChanged:
      return "the document has been changed meanwhile";
    case TopicErrc::kInvalid:
      return "the request breaks a limit";
    case TopicErrc::kFencedClaim:
      return "somebody else decides for the shard now";
  }
  return "an error that is not known";
}

}  // namespace keelson::topic
