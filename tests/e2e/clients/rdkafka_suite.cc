// A program on Debian's librdkafka (2.0.2) as applications in C++ are written. Run by test_kafka_clients.py as
// `rdkafka_suite ENDPOINT`.
#include <librdkafka/rdkafkacpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

using Settings = std::map<std::string, std::string>;
constexpr int kPatienceMs = 60'000;
std::string endpoint;
std::string step;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("not ok %s: %s\n", step.c_str(), what.c_str());
  std::fflush(stdout);
  std::exit(1);
}

void expect_ok(RdKafka::ErrorCode code, const std::string& what) {
  expect(code == RdKafka::ERR_NO_ERROR, what + ": " + RdKafka::err2str(code));
}

void expect_ok(RdKafka::Error* error, const std::string& what) {
  const std::unique_ptr<RdKafka::Error> owned(error);
  expect(error == nullptr, what + (error ? ": " + error->str() : ""));
}

std::unique_ptr<RdKafka::Conf> settings(const Settings& more, RdKafka::DeliveryReportCb* reports = nullptr,
                                        RdKafka::RebalanceCb* rebalances = nullptr) {
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  Settings all{{"bootstrap.servers", endpoint}, {"log_level", "2"}, {"topic.metadata.refresh.interval.ms", "200"}};
  for (const auto& [name, value] : more) all[name] = value;
  std::string error;
  for (const auto& [name, value] : all) expect(conf->set(name, value, error) == RdKafka::Conf::CONF_OK, error);
  if (reports != nullptr) expect(conf->set("dr_cb", reports, error) == RdKafka::Conf::CONF_OK, error);
  if (rebalances != nullptr) expect(conf->set("rebalance_cb", rebalances, error) == RdKafka::Conf::CONF_OK, error);
  return conf;
}

struct Reports : RdKafka::DeliveryReportCb {
  std::vector<int64_t> offsets;
  int errors = 0;
  void dr_cb(RdKafka::Message& message) override {
    if (message.err() != RdKafka::ERR_NO_ERROR) {
      errors++;
    } else {
      offsets.push_back(message.offset());
    }
  }
};

std::unique_ptr<RdKafka::Producer> producer_of(const Settings& more, RdKafka::DeliveryReportCb* reports = nullptr) {
  std::string error;
  std::unique_ptr<RdKafka::Producer> made(RdKafka::Producer::create(settings(more, reports).get(), error));
  expect(made != nullptr, error);
  return made;
}

std::unique_ptr<RdKafka::KafkaConsumer> consumer_of(const Settings& more, RdKafka::RebalanceCb* rebalances = nullptr) {
  std::string error;
  Settings all{{"auto.offset.reset", "earliest"}};
  all.insert(more.begin(), more.end());
  std::unique_ptr<RdKafka::KafkaConsumer> made(
      RdKafka::KafkaConsumer::create(settings(all, nullptr, rebalances).get(), error));
  expect(made != nullptr, error);
  return made;
}

void send(RdKafka::Producer& producer, const std::string& topic, const std::string& value, int32_t partition = 0,
          const std::string& key = "") {
  expect_ok(producer.produce(topic, partition, RdKafka::Producer::RK_MSG_COPY, const_cast<char*>(value.data()),
                             value.size(), key.data(), key.size(), 0, nullptr, nullptr),
            "produce");
}

std::vector<std::string> read(RdKafka::KafkaConsumer& consumer, size_t count) {
  std::vector<std::string> got;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (got.size() < count) {
    expect(std::chrono::steady_clock::now() < deadline, "only " + std::to_string(got.size()) + " messages came");
    const std::unique_ptr<RdKafka::Message> message(consumer.consume(200));
    if (message->err() == RdKafka::ERR_NO_ERROR) {
      got.emplace_back(static_cast<const char*>(message->payload()), message->len());
    } else {
      expect(message->err() == RdKafka::ERR__TIMED_OUT || message->err() == RdKafka::ERR_UNKNOWN_TOPIC_OR_PART,
             message->errstr());
    }
  }
  return got;
}

std::vector<std::string> read_topic(const std::string& topic, size_t count, Settings more = {}) {
  more.try_emplace("group.id", "cpp-read-" + topic);
  const auto consumer = consumer_of(more);
  expect_ok(consumer->subscribe({topic}), "subscribe");
  auto got = read(*consumer, count);
  expect_ok(consumer->close(), "close");
  return got;
}

