#include "protocol/kafka/errors.h"

#include <algorithm>
#include <array>

namespace keelson::kafka {

namespace {

constexpr auto kTable = std::to_array<ErrorRow>({
#define KAFKA_ERROR(code, constant, name, retriable, text) {ErrorCode::k##constant, #name, retriable, text},
#include "protocol/kafka/error_table.def"
#undef KAFKA_ERROR
});
static_assert(std::ranges::is_sorted(kTable, {}, &ErrorRow::code));

}  // namespace

const ErrorRow& error_row(ErrorCode code) {
  const auto* found = std::ranges::lower_bound(kTable, code, {}, &ErrorRow::code);
  return found != kTable.end() && found->code == code ? *found : kTable.front();
}

ErrorCode error_of(topic::TopicErrc code) {
  using enum topic::TopicErrc;
  switch (code) {
    case kOk:
      return ErrorCode::kNone;
    case kUnknownTopic:
    case kUnknownPartition:
      return ErrorCode::kUnknownTopicOrPartition;
    case kTopicExists:
      return ErrorCode::kTopicAlreadyExists;
    case kInvalidPartitions:
      return ErrorCode::kInvalidPartitions;
    case kInvalidConfig:
      return ErrorCode::kInvalidConfig;
    case kOffsetOutOfRange:
      return ErrorCode::kOffsetOutOfRange;
    case kCorruptBatch:
      return ErrorCode::kCorruptMessage;
    case kInvalidRecord:
      return ErrorCode::kInvalidRecord;
    case kInvalidTimestamp:
      return ErrorCode::kInvalidTimestamp;
    case kMessageTooLarge:
      return ErrorCode::kMessageTooLarge;
    case kUnsupportedCompression:
      return ErrorCode::kUnsupportedCompressionType;
    case kOutOfOrderSequence:
      return ErrorCode::kOutOfOrderSequenceNumber;
    case kDuplicateSequence:
      return ErrorCode::kDuplicateSequenceNumber;
    case kInvalidProducerEpoch:
      return ErrorCode::kInvalidProducerEpoch;
    case kUnknownProducer:
      return ErrorCode::kUnknownProducerId;
    case kInvalidTxnState:
      return ErrorCode::kInvalidTxnState;
    case kConcurrentTransactions:
      return ErrorCode::kConcurrentTransactions;
    case kTransactionCoordinatorFenced:
      return ErrorCode::kTransactionCoordinatorFenced;
    case kInvalidProducerIdMapping:
      return ErrorCode::kInvalidProducerIdMapping;
    case kUnknownGroup:
      return ErrorCode::kGroupIdNotFound;
    case kGroupNotEmpty:
      return ErrorCode::kNonEmptyGroup;
    case kIllegalGeneration:
      return ErrorCode::kIllegalGeneration;
    case kUnknownMember:
      return ErrorCode::kUnknownMemberId;
    case kFencedInstance:
      return ErrorCode::kFencedInstanceId;
    case kUnknownCursor:
    case kNoSuchDocument:
      return ErrorCode::kResourceNotFound;
    case kInvalid:
      return ErrorCode::kInvalidRequest;
    case kFencedClaim:
      return ErrorCode::kNotCoordinator;
    case kCursorExists:
    case kDocumentChanged:
      break;
  }
  return ErrorCode::kUnknownServerError;
}

ErrorCode error_of(log::LogErrc outcome) {
  switch (outcome) {
    case log::LogErrc::kOk:
      return ErrorCode::kNone;
    case log::LogErrc::kFull:
    case log::LogErrc::kFailed:
    case log::LogErrc::kDamaged:
      return ErrorCode::kKafkaStorageError;
    case log::LogErrc::kTooLarge:
      return ErrorCode::kMessageTooLarge;
    case log::LogErrc::kTimedOut:
      return ErrorCode::kRequestTimedOut;
    default:
      return ErrorCode::kNotLeaderOrFollower;
  }
}

ErrorCode error_of(const topics::Asked& asked) {
  return asked.outcome == log::LogErrc::kOk ? error_of(asked.answer.error) : error_of(asked.outcome);
}

ErrorCode error_of_change(const topics::Asked& asked) {
  const ErrorCode error = error_of(asked);
  return error == ErrorCode::kNotLeaderOrFollower ? ErrorCode::kNotController : error;
}

ErrorCode error_of(const topics::Topics::Found& found, ErrorCode missing) {
  return found.outcome == log::LogErrc::kOk ? missing : error_of(found.outcome);
}

}  // namespace keelson::kafka
