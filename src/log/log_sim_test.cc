// The log and its checkpoints over many seeds of crashes, torn and lost writes, full and slow disks: after every
// recovery the state of each shard must be what was acknowledged. And the test of that test: each planted defect must
// be found.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "log/checkpoint_file.h"
#include "log/log_harness.h"

namespace keelson::log {
namespace {

using env::sim::kMicrosecond;
using env::sim::kMillisecond;
using env::sim::kSecond;
using env::sim::SimOptions;

constexpr const char* kCheckpoints = "data/checkpoints";

// What a shard must hold: its "engine" is a hash over all payloads in order.
struct ShardModel {
  std::vector<uint64_t> state{0};  // after each index; state[i] belongs to index i
  uint64_t acknowledged = 0;       // every index up to it
  uint64_t synced = 0;             // by sync(), whatever the durability
  [[nodiscard]] uint64_t last_index() const { return state.size() - 1; }
};

uint64_t next_state(uint64_t state, std::string_view payload) { return hash64(payload, state); }

// A record that was appended and waits for its outcome.
class Appended final : public CommitWaiter {
 public:
  explicit Appended(std::vector<ShardModel>& model) : model_(model) {}
  void committed(LogErrc told) override {
    outcome = told;
    if (told != LogErrc::kOk) return;
    for (const auto& [shard, index] : parts) model_[shard].acknowledged = std::max(model_[shard].acknowledged, index);
  }
  std::vector<std::pair<ShardId, uint64_t>> parts;
  std::optional<LogErrc> outcome;

 private:
  std::vector<ShardModel>& model_;
};

// Applies what recovery hands over to the state that the checkpoints gave.
class Replay final : public RecoveryHandler {
 public:
  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    state[shard] = next_state(state[shard], payload);
    last_index[shard] = index;
  }
  std::vector<uint64_t> state;
  std::vector<uint64_t> last_index;
};

struct Plan {
  LogFaults faults;
  Durability durability = Durability::kAlways;
  // Every second shard has this one instead.
  std::optional<Durability> others = {};
  bool with_full_disk = true;
  // Writes, syncs and changes of names fail now and then (not while a log is opened).
  bool with_errors = false;
};

class LogSimulation {
 public:
  LogSimulation(uint64_t seed, const Plan& plan)
      : plan_(plan), world_(seed, sim_options()), node_(world_.add_node(1 + static_cast<unsigned>(pick(3)))) {
    shards_.resize(1 + pick(5));
    options_.durability = plan.durability;
    for (size_t i = 0; i < shards_.size(); ++i) options_.durability_of.push_back(durability_of(i));
    options_.sync_interval_ms = 20;
    options_.segment_bytes = 8192 << pick(2);
    options_.faults = plan.faults;
    if (plan.with_full_disk) world_.options().disk.full_probability = 0.02;
    world_.options().disk.full_ns_max = 50 * kMillisecond;
    world_.options().disk.slow_sync_probability = 0.05;
    world_.options().disk.slow_sync_ns_max = 20 * kMillisecond;
    world_.options().machine.split_turn_probability = 0.1;
  }

  // What went wrong, or nothing.
  std::optional<std::string> run() {
    const uint64_t lives = 3 + pick(4);
    for (uint64_t life = 0; life < lives && !violation_; ++life) {
      recover();
      if (violation_) break;
      live();
      if (violation_) break;
      end_life();
    }
    if (!violation_) recover();
    log_.reset();
    return violation_;
  }
  [[nodiscard]] uint64_t trace_hash() const { return world_.trace_hash(); }
  [[nodiscard]] uint64_t crashes() const { return crashes_; }
  [[nodiscard]] uint64_t checkpoints() const { return checkpoints_; }

