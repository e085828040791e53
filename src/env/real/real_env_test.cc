// env/real on the real machine: loopback sockets, files in a temporary folder, threads. No assertion is about time.
#include "env/real/real_env.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "env/hand_off.h"
#include "env/network.h"
#include "env/reactor.h"
#include "env/real/process.h"
#include "env/real/timer_heap.h"
#include "env/workers.h"

namespace keelson::env {
namespace {

// Runs `body` as a task on reactor 0 and the Env until it ends.
void run_task(RealEnv& env, std::function<Task<void>(RealEnv&)> body) {
  std::optional<TaskScope> scope;
  struct Wrap {
    static Task<void> run(RealEnv& e, std::function<Task<void>(RealEnv&)>& b) {
      co_await b(e);
      e.stop();
    }
  };
  env.reactor(0).post([&] {
    scope.emplace(env.reactor(0));
    scope->spawn(Wrap::run(env, body));
  });
  env.run();
  scope.reset();
}

std::unique_ptr<RealEnv> make_env(unsigned reactors) {
  Result<std::unique_ptr<RealEnv>> env = RealEnv::make({.reactors = reactors});
  EXPECT_TRUE(env.ok());
  return std::move(*env);
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "keelson-env-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class FakeReactor final : public Reactor {
 public:
  void post(Callback) override {}
  void at_turn_end(Callback) override {}
  [[nodiscard]] bool is_current() const override { return true; }
  [[nodiscard]] unsigned index() const override { return 0; }
  [[nodiscard]] const Clock& clock() const override { std::abort(); }
  [[nodiscard]] Random& random() override { std::abort(); }
  TimerHeap heap;

 protected:
  void arm(Timer& timer, int64_t at_ns) override { heap.arm(timer, at_ns); }
  void disarm(Timer& timer) override { heap.disarm(timer); }
};

TEST(TimerHeap, FiresInOrderUnderRandomUse) {
  std::mt19937_64 random(1);
  FakeReactor reactor;
  struct Model {
    std::unique_ptr<Timer> timer;
    std::optional<std::pair<int64_t, uint64_t>> due;
  };
  std::vector<Model> models(200);
  std::vector<size_t> fired;
  uint64_t sequence = 0;
  for (size_t i = 0; i < models.size(); ++i) {
    models[i].timer = std::make_unique<Timer>(reactor, [&fired, i] { fired.push_back(i); });
  }
  int64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    const size_t which = random() % models.size();
    if (random() % 4 != 0) {
      const int64_t at = now + static_cast<int64_t>(random() % 100);
      models[which].timer->arm_at(at);
      models[which].due = {at, ++sequence};
    } else {
      models[which].timer->disarm();
      models[which].due.reset();
    }
    if (round % 5 != 0) continue;
    now += static_cast<int64_t>(random() % 20);
    std::vector<std::pair<std::pair<int64_t, uint64_t>, size_t>> due;
    for (size_t i = 0; i < models.size(); ++i) {
      if (models[i].due && models[i].due->first <= now) due.emplace_back(*models[i].due, i);
    }
    std::sort(due.begin(), due.end());
    fired.clear();
    ASSERT_EQ(reactor.heap.fire_due(now), due.size());
    ASSERT_EQ(fired.size(), due.size());
    for (size_t i = 0; i < due.size(); ++i) {
      ASSERT_EQ(fired[i], due[i].second);
      models[due[i].second].due.reset();
    }
  }
}

TEST(RealReactor, KeepsTheOrderOfPostsAndRunsTurnEndsLast) {
  const auto env = make_env(1);
  std::vector<std::string> order;
  Reactor& reactor = env->reactor(0);
  reactor.post([&] {
    EXPECT_TRUE(reactor.is_current());
    reactor.at_turn_end([&] {
      order.emplace_back("end");
      reactor.at_turn_end([&] { order.emplace_back("end of end"); });
    });
    reactor.post([&] {
      order.emplace_back("third");
      env->stop();
    });
    order.emplace_back("first");
  });
  reactor.post([&] { order.emplace_back("second"); });
  EXPECT_FALSE(reactor.is_current());
  env->run();
  EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "end", "end of end", "third"}));
}

