// Documents of Pub/Sub's resources (proto/keelson/pubsub_documents.proto), by any reactor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/task.h"
#include "engine/topic/cursor_commands.h"
#include "protocol/pubsub/errors.h"
#include "protocol/pubsub/names.h"
#include "topics/topics.h"

namespace keelson::pubsub {

inline constexpr std::string_view kTopicDocuments = "pubsub/t/";
inline constexpr std::string_view kSubscriptionDocuments = "pubsub/s/";
inline constexpr std::string_view kSnapshotDocuments = "pubsub/p/";
inline constexpr std::string_view kSchemaDocuments = "pubsub/c/";
inline constexpr std::string_view kPolicyDocuments = "pubsub/i/";

[[nodiscard]] std::string document_key(std::string_view family, std::string_view name);
// Cursors of subscriptions and of snapshots are named as their documents.

struct Found {
  CallStatus status;  // NOT_FOUND without a text if it is not there
  topic::Document document;
};
struct Page {
  CallStatus status;
  std::vector<topic::Document> documents;  // by key
  bool is_truncated = false;
};

// A document that is not the message it should be is a defect of whoever wrote it, and answered with INTERNAL.
template <class Message>
[[nodiscard]] CallStatus read_document(const topic::Document& document, Message& into) {
  if (into.ParseFromArray(document.value.data(), static_cast<int>(document.value.size()))) return {};
  return {Code::kInternal, "The document " + document.key + " cannot be read."};
}

class Resources {
 public:
  explicit Resources(topics::Topics& topics) : topics_(topics) {}

  [[nodiscard]] Task<Found> find(env::Reactor& here, std::string key);
  // `if_version` 0: must not be there (ALREADY_EXISTS); another: must be that one (ABORTED). The new version, on
  // success.
  [[nodiscard]] Task<std::pair<CallStatus, uint64_t>> put(env::Reactor& here, std::string key, std::string value,
                                                          std::optional<uint64_t> if_version);
  // NOT_FOUND; ABORTED if it is not of that version.
  [[nodiscard]] Task<CallStatus> remove(env::Reactor& here, std::string key,
                                        std::optional<uint64_t> if_version = std::nullopt);
  // For a document that is to be put next. A cursor of that name whose document is not there was left by a crash, and
  // makes way; kCursorExists: somebody else makes both at the same time.
  [[nodiscard]] Task<topics::Asked> make_cursor(env::Reactor& here, topic::CreateCursor create);
  // Keys that begin with `prefix`, above `after`.
  [[nodiscard]] Task<Page> list(env::Reactor& here, std::string prefix, std::string after, uint32_t count_max);

 private:
  topics::Topics& topics_;
};

// ---- Pages of lists. A page token is the last key that was shown, in base64.
inline constexpr int32_t kPageSizeMax = 1000;
struct PageRequest {
  CallStatus status;
  uint32_t count = 0;
  std::string after;
};
[[nodiscard]] PageRequest parse_page(int32_t page_size, std::string_view token);

}  // namespace keelson::pubsub
