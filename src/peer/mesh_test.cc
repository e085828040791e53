#include "peer/mesh.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "net/test_support.h"
#include "net/tls_stream.h"

namespace keelson::peer {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using env::sim::World;

constexpr uint16_t kPort = 7400;
constexpr uint32_t kEcho = 1;
constexpr uint32_t kHail = 2;
constexpr uint32_t kNever = 3;

struct Got {
  NodeId from = 0;
  uint16_t group = 0;
  std::string message;
  std::string path;  // of a file
  std::vector<SideFile> beside;
};

class Recorder final : public Receiver {
 public:
  void received(NodeId from, uint16_t group, std::string_view message) override {
    got.push_back({from, group, std::string(message), {}, {}});
  }
  void received_file(NodeId from, uint16_t group, std::string message, std::string path,
                     std::vector<SideFile> beside) override {
    got.push_back({from, group, std::move(message), std::move(path), std::move(beside)});
  }
  std::vector<uint64_t> bytes_here(NodeId, uint16_t, const std::vector<SideFile>& offered) override {
    std::vector<uint64_t> here;
    for (const SideFile& one : offered) here.push_back(has.contains(one.name) ? std::min(has[one.name], one.bytes) : 0);
    return here;
  }
  void reachable_changed(NodeId node, bool is_reachable) override { reachable[node] = is_reachable; }
  std::vector<Got> got;
  std::map<NodeId, bool> reachable;
  std::map<std::string, uint64_t> has;  // names, and how much of them
};

Task<Result<std::string>> echo(Caller caller, std::string request) {
  if (request == "fail") co_return fail(PeerErrc::kFailed, "as you wish");
  co_return std::to_string(caller.node) + ":" + request;
}
Task<Result<std::string>> never(env::Reactor& reactor) {
  co_await env::sleep_for(reactor, 3600 * kSecond);
  co_return std::string();
}

// One node's mesh, as a program of the simulator.
class Program final : public env::sim::Program {
 public:
  Program(env::Env& env, Options options) : mesh_(env, std::move(options)), tasks_(env.reactor(0)) {
    for (unsigned i = 0; i < env.reactor_count(); ++i) {
      receivers.push_back(std::make_unique<Recorder>());
      mesh_.hub(i).set_receiver(receivers.back().get());
    }
    const unsigned last = env.reactor_count() - 1;
    mesh_.add_method({.number = kEcho, .is_for_guests = false, .reactor = last, .handler = echo});
    mesh_.add_method({.number = kHail, .is_for_guests = true, .reactor = 0, .handler = echo});
    mesh_.add_method({.number = kNever, .is_for_guests = false, .reactor = 0, .handler = [&env](Caller, std::string) {
                        return never(env.reactor(0));
                      }});
  }
  void start(const std::vector<BookEntry>& nodes) {
    mesh_.set_nodes(nodes, {});
    tasks_.spawn(run());
  }
  Task<void> run() { started = (co_await mesh_.start()).ok(); }
  Mesh& mesh() { return mesh_; }

  std::vector<std::unique_ptr<Recorder>> receivers;
  bool started = false;

