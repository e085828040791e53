// An engine with files of its own: what the runtime promises to it around checkpoints and recovery (engine/engine.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/sim/sim.h"
#include "log/checkpoint_file.h"
#include "shard/runtime.h"

namespace keelson::shard {
namespace {

class Silence final : public engine::ReplySink {};

// Counts its records, and keeps a file that a checkpoint refers to.
class FileEngine final : public engine::Engine {
 public:
  explicit FileEngine(env::Disk& disk) : disk_(disk) {}

  void apply(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {
    ++records;
    ++unsettled;
    unsettled_max = std::max(unsettled_max, unsettled);
  }
  void query(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override {
    events += "begin ";
    return std::make_unique<Source>(*this);
  }
  Status load_checkpoint(std::string_view piece) override {
    records = std::stoi(std::string(piece));
    return {};
  }
  void checkpoint_completed() override { events += "completed "; }
  void reset() override { records = 0; }
  Status settle() override {
    unsettled = 0;
    return {};
  }

  int records = 0;
  int unsettled = 0;
  int unsettled_max = 0;
  std::string events;
  bool fails = false;

 private:
  class Source final : public engine::CheckpointSource {
   public:
    explicit Source(FileEngine& engine) : engine_(engine), records_(engine.records) {}
    ~Source() override { engine_.events += "gone "; }
    bool next(size_t, Buffer& out) override {
      engine_.events += "next ";
      out.append(std::to_string(records_));
      return true;
    }
    Task<Status> make_durable(env::Reactor& here) override {
      engine_.events += "sync ";
      if (engine_.fails) co_return fail(make_error_code(env::DiskErrc::kFull), "there is no room");
      auto file = engine_.disk_.open("side", env::OpenMode::kReadWrite);
      if (!file.ok()) file = engine_.disk_.open("side", env::OpenMode::kCreate);
      if (!file.ok()) co_return forward_error(file);
      if (Status written = (*file)->write_at(0, std::to_string(records_)); !written.ok()) co_return written;
      Status synced = co_await (*file)->sync(here);
      if (!synced.ok()) co_return forward_error(synced);
      // Nothing may be counted on yet: no checkpoint file has its name.
      const auto files = log::list_checkpoints(engine_.disk_, "data/checkpoints");
      for (const log::CheckpointFile& one : *files) engine_.events += "had" + std::to_string(one.index) + " ";
      engine_.events += "synced ";
      co_return Status();
    }

   private:
    FileEngine& engine_;
    int records_;
  };
  env::Disk& disk_;
};

class Write final : public Operation {
 public:
  Write() {
    commands = {&command_, 1};
    is_write = true;
  }
  engine::ReplySink& open_reply() override { return silence_; }
  void finished(LogErrc result) override { outcome = result; }
  std::optional<LogErrc> outcome;

 private:
  Silence silence_;
  const std::string_view arg_ = "x";
  const engine::Command command_{1, 0, {&arg_, 1}};
};

class EngineFiles : public ::testing::Test {
 protected:
  void start() {
    RuntimeOptions options;
    options.folder = "data";
    ServiceOptions& service = options.services.emplace_back();
    service.name = "files";
    service.shard_count = 1;
    service.durability = log::Durability::kAlways;
    service.replay_sink = &silence;
    service.make_engine = [this](ShardId) {
      auto made = std::make_unique<FileEngine>(node.env().disk());
      engine = made.get();
      return made;
    };
    runtime = std::make_unique<Runtime>(node.env(), std::move(options));
    ASSERT_TRUE(world.run(node.reactor(0), runtime->start()).ok());
  }
  void write(int count) {
    for (int i = 0; i < count; ++i) {
      auto operation = std::make_unique<Write>();
      world.run_on(node.reactor(0), [&] { runtime->shard(0).submit(*operation); });
      ASSERT_TRUE(world.run_until([&] { return operation->outcome.has_value(); }));
      ASSERT_EQ(*operation->outcome, LogErrc::kOk);
    }
  }
  void crash() {
    runtime->abandon();
    node.crash();
    runtime.reset();
    node.restart();
  }
  Status checkpoint() { return world.run(node.reactor(0), runtime->checkpoint_all()); }

  env::sim::World world{1};
  env::sim::Node& node = world.add_node(1);
  Silence silence;
  FileEngine* engine = nullptr;
  std::unique_ptr<Runtime> runtime;
};

TEST_F(EngineFiles, AreDurableBeforeTheCheckpointCounts) {
  start();
  write(3);
  ASSERT_TRUE(checkpoint().ok());
  EXPECT_EQ(engine->events, "begin next sync synced gone completed ");
  write(2);
  engine->events.clear();
  ASSERT_TRUE(checkpoint().ok());
  EXPECT_EQ(engine->events, "begin next sync had3 synced gone completed ");
  crash();
  start();
  EXPECT_EQ(engine->records, 5);
  EXPECT_EQ(engine->unsettled_max, 0);
  runtime->abandon();
}

TEST_F(EngineFiles, NoCheckpointWithoutThem) {
  start();
  write(3);
  engine->fails = true;
  const Status failed = checkpoint();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message(), "there is no room");
  EXPECT_EQ(engine->events, "begin next sync gone ");
  EXPECT_TRUE(log::list_checkpoints(node.env().disk(), "data/checkpoints")->empty());
  engine->fails = false;
  EXPECT_TRUE(checkpoint().ok());
  runtime->abandon();
}

TEST_F(EngineFiles, AreWrittenBetweenRecordsOfARecovery) {
  start();
  write(20);
  crash();
  start();
  EXPECT_EQ(engine->records, 20);
  EXPECT_EQ(engine->unsettled_max, 1);
  EXPECT_EQ(engine->unsettled, 0);
  runtime->abandon();
}

}  // namespace
}  // namespace keelson::shard
