// Pub/Sub's API, where what clients do at the same time meets.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "protocol/pubsub/pubsub_harness.h"
#include "protocol/pubsub/resources.h"

namespace keelson::pubsub {
namespace {

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

}  // namespace
}  // namespace keelson::pubsub
