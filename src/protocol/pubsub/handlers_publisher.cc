// Topics, and publishing to them.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "protocol/pubsub/checks.h"
#include "protocol/pubsub/handlers.h"
#include "protocol/pubsub/publish.h"
#include "protocol/pubsub/records.h"
#include "protocol/pubsub/setup.h"

namespace keelson::pubsub {

namespace {

using net::grpc::Call;

// Batches hold what one request brings, and Kafka's consumers are told how much that can be.
constexpr std::string_view kBatchBytes = "12000000";

topic::TopicId draw_topic_id(env::Reactor& here) {
  topic::TopicId id;
  here.random().fill_secret({reinterpret_cast<char*>(id.bytes.data()), id.bytes.size()});
  return id;
}

topic::Pairs configs_of(const pb::Topic& topic) {
  const int64_t wished_s =
      topic.has_message_retention_duration() ? topic.message_retention_duration().seconds() : kRetentionDefaultS;
  return {{"max.message.bytes", std::string(kBatchBytes)},
          {"retention.ms", std::to_string(std::max(wished_s, kRetentionDefaultS) * 1000)}};
}

std::string topic_document(std::string_view directory_name) { return document_key(kTopicDocuments, directory_name); }

}  // namespace

Task<Handlers::TopicFound> Handlers::find_topic(env::Reactor& here, std::string name) {
  const auto parsed = parse_name(ResourceKind::kTopic, name);
  if (!parsed) co_return TopicFound{invalid_name("topics", name)};
  const auto in_directory = directory_name(*parsed);
  if (!in_directory) co_return TopicFound{not_found(parsed->id)};
  if (auto known = service_.topics().known_topic(here, *in_directory)) co_return TopicFound{{}, std::move(known)};
  auto found = co_await service_.topics().find_topic(here, *in_directory);
  if (found.outcome != log::LogErrc::kOk) co_return TopicFound{status_of(found.outcome)};
  if (found.topic == nullptr) co_return TopicFound{not_found(parsed->id)};
  co_return TopicFound{{}, std::move(found.topic)};
}

Task<CallStatus> Handlers::show_topic(env::Reactor& here, Topic topic, pb::Topic& into) {
  const Found found = co_await service_.resources().find(here, topic_document(topic->name));
  stored::TopicDocument document;
  if (found.status.ok()) {
    if (CallStatus read = read_document(found.document, document); !read.ok()) co_return read;
    if (topic_id_of(document.topic_id()) == topic->id) into = document.topic();
  } else if (found.status.code != Code::kNotFound) {
    co_return found.status;
  }
  const ResourceName name = topic_of_directory(topic->name);
  into.set_name(format_name(ResourceKind::kTopic, name.project, name.id));
  into.set_state(pb::Topic::ACTIVE);
  co_return CallStatus{};
}

Task<CallStatus> Handlers::Publisher_CreateTopic(Call& call, const pb::Topic& from, pb::Topic& into) {
  env::Reactor& here = call.reactor();
  const auto name = parse_name(ResourceKind::kTopic, from.name());
  if (!name) co_return invalid_name("topics", from.name());
  if (CallStatus good = check_topic(from); !good.ok()) co_return good;
  const auto in_directory = directory_name(*name);
  if (!in_directory) {
    co_return invalid("The topic's name is longer than " + std::to_string(topic::kTopicNameBytesMax) +
                      " bytes as Kafka's clients see it, or is that of another project (name=" + from.name() + ").");
  }
  if (from.has_schema_settings()) {
    CallStatus good = co_await check_schema_settings(here, from.schema_settings());
    if (!good.ok()) co_return good;
  }
  topic::CreateTopic create{draw_topic_id(here), *in_directory, service_.options().partitions, configs_of(from), false};
  const topics::Asked asked = co_await service_.topics().ask_all(here, create);
  if (asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kTopicExists) {
    co_return already_exists(name->id);
  }
  if (!asked.ok()) co_return status_of(asked);
  stored::TopicDocument document;
  *document.mutable_topic() = from;
  document.set_topic_id(std::string(bytes_of(create.id)));
  auto [written, version] = co_await service_.resources().put(here, topic_document(*in_directory),
                                                              document.SerializeAsString(), std::nullopt);
  into = from;
  into.set_state(pb::Topic::ACTIVE);
  co_return written;
}

Task<CallStatus> Handlers::Publisher_UpdateTopic(Call& call, const pb::UpdateTopicRequest& from, pb::Topic& into) {
  env::Reactor& here = call.reactor();
  if (CallStatus good = check_mask(from.update_mask(), topic_mask(), "UpdateTopicRequest", "Topic"); !good.ok()) {
    co_return good;
  }
  auto found = co_await find_topic(here, from.topic().name());
  if (!found.status.ok()) co_return found.status;
  if (CallStatus shown = co_await show_topic(here, found.topic, into); !shown.ok()) co_return shown;
  apply_mask(from.update_mask(), from.topic(), into);
  if (CallStatus good = check_topic(into); !good.ok()) co_return good;
  if (into.has_schema_settings()) {
    CallStatus good = co_await check_schema_settings(here, into.schema_settings());
    if (!good.ok()) co_return good;
  }
  stored::TopicDocument document;
  *document.mutable_topic() = into;
  document.set_topic_id(std::string(bytes_of(found.topic->id)));
  auto [written, version] = co_await service_.resources().put(here, topic_document(found.topic->name),
                                                              document.SerializeAsString(), std::nullopt);
  if (!written.ok()) co_return written;
  if (into.has_message_retention_duration()) {
    co_return co_await keep_for(here, found.topic, into.message_retention_duration().seconds());
  }
  co_return CallStatus{};
}

Task<CallStatus> Handlers::Publisher_GetTopic(Call& call, const pb::GetTopicRequest& from, pb::Topic& into) {
  auto found = co_await find_topic(call.reactor(), from.topic());
  if (!found.status.ok()) co_return found.status;
  co_return co_await show_topic(call.reactor(), found.topic, into);
}

Task<CallStatus> Handlers::Publisher_ListTopics(Call& call, const pb::ListTopicsRequest& from,
                                                pb::ListTopicsResponse& into) {
  env::Reactor& here = call.reactor();
  const auto project = parse_project(from.project());
  if (!project) co_return invalid_name("projects", from.project());
  PageRequest page = parse_page(from.page_size(), from.page_token());
  if (!page.status.ok()) co_return page.status;
  topic::ListTopics question{directory_prefix(*project), page.after, page.count};
  bool is_more = true;
  while (is_more && static_cast<uint32_t>(into.topics_size()) < page.count) {
    const topics::Asked asked = co_await service_.topics().ask(here, service_.topics().nearest_shard(here), question);
    if (!asked.ok()) co_return status_of(asked);
    is_more = asked.answer.is_truncated;
    for (const topic::TopicInfo& info : asked.answer.topics) {
      if (static_cast<uint32_t>(into.topics_size()) == page.count) {
        is_more = true;
        break;
      }
      question.after = info.name;
      if (info.is_internal || topic_of_directory(info.name).project != *project) continue;
      CallStatus shown = co_await show_topic(here, std::make_shared<const topic::TopicInfo>(info), *into.add_topics());
      if (!shown.ok()) co_return shown;
    }
  }
  if (is_more) into.set_next_page_token(to_base64_url(question.after));
  co_return CallStatus{};
}

Task<CallStatus> Handlers::Publisher_DeleteTopic(Call& call, const pb::DeleteTopicRequest& from, pb::Empty& into) {
  env::Reactor& here = call.reactor();
  auto found = co_await find_topic(here, from.topic());
  if (!found.status.ok()) co_return found.status;
  const topics::Asked asked = co_await service_.topics().ask_all(here, topic::DeleteTopic{found.topic->id});
  if (!asked.ok()) co_return status_of(asked);
  CallStatus removed = co_await service_.resources().remove(here, topic_document(found.topic->name));
  co_return removed.code == Code::kNotFound ? CallStatus{} : removed;  // one that Kafka's clients have made has none
}

Task<CallStatus> Handlers::Publisher_Publish(Call& call, const pb::PublishRequest& from, pb::PublishResponse& into) {
  env::Reactor& here = call.reactor();
  PubsubLocal& local = service_.local(here);
  if (CallStatus good = check_publish(from); !good.ok()) co_return good;
  auto found = co_await find_topic(here, from.topic());
  if (!found.status.ok()) co_return found.status;
  pb::Topic shown;
  if (CallStatus status = co_await show_topic(here, found.topic, shown); !status.ok()) co_return status;
  SchemaChecked schema;
  if (shown.has_schema_settings()) {
    schema = co_await check_schema(here, shown, from);
    if (!schema.status.ok()) co_return schema.status;
  }
  std::vector<Outgoing> messages;
  uint64_t bytes = 0;
  for (const pb::PubsubMessage& message : from.messages()) {
    Outgoing& outgoing = messages.emplace_back(Outgoing{message.ordering_key(), message.data()});
    for (const auto& [name, value] : message.attributes()) outgoing.attributes.push_back({name, value});
    if (shown.has_schema_settings()) {  // so that subscribers can tell how to read it
      const pb::SchemaSettings& settings = shown.schema_settings();
      outgoing.attributes.push_back({"googclient_schemaencoding", pb::Encoding_Name(settings.encoding())});
      outgoing.attributes.push_back({"googclient_schemaname", settings.schema()});
      outgoing.attributes.push_back({"googclient_schemarevisionid", schema.revision});
    }
    // The map has no order of its own.
    std::ranges::sort(outgoing.attributes, {}, &topic::RecordHeader::key);
    bytes += message.data().size();
  }
  const Published published = co_await publish(service_.topics(), here, found.topic, std::move(messages),
                                               local.published++, here.clock().wall_ms());
  if (!published.status.ok()) co_return published.status;
  for (const auto& [partition, offset] : published.places) into.add_message_ids(format_message_id(partition, offset));
  local.messages_published.add(published.places.size());
  local.bytes_published.add(bytes);
  co_return CallStatus{};
}

}  // namespace keelson::pubsub