  // For tests that damage what is on the disk between two lives.
  void live_once_and_stop() {
    recover();
    live();
    if (!violation_) violate_if(!world_.run(node_.reactor(0), log_->stop()).ok(), "cannot stop");
    close();
  }
  void recover() {
    set_errors(false);
    violate_if(!load_checkpoints(), "a checkpoint cannot be read");
    if (violation_) return;
    auto result = world_.run(
        node_.reactor(0), LocalLog::open(node_.env(), node_.reactor(0), "data/log", options_, first_index_, replay_));
    if (!result.ok()) return violate("the log cannot be opened: " + result.error().message());
    log_ = std::move(*result);
    for (unsigned i = 0; i < node_.env().reactor_count(); ++i) ports_.push_back(log_->make_port(node_.reactor(i)));
    background_ = std::make_unique<env::TaskScope>(node_.reactor(0));
    if (const auto& damage = log_->recovery().damage; !damage.empty() && !expects_damage_) {
      return violate("damage is reported: " + damage[0].why);
    }
    for (size_t i = 0; i < shards_.size(); ++i) check_shard(static_cast<ShardId>(i));
    if (!expects_damage_) check_atomicity();
    set_errors(plan_.with_errors);
  }
  void expect_damage() { expects_damage_ = true; }
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  [[nodiscard]] const LocalLog& log() const { return *log_; }
  [[nodiscard]] env::sim::Node& node() { return node_; }
  env::sim::World& world() { return world_; }
  [[nodiscard]] uint64_t records() const {
    uint64_t count = 0;
    for (const ShardModel& shard : shards_) count += shard.last_index();
    return count;
  }

 private:
  static SimOptions sim_options() {
    SimOptions options;
    options.disk.lose_write_probability = 0.5;
    options.disk.tear_write_probability = 0.3;
    options.disk.lose_name_probability = 0.5;
    return options;
  }
  uint64_t pick(uint64_t count) { return world_.random().next() % count; }
  void violate(std::string what) {
    if (!violation_) violation_ = std::move(what);
  }
  void violate_if(bool is_wrong, const std::string& what) {
    if (is_wrong) violate(what);
  }
  void set_errors(bool on) {
    env::sim::DiskFaults& faults = world_.options().disk;
    faults.write_error_probability = on ? 0.001 : 0;
    faults.sync_error_probability = on ? 0.005 : 0;
    faults.name_error_probability = on ? 0.02 : 0;
  }
  [[nodiscard]] Durability durability_of(size_t shard) const {
    return plan_.others && shard % 2 == 1 ? *plan_.others : plan_.durability;
  }

  // Recovery.

  bool load_checkpoints() {
    replay_.state.assign(shards_.size(), 0);
    replay_.last_index.assign(shards_.size(), 0);
    first_index_.assign(shards_.size(), 1);
    needed_from_.assign(shards_.size(), 1);
    env::Disk& disk = node_.env().disk();
    if (!disk.make_folder(kCheckpoints).ok() || !remove_unfinished_checkpoints(disk, kCheckpoints).ok()) return false;
    auto files = list_checkpoints(disk, kCheckpoints);
    if (!files.ok()) return false;
    for (const CheckpointFile& file : *files) {
      if (first_index_[file.shard] != 1) continue;  // the newest comes first
      auto reader = CheckpointReader::open(disk, file.path, plan_.faults);
      if (!reader.ok()) return false;
      auto piece = (*reader)->next();
      if (!piece.ok() || !*piece || (*piece)->size() != 20) return false;
      replay_.state[file.shard] = std::stoull(std::string(**piece));
      first_index_[file.shard] = file.index + 1;
      replay_.last_index[file.shard] = file.index;
      piece = (*reader)->next();
      if (!piece.ok() || *piece) return false;
    }
    needed_from_ = first_index_;
    return true;
  }