TEST(RealReactor, PostsFromManyThreadsAllArriveInEachOnesOrder) {
  const auto env = make_env(2);
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  int left = kThreads * kPosts;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        env->reactor(1).post([&, t, i] {
          seen[t].push_back(i);
          if (--left == 0) env->stop();
        });
      }
    });
  }
  env->run();
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_one : seen) {
    ASSERT_EQ(of_one.size(), kPosts);
    EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end()));
  }
}

// Two reactors wake each other, each asleep while the other works: a lost wake-up would hang this.
TEST(RealReactor, PingPongBetweenSleepers) {
  const auto env = make_env(2);
  int left = 20'000;
  std::function<void(unsigned)> bounce = [&](unsigned at) {
    if (--left == 0) return env->stop();
    env->reactor(1 - at).post([&, at] { bounce(1 - at); });
  };
  env->reactor(0).post([&] { bounce(0); });
  env->run();
  EXPECT_EQ(left, 0);
  EXPECT_GT(env->counts(1).turns, 0U);
}

TEST(RealReactor, TimersFireInOrderAndNotWhenDisarmed) {
  const auto env = make_env(1);
  Reactor& reactor = env->reactor(0);
  std::vector<int> fired;
  Timer first(reactor, [&] { fired.push_back(1); });
  Timer second(reactor, [&] {
    fired.push_back(2);
    env->stop();
  });
  Timer never(reactor, [&] { fired.push_back(3); });
  reactor.post([&] {
    const int64_t now = reactor.clock().monotonic_ns();
    second.arm_at(now + 3'000'000);
    first.arm_at(now + 2'000'000);
    never.arm_at(now + 2'500'000);
    never.disarm();
  });
  env->run();
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
}

TEST(RealReactor, StoppedEnvDestroysWhatNobodyWillRun) {
  auto token = std::make_shared<int>(1);
  {
    const auto env = make_env(1);
    env->stop();
    env->run();
    env->reactor(0).post([token] { FAIL() << "it was stopped"; });
    env->reactor(0).at_turn_end([token] { FAIL() << "it was stopped"; });
  }
  EXPECT_EQ(token.use_count(), 1);
}

Task<void> echo(std::unique_ptr<Stream> stream) {
  std::string buffer(1000, '\0');
  for (;;) {
    const IoOutcome read = co_await stream->read(buffer);
    if (!read.ok()) break;
    const IoOutcome written = co_await stream->write(std::string_view(buffer).substr(0, read.count));
    if (!written.ok()) break;
  }
}

Task<void> serve_echo(RealEnv& env, Listener& listener, std::vector<std::unique_ptr<TaskScope>>& scopes) {
  for (unsigned next = 0;; ++next) {
    Reactor& owner = env.reactor(next % env.reactor_count());
    Result<std::unique_ptr<Stream>> stream = co_await listener.accept(owner);
    if (!stream.ok()) {
      EXPECT_EQ(stream.error().code(), NetErrc::kClosed);
      co_return;
    }
    owner.post([scope = scopes[owner.index()].get(), stream = std::move(*stream)]() mutable {
      scope->spawn(echo(std::move(stream)));
    });
  }
}

Task<std::string> read_all(Stream& stream, size_t bytes) {
  std::string got;
  std::string buffer(70'000, '\0');
  while (got.size() < bytes) {
    const IoOutcome read = co_await stream.read(buffer);
    if (!read.ok()) break;
    got.append(buffer, 0, read.count);
  }
  co_return got;
}

Task<void> keep_all(Stream& stream, size_t bytes, std::string& into) { into = co_await read_all(stream, bytes); }

// Sends more than any socket buffer holds while reading the answer at the same time.
Task<void> talk(RealEnv& env, Address to, size_t bytes, int& left) {
  Result<std::unique_ptr<Stream>> stream = co_await env.network().connect(env.reactor(0), to);
  EXPECT_TRUE(stream.ok()) << stream.error().message();
  std::string sent(bytes, '\0');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 + i / 257);
  std::string got;
  TaskScope scope(env.reactor(0));
  scope.spawn(keep_all(**stream, bytes, got));
  EXPECT_TRUE((co_await (*stream)->write(sent)).ok());
  co_await scope.join();
  EXPECT_EQ(got, sent);
  (*stream)->shutdown_write();
  char one = 0;
  EXPECT_EQ((co_await (*stream)->read({&one, 1})).error, NetErrc::kEof);
  --left;
}

