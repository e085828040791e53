// The commands of connections and of the server, as a client sees them.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "protocol/resp/service_test_support.h"
#include "protocol/resp/session.h"

namespace keelson::resp {
namespace {

TEST(SessionCommands, EachHasItsHandler) {
  size_t count = 0;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (spec.home != kv::Home::kSession) {
      EXPECT_EQ(session_handler(spec.code), nullptr) << spec.name;
      continue;
    }
    // A container is answered by its subcommands (COMMAND and DEBUG also by itself).
    if (kv::subcommands_of(spec).empty()) {
      EXPECT_NE(session_handler(spec.code), nullptr) << spec.name;
      ++count;
    }
  }
  EXPECT_GT(count, 80U);
}

// What all reactors have counted of a command.
CommandTotals totals_of(TestService& service, std::string_view name) {
  CommandTotals totals;
  for (unsigned i = 0; i < service.service().reactor_count(); ++i) {
    service.service().local(i).stats->merge_into(kv::find_command(name)->code, totals);
  }
  return totals;
}

TEST(Pipelines, EqualWritesOfSeveralShardsAreAnsweredOneByOne) {
  for (unsigned reactors = 1; reactors <= 2; ++reactors) {
    TestService service(reactors);
    const auto client = service.connect();
    EXPECT_EQ(client->send("MSET a 1 b 2 c 3 d 4\r\n"
                           "MSET a 5 b 6 c\r\n"
                           "MSET a 7 b 8 e 9\r\n"
                           "MSETNX x 1 a 2\r\n"
                           "MSETNX x 1 y 2\r\n"
                           "DEL a b zz\r\n"
                           "DEL a c\r\n"
                           "MGET a b c d e x y\r\n"),
              "+OK\r\n"
              "-ERR wrong number of arguments for 'mset' command\r\n"
              "+OK\r\n"
              ":0\r\n"
              ":1\r\n"
              ":2\r\n"
              ":1\r\n"
              "*7\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\n4\r\n$1\r\n9\r\n$1\r\n1\r\n$1\r\n2\r\n");
    EXPECT_EQ(totals_of(service, "MSET").calls, 3U);
    EXPECT_EQ(totals_of(service, "MSET").failed, 1U);
    EXPECT_EQ(totals_of(service, "MSET").latency_ns.count, 3U);
    EXPECT_EQ(totals_of(service, "MSETNX").calls, 2U);
    EXPECT_EQ(totals_of(service, "DEL").calls, 2U);
  }
}

TEST(Pipelines, WhatIsTimedTogetherIsCountedOneByOne) {
  TestService service(1);
  const auto client = service.connect();
  std::string sent;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    sent += "GET k\r\nGET k\r\nPING\r\nHSET h f v\r\n";
    expected += "$-1\r\n$-1\r\n+PONG\r\n" + std::string(i == 0 ? ":1\r\n" : ":0\r\n");
  }
  EXPECT_EQ(client->send(sent + "LPUSH h x\r\n"),
            expected + "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  EXPECT_EQ(totals_of(service, "GET").calls, 80U);
  EXPECT_EQ(totals_of(service, "GET").latency_ns.count, 80U);
  EXPECT_EQ(totals_of(service, "PING").calls, 40U);
  EXPECT_EQ(totals_of(service, "HSET").calls, 40U);
  EXPECT_EQ(totals_of(service, "LPUSH").failed, 1U);
  EXPECT_EQ(service.service().local(0).counters.commands_processed, 161U);
}

TEST(SessionCommands, AuthenticatesByPassword) {
  KvConfig config;
  config.password = "secret";
  TestService service(1, config);
  const auto client = service.connect();
  EXPECT_EQ(client->say("GET k"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(client->say("HELLO 3").substr(0, 44), "-NOAUTH HELLO must be called with the client");
  EXPECT_EQ(client->say("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client->say("AUTH default secreT"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client->say("AUTH nobody secret"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client->say("AUTH secret"), "+OK\r\n");
  EXPECT_EQ(client->say("GET k"), "$-1\r\n");
  EXPECT_EQ(client->say("RESET"), "+RESET\r\n");
  EXPECT_EQ(client->say("GET k"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(client->say("HELLO 3 AUTH default secret SETNAME me").substr(0, 2), "%7");
  EXPECT_EQ(client->say("CLIENT GETNAME"), "$2\r\nme\r\n");
  EXPECT_EQ(client->say("GET k"), "_\r\n");
}

TEST(SessionCommands, LimitsWhatClientsWithoutPasswordSend) {
  KvConfig config;
  config.password = "secret";
  TestService service(1, config);
  const auto client = service.connect();
  EXPECT_EQ(client->say("*11"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  EXPECT_TRUE(client->is_closed());
  const auto other = service.connect();
  other->say("AUTH secret");
  EXPECT_EQ(other->send("*2\r\n$4\r\nECHO\r\n$20000\r\n" + std::string(20000, 'x') + "\r\n"),
            "$20000\r\n" + std::string(20000, 'x') + "\r\n");
}

TEST(SessionCommands, ListsFindsAndEndsClients) {
  TestService service(2);
  const auto one = service.connect();
  const auto two = service.connect();
  const auto three = service.connect();
  one->say("CLIENT SETNAME one");
  two->say("CLIENT SETNAME two");
  EXPECT_EQ(one->say("CLIENT ID"), ":1\r\n");
  EXPECT_EQ(three->say("CLIENT ID"), ":3\r\n");
  const std::string list = three->say("CLIENT LIST");
  const size_t first = list.find("id=1 "), second = list.find("id=2 "), third = list.find("id=3 ");
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << list;
  EXPECT_NE(list.find(" name=two "), std::string::npos);
  EXPECT_EQ(three->say("CLIENT LIST ID 2").find("id=1 "), std::string::npos);
  EXPECT_EQ(one->say("CLIENT KILL ID 2"), ":1\r\n");
  two->hear();
  EXPECT_TRUE(two->is_closed());
  EXPECT_EQ(one->say("CLIENT KILL ID 2"), ":0\r\n");
  EXPECT_EQ(one->say("CLIENT KILL TYPE normal"), ":1\r\n");
  three->hear();
  EXPECT_TRUE(three->is_closed());
  EXPECT_EQ(one->say("CLIENT KILL ID 1 SKIPME no"), ":1\r\n");
  EXPECT_TRUE(one->is_closed());
}

TEST(SessionCommands, TurnsRepliesOffAndOn) {
  TestService service(1);
  const auto client = service.connect();
  EXPECT_EQ(client->say("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(client->send("PING\r\nPING a\r\n"), "$1\r\na\r\n");
  EXPECT_EQ(client->say("CLIENT REPLY OFF"), "");
  EXPECT_EQ(client->send("SET k 1\r\nGET k\r\nPING\r\nNOSUCH\r\n"), "");
  EXPECT_EQ(client->say("CLIENT REPLY ON"), "+OK\r\n");
  EXPECT_EQ(client->say("GET k"), "$1\r\n1\r\n");
}

TEST(SessionCommands, PausesClients) {
  TestService service(2);
  const auto one = service.connect();
  const auto two = service.connect();
  EXPECT_EQ(one->say("CLIENT PAUSE 1000 WRITE"), "+OK\r\n");
  EXPECT_EQ(two->say("GET k"), "$-1\r\n");
  EXPECT_EQ(two->say("SET k 1"), "");
  service.world().run_for(900 * env::sim::kMillisecond);
  EXPECT_EQ(two->hear(), "");
  service.world().run_for(200 * env::sim::kMillisecond);
  EXPECT_EQ(two->hear(), "+OK\r\n");
  one->say("CLIENT PAUSE 100000");
  EXPECT_EQ(two->say("GET k"), "");
  EXPECT_EQ(one->say("CLIENT UNPAUSE"), "+OK\r\n");
  EXPECT_EQ(two->hear(), "$1\r\n1\r\n");
}

TEST(SessionCommands, ShowsEveryCommandToMonitors) {
  TestService service(2);
  const auto monitor = service.connect();
  const auto far_monitor = service.connect();
  const auto client = service.connect();
  EXPECT_EQ(monitor->say("MONITOR"), "+OK\r\n");
  EXPECT_EQ(far_monitor->say("MONITOR"), "+OK\r\n");
  client->say("SELECT 3");
  monitor->hear(), far_monitor->hear();
  client->say("SET \"a\\x00b\" \"q\\\"\\n\"");
  for (const auto& watcher : {monitor.get(), far_monitor.get()}) {
    const std::string line = watcher->hear();
    EXPECT_EQ(line[0], '+');
    EXPECT_NE(line.find(" [3 10.0.0.2:"), std::string::npos) << line;
    EXPECT_TRUE(line.ends_with("] \"SET\" \"a\\x00b\" \"q\\\"\\n\"\r\n")) << line;
  }
  client->say("AUTH default very-secret");
  EXPECT_EQ(monitor->hear().find("very-secret"), std::string::npos);
  EXPECT_TRUE(monitor->say("RESET").ends_with("+RESET\r\n"));
  far_monitor->hear();
  client->say("PING");
  EXPECT_EQ(monitor->hear(), "");
  EXPECT_NE(far_monitor->hear().find("PING"), std::string::npos);
}

TEST(SessionCommands, ChangesSettingsTogetherOrNotAtAll) {
  TestService service(2);
  const auto client = service.connect();
  const auto other = service.connect();
  EXPECT_EQ(client->say("CONFIG SET timeout 7 maxmemory-samples 9"), "+OK\r\n");
  EXPECT_EQ(other->say("CONFIG GET timeout"), "*2\r\n$7\r\ntimeout\r\n$1\r\n7\r\n");
  EXPECT_EQ(
      client->say("CONFIG SET timeout 8 maxmemory-samples 0"),
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - argument must be between 1 and "
      "2147483647 inclusive\r\n");
  EXPECT_EQ(client->say("CONFIG GET timeout maxmemory-samples"),
            "*4\r\n$17\r\nmaxmemory-samples\r\n$1\r\n9\r\n$7\r\ntimeout\r\n$1\r\n7\r\n");
  EXPECT_EQ(client->say("CONFIG SET nosuch 1"),
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n");
  EXPECT_EQ(client->say("CONFIG REWRITE"), "-ERR The server is running without a config file\r\n");
}

TEST(SessionCommands, KeepsSlowCommands) {
  TestService service(2);
  const auto client = service.connect();
  client->say("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3");
  client->say("SLOWLOG RESET");
  std::string many = "DEL";
  for (int i = 0; i < 40; ++i) many += " k" + std::to_string(i);
  client->say(many);
  client->say("GET " + std::string(200, 'x'));
  const std::string log = client->say("SLOWLOG GET 2");
  EXPECT_NE(log.find("$23\r\n... (10 more arguments)"), std::string::npos) << log;
  EXPECT_NE(log.find(std::string(128, 'x') + "... (72 more bytes)"), std::string::npos) << log;
  for (int i = 0; i < 5; ++i) client->say("PING");
  EXPECT_EQ(client->say("SLOWLOG LEN"), ":3\r\n");
  EXPECT_EQ(client->say("SLOWLOG RESET"), "+OK\r\n");
}

TEST(SessionCommands, CountsCommandsAndErrors) {
  TestService service(2);
  const auto one = service.connect();
  const auto two = service.connect();
  one->say("CONFIG RESETSTAT");
  for (const auto& client : {one.get(), two.get()}) {
    client->say("SET k v");
    client->say("LPUSH k v");
    client->say("GET");
  }
  const std::string info = one->say("INFO everything");
  EXPECT_NE(info.find("cmdstat_set:calls=2,"), std::string::npos) << info;
  EXPECT_NE(info.find(",rejected_calls=0,failed_calls=2\r\n"), std::string::npos);
  EXPECT_NE(info.find("errorstat_WRONGTYPE:count=2\r\n"), std::string::npos);
  EXPECT_NE(info.find("errorstat_ERR:count=2\r\n"), std::string::npos);
  EXPECT_NE(info.find("db0:keys=1,expires=0,avg_ttl=0\r\n"), std::string::npos);
  EXPECT_NE(info.find("latency_percentiles_usec_set:p50="), std::string::npos);
  EXPECT_NE(one->say("LATENCY HISTOGRAM set").find("$5\r\ncalls\r\n:2\r\n"), std::string::npos);
}

TEST(SessionCommands, ReloadsItsData) {
  TestService service(2);
  const auto client = service.connect();
  client->say("MSET a 1 b 2 c 3");
  client->say("RPUSH l 1 2 3");
  client->say("HSET h f v");
  const std::string digest = client->say("DEBUG DIGEST");
  EXPECT_EQ(client->say("DEBUG RELOAD"), "+OK\r\n");
  EXPECT_EQ(client->say("DEBUG DIGEST"), digest);
  EXPECT_EQ(client->say("GET b"), "$1\r\n2\r\n");
  EXPECT_EQ(client->say("DBSIZE"), ":5\r\n");
  client->say("SET b 3");
  EXPECT_NE(client->say("DEBUG DIGEST"), digest);
}

TEST(SessionCommands, RunInsideTransactions) {
  TestService service(2);
  const auto client = service.connect();
  client->say("MSET a 1 b 2 c 3 d 4 e 5");
  client->send("MULTI\r\nSET f 6\r\nINFO keyspace\r\nCONFIG GET timeout\r\nMEMORY STATS\r\n");
  const std::string answers = client->say("EXEC");
  EXPECT_EQ(answers.find("*4\r\n+OK\r\n$"), 0U) << answers;
  EXPECT_NE(answers.find("db0:keys=6,"), std::string::npos) << answers;
  EXPECT_NE(answers.find("*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"), std::string::npos) << answers;
  // What would wait for the transaction's own shards is refused.
  client->say("MULTI");
  EXPECT_EQ(client->say("DEBUG DIGEST"), "-ERR Command not allowed inside a transaction\r\n");
  EXPECT_EQ(client->say("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST(SessionCommands, EndsConnectionsThatSpeakHttp) {
  TestService service(1);
  const auto client = service.connect();
  client->send("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nFLUSHALL\r\n");
  EXPECT_TRUE(client->is_closed());
}

TEST(SessionCommands, SelectsAndResets) {
  TestService service(1);
  const auto client = service.connect();
  EXPECT_EQ(client->say("SELECT 3"), "+OK\r\n");
  client->say("SET k v");
  EXPECT_EQ(client->say("RESET"), "+RESET\r\n");
  EXPECT_EQ(client->say("GET k"), "$-1\r\n");
  EXPECT_EQ(client->say("SELECT 16"), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client->say("QUIT"), "+OK\r\n");
  EXPECT_TRUE(client->is_closed());
}

}  // namespace
}  // namespace keelson::resp