  void check_shard(ShardId id) {
    ShardModel& shard = shards_[id];
    const uint64_t last = replay_.last_index[id];
    const std::string name = "shard " + std::to_string(id);
    for (const ShardDamage& damage : log_->recovery().damage) {
      if (damage.shard != id) continue;
      violate_if(last > shard.last_index() || replay_.state[id] != shard.state[last],
                 name + " is damaged, and what it got before is not what was appended");
      return;
    }
    if (last > shard.last_index()) return violate(name + " has more records than were appended");
    if (durability_of(id) == Durability::kAlways && last < shard.acknowledged) {
      return violate(name + " lost acknowledged records: " + std::to_string(last) + " of " +
                     std::to_string(shard.acknowledged));
    }
    if (last < shard.synced) return violate(name + " lost records that sync() had promised");
    if (replay_.state[id] != shard.state[last]) return violate(name + " has another state than was appended");
    violate_if(log_->recovery().last_index[id] != last, name + " goes on at another index than it ended");
    shard.state.resize(last + 1);
    shard.acknowledged = shard.synced = last;
  }

  void check_atomicity() {
    for (const auto& parts : records_of_parts_) {
      size_t kept = 0;
      for (const auto& [shard, index] : parts) kept += index <= replay_.last_index[shard] ? 1 : 0;
      violate_if(kept != 0 && kept != parts.size(), "a record of several parts was recovered in part");
    }
    records_of_parts_.clear();
  }

  // Work.

  void live() {
    const uint64_t steps = 20 + pick(200);
    for (uint64_t i = 0; i < steps; ++i) {
      const uint64_t what = pick(100);
      if (what < 60) {
        append();
      } else if (what < 90) {
        world_.run_for(static_cast<int64_t>(pick(static_cast<uint64_t>(2 * kMillisecond))));
      } else if (what < 96) {
        start_checkpoint(static_cast<ShardId>(pick(shards_.size())));
      } else {
        background_->spawn(sync_now());
      }
    }
  }

  void append() {
    const auto reactor = static_cast<unsigned>(pick(node_.env().reactor_count()));
    const uint64_t count = 1 + pick(8);
    world_.run_on(node_.reactor(reactor), [&] {
      for (uint64_t i = 0; i < count; ++i) append_one(reactor);
    });
  }

  void append_one(unsigned reactor) {
    std::vector<ShardId> own;
    for (size_t i = 0; i < shards_.size(); ++i) {
      if (i % node_.env().reactor_count() == reactor) own.push_back(static_cast<ShardId>(i));
    }
    if (own.empty()) return;
    const size_t parts = pick(4) == 0 ? own.size() : 1;
    if (parts == 1) own = {own[pick(own.size())]};
    std::string payload(pick(20) == 0 ? pick(3000) : pick(100), static_cast<char>('a' + pick(26)));
    CommitLog& port = *ports_[reactor];
    if (port.admit((payload.size() + 1) * own.size()) != LogErrc::kOk) return;
    auto record = std::make_unique<Appended>(shards_);
    bool is_first = true;
    for (const ShardId id : own) {
      ShardModel& shard = shards_[id];
      payload += static_cast<char>('0' + id % 10);
      const auto index = shard.state.size();
      Buffer& to = is_first ? port.begin(id, index, world_.now_ns()) : port.also(id, index);
      is_first = false;
      to.append(payload);
      shard.state.push_back(next_state(shard.state.back(), payload));
      record->parts.emplace_back(id, index);
    }
    if (own.size() > 1) records_of_parts_.push_back(record->parts);
    if (port.end(*record) == Append::kCommitted) record->committed(LogErrc::kOk);
    appended_.push_back(std::move(record));
  }

  void start_checkpoint(ShardId id) {
    if (std::exchange(is_writing_checkpoint_, true)) return;
    background_->spawn(checkpoint(id));
  }

  Task<void> sync_now() {
    std::vector<uint64_t> reached;
    for (size_t i = 0; i < shards_.size(); ++i) {
      // Other reactors' records may still be on their way.
      reached.push_back(i % node_.env().reactor_count() == 0 ? shards_[i].acknowledged : 0);
    }
    Status status = co_await log_->sync();
    if (!status.ok()) co_return;
    for (size_t i = 0; i < shards_.size(); ++i) shards_[i].synced = std::max(shards_[i].synced, reached[i]);
  }

