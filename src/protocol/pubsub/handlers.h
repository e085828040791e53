// The methods of the API, by method_table.def: each reads its request, does it, and fills its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "net/grpc/call.h"
#include "protocol/pubsub/errors.h"
#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/names.h"
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

  PubsubService& service_;
};

}  // namespace keelson::pubsub