 private:
  Mesh mesh_;
  env::TaskScope tasks_;
};

class MeshTest : public testing::Test {
 protected:
  void set_up(uint64_t seed, unsigned count, unsigned reactors = 1, env::sim::SimOptions options = {}) {
    world_ = std::make_unique<World>(seed, options);
    book_.clear();
    for (unsigned i = 0; i < count; ++i) add(i, reactors);
    for (unsigned i = 0; i < count; ++i) boot(i);
  }
  void add(unsigned i, unsigned reactors = 1) {
    world_->add_node(reactors);
    book_.push_back({i + 1, 1, node(i).address(kPort).text()});
  }
  void boot(unsigned i) {
    node(i).run_program([this, i](env::Env& env) {
      Options options = options_;
      options.listen = node(i).address(i == moved_one_ ? kPort + 1 : kPort);
      if (options.identity.cluster.empty()) options.identity = {.cluster = "c1", .node = i + 1, .secret = {}};
      options.identity.node = i + 1;
      if (i == odd_one_) options.identity = odd_;
      options.revision = ++revision_;
      options.incoming_folder = "/data/incoming";
      options.reactor_of = [count = env.reactor_count()](uint16_t group) { return group % count; };
      auto program = std::make_unique<Program>(env, std::move(options));
      env.reactor(0).post([program = program.get(), this] { program->start(book_); });
      return program;
    });
  }
  env::sim::Node& node(unsigned i) { return world_->node(i); }
  Program& program(unsigned i) { return static_cast<Program&>(*node(i).program()); }
  Recorder& recorder(unsigned i, unsigned reactor = 0) { return *program(i).receivers[reactor]; }
  Hub& hub(unsigned i, unsigned reactor = 0) { return program(i).mesh().hub(reactor); }
  bool sees(unsigned i, unsigned other, unsigned reactor = 0) { return hub(i, reactor).is_reachable(other + 1); }
  bool all_reachable() {
    for (unsigned i = 0; i < world_->node_count(); ++i) {
      if (!node(i).is_up()) continue;
      for (unsigned k = 0; k < world_->node_count(); ++k) {
        if (k != i && node(k).is_up() && !sees(i, k)) return false;
      }
    }
    return true;
  }
  void connect() {
    ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 60 * kSecond));
  }
  void send(unsigned from, unsigned to, uint16_t group, const std::string& message, unsigned reactor = 0) {
    world_->run_on(node(from).reactor(reactor), [&] { hub(from, reactor).send(to + 1, group, message); });
  }
  void write(unsigned i, const std::string& path, const std::string& content) {
    auto file = node(i).env().disk().open(path, env::OpenMode::kCreate);
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_TRUE((*file)->write_at(0, content).ok());
    env::Reactor& reactor = node(i).reactor(0);
    ASSERT_TRUE(world_->run(reactor, (*file)->sync(reactor)).ok());
    ASSERT_TRUE(world_->run(reactor, node(i).env().disk().sync_folder("/", reactor)).ok());
  }
  Result<std::string> call(unsigned from, NodeId to, uint32_t method, const std::string& request,
                           int64_t timeout_ms = 1'000) {
    return world_->run(node(from).reactor(0), hub(from).call(to, method, request, timeout_ms));
  }

  Options options_;
  Identity odd_;  // of the node with that place
  unsigned odd_one_ = UINT_MAX;
  unsigned moved_one_ = UINT_MAX;
  uint64_t revision_ = 0;
  std::vector<BookEntry> book_;
  std::unique_ptr<World> world_;
};

TEST_F(MeshTest, MessagesArriveInOrderAtTheOwner) {
  env::sim::for_each_seed(1, 20, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.network.short_transfer_probability = 0.3;
    set_up(seed, 3, 2, options);
    connect();
    ASSERT_TRUE(world_->run_until([&] { return sees(0, 1, 1); }));
    world_->run_for(kSecond);  // reactor 1's own connections
    for (int i = 0; i < 300; ++i) {
      send(0, 1, static_cast<uint16_t>(i % 5), std::to_string(i) + std::string(static_cast<size_t>(i) * 7, 'x'), i % 2);
    }
    const auto count = [&] { return recorder(1, 0).got.size() + recorder(1, 1).got.size(); };
    ASSERT_TRUE(world_->run_until([&] { return count() == 300; }, 10 * kSecond)) << count();
    for (unsigned reactor = 0; reactor < 2; ++reactor) {
      std::map<std::pair<uint16_t, int>, int> last;  // of each group and sending reactor
      for (const Got& got : recorder(1, reactor).got) {
        const int number = std::stoi(got.message);
        EXPECT_EQ(got.from, 1U);
        EXPECT_EQ(got.group % 2, reactor);
        EXPECT_EQ(got.message.size(), std::to_string(number).size() + static_cast<size_t>(number) * 7);
        int& before = last.try_emplace({got.group, number % 2}, -1).first->second;
        EXPECT_GT(number, before);
        before = number;
      }
    }
    EXPECT_TRUE(recorder(2).got.empty());
  });
}

TEST_F(MeshTest, WhatATurnSendsLeavesInOneRun) {
  set_up(1, 2);
  connect();
  const uint64_t events = world_->event_count();
  world_->run_on(node(0).reactor(0), [&] {
    for (int i = 0; i < 1000; ++i) hub(0).send(2, 1, "a small message");
  });
  ASSERT_TRUE(world_->run_until([&] { return recorder(1).got.size() == 1000; }));
  // A thousand messages, a handful of runs of bytes.
  EXPECT_LT(world_->event_count() - events, 100U);
}

