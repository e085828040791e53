// A node of a cluster as Redis Cluster's clients see it. Texts and shapes are those of Redis 7.0.

#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <string>

#include "base/crc16.h"
#include "protocol/resp/service_test_support.h"

namespace keelson::resp {
namespace {

constexpr std::string_view kOwnId = "1111111111111111111111111111111111111111";
constexpr std::string_view kOtherId = "2222222222222222222222222222222222222222";
constexpr std::string_view kThirdId = "3333333333333333333333333333333333333333";

// Three nodes: 1 leads the lower half of the slots, 2 the upper, and 3 follows everywhere.
TestView three_nodes() {
  TestView view;
  view.told.epoch = 7;
  view.told.here = 1;
  view.told.nodes = {{.id = 1, .name = std::string(kOwnId), .host = "10.0.0.1", .port = 7001},
                     {.id = 2, .name = std::string(kOtherId), .host = "10.0.0.2", .port = 7002, .peer_port = 9002},
                     {.id = 3, .name = std::string(kThirdId), .host = "10.0.0.3", .port = 7003, .is_reachable = false}};
  view.told.shards = {{0, 1, {1, 2, 3}}, {1, 1, {1, 2, 3}}, {2, 2, {1, 2, 3}}, {3, 2, {1, 2, 3}}};
  view.told.slots = {{0, 4095, 0}, {4096, 8191, 1}, {8192, 12287, 2}, {12288, 16383, 3}};
  return view;
}

class ClusterCommands : public testing::Test {
 protected:
  TestView view = three_nodes();
  TestService service{2, {}, host()};
  std::unique_ptr<TestClient> client = service.connect();

  std::string say(std::string_view line) { return client->say(line); }

