#include "protocol/pubsub/dead_letters.h"

#include <chrono>
#include <cstdio>
#include <list>

#include "protocol/pubsub/names.h"
#include "protocol/pubsub/publish.h"

namespace keelson::pubsub {

std::string format_time(int64_t time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(time_ms)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[64];
  const int size =
      std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text, static_cast<size_t>(size)};
}

Task<CallStatus> publish_dead_letters(topics::Topics& topics, env::Reactor& here, std::string subscription,
                                      std::string topic, std::vector<DeadLetter> letters, uint64_t spread) {
  if (topic.empty()) co_return not_found(kDeletedTopic);
  const auto found = co_await topics.find_topic(here, topic);
  if (found.outcome != log::LogErrc::kOk) co_return status_of(found.outcome);
  if (found.topic == nullptr) co_return not_found(topic);
  const ResourceName source = parse_name(ResourceKind::kSubscription, subscription).value_or(ResourceName{});
  std::vector<Outgoing> messages;
  std::list<std::string> texts;  // that views point at
  for (const DeadLetter& letter : letters) {
    Outgoing message{letter.message->key, letter.message->data};
    for (const auto& [name, value] : letter.message->attributes) message.attributes.push_back({name, value});
    const auto add = [&](std::string_view name, std::string value) {
      texts.push_back(std::move(value));
      message.attributes.push_back({name, texts.back()});
    };
    add("CloudPubSubDeadLetterSourceDeliveryCount", std::to_string(letter.attempts));
    add("CloudPubSubDeadLetterSourceSubscription", source.id);
    add("CloudPubSubDeadLetterSourceSubscriptionProject", source.project);
    add("CloudPubSubDeadLetterSourceTopicPublishTime", format_time(letter.message->time_ms));
    messages.push_back(std::move(message));
  }
  co_return (co_await publish(topics, here, found.topic, std::move(messages), spread, here.clock().wall_ms())).status;
}

}  // namespace keelson::pubsub
