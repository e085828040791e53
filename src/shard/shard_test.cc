// Shards, batches and loans over a log that delays and refuses, compared with what the log has committed.

#include "shard/shard.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/coding.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "shard/batch.h"
#include "shard/fake_log.h"
#include "shard/loan.h"
#include "shard/record.h"
#include "shard/runtime.h"
#include "shard/visit.h"

namespace keelson::shard {
namespace {

constexpr uint16_t kAppend = 1;  // key, text: appends the text, answers the new length
constexpr uint16_t kRead = 2;    // key
constexpr uint16_t kShards = 4;
constexpr unsigned kReactors = 3;

class TextSink final : public engine::ReplySink {
 public:
  std::string text;
};

class TextEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override {
    EXPECT_EQ(context.index, last_index + 1) << "records are applied in order, without a gap";
    last_index = context.index;
    last_time_ms = context.time_ms;
    std::string& value = values[std::string(command.args[0])];
    value += command.args[1];
    static_cast<TextSink&>(reply).text = std::to_string(value.size());
  }
  void query(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    const auto found = values.find(std::string(command.args[0]));
    static_cast<TextSink&>(reply).text = found == values.end() ? "" : found->second;
  }
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override { return nullptr; }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override { values.clear(); }

  std::map<std::string, std::string> values;
  uint64_t last_index = 0;
  int64_t last_time_ms = 0;
};

class TextOperation final : public BatchOperation {
 public:
  TextOperation(uint16_t code, std::string key, std::string text)
      : key_(std::move(key)), text_(std::move(text)), args_{key_, text_}, command_{code, 0, args_} {
    commands = {&command_, 1};
    is_write = code == kAppend;
    is_ordered = true;
  }
  engine::ReplySink& open_reply() override { return sink; }
  void finished(LogErrc result) override {
    outcome = result;
    ++times_finished;
    done();
  }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& added() const { return text_; }

  TextSink sink;
  LogErrc outcome = LogErrc::kStopped;
  int times_finished = 0;

 private:
  const std::string key_;
  const std::string text_;
  const std::vector<std::string_view> args_;
  const engine::Command command_;
};

struct House {
  House(env::sim::World& world, FakeLogOptions options) : node(world.add_node(kReactors)) {
    RuntimeOptions runtime_options;
    ServiceOptions& service = runtime_options.services.emplace_back();
    service.shard_count = kShards;
    service.make_engine = [this](ShardId) {
      auto engine = std::make_unique<TextEngine>();
      engines.push_back(engine.get());
      return engine;
    };
    runtime_options.make_log = [this, options](env::Reactor& reactor) {
      return std::make_unique<FakeLog>(reactor, journal, options);
    };
    runtime = std::make_unique<Runtime>(node.env(), runtime_options);
    const Status started = world.run(node.reactor(0), runtime->start());
    EXPECT_TRUE(started.ok());
  }
  ShardId shard_of(const std::string& key) const { return runtime->router().shard_of(key); }