TEST_F(MeshTest, PartitionIsNoticedAndItsEndToo) {
  for (const bool both_ways : {true, false}) {
    set_up(3, 3);
    connect();
    world_->partition(node(0), node(1), both_ways);
    // Whichever direction is cut, neither of them gets an answer.
    ASSERT_TRUE(world_->run_until([&] { return !sees(0, 1) && !sees(1, 0); }, 3 * kSecond));
    EXPECT_FALSE(recorder(0).reachable[2]);
    EXPECT_TRUE(sees(0, 2));
    EXPECT_TRUE(sees(2, 1));
    world_->heal();
    ASSERT_TRUE(world_->run_until([&] { return sees(0, 1) && sees(1, 0); }, 10 * kSecond));
    EXPECT_TRUE(recorder(0).reachable[2]);
  }
}

TEST_F(MeshTest, QuietConnectionsStay) {
  set_up(4, 3, 2);
  connect();
  world_->run_for(60 * kSecond);
  EXPECT_TRUE(all_reachable());
  const auto figures = world_->run(node(0).reactor(0), program(0).mesh().figures());
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures[0].connects, 2U);  // one for each reactor
  EXPECT_GT(figures[0].round_trip_ns.count, 100U);
}

TEST_F(MeshTest, KilledNodeIsMissedAtOnceAndFoundAgain) {
  set_up(5, 3);
  connect();
  node(1).kill();
  ASSERT_TRUE(world_->run_until([&] { return !sees(0, 1) && !sees(2, 1); }, 1 * kSecond));
  EXPECT_TRUE(sees(0, 2));
  world_->run_for(20 * kSecond);
  node(1).restart();
  ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 10 * kSecond));
  send(0, 1, 1, "welcome back");
  ASSERT_TRUE(world_->run_until([&] { return recorder(1).got.size() == 1; }, kSecond));
}

