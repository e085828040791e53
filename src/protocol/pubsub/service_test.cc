// Pub/Sub's API over simulated connections, as a client sees it.
#include "protocol/pubsub/service.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

// clang-format off
#include <google/rpc/details.pb.h>
// clang-format on

#include "base/base64.h"
#include "protocol/pubsub/pubsub_harness.h"

namespace keelson::pubsub {
namespace {

using env::sim::kSecond;

TEST_F(ServiceTest, TopicsAreMadeShownAndDeleted) {
  pb::Topic wish;
  wish.set_name(kTopic);
  (*wish.mutable_labels())["a"] = "b";
  EXPECT_EQ(call<pb::Topic>("Publisher/CreateTopic", wish).labels().at("a"), "b");
  EXPECT_EQ(refusal("Publisher/CreateTopic", wish), "6 Resource already exists in the project (resource=orders).");
  create_topic("projects/p/topics/other");
  create_topic("projects/q/topics/orders");
  pb::GetTopicRequest get;
  get.set_topic(kTopic);
  EXPECT_EQ(call<pb::Topic>("Publisher/GetTopic", get).labels().at("a"), "b");
  pb::ListTopicsRequest list;
  list.set_project("projects/p");
  list.set_page_size(1);
  auto page = call<pb::ListTopicsResponse>("Publisher/ListTopics", list);
  ASSERT_EQ(page.topics_size(), 1);
  EXPECT_EQ(page.topics(0).name(), kTopic);
  list.set_page_token(page.next_page_token());
  page = call<pb::ListTopicsResponse>("Publisher/ListTopics", list);
  ASSERT_EQ(page.topics_size(), 1);
  EXPECT_EQ(page.topics(0).name(), "projects/p/topics/other");
  EXPECT_EQ(page.next_page_token(), "");
  pb::UpdateTopicRequest update;
  update.mutable_topic()->set_name(kTopic);
  EXPECT_EQ(refusal("Publisher/UpdateTopic", update).substr(0, 2), "3 ");
  (*update.mutable_topic()->mutable_labels())["c"] = "d";
  update.mutable_update_mask()->add_paths("labels");
  const auto updated = call<pb::Topic>("Publisher/UpdateTopic", update);
  EXPECT_EQ(updated.labels_size(), 1);
  EXPECT_EQ(updated.labels().at("c"), "d");
  pb::DeleteTopicRequest remove;
  remove.set_topic(kTopic);
  call<pb::Empty>("Publisher/DeleteTopic", remove);
  EXPECT_EQ(refusal("Publisher/GetTopic", get), "5 Resource not found (resource=orders).");
  EXPECT_EQ(refusal("Publisher/DeleteTopic", remove), "5 Resource not found (resource=orders).");
  wish.set_name("projects/p/topics/1");
  EXPECT_EQ(refusal("Publisher/CreateTopic", wish), "3 Invalid [topics] name: (name=projects/p/topics/1)");
}

TEST_F(ServiceTest, SubscriptionsHaveGooglesDefaultsAndLimits) {
  EXPECT_EQ(refusal("Subscriber/CreateSubscription", subscription()), "5 Resource not found (resource=orders).");
  create_topic();
  const auto made = create(subscription());
  EXPECT_EQ(made.ack_deadline_seconds(), 10);
  EXPECT_EQ(made.message_retention_duration().seconds(), 7 * 86'400);
  EXPECT_EQ(made.expiration_policy().ttl().seconds(), 31 * 86'400);
  EXPECT_EQ(made.state(), pb::Subscription::ACTIVE);
  EXPECT_EQ(refusal("Subscriber/CreateSubscription", subscription()),
            "6 Resource already exists in the project (resource=workers).");
  const auto refused = [&](auto change) {
    pb::Subscription wish = subscription("projects/p/subscriptions/bad");
    change(wish);
    return refusal("Subscriber/CreateSubscription", wish).substr(0, 2);
  };
  EXPECT_EQ(refused([](auto& s) { s.set_ack_deadline_seconds(9); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.set_ack_deadline_seconds(601); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.mutable_message_retention_duration()->set_seconds(599); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.mutable_expiration_policy()->mutable_ttl()->set_seconds(60); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.mutable_retry_policy()->mutable_maximum_backoff()->set_seconds(601); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.set_filter("x"); }), "3 ");
  EXPECT_EQ(refused([](auto& s) { s.mutable_dead_letter_policy()->set_dead_letter_topic("projects/p/topics/gone"); }),
            "5 ");
  EXPECT_EQ(refused([](auto& s) {
              s.mutable_dead_letter_policy()->set_dead_letter_topic(kTopic);
              s.mutable_dead_letter_policy()->set_max_delivery_attempts(4);
            }),
            "3 ");
  EXPECT_EQ(refused([](auto& s) { s.mutable_bigquery_config(); }), "12");
  EXPECT_EQ(refused([](auto& s) { s.set_name("projects/p/subscriptions/x"); }), "3 ");
}

TEST_F(ServiceTest, SubscriptionsAreUpdatedListedAndOutliveTheirTopic) {
  create_both();
  pb::UpdateSubscriptionRequest update;
  update.mutable_subscription()->set_name(kSubscription);
  update.mutable_subscription()->set_ack_deadline_seconds(30);
  update.mutable_subscription()->mutable_retry_policy();
  update.mutable_update_mask()->add_paths("ack_deadline_seconds");
  update.mutable_update_mask()->add_paths("retry_policy");
  const auto updated = call<pb::Subscription>("Subscriber/UpdateSubscription", update);
  EXPECT_EQ(updated.ack_deadline_seconds(), 30);
  EXPECT_EQ(updated.retry_policy().minimum_backoff().seconds(), 10);
  EXPECT_EQ(updated.retry_policy().maximum_backoff().seconds(), 600);
  update.mutable_update_mask()->add_paths("filter");
  EXPECT_EQ(refusal("Subscriber/UpdateSubscription", update).substr(0, 2), "3 ");
  pb::ListTopicSubscriptionsRequest list;
  list.set_topic(kTopic);
  EXPECT_EQ(call<pb::ListTopicSubscriptionsResponse>("Publisher/ListTopicSubscriptions", list).subscriptions(0),
            kSubscription);
  pb::DeleteTopicRequest remove;
  remove.set_topic(kTopic);
  call<pb::Empty>("Publisher/DeleteTopic", remove);
  pb::ListSubscriptionsRequest all;
  all.set_project("projects/p");
  const auto found = call<pb::ListSubscriptionsResponse>("Subscriber/ListSubscriptions", all);
  ASSERT_EQ(found.subscriptions_size(), 1);
  EXPECT_EQ(found.subscriptions(0).topic(), "_deleted-topic_");
  EXPECT_TRUE(pull_data().empty());
  pb::DeleteSubscriptionRequest gone;
  gone.set_subscription(kSubscription);
  call<pb::Empty>("Subscriber/DeleteSubscription", gone);
  EXPECT_EQ(get_subscription_refusal(kSubscription), "5 Resource not found (resource=workers).");
}

TEST_F(ServiceTest, MessagesArePulledAcknowledgedAndComeAgain) {
  create_topic();
  publish({"before"});
  create(subscription());
  const Strings ids = publish({"a", "b", "c"}, "", {{"k", "v"}});
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 3U);
  const auto first = pull();
  ASSERT_EQ(first.received_messages_size(), 3);
  EXPECT_EQ(first.received_messages(0).message().attributes().at("k"), "v");
  EXPECT_EQ(first.received_messages(0).message().message_id(), ids[0]);
  EXPECT_GT(first.received_messages(0).message().publish_time().seconds(), 0);
  EXPECT_EQ(first.received_messages(0).delivery_attempt(), 0) << "without a dead-letter policy it is not told";
  EXPECT_TRUE(pull_data().empty());
  const Strings acks = ids_of(first);
  EXPECT_EQ(acknowledge({acks[0]}), "0 (none)");
  EXPECT_EQ(modify({acks[1]}, 0), "0 (none)");
  EXPECT_EQ(pull_data(), (Strings{"b"}));
  world_.run_for(11 * kSecond);
  EXPECT_EQ(pull_data(), (Strings{"b", "c"}));
  EXPECT_EQ(acknowledge({acks[1], acks[2]}), "0 (none)") << "late, and good all the same";
  world_.run_for(60 * kSecond);
  EXPECT_TRUE(pull_data().empty());
  EXPECT_EQ(acknowledge({"nonsense"}).substr(0, 2), "3 ");
  EXPECT_EQ(acknowledge({}).substr(0, 2), "3 ");
  EXPECT_EQ(modify(acks, 601).substr(0, 2), "3 ");
}

TEST_F(ServiceTest, WhatPublishRefuses) {
  create_topic();
  const auto refused = [&](auto change) {
    pb::PublishRequest request;
    request.set_topic(kTopic);
    request.add_messages()->set_data("d");
    change(request);
    return refusal("Publisher/Publish", request).substr(0, 2);
  };
  EXPECT_EQ(refused([](auto& r) { r.clear_messages(); }), "3 ");
  EXPECT_EQ(refused([](auto& r) { r.add_messages(); }), "3 ") << "neither data nor attributes";
  EXPECT_EQ(refused([](auto& r) { r.set_topic("projects/p/topics/gone"); }), "5 ");
  EXPECT_EQ(refused([](auto& r) { (*r.mutable_messages(0)->mutable_attributes())["googx"] = "v"; }), "3 ");
  EXPECT_EQ(refused([](auto& r) { (*r.mutable_messages(0)->mutable_attributes())["k"] = std::string(1025, 'v'); }),
            "3 ");
  EXPECT_EQ(refused([](auto& r) { r.mutable_messages(0)->set_ordering_key(std::string(1025, 'k')); }), "3 ");
  EXPECT_EQ(refused([](auto& r) { r.mutable_messages(0)->set_data(std::string(10'000'001, 'd')); }), "3 ");
  EXPECT_EQ(refused([](auto& r) {
              for (int i = 0; i < 1000; ++i) r.add_messages()->set_data("d");
            }),
            "3 ");
  EXPECT_EQ(refused([](auto& r) { (*r.mutable_messages(0)->mutable_attributes())["k"] = ""; }), "0 ");
}

TEST_F(ServiceTest, AStreamDeliversAndIsKeptAlive) {
  create_both();
  const uint32_t stream = open_stream(*client_);
  ASSERT_TRUE(run_until(*client_, [&] { return client_->reply(stream).messages.size() == 1; }));
  pb::StreamingPullResponse properties;
  ASSERT_TRUE(properties.ParseFromString(client_->reply(stream).messages[0]));
  EXPECT_TRUE(properties.has_subscription_properties());
  // The keepalive: an empty request is answered.
  client_->send(stream, pb::StreamingPullRequest().SerializeAsString());
  ASSERT_TRUE(run_until(*client_, [&] { return client_->reply(stream).messages.size() == 2; }));
  EXPECT_EQ(client_->reply(stream).messages[1], "");
  publish({"a", "b"});
  const auto got = receive(*client_, stream, 2);
  pb::StreamingPullRequest acks;
  acks.add_ack_ids(got[0].ack_id());
  acks.add_modify_deadline_ack_ids(got[1].ack_id());
  acks.add_modify_deadline_seconds(0);
  client_->send(stream, acks.SerializeAsString());
  const auto again = receive(*client_, stream, 3);
  EXPECT_EQ(again[2].message().data(), got[1].message().data());
  // The client's end is the stream's.
  client_->finish(stream);
  EXPECT_EQ(end_of(*client_, stream), "0 (none)");
  world_.run_for(11 * kSecond);
  EXPECT_EQ(pull_data(), (Strings{got[1].message().data()}));
}

TEST_F(ServiceTest, StreamsRefuseWhatGoogleRefuses) {
  create_both();
  const auto end_with = [&](auto change) {
    const uint32_t stream = open_stream(*client_);
    pb::StreamingPullRequest request;
    change(request);
    client_->send(stream, request.SerializeAsString());
    return end_of(*client_, stream).substr(0, 2);
  };
  EXPECT_EQ(end_with([](auto& r) { r.add_modify_deadline_seconds(10); }), "3 ");
  EXPECT_EQ(end_with([](auto& r) {
              r.add_modify_deadline_seconds(-1);
              r.add_modify_deadline_ack_ids("x");
            }),
            "3 ");
  EXPECT_EQ(end_with([](auto& r) { r.set_subscription(kSubscription); }), "3 ");
  EXPECT_EQ(end_with([](auto& r) { r.set_max_outstanding_messages(5); }), "3 ");
  EXPECT_EQ(end_with([](auto& r) { r.set_stream_ack_deadline_seconds(9); }), "3 ");
  pb::StreamingPullRequest first = first_request();
  first.set_stream_ack_deadline_seconds(0);
  EXPECT_EQ(end_of(*client_, open_stream(*client_, first)).substr(0, 2), "3 ");
  first = first_request();
  first.set_subscription("projects/p/subscriptions/gone");
  EXPECT_EQ(end_of(*client_, open_stream(*client_, first)), "5 Resource not found (resource=gone).");
}

TEST_F(ServiceTest, AStreamGetsNoMoreThanItTakes) {
  create_both();
  pb::StreamingPullRequest first = first_request();
  first.set_max_outstanding_messages(2);
  const uint32_t stream = open_stream(*client_, first);
  publish({"a", "b", "c", "d"});
  auto got = receive(*client_, stream, 2);
  world_.run_for(5 * kSecond);
  publish({"e"});  // lets the client read what there is
  ASSERT_EQ(received(*client_, stream).size(), 2U);
  pb::StreamingPullRequest acks;
  acks.add_ack_ids(got[0].ack_id());
  client_->send(stream, acks.SerializeAsString());
  EXPECT_EQ(receive(*client_, stream, 3).size(), 3U);
}

TEST_F(ServiceTest, StreamsEndWithTheirSubscription) {
  create_both();
  other_ = connect();
  const uint32_t detached = open_stream(*other_);
  ASSERT_TRUE(run_until(*other_, [&] { return !other_->reply(detached).messages.empty(); }));
  pb::DetachSubscriptionRequest detach;
  detach.set_subscription(kSubscription);
  call<pb::DetachSubscriptionResponse>("Publisher/DetachSubscription", detach);
  EXPECT_EQ(end_of(*other_, detached).substr(0, 2), "9 ");
  pb::PullRequest pull;
  pull.set_subscription(kSubscription);
  pull.set_max_messages(1);
  EXPECT_EQ(refusal("Subscriber/Pull", pull).substr(0, 2), "9 ");
  create(subscription("projects/p/subscriptions/second"));
  pb::StreamingPullRequest first = first_request();
  first.set_subscription("projects/p/subscriptions/second");
  const uint32_t deleted = open_stream(*other_, first);
  ASSERT_TRUE(run_until(*other_, [&] { return !other_->reply(deleted).messages.empty(); }));
  pb::DeleteSubscriptionRequest remove;
  remove.set_subscription("projects/p/subscriptions/second");
  call<pb::Empty>("Subscriber/DeleteSubscription", remove);
  EXPECT_EQ(end_of(*other_, deleted), "5 Resource not found (resource=second).");
}

TEST_F(ServiceTest, OrderedMessagesStayInOrder) {
  pb::Subscription wish = subscription();
  wish.set_enable_message_ordering(true);
  create_both(wish);
  publish({"1", "2", "3"}, "k");
  publish({"x"}, "other");
  // Messages of a key that is out with one client are for no other.
  const auto first = pull(1);
  Strings taken = data_of(first);
  Strings others = pull_data();
  if (taken == Strings{"1"}) {
    EXPECT_EQ(others, (Strings{"x"}));
  } else {
    EXPECT_EQ(taken, (Strings{"x"}));
    EXPECT_EQ(others, (Strings{"1", "2", "3"}));
  }
  world_.run_for(12 * kSecond);
  const auto again = data_of(pull(100));
  EXPECT_EQ(again.size(), 4U);
  EXPECT_LT(std::ranges::find(again, "1"), std::ranges::find(again, "2"));
  EXPECT_LT(std::ranges::find(again, "2"), std::ranges::find(again, "3"));
}

TEST_F(ServiceTest, AFilterPassesOver) {
  pb::Subscription wish = subscription();
  wish.set_filter("attributes.kind = \"good\"");
  create_both(wish);
  publish({"a", "b"}, "", {{"kind", "bad"}});
  publish({"c"}, "", {{"kind", "good"}});
  publish({"d"});
  EXPECT_EQ(pull_data(), (Strings{"c"}));
  world_.run_for(30 * kSecond);
  EXPECT_EQ(pull_data(), (Strings{"c"}));
}

TEST_F(ServiceTest, WhatFailsTooOftenIsADeadLetter) {
  create_topic("projects/p/topics/dead");
  pb::Subscription graves = subscription("projects/p/subscriptions/graves");
  graves.set_topic("projects/p/topics/dead");
  create(graves);
  pb::Subscription wish = subscription();
  wish.mutable_dead_letter_policy()->set_dead_letter_topic("projects/p/topics/dead");
  create_both(wish);
  publish({"poison"}, "", {{"a", "b"}});
  for (int attempt = 1; attempt <= 5; ++attempt) {
    const auto got = pull();
    ASSERT_EQ(got.received_messages_size(), 1) << attempt;
    EXPECT_EQ(got.received_messages(0).delivery_attempt(), attempt);
    EXPECT_EQ(modify(ids_of(got), 0), "0 (none)");
    if (attempt != 3) continue;
    world_.run_for(kSecond);
    crash_and_restart();  // attempts are written down, if nobody waits for it
  }
  world_.run_for(1 * kSecond);
  EXPECT_TRUE(pull_data().empty());
  const auto dead = pull(100, "projects/p/subscriptions/graves");
  ASSERT_EQ(dead.received_messages_size(), 1);
  const auto& attributes = dead.received_messages(0).message().attributes();
  EXPECT_EQ(dead.received_messages(0).message().data(), "poison");
  EXPECT_EQ(attributes.at("a"), "b");
  EXPECT_EQ(attributes.at("CloudPubSubDeadLetterSourceDeliveryCount"), "5");
  EXPECT_EQ(attributes.at("CloudPubSubDeadLetterSourceSubscription"), "workers");
  EXPECT_EQ(attributes.at("CloudPubSubDeadLetterSourceSubscriptionProject"), "p");
  EXPECT_TRUE(attributes.contains("CloudPubSubDeadLetterSourceTopicPublishTime"));
}

TEST_F(ServiceTest, BackOffHoldsMessagesBack) {
  pb::Subscription wish = subscription();
  wish.mutable_retry_policy()->mutable_minimum_backoff()->set_seconds(20);
  create_both(wish);
  publish({"a"});
  EXPECT_EQ(modify(ids_of(pull()), 0), "0 (none)");
  world_.run_for(15 * kSecond);
  EXPECT_TRUE(pull_data().empty());
  world_.run_for(6 * kSecond);
  EXPECT_EQ(pull_data(), (Strings{"a"}));
}

TEST_F(ServiceTest, ExactlyOnceTellsWhatFailed) {
  pb::Subscription wish = subscription();
  wish.set_enable_exactly_once_delivery(true);
  create_both(wish);
  publish({"a", "b"});
  const auto first = pull();
  const Strings ids = ids_of(first);
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(acknowledge({ids[0]}), "0 (none)");
  world_.run_for(11 * kSecond);
  pb::AcknowledgeRequest request;
  request.set_subscription(kSubscription);
  for (const std::string& id : ids) request.add_ack_ids(id);
  const TestReply& reply = call_raw("Subscriber/Acknowledge", request);
  EXPECT_EQ(reply.field("grpc-status"), "9");
  std::string text = reply.field("grpc-status-details-bin");
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  google::rpc::Status status;
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(status.ParseFromString(from_base64_url(text).value_or("")));
  ASSERT_EQ(status.details_size(), 1);
  ASSERT_TRUE(info.ParseFromString(status.details(0).value()));
  EXPECT_EQ(info.metadata().at(ids[0]), "PERMANENT_FAILURE_INVALID_ACK_ID");
  EXPECT_EQ(info.metadata().at(ids[1]), "PERMANENT_FAILURE_INVALID_ACK_ID");
  // More than a status has room for: some are named, and the code is there.
  Strings many;
  for (int i = 0; i < 1000; ++i) many.push_back("none" + std::to_string(i));
  EXPECT_TRUE(acknowledge(many).starts_with("9 "));
  const uint32_t stream = open_stream(*client_);
  const auto got = receive(*client_, stream, 1);
  pb::StreamingPullRequest acks;
  acks.add_ack_ids(got[0].ack_id());
  acks.add_ack_ids(ids[0]);
  client_->send(stream, acks.SerializeAsString());
  pb::StreamingPullResponse last;
  ASSERT_TRUE(run_until(*client_, [&] {
    return last.ParseFromString(client_->reply(stream).messages.back()) && last.has_acknowledge_confirmation();
  }));
  EXPECT_EQ(last.acknowledge_confirmation().ack_ids(0), got[0].ack_id());
  EXPECT_EQ(last.acknowledge_confirmation().invalid_ack_ids(0), ids[0]);
}

TEST_F(ServiceTest, WhatIsAcknowledgedSurvivesACrash) {
  create_both();
  publish({"a", "b", "c"});
  const auto got = pull();
  EXPECT_EQ(acknowledge({got.received_messages(1).ack_id()}), "0 (none)");
  crash_and_restart();
  Strings expected = {got.received_messages(0).message().data(), got.received_messages(2).message().data()};
  std::ranges::sort(expected);
  EXPECT_EQ(pull_data(), expected) << "leases are forgotten, acknowledgements are not";
}

// Whatever happens: what was published is delivered until it is acknowledged, and never again afterwards.
TEST_F(ServiceTest, NothingIsLostAndNothingAcknowledgedComesAgain) {
  pb::Subscription wish = subscription();
  wish.set_enable_exactly_once_delivery(true);
  wish.set_enable_message_ordering(true);
  create_both(wish);
  std::mt19937 random(17);
  std::set<std::string> published, acknowledged;
  int count = 0;
  for (int step = 0; step < 120; ++step) {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        Strings data;
        for (size_t i = 0; i <= random() % 6; ++i) data.push_back(std::to_string(count++));
        publish(data, random() % 2 == 0 ? "" : "k" + std::to_string(random() % 3));
        published.insert(data.begin(), data.end());
        break;
      }
      case 3:
        crash_and_restart();
        break;
      case 4:
        world_.run_for(static_cast<int64_t>(random() % 12) * kSecond);
        break;
      default:
        for (const auto& message : pull(1 + static_cast<int>(random() % 10)).received_messages()) {
          const std::string& data = message.message().data();
          ASSERT_TRUE(published.contains(data)) << data;
          ASSERT_FALSE(acknowledged.contains(data)) << data << " came again";
          if (random() % 3 == 0) continue;
          if (random() % 4 == 0) {
            (void)modify({message.ack_id()}, 0);  // void if one before it of its key has failed
          } else if (acknowledge({message.ack_id()}) == "0 (none)") {
            acknowledged.insert(data);
          }
        }
    }
  }
  for (int round = 0; round < 200 && acknowledged.size() < published.size(); ++round) {
    for (const auto& message : pull().received_messages()) {
      ASSERT_FALSE(acknowledged.contains(message.message().data()));
      if (acknowledge({message.ack_id()}) == "0 (none)") acknowledged.insert(message.message().data());
    }
    world_.run_for(kSecond);
  }
  EXPECT_EQ(acknowledged, published);
}

TEST_F(ServiceTest, SeeksGoBothWays) {
  create_both();
  publish({"a", "b"});
  EXPECT_EQ(acknowledge(ids_of(pull())), "0 (none)");
  world_.run_for(10 * kSecond);
  const int64_t middle_ms = node_.reactor(0).clock().wall_ms();
  world_.run_for(10 * kSecond);
  publish({"c"});
  pb::CreateSnapshotRequest snapshot;
  snapshot.set_name("projects/p/snapshots/now");
  snapshot.set_subscription(kSubscription);
  EXPECT_EQ(call<pb::Snapshot>("Subscriber/CreateSnapshot", snapshot).topic(), kTopic);
  EXPECT_EQ(refusal("Subscriber/CreateSnapshot", snapshot).substr(0, 2), "6 ");
  EXPECT_EQ(acknowledge(ids_of(pull())), "0 (none)");
  pb::SeekRequest seek;
  seek.set_subscription(kSubscription);
  EXPECT_EQ(refusal("Subscriber/Seek", seek).substr(0, 2), "3 ");
  seek.mutable_time()->set_seconds(1);
  call<pb::SeekResponse>("Subscriber/Seek", seek);
  EXPECT_EQ(pull_data(), (Strings{"a", "b", "c"}));
  seek.mutable_time()->set_seconds(middle_ms / 1000);
  call<pb::SeekResponse>("Subscriber/Seek", seek);
  EXPECT_EQ(pull_data(), (Strings{"c"}));
  seek.mutable_time()->set_seconds(middle_ms / 1000 + 3600);
  call<pb::SeekResponse>("Subscriber/Seek", seek);
  EXPECT_TRUE(pull_data().empty());
  seek.mutable_time()->set_seconds(INT64_MAX);
  call<pb::SeekResponse>("Subscriber/Seek", seek);
  EXPECT_TRUE(pull_data().empty());
  crash_and_restart();
  seek.set_snapshot("projects/p/snapshots/now");
  call<pb::SeekResponse>("Subscriber/Seek", seek);
  EXPECT_EQ(pull_data(), (Strings{"c"}));
  pb::ListTopicSnapshotsRequest list;
  list.set_topic(kTopic);
  EXPECT_EQ(call<pb::ListTopicSnapshotsResponse>("Publisher/ListTopicSnapshots", list).snapshots_size(), 1);
  pb::DeleteSnapshotRequest remove;
  remove.set_snapshot("projects/p/snapshots/now");
  call<pb::Empty>("Subscriber/DeleteSnapshot", remove);
  EXPECT_EQ(refusal("Subscriber/Seek", seek), "5 Resource not found (resource=now).");
}

TEST_F(ServiceTest, WhatNobodyUsesExpires) {
  pb::Subscription wish = subscription();
  wish.mutable_expiration_policy()->mutable_ttl()->set_seconds(86'400);
  create_both(wish);
  pb::Subscription forever = subscription("projects/p/subscriptions/forever");
  forever.mutable_expiration_policy();
  create(forever);
  node_.jump_wall_clock(86'000'000);
  world_.run(node_.reactor(0), program().service().expire());
  EXPECT_EQ(get_subscription_refusal(kSubscription).substr(0, 2), "0 ");
  node_.jump_wall_clock(500'000);
  world_.run(node_.reactor(0), program().service().expire());
  EXPECT_EQ(get_subscription_refusal(kSubscription).substr(0, 2), "5 ");
  EXPECT_EQ(get_subscription_refusal("projects/p/subscriptions/forever").substr(0, 2), "0 ");
}

TEST_F(ServiceTest, SchemasAreKeptAndHoldMessagesToThem) {
  pb::CreateSchemaRequest create_schema;
  create_schema.set_parent("projects/p");
  create_schema.set_schema_id("person");
  create_schema.mutable_schema()->set_type(pb::Schema::AVRO);
  create_schema.mutable_schema()->set_definition("{");
  EXPECT_EQ(refusal("SchemaService/CreateSchema", create_schema).substr(0, 2), "3 ");
  create_schema.mutable_schema()->set_definition(
      R"({"type":"record","name":"P","fields":[{"name":"age","type":"int"}]})");
  const auto made = call<pb::Schema>("SchemaService/CreateSchema", create_schema);
  EXPECT_EQ(made.name(), "projects/p/schemas/person");
  pb::Topic topic;
  topic.set_name(kTopic);
  topic.mutable_schema_settings()->set_schema(made.name());
  topic.mutable_schema_settings()->set_encoding(pb::JSON);
  call<pb::Topic>("Publisher/CreateTopic", topic);
  pb::PublishRequest request;
  request.set_topic(kTopic);
  request.add_messages()->set_data(R"({"age":"old"})");
  EXPECT_EQ(refusal("Publisher/Publish", request).substr(0, 2), "3 ");
  request.mutable_messages(0)->set_data(R"({"age":42})");
  pb::Subscription readers = subscription();
  create(readers);
  EXPECT_EQ(refusal("Publisher/Publish", request).substr(0, 2), "0 ");
  const auto got = pull();
  ASSERT_EQ(got.received_messages_size(), 1);
  EXPECT_EQ(got.received_messages(0).message().attributes().at("googclient_schemaencoding"), "JSON");
  EXPECT_EQ(got.received_messages(0).message().attributes().at("googclient_schemarevisionid"), made.revision_id());
  pb::CommitSchemaRequest commit;
  commit.set_name(made.name());
  *commit.mutable_schema() = create_schema.schema();
  const auto second = call<pb::Schema>("SchemaService/CommitSchema", commit);
  EXPECT_NE(second.revision_id(), made.revision_id());
  pb::ListSchemaRevisionsRequest list;
  list.set_name(made.name());
  EXPECT_EQ(call<pb::ListSchemaRevisionsResponse>("SchemaService/ListSchemaRevisions", list).schemas_size(), 2);
  pb::DeleteSchemaRequest remove;
  remove.set_name(made.name());
  call<pb::Empty>("SchemaService/DeleteSchema", remove);
  EXPECT_EQ(refusal("Publisher/Publish", request).substr(0, 2), "9 ");
}

TEST_F(ServiceTest, StoppingEndsStreamsAndPulls) {
  create_both();
  const uint32_t stream = open_stream(*client_);
  ASSERT_TRUE(run_until(*client_, [&] { return !client_->reply(stream).messages.empty(); }));
  pb::PullRequest request;
  request.set_subscription(kSubscription);
  request.set_max_messages(1);
  const uint32_t pull = client_->open("/google.pubsub.v1.Subscriber/Pull");
  client_->send(pull, request.SerializeAsString(), true);
  bool is_stopped = false;
  world_.after(kSecond, [&] {
    node_.reactor(0).post([&] {
      scope_ = std::make_unique<env::TaskScope>(node_.reactor(0));
      scope_->spawn(stop(program(), is_stopped));
    });
  });
  EXPECT_EQ(end_of(*client_, stream).substr(0, 3), "14 ");
  EXPECT_EQ(end_of(*client_, pull).substr(0, 3), "14 ");
  EXPECT_TRUE(world_.run_until([&] { return is_stopped; }));
  scope_.reset();
}

}  // namespace
}  // namespace keelson::pubsub
