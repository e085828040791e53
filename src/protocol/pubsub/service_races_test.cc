// Pub/Sub's API, where what clients do at the same time meets.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "protocol/pubsub/ack_id.h"
#include "protocol/pubsub/publish.h"
#include "protocol/pubsub/pubsub_harness.h"
#include "protocol/pubsub/resources.h"

namespace keelson::pubsub {
namespace {

using env::sim::kSecond;

TEST_F(ServiceTest, ATopicsSubscriptionsComeInPages) {
  create_both();
  create(subscription("projects/p/subscriptions/second"));
  create_topic("projects/p/topics/other");
  pb::Subscription of_another = subscription("projects/p/subscriptions/third");
  of_another.set_topic("projects/p/topics/other");
  create(of_another);
  create(subscription("projects/p/subscriptions/xfourth"));
  pb::ListTopicSubscriptionsRequest list;
  list.set_topic(kTopic);
  list.set_page_size(1);
  std::multiset<std::string> names;
  do {
    const auto page = call<pb::ListTopicSubscriptionsResponse>("Publisher/ListTopicSubscriptions", list);
    ASSERT_LE(page.subscriptions_size(), 1);
    names.insert(page.subscriptions().begin(), page.subscriptions().end());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(names, (std::multiset<std::string>{"projects/p/subscriptions/second", kSubscription,
                                               "projects/p/subscriptions/xfourth"}));
}

// A worker that has not heard of it acknowledges what the subscription of that name had before.
TEST_F(ServiceTest, AnotherTopicsMessagesAreNotAcknowledged) {
  create_both();
  publish({"a"}, "key");
  const Strings ids = ids_of(pull());
  ASSERT_EQ(ids.size(), 1U);
  pb::DeleteSubscriptionRequest remove;
  remove.set_subscription(kSubscription);
  call<pb::Empty>("Subscriber/DeleteSubscription", remove);
  pb::DeleteTopicRequest remove_topic;
  remove_topic.set_topic(kTopic);
  call<pb::Empty>("Publisher/DeleteTopic", remove_topic);
  create_both();
  publish({"b"}, "key");
  const auto other = pull();
  EXPECT_EQ(data_of(other), Strings{"b"});
  EXPECT_EQ(modify(ids_of(other), 0), "0 (none)");
  EXPECT_EQ(acknowledge(ids), "0 (none)");  // late, as far as anybody can tell
  EXPECT_EQ(pull_data(), Strings{"b"});
}

TEST_F(ServiceTest, WhatComesTooLateForItsStreamGoesBack) {
  create_both();
  publish({"a"});
  const auto first = pull();
  ASSERT_EQ(first.received_messages_size(), 1);
  std::vector<Grant> late;
  late.push_back({std::make_unique<topics::Message>(), *parse_ack_id(first.received_messages(0).ack_id())});
  world_.run_on(node_.reactor(), [&] { program().service().deliver({0, 999}, kSubscription, std::move(late)); });
  EXPECT_EQ(pull_data(), Strings{"a"});  // long before its deadline
}

Task<topics::Asked> make_topic(topics::Topics& topics, env::Reactor& here, topic::CreateTopic create) {
  co_return co_await topics.ask_all(here, create);
}

// Messages that came together, and are more than the dead-letter topic takes at once.
TEST_F(ServiceTest, DeadLettersGoInPieces) {
  env::Reactor& here = node_.reactor(0);
  topic::TopicId id;
  id.bytes[0] = 'd';
  const topic::CreateTopic dead{id, "p.dead", 1, {{"max.message.bytes", "400000"}}, false};
  ASSERT_TRUE(world_.run(here, make_topic(program().topics(), here, dead)).ok());
  pb::Subscription graves = subscription("projects/p/subscriptions/graves");
  graves.set_topic("projects/p/topics/dead");
  create(graves);
  pb::Subscription wish = subscription();
  wish.mutable_dead_letter_policy()->set_dead_letter_topic("projects/p/topics/dead");
  create_both(wish);
  publish(Strings(30, std::string(20'000, 'x')));
  for (int attempt = 1; attempt <= 5; ++attempt) EXPECT_EQ(modify(ids_of(pull()), 0), "0 (none)");
  world_.run_for(1 * kSecond);
  EXPECT_TRUE(pull_data().empty());
  EXPECT_EQ(pull_data(100, "projects/p/subscriptions/graves").size(), 30U);
}

// Acknowledgements that wait for their record when a seek makes their leases void are told, not left waiting.
TEST_F(ServiceTest, ASeekDoesNotLeaveAcknowledgementsWaiting) {
  create_both();
  publish({"a", "b", "c"});
  const Strings ids = ids_of(pull());
  ASSERT_EQ(ids.size(), 3U);
  // In one flight, again and again: some of the seeks come between an acknowledgement and its record.
  pb::SeekRequest seek;
  seek.set_subscription(kSubscription);
  seek.mutable_time()->set_seconds(1);
  std::vector<uint32_t> calls;
  const auto begin = [&](const char* method, const auto& request) {
    calls.push_back(client_->open(std::string("/google.pubsub.v1.Subscriber/") + method));
    client_->send(calls.back(), request.SerializeAsString(), true);
  };
  for (int round = 0; round < 5; ++round) {
    const Strings again = ids_of(pull());
    for (const std::string& id : again) {
      pb::AcknowledgeRequest acknowledge;
      acknowledge.set_subscription(kSubscription);
      acknowledge.add_ack_ids(id);
      begin("Acknowledge", acknowledge);
      begin("Seek", seek);
    }
    EXPECT_TRUE(run_until(
        *client_, [&] { return std::ranges::all_of(calls, [&](uint32_t id) { return client_->reply(id).is_over(); }); },
        60 * kSecond))
        << round;
  }
}

// Workers that start together each make their subscription: what the first has is not made anew under it.
TEST_F(ServiceTest, ACursorAtWorkIsNotMadeAnew) {
  create_both();
  publish({"a"});
  env::Reactor& here = node_.reactor(0);
  Resources& resources = program().service().resources();
  const std::string key = document_key(kSubscriptionDocuments, kSubscription);
  const topic::CreateCursor create{key, {}, {{100, {}, {}}, {100, {}, {}}}};
  EXPECT_EQ(world_.run(here, resources.make_cursor(here, create)).answer.error, topic::TopicErrc::kCursorExists);
  EXPECT_EQ(pull_data(), Strings{"a"});
  EXPECT_TRUE(world_.run(here, resources.remove(here, key, std::nullopt)).ok());
  EXPECT_TRUE(world_.run(here, resources.make_cursor(here, create)).ok());  // left by a crash, as it seems
}

// As old clients of Kafka publish.
TEST_F(ServiceTest, AMessageWithoutATimeIsNotOld) {
  create_both();
  env::Reactor& here = node_.reactor(0);
  const auto topic = world_.run(here, program().topics().find_topic(here, std::string("p.orders"))).topic;
  ASSERT_NE(topic, nullptr);
  std::vector<Outgoing> messages = {{"", "a"}};
  const auto published =
      world_.run(here, keelson::pubsub::publish(program().topics(), here, topic, std::move(messages), 0, -1));
  EXPECT_TRUE(published.status.ok());
  EXPECT_EQ(pull_data(), Strings{"a"});
}

}  // namespace
}  // namespace keelson::pubsub