TEST_F(MeshTest, FullQueueDropsAndCounts) {
  options_.queue_bytes_max = 10'000;
  set_up(6, 2);
  connect();
  world_->run_on(node(0).reactor(0), [&] {
    hub(0).send(2, 1, std::string(1 << 20, 'b'));  // one is always taken
    for (int i = 0; i < 50; ++i) hub(0).send(2, 1, std::string(1'000, 's'));
  });
  ASSERT_TRUE(world_->run_until([&] { return !recorder(1).got.empty(); }, 10 * kSecond));
  world_->run_for(kSecond);
  EXPECT_EQ(recorder(1).got.size(), 1U);
  EXPECT_EQ(recorder(1).got[0].message.size(), 1U << 20);
  EXPECT_EQ(hub(0).counts(2).messages_dropped.value(), 50U);
}

TEST_F(MeshTest, CallsAreAnsweredOrSayWhyNot) {
  set_up(7, 3, 2);
  connect();
  Result<std::string> answer = call(0, 2, kEcho, "ship");
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(*answer, "1:ship");
  answer = call(0, 1, kEcho, "self");
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(*answer, "1:self");
  answer = call(0, 2, kEcho, "fail");
  EXPECT_EQ(answer.error().code(), PeerErrc::kFailed);
  EXPECT_EQ(answer.error().message(), "as you wish");
  EXPECT_EQ(call(0, 2, 99, "").error().code(), PeerErrc::kNoMethod);
  EXPECT_EQ(call(0, 2, kNever, "").error().code(), PeerErrc::kTimedOut);
  EXPECT_EQ(call(0, 9, kEcho, "").error().code(), PeerErrc::kUnreachable);
  // The other node dies while it is being asked.
  world_->after(100 * kMillisecond, [&] { node(1).kill(); });
  EXPECT_EQ(call(0, 2, kNever, "", 10'000).error().code(), PeerErrc::kUnreachable);
}

TEST_F(MeshTest, GuestsMayCallWhatIsOpenToThem) {
  odd_one_ = 1;  // belongs to no cluster
  set_up(8, 2);
  world_->run_for(kSecond);
  const auto ask = [&](uint32_t method) {
    return world_->run(node(1).reactor(0), hub(1).call_address(node(0).address(kPort), method, "hail", 1'000));
  };
  const Result<std::string> answer = ask(kHail);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_EQ(*answer, "0:hail");
  EXPECT_EQ(ask(kEcho).error().code(), PeerErrc::kNoMethod);
  // A node without a cluster refuses everybody.
  const auto refused =
      world_->run(node(0).reactor(0), hub(0).call_address(node(1).address(kPort), kHail, "hail", 1'000));
  EXPECT_EQ(refused.error().code(), PeerErrc::kRefused);
  // It joins, and is one of them.
  world_->run_on(node(1).reactor(0),
                 [&] { program(1).mesh().set_identity({.cluster = "c1", .node = 2, .secret = {}}); });
  connect();
}

TEST_F(MeshTest, StrangersAreRefused) {
  struct Case {
    Identity odd;
    std::string secret;
  };
  for (const Case& each : {Case{{.cluster = "c2", .node = 2, .secret = "keel"}, "keel"},
                           Case{{.cluster = "c1", .node = 2, .secret = "other"}, "keel"},
                           Case{{.cluster = "c1", .node = 2, .secret = ""}, "keel"},
                           Case{{.cluster = "c1", .node = 2, .secret = "keel"}, ""}}) {
    options_.identity = {.cluster = "c1", .node = 0, .secret = each.secret};
    odd_ = each.odd;
    odd_one_ = 1;
    set_up(9, 3);
    ASSERT_TRUE(world_->run_until([&] { return sees(0, 2) && sees(2, 0); }, 10 * kSecond));
    world_->run_for(5 * kSecond);
    EXPECT_FALSE(sees(0, 1));
    EXPECT_FALSE(sees(1, 0));
    send(1, 0, 1, "let me in");
    world_->run_for(kSecond);
    EXPECT_TRUE(recorder(0).got.empty());
  }
}

// Writes until the other side ends the connection, or has taken the most.
Task<size_t> flood(env::Env& env, env::Address to, size_t most) {
  auto stream = co_await env.network().connect(env.reactor(0), to);
  if (!stream.ok()) co_return 0;
  Buffer hello;
  append_frame(hello, FrameType::kHello, 0, "who knows");
  if (!(co_await (*stream)->write(hello.view())).ok()) co_return 0;
  const std::string junk(16 << 10, 'x');
  size_t taken = 0;
  while (taken < most && (co_await (*stream)->write(junk)).ok()) {
    taken += junk.size();
    co_await env::sleep_for(env.reactor(0), kMillisecond);
  }
  co_return taken;
}

TEST_F(MeshTest, WhoIsRefusedCannotFillTheMemory) {
  set_up(16, 1);
  world_->add_node();
  ASSERT_TRUE(world_->run_until([&] { return program(0).started; }, kSecond));
  const size_t most = 16 * kHandshakeBodyBytesMax;
  const size_t taken =
      world_->run(world_->node(1).reactor(0), flood(world_->node(1).env(), node(0).address(kPort), most));
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, most / 2);
}

TEST_F(MeshTest, RemovedNodeIsCutOffAndStaysOut) {
  set_up(10, 3);
  connect();
  for (const unsigned i : {0U, 2U}) {
    world_->run_on(node(i).reactor(0), [&] { program(i).mesh().set_nodes({book_[0], book_[2]}, {2}); });
  }
  ASSERT_TRUE(world_->run_until([&] { return !sees(1, 0) && !sees(1, 2) && !sees(0, 1); }, 5 * kSecond));
  world_->run_for(10 * kSecond);
  EXPECT_FALSE(sees(1, 0));
  EXPECT_TRUE(sees(0, 2));
}

TEST_F(MeshTest, MovedNodeIsFoundByWhatItTells) {
  set_up(11, 3);
  connect();
  // Node 2 comes back elsewhere; everybody's book is old, but its own calls tell where it is.
  node(1).stop();
  ASSERT_TRUE(world_->run_until([&] { return !sees(0, 1); }, 5 * kSecond));
  moved_one_ = 1;
  node(1).restart();
  ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 20 * kSecond));
}

TEST_F(MeshTest, FileArrivesWholeBesideMessages) {
  set_up(12, 2, 2);
  connect();
  world_->run_for(kSecond);
  std::string content;
  for (size_t i = 0; content.size() < 5 * kFileChunkBytes + 17; ++i) content += std::to_string(i * i);
  write(0, "/checkpoint", content);
  write(0, "/empty", "");
  std::vector<bool> done;
  world_->run_on(node(0).reactor(0), [&] {
    for (const char* path : {"/checkpoint", "/empty", "/checkpoint", "/missing"}) {
      hub(0).send_file(2, 3, std::string("about ") + path, path, {},
                       [&](bool has_arrived) { done.push_back(has_arrived); });
    }
    EXPECT_TRUE(done.empty());
  });
  for (int i = 0; i < 20; ++i) send(0, 1, 3, "beside");
  ASSERT_TRUE(world_->run_until([&] { return done.size() == 4; }, 60 * kSecond));
  EXPECT_EQ(std::count(done.begin(), done.end(), true), 3);
  world_->run_for(kSecond);
  unsigned files = 0;
  for (const Got& got : recorder(1, 1).got) {
    if (got.path.empty()) continue;
    ++files;
    const auto arrived = env::read_file(node(1).env().disk(), got.path, 1 << 30);
    ASSERT_TRUE(arrived.ok());
    EXPECT_EQ(*arrived == content, got.message == "about /checkpoint");
    EXPECT_EQ(arrived->empty(), got.message == "about /empty");
  }
  EXPECT_EQ(files, 3U);
  EXPECT_EQ(recorder(1, 1).got.size(), 23U);
  // They are synced: a crash keeps them, and the next start throws them away, since nobody has taken them.
  node(1).crash();
  node(1).restart();
  ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 10 * kSecond));
  EXPECT_TRUE(node(1).env().disk().list("/data/incoming")->empty());
}

TEST_F(MeshTest, FilesGoAlongWithOne) {
  set_up(15, 2, 2);
  connect();
  world_->run_for(kSecond);
  std::map<std::string, std::string> sent;  // name -> content
  std::vector<SideFile> beside;
  for (size_t i = 0; i < 3000; ++i) {
    const std::string name = "name " + std::to_string(i);
    const size_t size = i % 7 == 0 ? 0 : i == 500 ? 3 * kFileChunkBytes + 5 : i % 40;
    sent[name] = std::string(size, static_cast<char>('a' + i % 26));
    beside.push_back({.name = name, .path = "/side" + std::to_string(i), .bytes = size, .here = 0});
    // Of one that grows meanwhile, only what was told counts.
    node(0).disk().put(beside.back().path, sent[name] + (i % 2 == 0 ? "more" : ""));
    if (i % 3 == 1) recorder(1, 1).has[name] = i % 2 == 0 ? UINT64_MAX : 9;
  }
  write(0, "/checkpoint", std::string(kFileChunkBytes + 1, 'k'));
  std::optional<bool> done;
  world_->run_on(node(0).reactor(0), [&] {
    hub(0).send_file(2, 3, "m", "/checkpoint", beside, [&](bool has_arrived) { done = has_arrived; });
  });
  ASSERT_TRUE(world_->run_until([&] { return done.has_value(); }, 60 * kSecond));
  EXPECT_TRUE(*done);
  world_->run_for(kSecond);
  ASSERT_EQ(recorder(1, 1).got.size(), 1U);
  const Got got = recorder(1, 1).got[0];
  ASSERT_EQ(got.beside.size(), beside.size());
  // Synced before it was told.
  node(1).crash();
  for (size_t i = 0; i < beside.size(); ++i) {
    const SideFile& one = got.beside[i];
    EXPECT_EQ(one.name, beside[i].name);
    EXPECT_EQ(one.bytes, beside[i].bytes);
    EXPECT_EQ(one.here, i % 3 != 1 ? 0U : i % 2 == 0 ? one.bytes : std::min(one.bytes, uint64_t{9}));
    EXPECT_EQ(one.path.empty(), one.here == one.bytes);
    if (one.path.empty()) continue;
    const auto content = node(1).disk().content(one.path);
    ASSERT_TRUE(content.ok()) << one.path;
    EXPECT_EQ(*content, sent[one.name].substr(one.here));
  }
}

TEST_F(MeshTest, FilesThatGoAlongComeAllOrNone) {
  set_up(16, 2);
  connect();
  write(0, "/checkpoint", "k");
  for (int i = 0; i < 20; ++i) write(0, "/side" + std::to_string(i), std::string(2 * kFileChunkBytes, 's'));
  std::vector<SideFile> beside;
  for (int i = 0; i < 20; ++i) {
    beside.push_back({std::to_string(i), "/side" + std::to_string(i), 2 * kFileChunkBytes, 0});
  }
  const auto send = [&](const std::vector<SideFile>& files) {
    std::optional<bool> done;
    world_->run_on(node(0).reactor(0), [&] {
      hub(0).send_file(2, 1, "m", "/checkpoint", files, [&](bool has_arrived) { done = has_arrived; });
    });
    EXPECT_TRUE(world_->run_until([&] { return done.has_value(); }, 60 * kSecond));
    return done.value_or(false);
  };
  const auto left = [&] { return node(1).env().disk().list("/data/incoming")->size(); };
  // One is missing, or shorter than was told.
  beside.push_back({"gone", "/gone", 1, 0});
  EXPECT_FALSE(send(beside));
  beside.back() = {"short", "/side3", 2 * kFileChunkBytes + 1, 0};
  EXPECT_FALSE(send(beside));
  EXPECT_FALSE(send(std::vector<SideFile>(kFilesBesideMax + 1)));
  EXPECT_FALSE(send({{std::string(kFileNameBytesMax + 1, 'n'), "/side1", 1, 0}}));
  ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 10 * kSecond));
  // The connection breaks in the midst of it.
  beside.pop_back();
  std::optional<bool> done;
  world_->run_on(node(0).reactor(0), [&] {
    hub(0).send_file(2, 1, "m", "/checkpoint", beside, [&](bool has_arrived) { done = has_arrived; });
  });
  ASSERT_TRUE(world_->run_until([&] { return left() > 5; }, kSecond));
  world_->break_connections(node(0));
  ASSERT_TRUE(world_->run_until([&] { return done.has_value(); }, 10 * kSecond));
  EXPECT_FALSE(*done);
  world_->run_for(kSecond);
  EXPECT_EQ(left(), 0U);
  EXPECT_TRUE(recorder(1).got.empty());
  ASSERT_TRUE(world_->run_until([&] { return all_reachable(); }, 10 * kSecond));
  EXPECT_TRUE(send(beside));
  EXPECT_EQ(left(), 21U);
  // Nothing of it is wanted.
  for (const SideFile& one : beside) recorder(1).has[one.name] = UINT64_MAX;
  EXPECT_TRUE(send(beside));
  EXPECT_EQ(left(), 22U);
}

TEST_F(MeshTest, BrokenFilesLeaveNothingBehind) {
  set_up(13, 2);
  connect();
  write(0, "/checkpoint", std::string(40 * kFileChunkBytes, 'k'));
  std::optional<bool> done;
  world_->run_on(node(0).reactor(0), [&] {
    hub(0).send_file(2, 1, "m", "/checkpoint", {}, [&](bool has_arrived) { done = has_arrived; });
  });
  ASSERT_TRUE(world_->run_until([&] { return !node(1).env().disk().list("/data/incoming")->empty(); }, kSecond));
  world_->break_connections(node(0));
  ASSERT_TRUE(world_->run_until([&] { return done.has_value(); }, 10 * kSecond));
  EXPECT_FALSE(*done);
  world_->run_for(kSecond);
  EXPECT_TRUE(node(1).env().disk().list("/data/incoming")->empty());
  EXPECT_TRUE(recorder(1).got.empty());
}

// Messages and files under breaking connections, partitions and crashes: nothing is doubled, reordered within a
// connection, damaged or stuck, and files come whole or are told as failed.
TEST_F(MeshTest, SoakUnderFaults) {
  env::sim::for_each_seed(1, 60, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.network.break_probability = 0.002;
    options.network.refuse_probability = 0.1;
    options.network.slow_probability = 0.05;
    options.network.short_transfer_probability = 0.2;
    options.machine.stall_probability = 0.001;
    set_up(seed, 3, 2, options);
    const std::string content(static_cast<size_t>(world_->random().next() % (3 * kFileChunkBytes)), 'c');
    for (unsigned i = 0; i < 3; ++i) write(i, "/checkpoint", content);
    unsigned told = 0;
    unsigned asked = 0;
    std::map<unsigned, std::set<std::string>> seen;
    for (int step = 0; step < 120; ++step) {
      const auto from = static_cast<unsigned>(world_->random().next() % 3);
      const unsigned to = (from + 1 + static_cast<unsigned>(world_->random().next() % 2)) % 3;
      const uint64_t what = world_->random().next() % 40;
      if (what == 0) world_->partition(node(from), node(to), world_->random().next() % 2 == 0);
      if (what == 1) world_->heal();
      if (what == 2 && step < 100) {
        node(from).crash();
        world_->run_for(200 * kMillisecond);
        node(from).restart();
        told = asked = 0;  // what it was asked for died with it, and with the others' count: start anew
        world_->run_for(5 * kSecond);
        continue;
      }
      world_->run_on(node(from).reactor(step % 2), [&] {
        Hub& there = hub(from, static_cast<unsigned>(step % 2));
        there.send(to + 1, static_cast<uint16_t>(step % 4), std::to_string(seed * 1000 + static_cast<unsigned>(step)));
        if (step % 10 == 9) {
          ++asked;
          there.send_file(to + 1, 1, "file", "/checkpoint", {}, [&told](bool) { ++told; });
        }
      });
      world_->run_for(static_cast<int64_t>(world_->random().next() % 300) * kMillisecond);
    }
    world_->options().network = {};
    world_->options().machine = {};
    world_->heal();
    ASSERT_TRUE(world_->run_until([&] { return all_reachable() && told >= asked; }, 60 * kSecond)) << told << asked;
    for (unsigned i = 0; i < 3; ++i) {
      for (unsigned reactor = 0; reactor < 2; ++reactor) {
        for (const Got& got : recorder(i, reactor).got) {
          if (got.path.empty()) {
            EXPECT_TRUE(seen[i].insert(got.message).second) << "doubled " << got.message;
          } else {
            const auto arrived = env::read_file(node(i).env().disk(), got.path, 1 << 30);
            EXPECT_TRUE(arrived.ok() && *arrived == content);
          }
        }
      }
    }
  });
}