Task<void> echo_session(RealEnv& env, Address at) {
  std::vector<std::unique_ptr<TaskScope>> scopes;
  for (unsigned i = 0; i < env.reactor_count(); ++i) scopes.push_back(std::make_unique<TaskScope>(env.reactor(i)));
  Result<std::unique_ptr<Listener>> listener = env.network().listen(env.reactor(0), at);
  EXPECT_TRUE(listener.ok()) << listener.error().message();
  TaskScope tasks(env.reactor(0));
  tasks.spawn(serve_echo(env, **listener, scopes));
  int left = 8;
  TaskScope talks(env.reactor(0));
  for (size_t i = 0; i < 8; ++i) talks.spawn(talk(env, (*listener)->local(), i * i * 100'000 + 1, left));
  co_await talks.join();
  EXPECT_EQ(left, 0);
  (*listener)->close();
  co_await tasks.join();
  // The port is free again at once.
  EXPECT_TRUE(env.network().listen(env.reactor(0), (*listener)->local()).ok());
  // The echo tasks of other reactors end there.
  for (unsigned i = 1; i < env.reactor_count(); ++i) {
    env.reactor(i).post([scope = scopes[i].release()] { delete scope; });
  }
}

TEST(RealNetwork, EchoOverTcpOnTwoReactors) {
  const auto env = make_env(2);
  run_task(*env, [](RealEnv& e) { return echo_session(e, *Address::parse("127.0.0.1:0")); });
}

TEST(RealNetwork, EchoOverAUnixSocket) {
  const TemporaryFolder folder;
  const auto env = make_env(2);
  Address at;
  at.unix_path = folder / "socket";
  run_task(*env, [at](RealEnv& e) { return echo_session(e, at); });
  EXPECT_FALSE(std::filesystem::exists(at.unix_path)) << "a closed listener removes its file";
}

Task<void> refused_and_in_use(RealEnv& env) {
  Network& network = env.network();
  Reactor& reactor = env.reactor(0);
  Result<std::unique_ptr<Listener>> first = network.listen(reactor, *Address::parse("127.0.0.1:0"));
  EXPECT_TRUE(first.ok());
  const Address at = (*first)->local();
  EXPECT_NE(at.port, 0);
  Result<std::unique_ptr<Listener>> second = network.listen(reactor, at);
  EXPECT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), NetErrc::kAddressInUse);
  first->reset();
  Result<std::unique_ptr<Stream>> stream = co_await network.connect(reactor, at);
  EXPECT_FALSE(stream.ok());
  EXPECT_EQ(stream.error().code(), NetErrc::kRefused);
}