void compressions() {
  std::vector<std::string> sent;
  for (const std::string codec : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    Reports reports;
    const auto producer = producer_of({{"compression.codec", codec}, {"linger.ms", "100"}, {"acks", "all"}}, &reports);
    for (int i = 0; i < 200; ++i) {
      sent.push_back(codec + std::to_string(i) + std::string(100, 'x'));
      send(*producer, "cpp-packed", sent.back());
    }
    expect_ok(producer->flush(kPatienceMs), "flush");
    expect(reports.errors == 0 && reports.offsets.size() == 200, "delivery of " + codec);
    expect(std::is_sorted(reports.offsets.begin(), reports.offsets.end()), "offsets rise");
  }
  expect(read_topic("cpp-packed", sent.size()) == sent, "what came out is what went in");
}

void idempotent() {
  Reports reports;
  const auto producer = producer_of({{"enable.idempotence", "true"}, {"linger.ms", "1"}}, &reports);
  std::vector<std::string> sent;
  for (int i = 0; i < 1000; ++i) {
    sent.push_back(std::to_string(i));
    send(*producer, "cpp-idempotent", sent.back());
    if (i % 100 == 99) producer->poll(0);
  }
  expect_ok(producer->flush(kPatienceMs), "flush");
  expect(reports.offsets.size() == 1000 && reports.offsets.back() == 999, "a thousand offsets");
  expect(read_topic("cpp-idempotent", 1000) == sent, "in order, each once");
}

void transactions() {
  const auto producer = producer_of({{"transactional.id", "cpp-tx"}});
  expect_ok(producer->init_transactions(kPatienceMs), "init");
  expect_ok(producer->begin_transaction(), "begin");
  send(*producer, "cpp-tx", "aborted");
  expect_ok(producer->flush(kPatienceMs), "flush");
  expect_ok(producer->abort_transaction(kPatienceMs), "abort");
  expect_ok(producer->begin_transaction(), "begin");
  send(*producer, "cpp-tx", "committed");
  // The offsets of a consumer, in the same transaction.
  const auto consumer = consumer_of({{"group.id", "cpp-tx-in"}, {"enable.auto.commit", "false"}});
  expect_ok(consumer->subscribe({"cpp-idempotent"}), "subscribe");
  read(*consumer, 10);
  const std::unique_ptr<RdKafka::ConsumerGroupMetadata> group(consumer->groupMetadata());
  std::vector<RdKafka::TopicPartition*> offsets{RdKafka::TopicPartition::create("cpp-idempotent", 0, 10)};
  expect_ok(producer->send_offsets_to_transaction(offsets, group.get(), kPatienceMs), "send offsets");
  expect_ok(producer->commit_transaction(kPatienceMs), "commit");
  expect_ok(consumer->committed(offsets, kPatienceMs), "committed");
  expect(offsets[0]->offset() == 10, "the transaction committed offset 10");
  RdKafka::TopicPartition::destroy(offsets);
  consumer->close();
  expect(read_topic("cpp-tx", 1, {{"isolation.level", "read_committed"}}) == std::vector<std::string>{"committed"},
         "only what was committed");
  expect(read_topic("cpp-tx", 2, {{"isolation.level", "read_uncommitted"}, {"group.id", "cpp-tx-all"}})[0] == "aborted",
         "all of it, if asked");
}

void zombie_is_fenced() {
  const auto old = producer_of({{"transactional.id", "cpp-zombie"}});
  expect_ok(old->init_transactions(kPatienceMs), "init");
  expect_ok(old->begin_transaction(), "begin");
  send(*old, "cpp-zombie", "old");
  expect_ok(old->flush(kPatienceMs), "flush");
  const auto fresh = producer_of({{"transactional.id", "cpp-zombie"}});
  expect_ok(fresh->init_transactions(kPatienceMs), "the next producer takes over");
  const std::unique_ptr<RdKafka::Error> error(old->commit_transaction(kPatienceMs));
  expect(error != nullptr && error->is_fatal(), "the old one cannot commit");
  expect_ok(fresh->begin_transaction(), "begin");
  send(*fresh, "cpp-zombie", "fresh");
  expect_ok(fresh->commit_transaction(kPatienceMs), "commit");
  expect(read_topic("cpp-zombie", 1, {{"isolation.level", "read_committed"}}) == std::vector<std::string>{"fresh"},
         "only the new one's");
}

