#include "protocol/pubsub/errors.h"

// clang-format off
#include <google/rpc/details.pb.h>
// clang-format on

namespace keelson::pubsub {

namespace {

// One acknowledgement id among the details of a status, beside its text: tags and lengths.
constexpr size_t kFailureOverheadBytes = 16;
// All of them; what is around them takes less than 512 bytes.
constexpr size_t kFailuresBytesMax = net::grpc::kDetailsBytesMax - 512;

}  // namespace

CallStatus not_found(std::string_view resource) {
  return {Code::kNotFound, "Resource not found (resource=" + std::string(resource) + ")."};
}

CallStatus already_exists(std::string_view resource) {
  return {Code::kAlreadyExists, "Resource already exists in the project (resource=" + std::string(resource) + ")."};
}

CallStatus invalid(std::string text) { return {Code::kInvalidArgument, std::move(text)}; }
CallStatus failed_precondition(std::string text) { return {Code::kFailedPrecondition, std::move(text)}; }
CallStatus unimplemented(std::string text) { return {Code::kUnimplemented, std::move(text)}; }
CallStatus stopped() { return {Code::kUnavailable, "The server is stopping."}; }

CallStatus status_of(log::LogErrc outcome) {
  switch (outcome) {
    case log::LogErrc::kOk:
      return {};
    case log::LogErrc::kFull:
      return {Code::kResourceExhausted, "The disk is full: nothing can be written at the moment."};
    case log::LogErrc::kTooLarge:
      return invalid("The request is larger than a record of the log may be.");
    case log::LogErrc::kDamaged:
      return {Code::kDataLoss, "Data on the disk are damaged; the server's log names the file."};
    case log::LogErrc::kFailed:
      return {Code::kInternal, "The log has failed: the server must be started anew."};
    case log::LogErrc::kTimedOut:
      return {Code::kDeadlineExceeded, "It is not known whether the request has taken effect."};
    default:
      return {Code::kUnavailable, "The service is not available at the moment; try again."};
  }
}

CallStatus status_of(const topics::Asked& asked) {
  if (asked.outcome != log::LogErrc::kOk) return status_of(asked.outcome);
  using topic::TopicErrc;
  std::string text(topic::errc_text(asked.answer.error));
  if (!asked.answer.reason.empty()) text += ": " + asked.answer.reason;
  switch (asked.answer.error) {
    case TopicErrc::kOk:
      return {};
    case TopicErrc::kUnknownTopic:
    case TopicErrc::kUnknownPartition:
    case TopicErrc::kUnknownCursor:
    case TopicErrc::kNoSuchDocument:
      return {Code::kNotFound, std::move(text)};
    case TopicErrc::kTopicExists:
    case TopicErrc::kCursorExists:
      return {Code::kAlreadyExists, std::move(text)};
    case TopicErrc::kDocumentChanged:
    case TopicErrc::kIllegalGeneration:
      return {Code::kAborted, std::move(text)};
    default:
      return invalid(std::move(text));
  }
}

CallStatus ack_failure(const AckFailures& failures) {
  google::rpc::ErrorInfo info;
  info.set_domain("pubsub.googleapis.com");
  bool is_transient = true;
  size_t bytes = 0;
  for (const auto& [id, word] : failures) {
    if (word == kInvalidAckId) is_transient = false;
    if (bytes + id.size() + word.size() + kFailureOverheadBytes > kFailuresBytesMax) continue;
    bytes += id.size() + word.size() + kFailureOverheadBytes;
    (*info.mutable_metadata())[id] = std::string(word);
  }
  info.set_reason(std::string(is_transient ? kTransientFailure : kInvalidAckId));
  CallStatus status{is_transient ? Code::kUnavailable : Code::kFailedPrecondition,
                    "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement "
                    "ids have expired or the acknowledgement ids were malformed."};
  if (is_transient) status.message = "The acknowledgements could not be written; try again.";
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code));
  details.set_message(status.message);
  google::protobuf::Any& any = *details.add_details();
  any.set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  any.set_value(info.SerializeAsString());
  status.details = details.SerializeAsString();
  return status;
}

}  // namespace keelson::pubsub