Task<void> look_up(RealEnv& env) {
  Network& network = env.network();
  Reactor& reactor = env.reactor(0);
  EXPECT_EQ(*co_await network.resolve(reactor, "127.0.0.1"), std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(*co_await network.resolve(reactor, "::1"), std::vector<std::string>{"::1"});
  const auto local = co_await network.resolve(reactor, "localhost");
  EXPECT_TRUE(local.ok() && !local->empty());
  EXPECT_EQ((co_await network.resolve(reactor, "no.such.host.invalid")).error().code(), NetErrc::kInvalid);
}

TEST(RealNetwork, LooksNamesUp) {
  const auto env = make_env(1);
  run_task(*env, [](RealEnv& e) { return look_up(e); });
}

TEST(RealNetwork, TellsRefusedAndInUse) {
  const auto env = make_env(1);
  run_task(*env, refused_and_in_use);
}

Task<void> note_read(Stream& stream, std::optional<NetErrc>& outcome) {
  char byte = 0;
  outcome = (co_await stream.read({&byte, 1})).error;
}

Task<void> closing(RealEnv& env) {
  Reactor& reactor = env.reactor(0);
  Result<std::unique_ptr<Listener>> listener = env.network().listen(reactor, *Address::parse("[::1]:0"));
  if (!listener.ok()) {
    listener = env.network().listen(reactor, *Address::parse("127.0.0.1:0"));
  }
  Result<std::unique_ptr<Stream>> client = co_await env.network().connect(reactor, (*listener)->local());
  Result<std::unique_ptr<Stream>> server = co_await (*listener)->accept(reactor);
  EXPECT_TRUE(client.ok() && server.ok());
  EXPECT_TRUE((*server)->remote().is_loopback()) << (*server)->remote().text();
  EXPECT_EQ((*server)->remote().port, (*client)->local().port);

  // A read under way ends with kClosed in a later turn.
  TaskScope scope(reactor);
  std::optional<NetErrc> outcome;
  scope.spawn(note_read(**client, outcome));
  (*client)->close();
  EXPECT_FALSE(outcome.has_value());
  co_await scope.join();
  EXPECT_EQ(outcome, NetErrc::kClosed);
  EXPECT_EQ((*client)->try_write("x").error, NetErrc::kClosed);
  char byte = 0;
  EXPECT_EQ((co_await (*client)->read({&byte, 1})).error, NetErrc::kClosed);
  EXPECT_EQ((co_await (*server)->read({&byte, 1})).error, NetErrc::kEof);

  // A coroutine that is destroyed while it reads leaves nothing behind.
  client = co_await env.network().connect(reactor, (*listener)->local());
  server = co_await (*listener)->accept(reactor);
  outcome.reset();
  {
    TaskScope dropped(reactor);
    dropped.spawn(note_read(**server, outcome));
    EXPECT_EQ(dropped.count(), 1U);
  }
  EXPECT_TRUE((co_await (*client)->write("x")).ok());
  EXPECT_EQ((co_await (*server)->read({&byte, 1})).count, 1U);
  EXPECT_EQ(byte, 'x');
  EXPECT_FALSE(outcome.has_value());
}

TEST(RealNetwork, ClosingEndsReads) {
  const auto env = make_env(1);
  run_task(*env, closing);
}

Task<void> fill_up(RealEnv& env) {
  Reactor& reactor = env.reactor(0);
  Result<std::unique_ptr<Listener>> listener = env.network().listen(reactor, *Address::parse("127.0.0.1:0"));
  Result<std::unique_ptr<Stream>> client = co_await env.network().connect(reactor, (*listener)->local());
  Result<std::unique_ptr<Stream>> server = co_await (*listener)->accept(reactor);
  // A peer that reads nothing: try_write takes less and less, and then nothing, without an error.
  const std::string block(1 << 20, 'b');
  size_t sent = 0;
  for (;;) {
    const IoOutcome outcome = (*client)->try_write(block);
    EXPECT_TRUE(outcome.ok());
    sent += outcome.count;
    if (outcome.count < block.size()) break;
  }
  EXPECT_EQ((*client)->try_write(block).count, 0U);
  // Reading at the other end makes room again.
  TaskScope scope(reactor);
  std::string got;
  scope.spawn(keep_all(**server, sent + 3, got));
  EXPECT_TRUE((co_await (*client)->write("end")).ok());
  co_await scope.join();
  EXPECT_EQ(got.size(), sent + 3);
  EXPECT_TRUE(got.ends_with("end"));
}

TEST(RealNetwork, TryWriteStopsWhenThePeerDoesNotRead) {
  const auto env = make_env(1);
  run_task(*env, fill_up);
}

// Whoever connects while no file descriptor is free is served when there is one again.
Task<void> out_of_descriptors(RealEnv& env) {
  Reactor& reactor = env.reactor(0);
  Result<std::unique_ptr<Listener>> listener = env.network().listen(reactor, *Address::parse("127.0.0.1:0"));
  rlimit before{};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(lowest_free) + 1;  // for the client's end, not for the server's
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  Result<std::unique_ptr<Stream>> client = co_await env.network().connect(reactor, (*listener)->local());
  co_await sleep_for(reactor, 1'000'000);  // a chance to be refused; the outcome does not depend on it
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(client.ok());
  Result<std::unique_ptr<Stream>> server = co_await (*listener)->accept(reactor);
  EXPECT_TRUE(server.ok());
  EXPECT_TRUE((co_await (*client)->write("x")).ok());
  char byte = 0;
  EXPECT_EQ((co_await (*server)->read({&byte, 1})).count, 1U);
}

TEST(RealNetwork, AcceptsAgainWhenFileDescriptorsComeFree) {
  const auto env = make_env(1);
  run_task(*env, out_of_descriptors);
}

Task<void> files(RealEnv& env, const TemporaryFolder& folder) {
  Disk& disk = env.disk();
  Reactor& reactor = env.reactor(0);
  const std::string data = folder / "a/b/c";
  EXPECT_TRUE(disk.make_folder(data).ok());
  EXPECT_TRUE(disk.make_folder(data).ok());
  EXPECT_EQ(disk.open(data + "/x", OpenMode::kRead).error().code(), DiskErrc::kNotFound);
  Result<std::unique_ptr<File>> file = disk.open(data + "/x", OpenMode::kCreate);
  EXPECT_TRUE(file.ok());
  EXPECT_EQ(disk.open(data + "/x", OpenMode::kCreate).error().code(), DiskErrc::kExists);
  EXPECT_TRUE((*file)->preallocate(100).ok());
  EXPECT_EQ(*(*file)->size(), 100U);
  EXPECT_TRUE((*file)->write_at(98, "abcd").ok());
  EXPECT_EQ(*(*file)->size(), 102U);
  char bytes[10] = {};
  EXPECT_EQ(*(*file)->read_at(97, bytes), 5U);
  EXPECT_EQ(std::string_view(bytes, 5), std::string_view("\0abcd", 5));
  EXPECT_TRUE((co_await (*file)->sync(reactor)).ok());
  EXPECT_TRUE((*file)->truncate(1).ok());
  EXPECT_EQ(*(*file)->size(), 1U);
  EXPECT_TRUE(disk.rename(data + "/x", data + "/y").ok());
  EXPECT_TRUE((co_await disk.sync_folder(data, reactor)).ok());
  EXPECT_EQ(*disk.list(data), (std::vector<std::string>{"y"}));
  EXPECT_TRUE((co_await replace_file(disk, reactor, data, "z", "content")).ok());
  EXPECT_TRUE((co_await replace_file(disk, reactor, data, "z", "content 2")).ok());
  EXPECT_EQ(*read_file(disk, data + "/z", 100), "content 2");
  EXPECT_EQ(read_file(disk, data + "/z", 3).error().code(), DiskErrc::kInvalid);
  EXPECT_TRUE(disk.remove(data + "/y").ok());
  EXPECT_EQ(disk.remove(data + "/y").error().code(), DiskErrc::kNotFound);
  EXPECT_EQ(*disk.list(data), (std::vector<std::string>{"z"}));
  EXPECT_GT(*disk.free_bytes(data), 0U);
  EXPECT_FALSE(disk.exists(data + "/y"));
  const Result<FileInfo> of_file = disk.info(data + "/z");
  EXPECT_EQ(of_file->kind, FileKind::kFile);
  EXPECT_EQ(of_file->size_bytes, 9U);
  EXPECT_GT(of_file->modified_ms, 1'600'000'000'000);
  EXPECT_EQ(disk.info(data)->kind, FileKind::kFolder);
  EXPECT_EQ(disk.info("/dev/null")->kind, FileKind::kOther);
  EXPECT_EQ(disk.info(data + "/y").error().code(), DiskErrc::kNotFound);

  Result<std::unique_ptr<FileLock>> lock = disk.lock(data + "/lock");
  EXPECT_TRUE(lock.ok());
  EXPECT_EQ(disk.lock(data + "/lock").error().code(), DiskErrc::kLocked);
  lock->reset();
  EXPECT_TRUE(disk.lock(data + "/lock").ok());
}

TEST(RealDisk, FilesAndFolders) {
  const TemporaryFolder folder;
  const auto env = make_env(1);
  run_task(*env, [&folder](RealEnv& e) { return files(e, folder); });
}

Task<void> many_syncs(RealEnv& env, const TemporaryFolder& folder, int& done) {
  Result<std::unique_ptr<File>> file = env.disk().open(folder / "f", OpenMode::kCreate);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE((*file)->write_at(static_cast<uint64_t>(i), "x").ok());
    EXPECT_TRUE((co_await (*file)->sync(env.reactor(0))).ok());
    EXPECT_TRUE(env.reactor(0).is_current());
    ++done;
  }
}

