// Subscriptions as resources.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/numbers.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"
#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;
using stored::SubscriptionDocument;

// A change that somebody else's overtook is made again.
constexpr int kAttemptsMax = 8;

std::string subscription_key(std::string_view name) { return document_key(kSubscriptionDocuments, name); }

}  // namespace

Task<Handlers::DocumentFound<SubscriptionDocument>> Handlers::find_subscription(env::Reactor& here, std::string name) {
  using Result = DocumentFound<SubscriptionDocument>;
  const auto parsed = parse_name(ResourceKind::kSubscription, name);
  if (!parsed) co_return Result{invalid_name("subscriptions", name)};
  const Found found = co_await service_.resources().find(here, subscription_key(name));
  if (found.status.code == Code::kNotFound) co_return Result{not_found(parsed->id)};
  Result result{found.status};
  if (result.status.ok()) result.status = read_document(found.document, result.document);
  result.version = found.document.version;
  co_return result;
}

Task<CallStatus> Handlers::show_subscription(env::Reactor& here, const SubscriptionDocument& document,
                                             pb::Subscription& into) {
  into = document.subscription();
  into.set_state(pb::Subscription::ACTIVE);
  const topic::TopicId id = topic_id_of(document.topic_id());
  Topic topic = service_.topics().known_topic(here, id);
  if (topic == nullptr) {
    auto found = co_await service_.topics().find_topic(here, id);
    if (found.outcome != log::LogErrc::kOk) co_return status_of(found.outcome);
    topic = std::move(found.topic);
  }
  if (topic == nullptr) {
    into.set_topic(std::string(kDeletedTopic));
    co_return CallStatus{};
  }
  pb::Topic shown;
  CallStatus status = co_await show_topic(here, topic, shown);
  if (status.ok() && shown.has_message_retention_duration()) {
    *into.mutable_topic_message_retention_duration() = shown.message_retention_duration();
  }
  co_return status;
}

Task<CallStatus> Handlers::check_subscription(env::Reactor& here, pb::Subscription& subscription) {
  if (CallStatus good = check_subscription_fields(subscription); !good.ok()) co_return good;
  if (subscription.has_dead_letter_policy()) {
    auto found = co_await find_topic(here, subscription.dead_letter_policy().dead_letter_topic());
    if (!found.status.ok()) co_return found.status;
  }
  co_return CallStatus{};
}

Task<Handlers::Ends> Handlers::ends_of(env::Reactor& here, Topic topic) {
  std::vector<topics::Asking> under_way;
  for (int32_t i = 0; i < topic->partition_count; ++i) {
    const topic::PartitionId partition{topic->id, i};
    under_way.push_back(
        service_.topics().ask(here, service_.topics().shard_of(partition), topic::DescribePartition{partition}));
  }
  Ends ends;
  for (topics::Asking& asking : under_way) {
    const topics::Asked asked = co_await asking;
    if (!asked.ok()) ends.status = status_of(asked);
    ends.positions.push_back({asked.answer.partition.high_watermark, {}, {}});
  }
  co_return ends;
}

Task<CallStatus> Handlers::keep_for(env::Reactor& here, Topic topic, int64_t retention_s) {
  int64_t present_ms = kRetentionDefaultS * 1000;
  for (const auto& [name, value] : topic->configs) {
    if (name == "retention.ms") present_ms = parse_int64(value).value_or(present_ms);
  }
  if (present_ms < 0 || present_ms >= retention_s * 1000) co_return CallStatus{};
  topic::ConfigureTopic configure{topic->id, {{"retention.ms", std::to_string(retention_s * 1000)}}, {}};
  co_return status_of(co_await service_.topics().ask_all(here, configure));
}

Task<CallStatus> Handlers::Subscriber_CreateSubscription(Call& call, const pb::Subscription& from,
                                                         pb::Subscription& into) {
  env::Reactor& here = call.reactor();
  const auto name = parse_name(ResourceKind::kSubscription, from.name());
  if (!name) co_return invalid_name("subscriptions", from.name());
  into = from;
  for (const auto* field : {"state", "detached", "topic_message_retention_duration"}) {
    into.GetReflection()->ClearField(&into, into.GetDescriptor()->FindFieldByName(field));
  }
  auto found = co_await find_topic(here, from.topic());
  if (!found.status.ok()) co_return found.status;
  if (CallStatus good = co_await check_subscription(here, into); !good.ok()) co_return good;
  const std::string key = subscription_key(from.name());
  if (const Found present = co_await service_.resources().find(here, key); present.status.ok()) {
    co_return already_exists(name->id);
  }
  if (CallStatus kept = co_await keep_for(here, found.topic, into.message_retention_duration().seconds()); !kept.ok()) {
    co_return kept;
  }
  Ends ends = co_await ends_of(here, found.topic);
  if (!ends.status.ok()) co_return ends.status;
  // The cursor first: a document without one could not work.
  const topics::Asked made =
      co_await service_.resources().make_cursor(here, {key, found.topic->id, std::move(ends.positions)});
  if (!made.ok() && made.answer.error != topic::TopicErrc::kCursorExists) co_return status_of(made);
  SubscriptionDocument document;
  *document.mutable_subscription() = into;
  document.set_topic_id(std::string(bytes_of(found.topic->id)));
  document.set_last_used_ms(here.clock().wall_ms());
  auto [written, version] = co_await service_.resources().put(here, key, document.SerializeAsString(), 0);
  if (written.code == Code::kAlreadyExists) co_return already_exists(name->id);
  if (!written.ok()) co_return written;
  co_await service_.refresh(here, from.name());
  co_return co_await show_subscription(here, document, into);
}