struct Rebalances : RdKafka::RebalanceCb {
  std::set<int32_t> mine;
  int losses = 0;
  void rebalance_cb(RdKafka::KafkaConsumer* consumer, RdKafka::ErrorCode code,
                    std::vector<RdKafka::TopicPartition*>& parts) override {
    const bool is_cooperative = consumer->rebalance_protocol() == "COOPERATIVE";
    if (code == RdKafka::ERR__ASSIGN_PARTITIONS) {
      for (const auto* part : parts) mine.insert(part->partition());
      if (is_cooperative) {
        delete consumer->incremental_assign(parts);
      } else {
        consumer->assign(parts);
      }
    } else {
      losses += static_cast<int>(parts.size());
      for (const auto* part : parts) mine.erase(part->partition());
      if (is_cooperative) {
        delete consumer->incremental_unassign(parts);
      } else {
        consumer->unassign();
      }
    }
  }
};

void rebalance(const std::string& strategy) {
  const std::string topic = "cpp-four", group = "cpp-" + strategy;
  const Settings how{{"group.id", group},
                     {"partition.assignment.strategy", strategy},
                     {"session.timeout.ms", "6000"},
                     {"heartbeat.interval.ms", "200"}};
  Rebalances first, second;
  auto one = consumer_of(how, &first);
  expect_ok(one->subscribe({topic}), "subscribe");
  const auto poll = [&](const std::vector<RdKafka::KafkaConsumer*>& who, const std::function<bool()>& holds,
                        const std::string& what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (!holds()) {
      expect(std::chrono::steady_clock::now() < deadline, what);
      for (auto* each : who) delete each->consume(20);
    }
  };
  poll({one.get()}, [&] { return first.mine.size() == 4; }, "one member has all");
  auto two = consumer_of(how, &second);
  expect_ok(two->subscribe({topic}), "subscribe");
  poll(
      {one.get(), two.get()}, [&] { return first.mine.size() == 2 && second.mine.size() == 2; },
      "two members have half each");
  if (strategy == "cooperative-sticky") expect(first.losses == 2, "the first kept two all the time");
  one->close();
  poll({two.get()}, [&] { return second.mine.size() == 4; }, "who stays has all again");
  two->close();
}

void offsets_and_watermarks() {
  const auto consumer = consumer_of({{"group.id", "cpp-offsets"}, {"enable.auto.commit", "false"}});
  int64_t low = -1, high = -1;
  expect_ok(consumer->query_watermark_offsets("cpp-idempotent", 0, &low, &high, kPatienceMs), "watermarks");
  expect(low == 0 && high == 1000, "0 and 1000");
  std::vector<RdKafka::TopicPartition*> parts{RdKafka::TopicPartition::create("cpp-idempotent", 0, 990)};
  expect_ok(consumer->assign(parts), "assign");
  expect(read(*consumer, 10).front() == "990", "reading from an offset");
  parts[0]->set_offset(42);
  expect_ok(consumer->commitSync(parts), "commit");
  parts[0]->set_offset(-1001);
  expect_ok(consumer->committed(parts, kPatienceMs), "committed");
  expect(parts[0]->offset() == 42, "42 came back");
  parts[0]->set_offset(4'000'000'000'000);
  expect_ok(consumer->offsetsForTimes(parts, kPatienceMs), "offsets for times");
  expect(parts[0]->offset() == RdKafka::Topic::OFFSET_END, "nothing is that young");
  RdKafka::TopicPartition::destroy(parts);
  consumer->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  endpoint = argv[1];
  const std::vector<std::pair<std::string, std::function<void()>>> steps{
      {"compressions", compressions},
      {"idempotent", idempotent},
      {"transactions", transactions},
      {"zombie_is_fenced", zombie_is_fenced},
      {"rebalance_eager", [] { rebalance("range"); }},
      {"rebalance_cooperative", [] { rebalance("cooperative-sticky"); }},
      {"offsets_and_watermarks", offsets_and_watermarks}};
  for (const auto& [name, run] : steps) {
    step = name;
    run();
    std::printf("ok %s\n", name.c_str());
    std::fflush(stdout);
  }
  return 0;
}
