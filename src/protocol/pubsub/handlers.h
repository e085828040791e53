// The methods of the API, by method_table.def: each reads its request, does it, and fills its answer.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/task.h"
#include "net/grpc/call.h"
#include "protocol/pubsub/errors.h"
#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/names.h"
#include "protocol/pubsub/resources.h"
#include "protocol/pubsub/service.h"

namespace keelson::pubsub {

class Handlers {
 public:
  explicit Handlers(PubsubService& service) : service_(service) {}

#define PUBSUB_UNARY(package, service, method, request, response, note) \
  Task<CallStatus> service##_##method(net::grpc::Call& call, const request& from, response& into);
#define PUBSUB_STREAM(package, service, method, request, response, note) \
  Task<CallStatus> service##_##method(net::grpc::Call& call);
#include "protocol/pubsub/method_table.def"
#undef PUBSUB_STREAM
#undef PUBSUB_UNARY

 private:
  using Topic = topics::Topics::TopicPointer;
  struct TopicFound {
    CallStatus status;
    Topic topic{};
  };
  template <class Document>
  struct DocumentFound {
    CallStatus status;
    Document document{};
    uint64_t version = 0;
  };

  // A topic by its name in the API.
  Task<TopicFound> find_topic(env::Reactor& here, std::string name);
  // What a topic is shown as.
  Task<CallStatus> show_topic(env::Reactor& here, Topic topic, pb::Topic& into);
  Task<DocumentFound<stored::SubscriptionDocument>> find_subscription(env::Reactor& here, std::string name);
  Task<DocumentFound<stored::SnapshotDocument>> find_snapshot(env::Reactor& here, std::string name);
  Task<DocumentFound<stored::SchemaDocument>> find_schema(env::Reactor& here, std::string name);
  Task<CallStatus> show_subscription(env::Reactor& here, const stored::SubscriptionDocument& document,
                                     pb::Subscription& into);
  // Where each partition of a topic ends.
  struct Ends {
    CallStatus status;
    std::vector<topic::CursorPosition> positions{};
  };
  Task<Ends> ends_of(env::Reactor& here, Topic topic);
  Task<Ends> positions_at(env::Reactor& here, Topic topic, int64_t time_ms);
  // Keeps the topic's messages as long as this subscription wants them.
  Task<CallStatus> keep_for(env::Reactor& here, Topic topic, int64_t retention_s);
  Task<CallStatus> check_subscription(env::Reactor& here, pb::Subscription& subscription);
  // OK and the revision that the messages fit, or why one does not fit the topic's schema.
  struct SchemaChecked {
    CallStatus status;
    std::string revision{};
  };
  Task<SchemaChecked> check_schema(env::Reactor& here, const pb::Topic& topic, const pb::PublishRequest& request);
  Task<CallStatus> check_schema_settings(env::Reactor& here, const pb::SchemaSettings& settings);
  Task<CallStatus> check_resource(env::Reactor& here, std::string resource);
  // A page of the names of a topic's resources of one family; `name_of` gives none for one that is not among them.
  template <class Document, class NameOf>
  Task<CallStatus> list_of_topic(env::Reactor& here, std::string_view family, PageRequest page, NameOf name_of,
                                 google::protobuf::RepeatedPtrField<std::string>& names, std::string& next_token);

  PubsubService& service_;
};

template <class Document, class NameOf>
Task<CallStatus> Handlers::list_of_topic(env::Reactor& here, std::string_view family, PageRequest page, NameOf name_of,
                                         google::protobuf::RepeatedPtrField<std::string>& names,
                                         std::string& next_token) {
  std::string after = std::move(page.after);
  while (true) {
    const Page found = co_await service_.resources().list(here, std::string(family), after, kPageSizeMax);
    if (!found.status.ok()) co_return found.status;
    for (const topic::Document& stored : found.documents) {
      Document document;
      if (CallStatus read = read_document(stored, document); !read.ok()) co_return read;
      after = stored.key;
      const std::string* const name = name_of(document);
      if (name == nullptr) continue;
      *names.Add() = *name;
      if (static_cast<uint32_t>(names.size()) < page.count) continue;
      next_token = to_base64_url(after);
      co_return CallStatus{};
    }
    if (!found.is_truncated) co_return CallStatus{};
  }
}

}  // namespace keelson::pubsub