  env::sim::Node& node;
  Journal journal;
  std::vector<TextEngine*> engines;
  std::unique_ptr<Runtime> runtime;
};

std::string key_of(uint64_t number) { return "key-" + std::to_string(number); }

// One connection: batches of writes, each remembered with its outcome, and loans over two shards.
Task<void> client(House& house, env::Reactor& here, uint64_t id, std::map<std::string, std::string>& committed) {
  env::Random& random = here.random();
  for (int round = 0; round < 20; ++round) {
    std::vector<std::unique_ptr<TextOperation>> operations;
    Batch batch(*house.runtime, here);
    const uint64_t count = 1 + random.next() % 8;
    for (uint64_t i = 0; i < count; ++i) {
      // A key of this client's own, so that the order of its texts is known.
      const std::string key = key_of(id * 4 + random.next() % 4);
      const bool is_read = random.next() % 4 == 0;
      operations.push_back(
          std::make_unique<TextOperation>(is_read ? kRead : kAppend, key, std::to_string(round) + ","));
      batch.add(*operations.back(), house.shard_of(key));
    }
    if (!batch.run()) co_await batch.done();
    std::map<std::string, std::string> seen = committed;
    for (const auto& operation : operations) {
      EXPECT_EQ(operation->times_finished, 1);
      if (operation->outcome != LogErrc::kOk) continue;
      std::string& value = seen[operation->key()];
      if (operation->is_write) {
        value += operation->added();
        EXPECT_EQ(operation->sink.text, std::to_string(value.size()));
      } else {
        EXPECT_EQ(operation->sink.text, value) << "an ordered query sees the writes before it";
      }
    }
    committed = seen;
  }
}

// Appends the same text to two keys, or to none.
Task<void> borrower(House& house, env::Reactor& here, uint64_t id, int rounds, std::string& committed) {
  const std::string one = "left-" + std::to_string(id);
  const std::string other = "right-" + std::to_string(id);
  for (int round = 0; round < rounds; ++round) {
    std::vector<ShardId> shards{house.shard_of(one), house.shard_of(other)};
    std::sort(shards.begin(), shards.end());
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
    Loan loan = co_await Loan::take(*house.runtime, here, shards);
    const std::string text = std::to_string(round) + ";";
    const std::vector<std::string_view> args_one{one, text};
    const std::vector<std::string_view> args_other{other, text};
    const engine::Command command_one{kAppend, 0, args_one};
    const engine::Command command_other{kAppend, 0, args_other};
    std::vector<Loan::Part> parts;
    if (shards.size() == 1) continue;
    parts.push_back({house.shard_of(one), {&command_one, 1}});
    parts.push_back({house.shard_of(other), {&command_other, 1}});
    const LogErrc outcome = co_await loan.commit(parts);
    if (outcome != LogErrc::kOk) continue;
    committed += text;
    for (const Loan::Part& part : parts) {
      TextSink sink;
      Shard& shard = loan.shard(part.shard);
      shard.engine().apply({shard.applied_index(), loan.time_ms(), 0}, part.commands[0], sink);
    }
  }
}

std::map<std::string, std::string> replayed(const Journal& journal, std::vector<uint64_t>& last_index) {
  std::map<std::string, std::string> values;
  RecordDecoder decoder;
  for (const auto& record : journal.records) {
    for (const Journal::Part& part : record) {
      EXPECT_EQ(part.index, last_index[part.shard] + 1) << "the log's records of a shard have no gap";
      last_index[part.shard] = part.index;
      EXPECT_TRUE(decoder.decode(part.payload).ok());
      for (const engine::Command& command : decoder.commands()) values[std::string(command.args[0])] += command.args[1];
    }
  }
  return values;
}

void run_clients(uint64_t seed, FakeLogOptions options) {
  env::sim::World world(seed);
  House house(world, options);
  constexpr uint64_t kClients = 9;
  std::vector<std::map<std::string, std::string>> committed(kClients);
  std::vector<std::string> both(kReactors);
  uint64_t left = kClients + kReactors;
  std::vector<std::unique_ptr<env::TaskScope>> scopes;
  for (unsigned i = 0; i < kReactors; ++i) scopes.push_back(std::make_unique<env::TaskScope>(house.node.reactor(i)));
  const auto count_down = [](Task<void> task, uint64_t& counter) -> Task<void> {
    co_await std::move(task);
    --counter;
  };
  for (uint64_t id = 0; id < kClients; ++id) {
    env::Reactor& here = house.node.reactor(id % kReactors);
    world.run_on(here,
                 [&, id] { scopes[id % kReactors]->spawn(count_down(client(house, here, id, committed[id]), left)); });
  }
  for (unsigned i = 0; i < kReactors; ++i) {
    env::Reactor& here = house.node.reactor(i);
    world.run_on(here, [&, i] { scopes[i]->spawn(count_down(borrower(house, here, i, 15, both[i]), left)); });
  }
  ASSERT_TRUE(world.run_until([&] { return left == 0; })) << "everybody is answered";

  std::vector<uint64_t> last_index(kShards);
  const std::map<std::string, std::string> truth = replayed(house.journal, last_index);
  std::map<std::string, std::string> expected;
  for (const auto& values : committed) {
    for (const auto& [key, value] : values) {
      if (!value.empty()) expected[key] = value;
    }
  }
  for (unsigned i = 0; i < kReactors; ++i) {
    if (both[i].empty()) continue;
    expected["left-" + std::to_string(i)] = both[i];
    expected["right-" + std::to_string(i)] = both[i];
  }
  EXPECT_EQ(truth, expected) << "what was acknowledged is what the log holds";
  std::map<std::string, std::string> state;
  for (ShardId id = 0; id < kShards; ++id) {
    state.insert(house.engines[id]->values.begin(), house.engines[id]->values.end());
    EXPECT_EQ(house.engines[id]->last_index, last_index[id]);
    EXPECT_TRUE(house.runtime->shard(id).is_idle());
  }
  EXPECT_EQ(state, expected) << "what the engines hold is what the log holds";
  if (options.refuse_one_in != 0) EXPECT_GT(house.journal.refused, 0U);
}

TEST(Shard, AnswersInOrderOverALateLog) {
  env::sim::for_each_seed(1, 40, [](uint64_t seed) { run_clients(seed, {}); });
}

TEST(Shard, KeepsNothingThatTheLogRefuses) {
  env::sim::for_each_seed(1, 40, [](uint64_t seed) { run_clients(seed, {.refuse_one_in = 7}); });
}

TEST(Shard, DamagedShardAnswersSo) {
  env::sim::World world(1);
  House house(world, {});
  house.runtime->shard(2).stop_damaged("segment x, offset 17");
  TextOperation operation(kRead, "any", "");
  Batch batch(*house.runtime, house.node.reactor(2));
  world.run_on(house.node.reactor(2), [&] { batch.add(operation, 2); });
  EXPECT_EQ(operation.outcome, LogErrc::kDamaged);
}

// Two services on one log, each with its own durability; a folder that knew one of them takes the second.
TEST(Services, ShareALogAndKeepTheirDurabilities) {
  env::sim::World world(1);
  env::sim::Node& node = world.add_node(2);
  TextSink unheard;
  std::vector<TextEngine*> engines;
  const auto options_for = [&](size_t services) {
    engines.clear();
    RuntimeOptions options;
    options.folder = "data";
    for (size_t i = 0; i < services; ++i) {
      ServiceOptions& service = options.services.emplace_back();
      service.name = i == 0 ? "first" : "second";
      service.shard_count = i == 0 ? 2 : 3;
      service.durability = i == 0 ? log::Durability::kInterval : log::Durability::kAlways;
      service.replay_sink = &unheard;
      service.make_engine = [&engines](ShardId) {
        auto engine = std::make_unique<TextEngine>();
        engines.push_back(engine.get());
        return engine;
      };
    }
    return options;
  };
  const auto write = [&](Runtime& runtime, ShardId shard) {
    auto operation = std::make_unique<TextOperation>(kAppend, "key", "x");
    env::Reactor& owner = runtime.reactor_of(shard);
    auto batch = std::make_unique<Batch>(runtime, owner);
    int finished_at_once = 0;
    world.run_on(owner, [&] {
      batch->add(*operation, shard);
      finished_at_once = operation->times_finished;
    });
    world.run_for(env::sim::kSecond / 2);
    EXPECT_EQ(operation->outcome, LogErrc::kOk);
    return finished_at_once == 1;
  };
  {
    Runtime runtime(node.env(), options_for(1));
    ASSERT_TRUE(world.run(node.reactor(0), runtime.start()).ok());
    EXPECT_TRUE(write(runtime, 1)) << "committed at once";
    ASSERT_TRUE(world.run(node.reactor(0), runtime.stop(false)).ok());
  }
  Runtime runtime(node.env(), options_for(2));
  ASSERT_TRUE(world.run(node.reactor(0), runtime.start()).ok());
  ASSERT_EQ(runtime.shards_total(), 5);
  EXPECT_EQ(engines[1]->values["key"], "x") << "what the first run wrote";
  EXPECT_EQ(runtime.router(1).first_shard(), 2);
  EXPECT_EQ(runtime.router(1).shard_count(), 3);
  for (uint64_t number = 0; number < 100; ++number) {
    EXPECT_LT(runtime.router(0).shard_of(key_of(number)), 2);
    EXPECT_GE(runtime.router(1).shard_of(key_of(number)), 2);
    EXPECT_LT(runtime.router(1).shard_of(key_of(number)), 5);
  }
  EXPECT_TRUE(write(runtime, 0));
  EXPECT_FALSE(write(runtime, 2)) << "waits for the sync";
  EXPECT_FALSE(write(runtime, 3));
  runtime.set_durability(0, log::Durability::kAlways);
  EXPECT_FALSE(write(runtime, 0));
  EXPECT_EQ(runtime.durability(1), log::Durability::kAlways);
  runtime.set_durability(1, log::Durability::kNever);
  EXPECT_EQ(runtime.durability(0), log::Durability::kAlways);
  EXPECT_TRUE(write(runtime, 4));
  ASSERT_TRUE(world.run(node.reactor(0), runtime.stop(false)).ok());
}

TEST(Record, DecodesWhatWasEncoded) {
  const std::vector<std::string_view> args{"SET", std::string_view("a\0b", 3), ""};
  const std::vector<engine::Command> commands{{7, 3, args}, {900, 0, {}}, {1, 15, std::span(args).first(1)}};
  Buffer payload;
  encode_commands(commands, payload);
  EXPECT_LE(payload.size(), encoded_bytes_max(commands));
  RecordDecoder decoder;
  ASSERT_TRUE(decoder.decode(payload.view()).ok());
  ASSERT_EQ(decoder.commands().size(), commands.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    const engine::Command& decoded = decoder.commands()[i];
    EXPECT_EQ(decoded.code, commands[i].code);
    EXPECT_EQ(decoded.space, commands[i].space);
    EXPECT_TRUE(std::equal(decoded.args.begin(), decoded.args.end(), commands[i].args.begin(), commands[i].args.end()));
  }
  // Cut anywhere, it is refused.
  for (size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(decoder.decode(payload.view().substr(0, size)).ok());
}

TEST(LogClock, FollowsForwardAndNeverGoesBack) {
  class TestClock final : public env::Clock {
   public:
    [[nodiscard]] int64_t monotonic_ns() const override { return monotonic_ms * 1'000'000; }
    [[nodiscard]] int64_t wall_ms() const override { return wall; }
    int64_t monotonic_ms = 0;
    int64_t wall = 1000;
  } machine;
  LogClock clock(machine);
  machine.wall = 5000;
  EXPECT_EQ(clock.refresh(), 5000);
  machine.wall = 3000;
  machine.monotonic_ms = 100;
  EXPECT_EQ(clock.refresh(), 5050) << "half speed while the wall is behind";
  machine.monotonic_ms = 200;
  EXPECT_EQ(clock.refresh(), 5100);
  machine.wall = 9000;
  EXPECT_EQ(clock.refresh(), 9000);
  clock.at_least(20'000);
  EXPECT_EQ(clock.now_ms(), 20'000);
}

}  // namespace
}  // namespace keelson::shard