  Task<void> checkpoint(ShardId id) {
    const uint64_t index = shards_[id].acknowledged;
    if (index >= needed_from_[id]) co_await write_checkpoint(id, index);
    is_writing_checkpoint_ = false;
  }

  Task<void> write_checkpoint(ShardId id, uint64_t index) {
    std::string state = std::to_string(shards_[id].state[index]);
    state.insert(0, 20 - state.size(), '0');
    env::Disk& disk = node_.env().disk();
    // The reactor that appended hands over at the end of its turn.
    co_await env::sleep_for(node_.reactor(0), kMillisecond);
    Status status = co_await log_->sync();
    if (!status.ok()) co_return;
    const CheckpointHeader header{.engine = "model",
                                  .engine_version = 1,
                                  .shard = id,
                                  .index = index,
                                  .time_ms = world_.now_ns(),
                                  .log_id = log_->log_id()};
    auto writer = CheckpointWriter::create(disk, node_.reactor(0), kCheckpoints, header,
                                           {.sync_every_bytes = 100, .faults = plan_.faults});
    if (!writer.ok()) co_return;
    status = co_await (*writer)->append(state);
    if (status.ok()) status = co_await (*writer)->finish();
    if (!status.ok()) co_return;
    ++checkpoints_;
    needed_from_[id] = index + 1;
    if (!remove_older_checkpoints(disk, kCheckpoints, id, index).ok()) co_return;
    log_->trim(needed_from_);
  }

  void end_life() {
    const uint64_t how = pick(10);
    if (how < 2) {
      world_.options().disk.full_probability = 0;
      world_.run_for(kSecond);
      if (Status status = world_.run(node_.reactor(0), log_->stop()); !status.ok() && !plan_.with_errors) {
        violate("cannot stop: " + status.error().message());
      }
      if (log_->failure() == nullptr) {
        for (ShardModel& shard : shards_) shard.synced = shard.acknowledged;
      }
      if (plan_.with_full_disk) world_.options().disk.full_probability = 0.02;
      node_.stop();
    } else if (how < 4) {
      node_.kill();
    } else {
      node_.crash();
      ++crashes_;
    }
    close();
    node_.restart();
  }

  void close() {
    background_.reset();
    is_writing_checkpoint_ = false;
    ports_.clear();
    log_.reset();
    appended_.clear();
  }

  const Plan plan_;
  env::sim::World world_;
  env::sim::Node& node_;
  LocalLogOptions options_;
  std::vector<ShardModel> shards_;
  std::vector<std::vector<std::pair<ShardId, uint64_t>>> records_of_parts_;
  std::vector<uint64_t> first_index_;
  std::vector<uint64_t> needed_from_;
  Replay replay_;
  std::vector<std::unique_ptr<Appended>> appended_;
  std::unique_ptr<LocalLog> log_;
  std::vector<std::unique_ptr<CommitLog>> ports_;
  std::unique_ptr<env::TaskScope> background_;
  bool is_writing_checkpoint_ = false;
  bool expects_damage_ = false;
  std::optional<std::string> violation_;
  uint64_t crashes_ = 0;
  uint64_t checkpoints_ = 0;
};

class LogSim : public testing::Test {
 protected:
  void SetUp() override {
    set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  }
  void TearDown() override { set_log_sink(nullptr); }

  static void expect_sound(const Plan& plan, uint64_t seeds) {
    env::sim::for_each_seed(1, seeds, [&](uint64_t seed) {
      LogSimulation simulation(seed, plan);
      const auto violation = simulation.run();
      EXPECT_FALSE(violation) << *violation;
    });
  }
  // The seed that finds the defect; none is a failure of the test of the test.
  static void expect_found(const Plan& plan, uint64_t seeds) {
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      LogSimulation simulation(seed, plan);
      if (simulation.run()) return;
    }
    ADD_FAILURE() << "the planted defect was not found in " << seeds << " seeds";
  }
};