Task<CallStatus> Handlers::Subscriber_GetSubscription(Call& call, const pb::GetSubscriptionRequest& from,
                                                      pb::Subscription& into) {
  auto found = co_await find_subscription(call.reactor(), from.subscription());
  if (!found.status.ok()) co_return found.status;
  co_return co_await show_subscription(call.reactor(), found.document, into);
}

Task<CallStatus> Handlers::Subscriber_UpdateSubscription(Call& call, const pb::UpdateSubscriptionRequest& from,
                                                         pb::Subscription& into) {
  env::Reactor& here = call.reactor();
  CallStatus good = check_mask(from.update_mask(), subscription_mask(), "UpdateSubscriptionRequest", "Subscription");
  if (!good.ok()) co_return good;
  const std::string& name = from.subscription().name();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto found = co_await find_subscription(here, name);
    if (!found.status.ok()) co_return found.status;
    pb::Subscription& subscription = *found.document.mutable_subscription();
    apply_mask(from.update_mask(), from.subscription(), subscription);
    good = co_await check_subscription(here, subscription);
    if (!good.ok()) co_return good;
    auto topic = co_await service_.topics().find_topic(here, topic_id_of(found.document.topic_id()));
    if (topic.topic != nullptr) {
      good = co_await keep_for(here, topic.topic, subscription.message_retention_duration().seconds());
      if (!good.ok()) co_return good;
    }
    auto [written, version] = co_await service_.resources().put(here, subscription_key(name),
                                                                found.document.SerializeAsString(), found.version);
    if (written.code == Code::kAborted) continue;
    if (!written.ok()) co_return written;
    co_await service_.refresh(here, name);
    co_return co_await show_subscription(here, found.document, into);
  }
  co_return CallStatus{Code::kAborted, "The subscription is being changed by others; try again."};
}

Task<CallStatus> Handlers::Subscriber_ModifyPushConfig(Call& call, const pb::ModifyPushConfigRequest& from,
                                                       pb::Empty& into) {
  auto found = co_await find_subscription(call.reactor(), from.subscription());
  if (!found.status.ok()) co_return found.status;
  // Without an endpoint: pull, as it is.
  co_return check_push_config(from.push_config());
}

Task<CallStatus> Handlers::Subscriber_ListSubscriptions(Call& call, const pb::ListSubscriptionsRequest& from,
                                                        pb::ListSubscriptionsResponse& into) {
  env::Reactor& here = call.reactor();
  const auto project = parse_project(from.project());
  if (!project) co_return invalid_name("projects", from.project());
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  const std::string prefix = subscription_key(format_name(ResourceKind::kSubscription, *project, ""));
  const Page found = co_await service_.resources().list(here, prefix, page.after, page.count);
  if (!found.status.ok()) co_return found.status;
  for (const topic::Document& document : found.documents) {
    SubscriptionDocument subscription;
    CallStatus status = read_document(document, subscription);
    if (status.ok()) status = co_await show_subscription(here, subscription, *into.add_subscriptions());
    if (!status.ok()) co_return status;
  }
  if (found.is_truncated) into.set_next_page_token(to_base64_url(found.documents.back().key));
  co_return CallStatus{};
}

Task<CallStatus> Handlers::Publisher_ListTopicSubscriptions(Call& call, const pb::ListTopicSubscriptionsRequest& from,
                                                            pb::ListTopicSubscriptionsResponse& into) {
  env::Reactor& here = call.reactor();
  auto topic = co_await find_topic(here, from.topic());
  if (!topic.status.ok()) co_return topic.status;
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  const auto name_of = [id = topic.topic->id](const SubscriptionDocument& document) {
    const bool is_among = topic_id_of(document.topic_id()) == id && !document.subscription().detached();
    return is_among ? &document.subscription().name() : nullptr;
  };
  co_return co_await list_of_topic<SubscriptionDocument>(here, kSubscriptionDocuments, std::move(page), name_of,
                                                         *into.mutable_subscriptions(),
                                                         *into.mutable_next_page_token());
}

Task<CallStatus> Handlers::Subscriber_DeleteSubscription(Call& call, const pb::DeleteSubscriptionRequest& from,
                                                         pb::Empty& into) {
  env::Reactor& here = call.reactor();
  auto found = co_await find_subscription(here, from.subscription());
  if (!found.status.ok()) co_return found.status;
  const std::string key = subscription_key(from.subscription());
  if (CallStatus removed = co_await service_.resources().remove(here, key); !removed.ok()) co_return removed;
  co_await service_.refresh(here, from.subscription());
  const topics::Asked asked =
      co_await service_.topics().ask(here, service_.topics().shard_of_name(key), topic::DeleteCursor{key});
  if (asked.answer.error == topic::TopicErrc::kUnknownCursor) co_return CallStatus{};
  co_return status_of(asked);
}

Task<CallStatus> Handlers::Publisher_DetachSubscription(Call& call, const pb::DetachSubscriptionRequest& from,
                                                        pb::DetachSubscriptionResponse& into) {
  env::Reactor& here = call.reactor();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    auto found = co_await find_subscription(here, from.subscription());
    if (!found.status.ok()) co_return found.status;
    found.document.mutable_subscription()->set_detached(true);
    auto [written, version] = co_await service_.resources().put(here, subscription_key(from.subscription()),
                                                                found.document.SerializeAsString(), found.version);
    if (written.code == Code::kAborted) continue;
    if (written.ok()) co_await service_.refresh(here, from.subscription());
    co_return written;
  }
  co_return CallStatus{Code::kAborted, "The subscription is being changed by others; try again."};
}

}  // namespace keelson::pubsub