TEST(RealDisk, SyncsComeBackToTheirReactor) {
  const TemporaryFolder folder;
  const auto env = make_env(2);
  int done = 0;
  run_task(*env, [&](RealEnv& e) { return many_syncs(e, folder, done); });
  EXPECT_EQ(done, 20);
}

// Every reactor reads and writes the same open file at the same time, each its own part of it.
constexpr size_t kPartBytes = 64 << 10;
constexpr size_t kPartsOfEach = 16;

Task<void> use_a_part(RealEnv& env, unsigned index, File& file, std::atomic<int>& matches) {
  Reactor& here = env.reactor(index);
  for (size_t i = 0; i < kPartsOfEach; ++i) {
    const uint64_t offset = (index * kPartsOfEach + i) * kPartBytes;
    const std::string part(kPartBytes, static_cast<char>('a' + (index * kPartsOfEach + i) % 26));
    EXPECT_TRUE(file.write_at(offset, part).ok());
    file.will_sync(offset, kPartBytes);
    file.will_need(offset, kPartBytes);
    const Result<Fetched> fetched = co_await file.fetch(offset, kPartBytes, here);
    EXPECT_TRUE(fetched.ok() && here.is_current());
    if (fetched.ok() && std::string_view(fetched->bytes.get(), fetched->count) == part) matches.fetch_add(1);
    // What it gives is right, be it less.
    std::string cached(kPartBytes, '\0');
    const Result<size_t> count = file.read_cached(offset, cached);
    EXPECT_TRUE(count.ok());
    EXPECT_EQ(cached.substr(0, count.value_or(0)), part.substr(0, count.value_or(0)));
  }
}