TEST_F(LogSim, AlwaysLosesNothingAcknowledged) { expect_sound({}, 500); }

TEST_F(LogSim, IntervalKeepsWhatWasSyncedAndWholeRecords) {
  expect_sound({.faults = {}, .durability = Durability::kInterval}, 150);
}

TEST_F(LogSim, NeverKeepsWhatWasSyncedAndWholeRecords) {
  expect_sound({.faults = {}, .durability = Durability::kNever}, 100);
}

TEST_F(LogSim, ShardsWithDurabilitiesOfTheirOwn) {
  expect_sound({.faults = {}, .durability = Durability::kAlways, .others = Durability::kInterval}, 100);
  expect_sound({.faults = {}, .durability = Durability::kNever, .others = Durability::kAlways}, 100);
}

TEST_F(LogSim, AFailingDiskLosesNothingAcknowledged) {
  expect_sound(
      {.faults = {}, .durability = Durability::kAlways, .others = {}, .with_full_disk = true, .with_errors = true},
      150);
}

TEST_F(LogSim, TheSameSeedGivesTheSameRun) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    uint64_t hashes[2] = {};
    for (uint64_t& hash : hashes) {
      LogSimulation simulation(seed, {});
      EXPECT_FALSE(simulation.run());
      hash = simulation.trace_hash();
    }
    EXPECT_EQ(hashes[0], hashes[1]) << "seed " << seed;
  }
}

TEST_F(LogSim, FindsASkippedSync) { expect_found({.faults = {.skip_sync = true}}, 50); }
TEST_F(LogSim, FindsAnIgnoredCrc) { expect_found({.faults = {.ignore_crc = true}}, 200); }
TEST_F(LogSim, FindsARenameWithoutFolderSync) { expect_found({.faults = {.skip_folder_sync = true}}, 50); }
TEST_F(LogSim, FindsATrimThatTakesTooMuch) { expect_found({.faults = {.trim_too_much = true}}, 50); }

// A bit that turns over in what a clean stop left behind is found: whatever a shard gets is what was appended, and a
// shard that does not get everything says so, and where.
TEST_F(LogSim, NoFlippedBitIsServed) {
  uint64_t damaged = 0;
  uint64_t runs = 0;
  env::sim::for_each_seed(1, 200, [&](uint64_t seed) {
    LogSimulation simulation(
        seed,
        {.faults = {}, .durability = Durability::kAlways, .others = {}, .with_full_disk = false, .with_errors = false});
    ++runs;
    simulation.live_once_and_stop();
    ASSERT_FALSE(simulation.violation()) << *simulation.violation();
    env::sim::Node& node = simulation.node();
    auto names = node.env().disk().list("data/log");
    ASSERT_TRUE(names.ok());
    std::vector<std::string> segments;
    for (const std::string& name : *names) {
      if (name.ends_with(".log")) segments.push_back("data/log/" + name);
    }
    ASSERT_FALSE(segments.empty());
    env::Random& random = simulation.world().random();
    const std::string path = segments[random.next() % segments.size()];
    const uint64_t size = node.disk().content(path)->size();
    ASSERT_TRUE(node.disk().flip_bit(path, random.next() % size, static_cast<unsigned>(random.next() % 8)).ok());
    simulation.expect_damage();
    simulation.recover();
    EXPECT_FALSE(simulation.violation()) << *simulation.violation();
    for (const ShardDamage& damage : simulation.log().recovery().damage) {
      EXPECT_EQ(damage.file, path);
      EXPECT_GT(damage.offset_bytes, 0U);
      ++damaged;
    }
  });
  if (runs >= 100) {
    EXPECT_GT(damaged, 10U) << "the flips hit records";
  }
}

}  // namespace
}  // namespace keelson::log