 private:
  Host host() const {
    Host made;
    made.node_id = kOwnId;
    made.cluster = &view;
    return made;
  }
};

TEST_F(ClusterCommands, RunsPlainCommandsThroughTheLog) {
  EXPECT_EQ(say("SET ship keelson"), "+OK\r\n");
  EXPECT_EQ(say("GET ship"), "$7\r\nkeelson\r\n");
  EXPECT_EQ(client->send("SET n 1\r\nINCR n\r\nGET n\r\nINCR n\r\nGET n\r\n"),
            "+OK\r\n:2\r\n$1\r\n2\r\n:3\r\n$1\r\n3\r\n");
  EXPECT_EQ(say("MSET {a}1 x {a}2 y"), "+OK\r\n");
  EXPECT_EQ(say("MGET {a}1 {a}2"), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
  EXPECT_EQ(say("RPUSH {l}1 a b c"), ":3\r\n");
  EXPECT_EQ(say("LMOVE {l}1 {l}2 LEFT RIGHT"), "$1\r\na\r\n");
  EXPECT_EQ(say("DBSIZE"), ":6\r\n");
  EXPECT_EQ(say("FLUSHALL"), "+OK\r\n");
  EXPECT_EQ(say("DBSIZE"), ":0\r\n");
  EXPECT_EQ(say("KEYS *"), "*0\r\n");
}

TEST_F(ClusterCommands, RefusesKeysOfSeveralSlots) {
  const std::string cross = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
  EXPECT_EQ(say("MSET a 1 b 2"), cross);
  EXPECT_EQ(say("MGET a b"), cross);
  EXPECT_EQ(say("DEL a b"), cross);
  EXPECT_EQ(say("SUNIONSTORE a b c"), cross);
  EXPECT_EQ(say("BLPOP a b 1"), cross);
  // Two slots of one shard.
  std::string same_shard;
  for (int i = 0; same_shard.empty(); ++i) {
    const std::string key = "k" + std::to_string(i);
    if (key_slot(key) != key_slot("a") && key_slot(key) / 4096 == key_slot("a") / 4096) same_shard = key;
  }
  EXPECT_EQ(say("MGET a " + same_shard), cross);
  EXPECT_EQ(say("GET a"), "$-1\r\n");
}

TEST_F(ClusterCommands, RefusesWhatAClusterHasNot) {
  EXPECT_EQ(say("SELECT 0"), "+OK\r\n");
  EXPECT_EQ(say("SELECT 1"), "-ERR SELECT is not allowed in cluster mode\r\n");
  EXPECT_EQ(say("MOVE a 1"), "-ERR MOVE is not allowed in cluster mode\r\n");
  EXPECT_EQ(say("SWAPDB 0 1"), "-ERR SWAPDB is not allowed in cluster mode\r\n");
  EXPECT_EQ(say("COPY {a}1 {a}2 DB 1"), "-ERR Copying to another database is not allowed in cluster mode\r\n");
  EXPECT_EQ(say("COPY {a}1 {a}2"), ":0\r\n");
}

// By the shard of its key alone, whichever that is.
TEST_F(ClusterCommands, SortsWhatOneSlotHolds) {
  std::set<int> shards;
  for (int i = 0; i < 20; ++i) {
    const std::string key = "{" + std::to_string(i) + "}list";
    shards.insert(key_slot(key) / 4096);
    EXPECT_EQ(say("RPUSH " + key + " 3 1 2"), ":3\r\n");
    EXPECT_EQ(say("SORT " + key), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n") << key;
    EXPECT_EQ(say("SORT_RO " + key + " DESC LIMIT 0 1"), "*1\r\n$1\r\n3\r\n") << key;
    EXPECT_EQ(say("SORT " + key + " BY nothing STORE {" + std::to_string(i) + "}to"), ":3\r\n") << key;
    EXPECT_EQ(say("LINDEX {" + std::to_string(i) + "}to 0"), "$1\r\n3\r\n") << key;
  }
  EXPECT_EQ(shards.size(), kTestShards);
  EXPECT_EQ(say("SORT {a}1 STORE {b}1"), "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
  EXPECT_EQ(say("SORT a BY w_*"), "-ERR BY option of SORT denied in cluster mode.\r\n");
  EXPECT_EQ(say("SORT_RO a LIMIT 0 1 GET #"), "-ERR GET option of SORT denied in cluster mode.\r\n");
}

TEST_F(ClusterCommands, TransactionsOfOneSlotAreOneRecord) {
  EXPECT_EQ(client->send("MULTI\r\nSET {t}a 1\r\nINCR {t}a\r\nGET {t}a\r\nLPOP {t}a\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
            "*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  EXPECT_EQ(client->send("MULTI\r\nGET {t}a\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n2\r\n");
  EXPECT_EQ(client->send("MULTI\r\nSET a 1\r\nSET b 1\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n");
  EXPECT_EQ(client->send("MULTI\r\nMSET a 1 b 1\r\nEXEC\r\n"),
            "+OK\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n"
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(client->send("MULTI\r\nPING\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
  EXPECT_EQ(client->send("MULTI\r\nPING\r\nSET {t}b 1\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+PONG\r\n+OK\r\n");
  EXPECT_EQ(say("GET {t}b"), "$1\r\n1\r\n");
}

TEST_F(ClusterCommands, TransactionsLookAtNoShardButTheirOwn) {
  EXPECT_EQ(say("MULTI"), "+OK\r\n");
  for (const std::string_view line : {"KEYS *", "SCAN 0", "DBSIZE", "FLUSHALL", "SORT {t}a", "INFO", "MEMORY STATS",
                                      "CLUSTER COUNTKEYSINSLOT 16383", "CLUSTER GETKEYSINSLOT 16383 1"}) {
    EXPECT_EQ(say(line), "-ERR Command not allowed inside a transaction in a cluster\r\n") << line;
  }
  EXPECT_EQ(say("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST_F(ClusterCommands, WatchesOnTheLeader) {
  const std::unique_ptr<TestClient> other = service.connect();
  EXPECT_EQ(say("SET {w}a 1"), "+OK\r\n");
  EXPECT_EQ(say("WATCH {w}a"), "+OK\r\n");
  EXPECT_EQ(client->send("MULTI\r\nINCR {w}a\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
  EXPECT_EQ(say("WATCH {w}a"), "+OK\r\n");
  EXPECT_EQ(other->say("SET {w}a 7"), "+OK\r\n");
  EXPECT_EQ(client->send("MULTI\r\nINCR {w}a\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*-1\r\n");
  EXPECT_EQ(say("WATCH {w}a"), "+OK\r\n");
  EXPECT_EQ(client->send("MULTI\r\nGET {w}a\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n7\r\n") << "nothing to log";
}

TEST_F(ClusterCommands, BlockedClientsAreServed) {
  const std::unique_ptr<TestClient> other = service.connect();
  EXPECT_EQ(say("BLPOP queue 0"), "");
  EXPECT_EQ(other->say("RPUSH queue a b"), ":2\r\n");
  EXPECT_EQ(client->hear(), "*2\r\n$5\r\nqueue\r\n$1\r\na\r\n");
  EXPECT_EQ(say("BLPOP queue 0"), "*2\r\n$5\r\nqueue\r\n$1\r\nb\r\n");
  EXPECT_EQ(say("BLMOVE {q}1 {q}2 LEFT LEFT 0"), "");
  EXPECT_EQ(other->say("RPUSH {q}1 c"), ":1\r\n");
  EXPECT_EQ(client->hear(), "$1\r\nc\r\n");
}

TEST_F(ClusterCommands, ExpiresByRecords) {
  EXPECT_EQ(say("SET short 1 PX 50"), "+OK\r\n");
  EXPECT_EQ(say("SET shorter 1 PX 40"), "+OK\r\n");
  service.world().run_for(500 * env::sim::kMillisecond);
  EXPECT_EQ(say("DBSIZE"), ":0\r\n");
  EXPECT_EQ(say("GET short"), "$-1\r\n");
}

// A write of the leader's own, submitted like a client's.
class WriteOf final : public shard::Operation {
 public:
  WriteOf(uint16_t slot, std::vector<std::string_view> args) : slot_(slot), args_(std::move(args)) {
    command_ = {kv::find_command(args_.front())->code, 0, args_};
    commands = {&command_, 1};
    is_write = true;
  }
  engine::ReplySink& open_reply() override { return unheard_; }
  void finished(shard::LogErrc outcome) override { is_done = outcome == shard::LogErrc::kOk; }
  [[nodiscard]] uint16_t slot() const override { return slot_; }
  bool is_done = false;

 private:
  const uint16_t slot_;
  const std::vector<std::string_view> args_;
  engine::Command command_;
  kv::NullReply unheard_;
};

// The leader decides to evict a key whose expiry a write takes away that comes before the decision in the log.
TEST_F(ClusterCommands, VolatilePoliciesEvictNoKeyThatWasRewrittenMeanwhile) {
  const uint16_t slot = key_slot("key");
  const auto id = static_cast<shard::ShardId>(slot / 4096);
  KvService& kv_service = service.service();
  ShardAgent& agent = kv_service.agent(id);
  env::Reactor& owner = kv_service.reactor(kv_service.router().reactor_of(id));
  for (const std::string_view policy : {"volatile-ttl", "volatile-lru", "allkeys-random"}) {
    EXPECT_EQ(say("CONFIG SET maxmemory-policy " + std::string(policy)), "+OK\r\n");
    EXPECT_EQ(say("SET key old EX 100"), "+OK\r\n");
    WriteOf rewrite(slot, {"SET", "key", "new"});
    size_t decided = 0;
    service.world().run_on(owner, [&] {
      agent.shard().submit(rewrite);
      EXPECT_FALSE(rewrite.is_done) << "the decision must meet a write that is under way";
      decided = agent.evict_keys({}, 1);
    });
    EXPECT_EQ(decided, 1U) << policy;
    service.world().run_for(100 * env::sim::kMillisecond);
    EXPECT_TRUE(rewrite.is_done) << policy;
    EXPECT_EQ(say("GET key"), policy == "allkeys-random" ? "$-1\r\n" : "$3\r\nnew\r\n") << policy;
  }
}

TEST_F(ClusterCommands, DescribesTheCluster) {
  const auto bulk = [](std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  };
  const auto node = [&](std::string_view host, int port, std::string_view id) {
    return "*4\r\n" + bulk(host) + ":" + std::to_string(port) + "\r\n" + bulk(id) + "*0\r\n";
  };
  EXPECT_EQ(say("CLUSTER SLOTS"), "*2\r\n*4\r\n:0\r\n:8191\r\n" + node("10.0.0.1", 7001, kOwnId) +
                                      node("10.0.0.3", 7003, kThirdId) + "*4\r\n:8192\r\n:16383\r\n" +
                                      node("10.0.0.2", 7002, kOtherId) + node("10.0.0.3", 7003, kThirdId));
  EXPECT_EQ(say("CLUSTER MYID"), bulk(kOwnId));
  EXPECT_EQ(
      say("CLUSTER NODES"),
      bulk(std::string(kOwnId) + " 10.0.0.1:7001@17001 myself,master - 0 0 7 connected 0-8191\n" +
           std::string(kOtherId) + " 10.0.0.2:7002@9002 master - 0 0 7 connected 8192-16383\n" + std::string(kThirdId) +
           " 10.0.0.3:7003@17003 slave,fail " + std::string(kOwnId) + " 0 0 7 disconnected\n"));
  const std::string info = say("CLUSTER INFO");
  EXPECT_NE(info.find("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"), std::string::npos) << info;
  EXPECT_NE(info.find("cluster_known_nodes:3\r\ncluster_size:2\r\ncluster_current_epoch:7\r\n"), std::string::npos);
  const std::string shards = say("CLUSTER SHARDS");
  EXPECT_TRUE(shards.starts_with("*2\r\n*4\r\n" + bulk("slots") + "*2\r\n:0\r\n:8191\r\n" + bulk("nodes") +
                                 "*2\r\n*14\r\n" + bulk("id") + bulk(kOwnId) + bulk("port") + ":7001\r\n"))
      << shards;
  EXPECT_NE(say("INFO cluster").find("cluster_enabled:1"), std::string::npos);
  EXPECT_NE(say("HELLO").find("$4\r\nmode\r\n$7\r\ncluster\r\n"), std::string::npos);
  // Without leaders nothing is served.
  view.told.shards[3].leader = 0;
  EXPECT_NE(say("CLUSTER INFO").find("cluster_state:fail\r\n"), std::string::npos);
}

TEST_F(ClusterCommands, FindsTheKeysOfASlot) {
  for (int i = 0; i < 300; ++i) say("SET other-" + std::to_string(i) + " x");
  EXPECT_EQ(say("MSET {s}1 x {s}2 x {s}3 x"), "+OK\r\n");
  const std::string slot = std::to_string(key_slot("s"));
  const auto others = static_cast<int>(std::ranges::count_if(
      std::views::iota(0, 300), [](int i) { return key_slot("other-" + std::to_string(i)) == key_slot("s"); }));
  EXPECT_EQ(say("CLUSTER COUNTKEYSINSLOT " + slot), ":" + std::to_string(3 + others) + "\r\n");
  EXPECT_TRUE(say("CLUSTER GETKEYSINSLOT " + slot + " 2").starts_with("*2\r\n$"));
  EXPECT_EQ(say("CLUSTER COUNTKEYSINSLOT 16384"), "-ERR Invalid slot\r\n");
  EXPECT_EQ(say("CLUSTER GETKEYSINSLOT 5 -1"), "-ERR Invalid slot or number of keys\r\n");
}

TEST_F(ClusterCommands, ReadOnlyConnectionsReadWhatIsThere) {
  EXPECT_EQ(say("SET a 1"), "+OK\r\n");
  EXPECT_EQ(say("READONLY"), "+OK\r\n");
  EXPECT_EQ(say("GET a"), "$1\r\n1\r\n");
  EXPECT_EQ(say("DBSIZE"), ":1\r\n");
  EXPECT_EQ(say("READWRITE"), "+OK\r\n");
  EXPECT_EQ(say("ASKING"), "+OK\r\n");
}

TEST(ActiveExpiry, RemovesAllKeysThatAreDueAtOnce) {
  TestService service(1);
  const std::unique_ptr<TestClient> client = service.connect();
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "SET key-" + std::to_string(i) + " x PX 10000\r\n";
  client->send(lines);
  EXPECT_EQ(client->say("DBSIZE"), ":100\r\n");
  service.world().run_for(10'200 * env::sim::kMillisecond);
  EXPECT_EQ(client->say("DBSIZE"), ":0\r\n");
}

TEST(ClusterCommandsAlone, AreRefusedAsRedisDoes) {
  TestService service(1);
  const std::unique_ptr<TestClient> client = service.connect();
  for (const std::string_view line : {"CLUSTER SLOTS", "CLUSTER NODES", "READONLY", "READWRITE", "ASKING"}) {
    EXPECT_EQ(client->say(line), "-ERR This instance has cluster support disabled\r\n") << line;
  }
  EXPECT_EQ(client->say("CLUSTER KEYSLOT a"), ":15495\r\n");
}

}  // namespace
}  // namespace keelson::resp