TEST(RealDisk, SeveralReactorsUseOneFile) {
  const TemporaryFolder folder;
  auto env = make_env(4);
  auto file = env->disk().open(folder / "f", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  std::atomic<int> matches{0};
  std::atomic<unsigned> left{4};
  std::vector<std::unique_ptr<TaskScope>> scopes(4);
  struct Wrap {
    static Task<void> run(RealEnv& e, unsigned index, File& shared, std::atomic<int>& ok, std::atomic<unsigned>& todo) {
      co_await use_a_part(e, index, shared, ok);
      if (todo.fetch_sub(1) == 1) e.stop();
    }
  };
  for (unsigned i = 0; i < 4; ++i) {
    scopes[i] = std::make_unique<TaskScope>(env->reactor(i));
    env->reactor(i).post([&, i] { scopes[i]->spawn(Wrap::run(*env, i, **file, matches, left)); });
  }
  env->run();
  scopes.clear();
  EXPECT_EQ(matches.load(), static_cast<int>(4 * kPartsOfEach));
}

Task<void> fetch_around_the_end(RealEnv& env, const TemporaryFolder& folder) {
  auto file = env.disk().open(folder / "f", OpenMode::kCreate);
  EXPECT_TRUE((*file)->write_at(0, "0123456789").ok());
  Result<Fetched> fetched = co_await (*file)->fetch(8, 100, env.reactor(0));
  EXPECT_TRUE(fetched.ok());
  EXPECT_EQ(std::string_view(fetched->bytes.get(), fetched->count), "89");
  fetched = co_await (*file)->fetch(10, 100, env.reactor(0));
  EXPECT_TRUE(fetched.ok() && fetched->count == 0);
}

TEST(RealDisk, FetchesUpToTheEnd) {
  const TemporaryFolder folder;
  auto env = make_env(1);
  run_task(*env, [&](RealEnv& e) { return fetch_around_the_end(e, folder); });
}

// A chain of steps, each on a worker if one is idle, else here; the value goes along.
Task<void> add_up(RealEnv& env, unsigned index, int steps, int& sum, std::atomic<int>& on_workers) {
  auto value = std::make_unique<int>(0);
  for (int i = 0; i < steps; ++i) {
    HandOff<std::unique_ptr<int>> result(env.reactor(index));
    Callback work = [value = std::move(value), deliver = result.deliverer()]() mutable {
      ++*value;
      deliver(std::move(value));
    };
    if (env.workers().try_run(work)) {
      on_workers.fetch_add(1);
    } else {
      work();
    }
    value = co_await result;
  }
  sum = *value;
}

TEST(RealWorkers, TakeWorkWhileTheyAreIdleAndGiveItBack) {
  constexpr int kSteps = 2000;
  auto env = make_env(2);
  int sums[2] = {};
  std::atomic<int> on_workers{0};
  std::atomic<unsigned> left{2};
  std::vector<std::unique_ptr<TaskScope>> scopes(2);
  struct Wrap {
    static Task<void> run(RealEnv& e, unsigned index, int& sum, std::atomic<int>& taken, std::atomic<unsigned>& todo) {
      co_await add_up(e, index, kSteps, sum, taken);
      if (todo.fetch_sub(1) == 1) e.stop();
    }
  };
  for (unsigned i = 0; i < 2; ++i) {
    scopes[i] = std::make_unique<TaskScope>(env->reactor(i));
    env->reactor(i).post([&, i] { scopes[i]->spawn(Wrap::run(*env, i, sums[i], on_workers, left)); });
  }
  env->run();
  scopes.clear();
  EXPECT_EQ(sums[0], kSteps);
  EXPECT_EQ(sums[1], kSteps);
  EXPECT_GT(on_workers.load(), 0);
}

TEST(RealEnv, StopWithASyncAndAConnectUnderWay) {
  const TemporaryFolder folder;
  const auto env = make_env(1);
  std::optional<TaskScope> scope;
  int done = 0;
  env->reactor(0).post([&] {
    scope.emplace(env->reactor(0));
    scope->spawn(many_syncs(*env, folder, done));
    env->stop();
  });
  env->run();
  scope.reset();
  EXPECT_LT(done, 20);
}

TEST(RealEnv, SignalsReachReactorZero) {
  const auto env = make_env(1);
  std::vector<int> got;
  ASSERT_TRUE(env->watch_signals([&](int signal) {
                   EXPECT_TRUE(env->reactor(0).is_current());
                   got.push_back(signal);
                   if (signal == SIGTERM) {
                     env->stop();
                   } else {
                     ::kill(::getpid(), SIGTERM);
                   }
                 })
                  .ok());
  env->reactor(0).post([] { ::kill(::getpid(), SIGHUP); });
  env->run();
  EXPECT_EQ(got, (std::vector<int>{SIGHUP, SIGTERM}));
}

TEST(RealEnv, RandomsDiffer) {
  const auto env = make_env(2);
  EXPECT_NE(env->reactor(0).random().next(), env->reactor(1).random().next());
  std::string a(40, '\0');
  env->reactor(0).random().fill_secret(a);
  EXPECT_NE(a, std::string(40, '\0'));
}

TEST(Process, TellsOfItself) {
  const ProcessStats stats = process_stats();
  EXPECT_GT(stats.resident_bytes, 100'000U);
  EXPECT_GE(stats.file_descriptors, 3U);
  EXPECT_GE(stats.threads, 1U);
  EXPECT_GT(machine_memory_bytes(), stats.resident_bytes);
  const Result<uint64_t> limit = raise_file_limit(64);
  ASSERT_TRUE(limit.ok());
  EXPECT_GE(*limit, 64U);
  EXPECT_FALSE(allocator_stats().name.empty());
  purge_memory();
}

}  // namespace
}  // namespace keelson::env