TEST_F(MeshTest, MutualTls) {
  set_up(14, 0);
  const net::Pem good = net::make_certificate("IP:10.0.0.1,IP:10.0.0.2,IP:10.0.0.3");
  const net::Pem stranger = net::make_certificate("IP:10.0.0.1,IP:10.0.0.2,IP:10.0.0.3");
  std::vector<std::unique_ptr<net::TlsContext>> contexts;
  World disk_world(1);  // only its disk
  env::Disk& disk = disk_world.add_node().env().disk();
  const auto put = [&](const std::string& path, const std::string& content) {
    auto file = disk.open(path, env::OpenMode::kCreate);
    ASSERT_TRUE(file.ok() && (*file)->write_at(0, content).ok());
  };
  put("/ca", good.certificate);
  for (unsigned i = 0; i < 3; ++i) {
    const net::Pem& mine = i == 2 ? stranger : good;
    const std::string name = "/" + std::to_string(i);
    put(name + ".cert", mine.certificate);
    put(name + ".key", mine.key);
    auto server = net::TlsContext::server(disk, {.certificate_file = name + ".cert",
                                                 .key_file = name + ".key",
                                                 .ca_file = "/ca",
                                                 .client_certificate = net::ClientCertificate::kRequired,
                                                 .protocol_min = "1.3",
                                                 .ciphers = {},
                                                 .cipher_suites = {}});
    auto client = net::TlsContext::client(
        disk, {.ca_file = "/ca", .certificate_file = name + ".cert", .key_file = name + ".key"});
    ASSERT_TRUE(server.ok() && client.ok());
    contexts.push_back(std::move(*server));
    contexts.push_back(std::move(*client));
    options_.tls_server = contexts[2 * i].get();
    options_.tls_client = contexts[2 * i + 1].get();
    add(i);
    boot(i);
  }
  ASSERT_TRUE(world_->run_until([&] { return sees(0, 1) && sees(1, 0); }, 10 * kSecond));
  send(0, 1, 1, std::string(300'000, 't'));
  ASSERT_TRUE(world_->run_until([&] { return recorder(1).got.size() == 1; }, 10 * kSecond));
  world_->run_for(5 * kSecond);
  EXPECT_FALSE(sees(0, 2));
  EXPECT_FALSE(sees(2, 0));
  world_.reset();  // before the contexts
}

}  // namespace
}  // namespace keelson::peer
