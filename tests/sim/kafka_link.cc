#include "tests/sim/kafka_link.h"

#include "base/check.h"

namespace keelson::sim_test {

namespace {

using kafka::Reader;
using kafka::Writer;

constexpr size_t kReadBytes = 16384;
constexpr size_t kFrameBytesMax = size_t{64} << 20;
constexpr int32_t kTimeoutMs = 30'000;

// Of the form: an array of topics, each with an array of partitions; here one of each.
void one_partition(Writer& out, const std::string& topic, int32_t partition) {
  out.count(1, false);
  out.string(topic, false);
  out.count(1, false);
  out.int32(partition);
}

void nullable_id(Writer& out, const std::string& id) { id.empty() ? out.null_string(false) : out.string(id, false); }

// Kafka's errors that send a client to look who leads or coordinates now.
bool is_elsewhere(int16_t error) {
  switch (error) {
    case 3:   // UNKNOWN_TOPIC_OR_PARTITION
    case 5:   // LEADER_NOT_AVAILABLE
    case 6:   // NOT_LEADER_OR_FOLLOWER
    case 7:   // REQUEST_TIMED_OUT
    case 15:  // COORDINATOR_NOT_AVAILABLE
    case 16:  // NOT_COORDINATOR
    case 56:  // KAFKA_STORAGE_ERROR
      return true;
    default:
      return false;
  }
}

// The answer's side of one_partition(): false if it has another shape.
bool one_partition(Reader& in) {
  if (in.count(false, 1, 1) != 1) return false;
  in.string(false);
  if (in.count(false, 1, 1) != 1) return false;
  in.int32();
  return !in.failed();
}

}  // namespace

Task<bool> KafkaLink::connect(size_t server) {
  auto stream = co_await env_.network().connect(env_.reactor(0), servers_.all[server]);
  if (!stream.ok()) co_return false;
  connections_.insert_or_assign(server, Connection{std::move(*stream), {}});
  co_return true;
}

// What was known to be there is looked for again.
void KafkaLink::disconnect(size_t server) {
  connections_.erase(server);
  std::erase_if(known_, [server](const auto& one) { return one.second == server; });
}

Task<bool> KafkaLink::ask(Place place, int16_t key, int16_t version, Body body) {
  const std::optional<size_t> server = co_await find(place);
  if (!server) co_return false;
  place_ = std::move(place);
  co_return co_await exchange(*server, key, version, std::move(body));
}

Task<bool> KafkaLink::exchange(size_t server, int16_t key, int16_t version, Body body) {
  asked_ = server;
  if (!connections_.contains(server) && !co_await connect(server)) {
    disconnect(server);
    co_return false;
  }
  Connection& connection = connections_.at(server);
  env::Timer deadline(env_.reactor(0), [&connection] { connection.stream->close(); });
  if (servers_.answer_within_ns != 0) deadline.arm_after(servers_.answer_within_ns);
  Writer out;
  const Writer::Frame frame = out.begin_frame();
  out.int16(key);
  out.int16(version);
  out.int32(++correlation_);
  out.string("sim", false);
  body(out);
  KEELSON_CHECK(out.end_frame(frame), "the simulated clients' requests are small");
  const std::string bytes = out.flattened();
  if (!(co_await connection.stream->write(bytes)).ok()) {
    disconnect(server);
    co_return false;
  }
  Buffer& input = connection.input;
  for (;;) {
    Reader in(input.view());
    const int32_t size = in.int32();
    if (!in.failed() && (size < 4 || static_cast<size_t>(size) > kFrameBytesMax)) break;
    if (!in.failed() && in.rest().size() >= static_cast<size_t>(size)) {
      if (in.int32() != correlation_) break;
      answer_ = in.rest().substr(0, static_cast<size_t>(size) - 4);
      input.consume(static_cast<size_t>(size) + 4);
      co_return true;
    }
    const env::IoOutcome got = co_await connection.stream->read({input.reserve(kReadBytes), kReadBytes});
    if (!got.ok()) break;
    input.commit(got.count);
  }
  disconnect(server);
  co_return false;
}

bool KafkaLink::end(const Reader& reader, int16_t error) {
  if (reader.failed() || !reader.rest().empty()) {
    disconnect(asked_);
    return false;
  }
  if (is_elsewhere(error)) known_.erase(place_);
  return true;
}

// ---- Who has what.

size_t KafkaLink::any_server() { return env_.reactor(0).random().next() % servers_.all.size(); }

std::optional<size_t> KafkaLink::server_at(std::string_view host, int32_t port) const {
  for (size_t i = 0; i < servers_.all.size(); ++i) {
    if (servers_.all[i].host == host && servers_.all[i].port == port) return i;
  }
  return std::nullopt;
}

Task<std::optional<size_t>> KafkaLink::find(Place place) {
  if (servers_.all.size() == 1) co_return 0;
  if (place.kind == Place::Kind::kAny) co_return any_server();
  if (const auto known = known_.find(place); known != known_.end()) co_return known->second;
  const auto found =
      place.kind == Place::Kind::kPartition ? co_await find_leader(place) : co_await find_coordinator(place);
  if (found) known_.insert_or_assign(std::move(place), *found);
  co_return found;
}

Task<std::optional<size_t>> KafkaLink::find_leader(Place place) {
  const bool is_answered = co_await exchange(any_server(), 3, 4, [&](Writer& out) {
    out.count(1, false);
    out.string(place.name, false);
    out.boolean(false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  std::map<int32_t, std::optional<size_t>> brokers;
  for (size_t count = in.count(false, 1, 1); count != 0 && !in.failed(); --count) {
    const int32_t id = in.int32();
    const std::string_view host = in.string(false);
    brokers[id] = server_at(host, in.int32());
    in.nullable_string(false);
  }
  in.nullable_string(false);
  in.int32();
  std::optional<size_t> leader;
  for (size_t topics = in.count(false, 1, 1); topics != 0 && !in.failed(); --topics) {
    in.int16();
    in.string(false);
    in.boolean();
    for (size_t partitions = in.count(false, 1, 1); partitions != 0 && !in.failed(); --partitions) {
      const int16_t error = in.int16();
      const int32_t partition = in.int32();
      const auto broker = brokers.find(in.int32());
      for (int list = 0; list < 2; ++list) {
        for (size_t nodes = in.count(false, 4, 4); nodes != 0 && !in.failed(); --nodes) in.int32();
      }
      if (error == kNoError && partition == place.partition && broker != brokers.end()) leader = broker->second;
    }
  }
  if (!end(in, kNoError)) co_return std::nullopt;
  co_return leader;
}

Task<std::optional<size_t>> KafkaLink::find_coordinator(Place place) {
  const bool is_answered = co_await exchange(any_server(), 10, 1, [&](Writer& out) {
    out.string(place.name, false);
    out.int8(place.kind == Place::Kind::kGroup ? 0 : 1);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  const int16_t error = in.int16();
  in.nullable_string(false);
  in.int32();
  const std::string_view host = in.string(false);
  const int32_t port = in.int32();
  if (!end(in, kNoError) || error != kNoError) co_return std::nullopt;
  co_return server_at(host, port);
}

// ---- Requests.

std::optional<KafkaLink::Result> KafkaLink::one_topic(bool has_message) {
  Reader in = answer();
  in.int32();
  in.count(false, 1, 1);
  in.string(false);
  const Result result{.error = in.int16()};
  if (has_message) in.nullable_string(false);
  if (!end(in, result.error)) return std::nullopt;
  return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::create_topic(
    std::string name, int32_t partitions, std::vector<std::pair<std::string, std::string>> configs) {
  const bool is_answered = co_await ask({}, 19, 2, [&](Writer& out) {
    out.count(1, false);
    out.string(name, false);
    out.int32(partitions);
    out.int16(1);
    out.count(0, false);
    out.count(configs.size(), false);
    for (const auto& [key, value] : configs) {
      out.string(key, false);
      out.string(value, false);
    }
    out.int32(kTimeoutMs);
    out.boolean(false);
  });
  if (!is_answered) co_return std::nullopt;
  co_return one_topic(true);
}

Task<std::optional<KafkaLink::Result>> KafkaLink::delete_topic(std::string name) {
  const bool is_answered = co_await ask({}, 20, 1, [&](Writer& out) {
    out.count(1, false);
    out.string(name, false);
    out.int32(kTimeoutMs);
  });
  if (!is_answered) co_return std::nullopt;
  co_return one_topic(false);
}

Task<std::optional<KafkaLink::Result>> KafkaLink::add_partitions(std::string topic, int32_t partitions) {
  const bool is_answered = co_await ask({}, 37, 0, [&](Writer& out) {
    out.count(1, false);
    out.string(topic, false);
    out.int32(partitions);
    out.int32(-1);
    out.int32(kTimeoutMs);
    out.boolean(false);
  });
  if (!is_answered) co_return std::nullopt;
  co_return one_topic(true);
}

Task<std::optional<KafkaLink::Result>> KafkaLink::produce(std::string topic, int32_t partition, std::string batch,
                                                          std::string transactional_id) {
  const bool is_answered = co_await ask(at(topic, partition), 0, 7, [&](Writer& out) {
    nullable_id(out, transactional_id);
    out.int16(-1);
    out.int32(kTimeoutMs);
    one_partition(out, topic, partition);
    out.bytes(batch, false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  if (!one_partition(in)) in.fail();
  Result result{.error = in.int16()};
  result.value = in.int64();
  in.int64();
  in.int64();
  in.int32();
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Fetched>> KafkaLink::fetch(FetchWish wish) {
  const bool is_answered = co_await ask(at(wish.topic, wish.partition), 1, 11, [&](Writer& out) {
    out.int32(-1);
    out.int32(wish.wait_ms);
    out.int32(1);
    out.int32(wish.bytes_max);
    out.int8(wish.is_committed_only ? 1 : 0);
    out.int32(0);
    out.int32(-1);
    one_partition(out, wish.topic, wish.partition);
    out.int32(-1);
    out.int64(wish.offset);
    out.int64(-1);
    out.int32(wish.bytes_max);
    out.count(0, false);
    out.string("", false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  Fetched fetched;
  fetched.error = in.int16();
  in.int32();
  if (fetched.error != kNoError) {
    if (is_elsewhere(fetched.error)) known_.erase(place_);
    co_return fetched;
  }
  if (!one_partition(in)) in.fail();
  fetched.error = in.int16();
  fetched.high_watermark = in.int64();
  fetched.last_stable = in.int64();
  fetched.log_start = in.int64();
  if (const auto aborted = in.nullable_count(false, 16, 16)) {
    for (size_t i = 0; i < *aborted; ++i) {
      const int64_t producer = in.int64();
      fetched.aborted.emplace_back(producer, in.int64());
    }
  }
  in.int32();
  fetched.batches = in.nullable_bytes(false).value_or("");
  if (!end(in, fetched.error)) co_return std::nullopt;
  co_return fetched;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::find_offset(std::string topic, int32_t partition, int64_t time_ms) {
  const bool is_answered = co_await ask(at(topic, partition), 2, 2, [&](Writer& out) {
    out.int32(-1);
    out.int8(0);
    one_partition(out, topic, partition);
    out.int64(time_ms);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  Result result{.error = in.int16()};
  in.int64();
  result.value = in.int64();
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::delete_records(std::string topic, int32_t partition, int64_t below) {
  const bool is_answered = co_await ask(at(topic, partition), 21, 1, [&](Writer& out) {
    one_partition(out, topic, partition);
    out.int64(below);
    out.int32(kTimeoutMs);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  Result result;
  result.value = in.int64();
  result.error = in.int16();
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Initialised>> KafkaLink::init_producer(std::string transactional_id, int32_t timeout_ms) {
  const bool is_answered =
      co_await ask(transactional_id.empty() ? Place() : of_transaction(transactional_id), 22, 1, [&](Writer& out) {
        nullable_id(out, transactional_id);
        out.int32(timeout_ms);
      });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  Initialised result;
  result.error = in.int16();
  result.producer.id = in.int64();
  result.producer.epoch = in.int16();
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::add_partition(std::string transactional_id, ProducerState producer,
                                                                std::string topic, int32_t partition) {
  const bool is_answered = co_await ask(of_transaction(transactional_id), 24, 1, [&](Writer& out) {
    out.string(transactional_id, false);
    out.int64(producer.id);
    out.int16(producer.epoch);
    one_partition(out, topic, partition);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::add_offsets(std::string transactional_id, ProducerState producer,
                                                              std::string group) {
  const bool is_answered = co_await ask(of_transaction(transactional_id), 25, 0, [&](Writer& out) {
    out.string(transactional_id, false);
    out.int64(producer.id);
    out.int16(producer.epoch);
    out.string(group, false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::commit_in_transaction(std::string transactional_id,
                                                                        ProducerState producer, std::string group,
                                                                        std::string topic, int32_t partition,
                                                                        int64_t offset) {
  const bool is_answered = co_await ask(of_group(group), 28, 2, [&](Writer& out) {
    out.string(transactional_id, false);
    out.string(group, false);
    out.int64(producer.id);
    out.int16(producer.epoch);
    one_partition(out, topic, partition);
    out.int64(offset);
    out.int32(-1);
    out.null_string(false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::end_transaction(std::string transactional_id, ProducerState producer,
                                                                  bool is_commit) {
  const bool is_answered = co_await ask(of_transaction(transactional_id), 26, 1, [&](Writer& out) {
    out.string(transactional_id, false);
    out.int64(producer.id);
    out.int16(producer.epoch);
    out.boolean(is_commit);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Joined>> KafkaLink::join(std::string group, std::string member, int32_t session_ms,
                                                       int32_t rebalance_ms) {
  const bool is_answered = co_await ask(of_group(group), 11, 5, [&](Writer& out) {
    out.string(group, false);
    out.int32(session_ms);
    out.int32(rebalance_ms);
    out.string(member, false);
    out.null_string(false);
    out.string("consumer", false);
    out.count(1, false);
    out.string("range", false);
    out.bytes("", false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  Joined joined;
  joined.error = in.int16();
  joined.generation = in.int32();
  in.string(false);
  joined.leader = in.string(false);
  joined.member = in.string(false);
  const size_t members = in.count(false, 1, 1);
  for (size_t i = 0; i < members; ++i) {
    joined.members.emplace_back(in.string(false));
    in.nullable_string(false);
    in.bytes(false);
  }
  if (!end(in, joined.error)) co_return std::nullopt;
  co_return joined;
}

Task<std::optional<KafkaLink::Synced>> KafkaLink::sync(std::string group, int32_t generation, std::string member,
                                                       std::vector<std::pair<std::string, std::string>> assignments) {
  const bool is_answered = co_await ask(of_group(group), 14, 3, [&](Writer& out) {
    out.string(group, false);
    out.int32(generation);
    out.string(member, false);
    out.null_string(false);
    out.count(assignments.size(), false);
    for (const auto& [whose, assignment] : assignments) {
      out.string(whose, false);
      out.bytes(assignment, false);
    }
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  Synced synced{.error = in.int16(), .assignment = {}};
  synced.assignment = in.bytes(false);
  if (!end(in, synced.error)) co_return std::nullopt;
  co_return synced;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::heartbeat(std::string group, int32_t generation, std::string member) {
  const bool is_answered = co_await ask(of_group(group), 12, 3, [&](Writer& out) {
    out.string(group, false);
    out.int32(generation);
    out.string(member, false);
    out.null_string(false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::leave(std::string group, std::string member) {
  const bool is_answered = co_await ask(of_group(group), 13, 1, [&](Writer& out) {
    out.string(group, false);
    out.string(member, false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::commit(std::string group, int32_t generation, std::string member,
                                                         std::string topic, int32_t partition, int64_t offset) {
  const bool is_answered = co_await ask(of_group(group), 8, 7, [&](Writer& out) {
    out.string(group, false);
    out.int32(generation);
    out.string(member, false);
    out.null_string(false);
    one_partition(out, topic, partition);
    out.int64(offset);
    out.int32(-1);
    out.null_string(false);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  const Result result{.error = in.int16()};
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

Task<std::optional<KafkaLink::Result>> KafkaLink::committed(std::string group, std::string topic, int32_t partition) {
  const bool is_answered = co_await ask(of_group(group), 9, 5, [&](Writer& out) {
    out.string(group, false);
    one_partition(out, topic, partition);
  });
  if (!is_answered) co_return std::nullopt;
  Reader in = answer();
  in.int32();
  if (!one_partition(in)) in.fail();
  Result result;
  result.value = in.int64();
  in.int32();
  in.nullable_string(false);
  result.error = in.int16();
  const int16_t of_all = in.int16();
  if (result.error == kNoError) result.error = of_all;
  if (!end(in, result.error)) co_return std::nullopt;
  co_return result;
}

}  // namespace keelson::sim_test
