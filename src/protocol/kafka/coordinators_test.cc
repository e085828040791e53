// Groups and transactions through the whole service, on machines that crash.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/messages/add_offsets_to_txn.h"
#include "protocol/kafka/messages/add_partitions_to_txn.h"
#include "protocol/kafka/messages/delete_groups.h"
#include "protocol/kafka/messages/delete_topics.h"
#include "protocol/kafka/messages/describe_groups.h"
#include "protocol/kafka/messages/describe_transactions.h"
#include "protocol/kafka/messages/end_txn.h"
#include "protocol/kafka/messages/heartbeat.h"
#include "protocol/kafka/messages/init_producer_id.h"
#include "protocol/kafka/messages/join_group.h"
#include "protocol/kafka/messages/offset_commit.h"
#include "protocol/kafka/messages/offset_fetch.h"
#include "protocol/kafka/messages/sync_group.h"
#include "protocol/kafka/messages/txn_offset_commit.h"
#include "protocol/kafka/service_test_support.h"

namespace keelson::kafka {
namespace {

int16_t code(ErrorCode error) { return number(error); }

JoinGroupRequest join_request(std::string_view group, std::string_view member) {
  JoinGroupRequest request;
  request.group_id = group;
  request.session_timeout_ms = 10'000;
  request.rebalance_timeout_ms = 10'000;
  request.member_id = member;
  request.protocol_type = "consumer";
  request.protocols.push_back({"range", "metadata"});
  return request;
}

OffsetCommitRequest commit_request(std::string_view group, int64_t offset, int32_t generation = -1,
                                   std::string_view member = {}) {
  OffsetCommitRequest request;
  request.group_id = group;
  request.generation_id_or_member_epoch = generation;
  request.member_id = member;
  OffsetCommitRequest::Partition partition;
  partition.committed_offset = offset;
  partition.committed_metadata = "noted";
  request.topics.push_back({"t", {partition}});
  return request;
}

int64_t committed(TestClient& client, std::string_view group, std::string_view topic = "t") {
  OffsetFetchRequest request;
  request.group_id = group;
  request.topics.emplace().push_back({topic, {0}});
  const auto response = client.ask<OffsetFetchResponse>(7, request);
  KEELSON_CHECK(response && response->error_code == 0, "offsets cannot be fetched");
  return response->topics.at(0).partitions.at(0).committed_offset;
}

TestOptions quick() {
  TestOptions options;
  options.groups.initial_rebalance_delay_ms = 0;
  return options;
}

TEST(KafkaGroups, AMemberGoesOnAfterACrash) {
  TestKafka kafka(quick());
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  const auto told = client->ask<JoinGroupResponse>(5, join_request("g", ""));
  ASSERT_EQ(told->error_code, code(ErrorCode::kMemberIdRequired));
  const auto joined = client->ask<JoinGroupResponse>(5, join_request("g", told->member_id));
  ASSERT_EQ(joined->error_code, 0);
  EXPECT_EQ(joined->leader, joined->member_id);
  SyncGroupRequest sync;
  sync.group_id = "g";
  sync.generation_id = joined->generation_id;
  sync.member_id = joined->member_id;
  sync.assignments.push_back({joined->member_id, "everything"});
  EXPECT_EQ(client->ask<SyncGroupResponse>(3, sync)->assignment, "everything");
  const auto commit = commit_request("g", 41, joined->generation_id, joined->member_id);
  EXPECT_EQ(client->ask<OffsetCommitResponse>(7, commit)->topics.at(0).partitions.at(0).error_code, 0);

  kafka.crash_and_restart();
  client = kafka.connect();
  HeartbeatRequest beat;
  beat.group_id = "g";
  beat.generation_id = joined->generation_id;
  beat.member_id = joined->member_id;
  EXPECT_EQ(client->ask<HeartbeatResponse>(3, beat)->error_code, 0);
  sync.assignments.clear();
  EXPECT_EQ(client->ask<SyncGroupResponse>(3, sync)->assignment, "everything");
  EXPECT_EQ(committed(*client, "g"), 41);
  DescribeGroupsRequest describe;
  describe.groups = {"g", "nobody"};
  const auto described = client->ask<DescribeGroupsResponse>(5, describe);
  EXPECT_EQ(described->groups.at(0).group_state, "Stable");
  EXPECT_EQ(described->groups.at(0).members.at(0).member_metadata, "metadata");
  EXPECT_EQ(described->groups.at(1).group_state, "Dead");
  beat.generation_id += 1;
  EXPECT_EQ(client->ask<HeartbeatResponse>(3, beat)->error_code, code(ErrorCode::kIllegalGeneration));
  DeleteGroupsRequest remove;
  remove.group_names = {"g"};
  EXPECT_EQ(client->ask<DeleteGroupsResponse>(2, remove)->results.at(0).error_code, code(ErrorCode::kNonEmptyGroup));
  // Silent for longer than its session, it is gone.
  kafka.world().run_for(15 * env::sim::kSecond);
  beat.generation_id -= 1;
  EXPECT_EQ(client->ask<HeartbeatResponse>(3, beat)->error_code, code(ErrorCode::kUnknownMemberId));
  EXPECT_EQ(client->ask<DeleteGroupsResponse>(2, remove)->results.at(0).error_code, 0);
  EXPECT_EQ(committed(*client, "g"), -1);
}

TEST(KafkaGroups, WhoeverJoinsMayVanish) {
  TestKafka kafka(quick());
  auto first = kafka.connect();
  const auto joined = first->ask<JoinGroupResponse>(2, join_request("g", ""));
  ASSERT_EQ(joined->error_code, 0);
  // A second one waits for the first to join again, and its connection ends meanwhile.
  auto second = kafka.connect();
  (void)second->send(2, join_request("g", ""));
  kafka.world().run_for(100 * env::sim::kMillisecond);
  second.reset();
  kafka.world().run_for(100 * env::sim::kMillisecond);
  const auto again = first->ask<JoinGroupResponse>(2, join_request("g", joined->member_id));
  EXPECT_EQ(again->error_code, 0);
  EXPECT_EQ(again->members.size(), 2U);
  // The server stops although somebody waits.
  auto third = kafka.connect();
  const int32_t id = third->send(2, join_request("g", ""));
  kafka.world().run_for(100 * env::sim::kMillisecond);
  kafka.program().begin_stop();
  EXPECT_EQ(third->receive<JoinGroupResponse>(2, id)->error_code, code(ErrorCode::kNotCoordinator));
  EXPECT_TRUE(kafka.world().run_until([&] { return kafka.program().is_stopped(); }));
}

TEST(KafkaGroups, OffsetsBelongToTheTopicThatTheyWereCommittedFor) {
  TestKafka kafka(quick());
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  EXPECT_EQ(client->ask<OffsetCommitResponse>(7, commit_request("g", 7))->topics.at(0).partitions.at(0).error_code, 0);
  EXPECT_EQ(committed(*client, "g"), 7);
  DeleteTopicsRequest remove;
  remove.topics.push_back({.name = "t"});
  EXPECT_EQ(client->ask<DeleteTopicsResponse>(6, remove)->topics.at(0).error_code, 0);
  EXPECT_EQ(committed(*client, "g"), -1);
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  EXPECT_EQ(committed(*client, "g"), -1);
  OffsetCommitRequest far = commit_request("g", 7);
  far.topics[0].partitions[0].partition_index = 5;
  EXPECT_EQ(client->ask<OffsetCommitResponse>(7, far)->topics.at(0).partitions.at(0).error_code,
            code(ErrorCode::kUnknownTopicOrPartition));
  far.topics[0].partitions[0].partition_index = 0;
  const std::string large(5'000, 'x');
  far.topics[0].partitions[0].committed_metadata = large;
  EXPECT_EQ(client->ask<OffsetCommitResponse>(7, far)->topics.at(0).partitions.at(0).error_code,
            code(ErrorCode::kOffsetMetadataTooLarge));
}

TEST(KafkaGroups, OffsetsOutliveTheirRetentionAlone) {
  TestOptions options = quick();
  options.groups.offsets_retention_ms = 60'000;
  options.groups.offsets_retention_check_ms = 10'000;
  TestKafka kafka(options);
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  (void)client->ask<OffsetCommitResponse>(7, commit_request("g", 7));
  // An older client says itself for how long.
  OffsetCommitRequest forever = commit_request("h", 7);
  forever.retention_time_ms = INT64_MAX;
  (void)client->ask<OffsetCommitResponse>(4, forever);
  kafka.world().run_for(40 * env::sim::kSecond);
  EXPECT_EQ(committed(*client, "g"), 7);
  kafka.world().run_for(40 * env::sim::kSecond);
  EXPECT_EQ(committed(*client, "g"), -1);
  EXPECT_EQ(committed(*client, "h"), 7);
}

// ---- Transactions.

// A producer with a transactional id, as clients are: whatever is uncertain it begins anew.
class Producer {
 public:
  Producer(TestKafka& kafka, std::string id) : kafka_(kafka), id_(std::move(id)) { reconnect(); }

  void reconnect() {
    client_ = kafka_.connect();
    is_ready_ = false;
  }
  [[nodiscard]] TestClient& client() { return *client_; }
  [[nodiscard]] int64_t producer_id() const { return producer_id_; }
  [[nodiscard]] int16_t epoch() const { return epoch_; }
  int32_t timeout_ms = 60'000;

  int16_t init() {
    InitProducerIdRequest request;
    request.transactional_id = id_;
    request.transaction_timeout_ms = timeout_ms;
    for (int tries = 0; tries < 200; ++tries) {
      const auto response = client_->ask<InitProducerIdResponse>(4, request);
      if (!response) return -1;
      if (response->error_code == code(ErrorCode::kConcurrentTransactions)) {
        kafka_.world().run_for(20 * env::sim::kMillisecond);
        continue;
      }
      producer_id_ = response->producer_id;
      epoch_ = response->producer_epoch;
      sequences_.clear();
      is_ready_ = response->error_code == 0;
      return response->error_code;
    }
    return code(ErrorCode::kConcurrentTransactions);
  }
  [[nodiscard]] bool is_ready() const { return is_ready_; }

  int16_t add(int32_t partitions) {
    AddPartitionsToTxnRequest request;
    request.transactional_id = id_;
    request.producer_id = producer_id_;
    request.producer_epoch = epoch_;
    request.topics.push_back({"t", {}});
    for (int32_t i = 0; i < partitions; ++i) request.topics[0].partitions.push_back(i);
    for (int tries = 0; tries < 200; ++tries) {
      const auto response = client_->ask<AddPartitionsToTxnResponse>(3, request);
      if (!response) return -1;
      const int16_t error = response->topics.at(0).partitions.at(0).partition_error_code;
      if (error != code(ErrorCode::kConcurrentTransactions)) return error;
      kafka_.world().run_for(20 * env::sim::kMillisecond);
    }
    return code(ErrorCode::kConcurrentTransactions);
  }

  int16_t produce(int32_t partition, const std::string& value) {
    const std::string batch = batch_of({value}, "k",
                                       {.producer_id = producer_id_,
                                        .producer_epoch = epoch_,
                                        .base_sequence = sequences_[partition],
                                        .attributes = topic::kTransactionalBit});
    ProduceRequest request = produce_request("t", partition, batch);
    request.transactional_id = id_;
    const auto response = client_->ask<ProduceResponse>(9, request);
    if (!response) return -1;
    const int16_t error = response->topics.at(0).partitions.at(0).error_code;
    if (error == 0) ++sequences_[partition];
    return error;
  }

  int16_t commit_offset(std::string_view group, int64_t offset) {
    AddOffsetsToTxnRequest add;
    add.transactional_id = id_;
    add.producer_id = producer_id_;
    add.producer_epoch = epoch_;
    add.group_id = group;
    const auto added = client_->ask<AddOffsetsToTxnResponse>(3, add);
    if (!added || added->error_code != 0) return added ? added->error_code : int16_t{-1};
    TxnOffsetCommitRequest request;
    request.transactional_id = id_;
    request.group_id = group;
    request.producer_id = producer_id_;
    request.producer_epoch = epoch_;
    TxnOffsetCommitRequest::Partition partition;
    partition.committed_offset = offset;
    request.topics.push_back({"t", {partition}});
    const auto response = client_->ask<TxnOffsetCommitResponse>(3, request);
    return response ? response->topics.at(0).partitions.at(0).error_code : int16_t{-1};
  }

  EndTxnRequest end_request(bool is_commit) {
    EndTxnRequest request;
    request.transactional_id = id_;
    request.producer_id = producer_id_;
    request.producer_epoch = epoch_;
    request.committed = is_commit;
    return request;
  }
  int16_t end(bool is_commit) {
    const auto response = client_->ask<EndTxnResponse>(3, end_request(is_commit));
    return response ? response->error_code : int16_t{-1};
  }

 private:
  TestKafka& kafka_;
  const std::string id_;
  std::unique_ptr<TestClient> client_;
  int64_t producer_id_ = -1;
  int16_t epoch_ = -1;
  bool is_ready_ = false;
  std::map<int32_t, int32_t> sequences_;
};

// What a consumer of committed records is shown of a partition: it drops those of aborted transactions itself.
std::vector<std::string> committed_values(TestClient& client, int32_t partition) {
  std::vector<std::string> values;
  for (int64_t offset = 0;;) {
    FetchRequest request = fetch_request("t", partition, offset);
    request.isolation_level = 1;
    const auto response = client.ask<FetchResponse>(11, request);
    KEELSON_CHECK(response && response->topics.at(0).partitions.at(0).error_code == 0, "a fetch fails");
    const auto& got = response->topics[0].partitions[0];
    auto aborted = got.aborted_transactions.value_or(std::vector<FetchResponseAbortedTransaction>{});
    std::ranges::sort(aborted, {}, &FetchResponseAbortedTransaction::first_offset);
    std::set<int64_t> dropped;
    size_t next = 0;
    const int64_t before = offset;
    if (!got.records.is_null) {
      for (const Fragment& fragment : got.records.fragments) {
        for (std::string_view rest = fragment.bytes; !rest.empty();) {
          const topic::BatchView batch(rest);
          while (next < aborted.size() && aborted[next].first_offset <= batch.last_offset()) {
            dropped.insert(aborted[next++].producer_id);
          }
          offset = batch.next_offset();
          if (batch.is_control()) {
            dropped.erase(batch.producer_id());
          } else if (!(batch.is_transactional() && dropped.contains(batch.producer_id()))) {
            Records one;
            one.fragments.push_back({nullptr, batch.bytes()});
            for (auto& [at, value] : records_of(one)) values.push_back(std::move(value));
          }
          rest.remove_prefix(batch.size_bytes());
        }
      }
    }
    if (offset == before) return values;
  }
}

TEST(KafkaTransactions, ShowWhatIsCommittedOnceItIs) {
  TestKafka kafka(quick());
  Producer producer(kafka, "tx");
  ASSERT_EQ(create_topic(producer.client(), "t", 2), 0);
  ASSERT_EQ(producer.init(), 0);
  // A partition that is no part of the transaction takes nothing of it.
  EXPECT_EQ(producer.produce(0, "early"), code(ErrorCode::kInvalidTxnState));
  ASSERT_EQ(producer.add(2), 0);
  EXPECT_EQ(producer.produce(0, "a"), 0);
  EXPECT_EQ(producer.produce(1, "b"), 0);
  EXPECT_EQ(producer.commit_offset("g", 5), 0);
  EXPECT_TRUE(committed_values(producer.client(), 0).empty());
  EXPECT_EQ(committed(producer.client(), "g"), -1);
  EXPECT_EQ(producer.end(true), 0);
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_EQ(committed_values(producer.client(), 0), (std::vector<std::string>{"a"}));
  EXPECT_EQ(committed_values(producer.client(), 1), (std::vector<std::string>{"b"}));
  EXPECT_EQ(committed(producer.client(), "g"), 5);
  ASSERT_EQ(producer.add(1), 0);
  EXPECT_EQ(producer.produce(0, "c"), 0);
  EXPECT_EQ(producer.end(false), 0);
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_EQ(committed_values(producer.client(), 0), (std::vector<std::string>{"a"}));
  EXPECT_EQ(producer.end(true), code(ErrorCode::kInvalidTxnState));
}

TEST(KafkaTransactions, AFetchFromDiskTellsOfThoseThatItHasAlone) {
  TestOptions options = quick();
  options.cache_bytes = 0;
  TestKafka kafka(options);
  Producer producer(kafka, "tx");
  ASSERT_EQ(create_topic(producer.client(), "t", 1), 0);
  ASSERT_EQ(producer.init(), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(producer.add(1), 0);
    // So large that it is written to its segment at once.
    ASSERT_EQ(producer.produce(0, std::string(300'000, 'x')), 0);
    ASSERT_EQ(producer.end(false), 0);
    kafka.world().run_for(1 * env::sim::kSecond);
  }
  FetchRequest request = fetch_request("t", 0, 0);
  request.isolation_level = 1;
  request.topics[0].partitions[0].partition_max_bytes = 1;
  const auto response = producer.client().ask<FetchResponse>(11, request);
  ASSERT_TRUE(response);
  const auto& got = response->topics.at(0).partitions.at(0);
  EXPECT_EQ(records_of(got.records).size(), 1U);
  ASSERT_TRUE(got.aborted_transactions);
  ASSERT_EQ(got.aborted_transactions->size(), 1U);
  EXPECT_EQ(got.aborted_transactions->at(0).first_offset, 0);
  EXPECT_TRUE(committed_values(producer.client(), 0).empty());
}

TEST(KafkaTransactions, ThoseThatTakeTooLongAreAborted) {
  TestKafka kafka(quick());
  Producer slow(kafka, "tx");
  ASSERT_EQ(create_topic(slow.client(), "t", 1), 0);
  ASSERT_EQ(slow.init(), 0);
  ASSERT_EQ(slow.add(1), 0);
  EXPECT_EQ(slow.produce(0, "a"), 0);
  kafka.world().run_for(80 * env::sim::kSecond);
  EXPECT_EQ(slow.end(true), code(ErrorCode::kProducerFenced));
  EXPECT_EQ(slow.produce(0, "b"), code(ErrorCode::kInvalidProducerEpoch));
  EXPECT_TRUE(committed_values(slow.client(), 0).empty());
  DescribeTransactionsRequest describe;
  describe.transactional_ids = {"tx", "none"};
  const auto described = slow.client().ask<DescribeTransactionsResponse>(0, describe);
  EXPECT_EQ(described->transaction_states.at(0).transaction_state, "CompleteAbort");
  EXPECT_EQ(described->transaction_states.at(1).error_code, code(ErrorCode::kTransactionalIdNotFound));
  // Its successor goes on.
  EXPECT_EQ(slow.init(), 0);
  ASSERT_EQ(slow.add(1), 0);
  EXPECT_EQ(slow.produce(0, "c"), 0);
  EXPECT_EQ(slow.end(true), 0);
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_EQ(committed_values(slow.client(), 0), (std::vector<std::string>{"c"}));
}

// Whoever looks for what is due finds a transaction that is being ended, and has others to abort before it gets to that
// one: by then its producer is in its next transaction, with the same epoch.
TEST(KafkaTransactions, WhatWasFoundEarlierDoesNotEndTheNextOne) {
  TestOptions options = quick();
  options.transactions.check_ms = 500;
  TestKafka kafka(options, 1);
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  const auto shard_of = [](const std::string& id) { return topic::shard_of_name(id, kTestShards); };
  Producer busy(kafka, "z");
  ASSERT_EQ(busy.init(), 0);
  std::vector<std::unique_ptr<Producer>> slow;
  for (int i = 0; slow.size() < 20; ++i) {
    const std::string id = "a" + std::to_string(i);
    if (shard_of(id) != shard_of("z")) continue;
    slow.push_back(std::make_unique<Producer>(kafka, id));
    slow.back()->timeout_ms = 1;
  }
  std::vector<std::string> committed;
  for (int number = 0; number < 200; ++number) {
    for (auto& each : slow) {
      if (number % 20 == 0) ASSERT_EQ(each->init(), 0);
      if (number % 20 == 0) (void)each->add(1);
    }
    const bool is_commit = number % 2 == 0;
    const std::string value = std::to_string(number);
    ASSERT_EQ(busy.add(1), 0);
    ASSERT_EQ(busy.produce(0, value), 0);
    kafka.world().run_for(static_cast<int64_t>(number % 7) * env::sim::kMillisecond);
    ASSERT_EQ(busy.end(is_commit), 0);
    if (is_commit) committed.push_back(value);
  }
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_EQ(committed_values(*client, 0), committed);
}

TEST(KafkaTransactions, ATimeOutThatIsTooLongIsRefused) {
  TestKafka kafka(quick());
  auto client = kafka.connect();
  InitProducerIdRequest request;
  request.transactional_id = "tx";
  request.transaction_timeout_ms = 900'001;
  EXPECT_EQ(client->ask<InitProducerIdResponse>(4, request)->error_code, code(ErrorCode::kInvalidTransactionTimeout));
  request.transactional_id.reset();
  const auto first = client->ask<InitProducerIdResponse>(4, request);
  const auto second = client->ask<InitProducerIdResponse>(4, request);
  EXPECT_EQ(first->error_code, 0);
  EXPECT_NE(first->producer_id, second->producer_id);
  kafka.crash_and_restart();
  client = kafka.connect();
  EXPECT_GT(client->ask<InitProducerIdResponse>(4, request)->producer_id, second->producer_id);
}

// Producers, crashes at any moment: a transaction is everywhere or nowhere; one whose commit was acknowledged is
// everywhere, one that was aborted nowhere; and the group's offset is that of the last one that is there.
void run_with_crashes(uint64_t seed) {
  constexpr int32_t kPartitions = 3;
  std::mt19937_64 random(seed);
  TestKafka kafka(quick(), 2, seed);
  std::vector<std::unique_ptr<Producer>> producers;
  for (const char* id : {"one", "two"}) producers.push_back(std::make_unique<Producer>(kafka, id));
  ASSERT_EQ(create_topic(producers[0]->client(), "t", kPartitions), 0);
  std::set<std::string> must, must_not;
  for (int64_t number = 1; number <= 30; ++number) {
    const size_t which = random() % producers.size();
    Producer& producer = *producers[which];
    const std::string group = "group-" + std::to_string(which);
    const std::string value = std::to_string(which) + ":" + std::to_string(number);
    if (!producer.is_ready()) ASSERT_EQ(producer.init(), 0) << seed;
    ASSERT_EQ(producer.add(kPartitions), 0) << seed;
    for (int32_t i = 0; i < kPartitions; ++i) ASSERT_EQ(producer.produce(i, value), 0) << seed;
    ASSERT_EQ(producer.commit_offset(group, number), 0) << seed;
    const bool is_commit = random() % 3 != 0;
    const unsigned how = random() % 4;
    if (how == 0) {  // the machine dies in the midst of it, maybe while the markers are being written
      if (random() % 2 == 0) {
        (void)producer.client().send(3, producer.end_request(is_commit));
        kafka.world().run_for(static_cast<int64_t>(random() % (3 * env::sim::kMillisecond)));
        if (!is_commit) must_not.insert(value);
      } else {
        must_not.insert(value);  // nobody has decided; its successor aborts it
      }
      kafka.crash_and_restart();
      for (auto& each : producers) each->reconnect();
    } else if (how == 1) {  // another takes its place
      must_not.insert(value);
      producer.reconnect();
      ASSERT_EQ(producer.init(), 0);
    } else {
      ASSERT_EQ(producer.end(is_commit), 0) << seed;
      (is_commit ? must : must_not).insert(value);
    }
  }
  for (auto& each : producers) ASSERT_EQ(each->init(), 0);
  kafka.world().run_for(20 * env::sim::kSecond);
  const std::vector<std::string> there = committed_values(producers[0]->client(), 0);
  EXPECT_EQ(std::set(there.begin(), there.end()).size(), there.size()) << "doubled, seed " << seed;
  for (int32_t i = 1; i < kPartitions; ++i) {
    const auto others = committed_values(producers[0]->client(), i);
    EXPECT_EQ(std::set(others.begin(), others.end()), std::set(there.begin(), there.end())) << "seed " << seed;
  }
  for (const std::string& value : must)
    EXPECT_TRUE(std::ranges::count(there, value) == 1) << value << ", seed " << seed;
  for (const std::string& value : must_not)
    EXPECT_EQ(std::ranges::count(there, value), 0) << value << ", seed " << seed;
  for (size_t i = 0; i < producers.size(); ++i) {
    int64_t last = -1;
    for (const std::string& value : there) {
      if (value.starts_with(std::to_string(i) + ":")) last = std::max<int64_t>(last, std::stoll(value.substr(2)));
    }
    EXPECT_EQ(committed(producers[0]->client(), "group-" + std::to_string(i)), last) << "seed " << seed;
  }
}

TEST(KafkaTransactions, AreEverywhereOrNowhere) {
  for (uint64_t seed = 1; seed <= 6; ++seed) run_with_crashes(seed);
}

}  // namespace
}  // namespace keelson::kafka
