#include "protocol/resp/pubsub.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/glob.h"
#include "protocol/resp/service_test_support.h"

namespace keelson::resp {
namespace {

TEST(PubSub, ConfirmsAndCounts) {
  TestService service;
  const auto client = service.connect();
  EXPECT_EQ(client->say("SUBSCRIBE a b"),
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
  EXPECT_EQ(client->say("SUBSCRIBE a"), "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
  EXPECT_EQ(client->say("PSUBSCRIBE x*"), "*3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:3\r\n");
  EXPECT_EQ(client->say("SSUBSCRIBE s"), "*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n");
  EXPECT_EQ(client->say("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  EXPECT_EQ(client->say("UNSUBSCRIBE a"), "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n");
  EXPECT_EQ(client->say("UNSUBSCRIBE"), "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
  EXPECT_EQ(client->say("UNSUBSCRIBE"), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
  EXPECT_EQ(client->say("PUNSUBSCRIBE"), "*3\r\n$12\r\npunsubscribe\r\n$2\r\nx*\r\n:0\r\n");
  EXPECT_EQ(client->say("SUNSUBSCRIBE"), "*3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n");
  EXPECT_EQ(client->say("PING"), "+PONG\r\n");
}

TEST(PubSub, DeliversOverReactorsInBothProtocols) {
  TestService service(3);
  const auto publisher = service.connect();
  std::vector<std::unique_ptr<TestClient>> subscribers;
  for (int i = 0; i < 6; ++i) {
    subscribers.push_back(service.connect());
    if (i % 2 == 1) subscribers.back()->say("HELLO 3");
    subscribers.back()->say("SUBSCRIBE news");
    subscribers.back()->say("PSUBSCRIBE n*s");
  }
  EXPECT_EQ(publisher->say("PUBLISH news hello"), ":12\r\n");
  const std::string rest = "3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n";
  const std::string pattern_rest = "4\r\n$8\r\npmessage\r\n$3\r\nn*s\r\n$4\r\nnews\r\n$5\r\nhello\r\n";
  for (size_t i = 0; i < subscribers.size(); ++i) {
    const std::string kind = i % 2 == 1 ? ">" : "*";
    EXPECT_EQ(subscribers[i]->hear(), kind + rest + kind + pattern_rest) << i;
  }
  EXPECT_EQ(publisher->say("PUBLISH other hello"), ":0\r\n");
  EXPECT_EQ(publisher->say("SPUBLISH news hello"), ":0\r\n");
}

TEST(PubSub, KeepsTheOrderOfEachChannel) {
  TestService service(3);
  const auto subscriber = service.connect();
  subscriber->say("SUBSCRIBE c");
  std::vector<std::unique_ptr<TestClient>> publishers;
  for (int i = 0; i < 3; ++i) publishers.push_back(service.connect());
  for (const auto& publisher : publishers) {
    std::string lines;
    for (int n = 0; n < 50; ++n) lines += "PUBLISH c " + std::to_string(100 + n) + "\r\n";
    publisher->send(lines);
  }
  const std::string heard = subscriber->hear();
  // Each publisher sent 100, 101 ... 149 in turn.
  size_t at = 0;
  int messages = 0;
  std::vector<int> next(3, 0);
  while ((at = heard.find("$3\r\n1", at)) != std::string::npos) {
    const int number = std::stoi(heard.substr(at + 4, 3)) - 100;
    const auto whose = std::ranges::find(next, number);
    ASSERT_NE(whose, next.end()) << "message " << number << " is out of order";
    ++*whose;
    ++messages;
    ++at;
  }
  EXPECT_EQ(messages, 150);
}

TEST(PubSub, ForgetsClientsThatLeave) {
  TestService service(2);
  const auto client = service.connect();
  {
    const auto leaves = service.connect();
    leaves->say("SUBSCRIBE c");
    leaves->say("PSUBSCRIBE c*");
    const auto resets = service.connect();
    resets->say("SUBSCRIBE c");
    EXPECT_EQ(client->say("PUBLISH c x"), ":3\r\n");
    EXPECT_EQ(resets->say("RESET"), "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n+RESET\r\n");
    EXPECT_EQ(client->say("PUBLISH c x"), ":2\r\n");
  }
  client->hear();
  EXPECT_EQ(client->say("PUBLISH c x"), ":0\r\n");
  EXPECT_EQ(client->say("PUBSUB CHANNELS"), "*0\r\n");
  EXPECT_EQ(client->say("PUBSUB NUMPAT"), ":0\r\n");
}

TEST(PubSub, TellsWhatIsInUse) {
  TestService service(3);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(service.connect());
    clients.back()->say("SUBSCRIBE all only" + std::to_string(i));
    clients.back()->say("PSUBSCRIBE p" + std::to_string(i / 2));
    clients.back()->say("SSUBSCRIBE shard");
  }
  const auto asker = service.connect();
  EXPECT_EQ(asker->say("PUBSUB CHANNELS"), "*4\r\n$3\r\nall\r\n$5\r\nonly0\r\n$5\r\nonly1\r\n$5\r\nonly2\r\n");
  EXPECT_EQ(asker->say("PUBSUB CHANNELS only[01]"), "*2\r\n$5\r\nonly0\r\n$5\r\nonly1\r\n");
  EXPECT_EQ(asker->say("PUBSUB NUMSUB all only1 none"),
            "*6\r\n$3\r\nall\r\n:3\r\n$5\r\nonly1\r\n:1\r\n$4\r\nnone\r\n:0\r\n");
  EXPECT_EQ(asker->say("PUBSUB NUMPAT"), ":2\r\n");
  EXPECT_EQ(asker->say("PUBSUB SHARDCHANNELS"), "*1\r\n$5\r\nshard\r\n");
  EXPECT_EQ(asker->say("PUBSUB SHARDNUMSUB shard"), "*2\r\n$5\r\nshard\r\n:3\r\n");
}

TEST(PubSub, NotifiesOfKeyspaceEvents) {
  TestService service(2);
  const auto subscriber = service.connect();
  const auto writer = service.connect();
  subscriber->say("PSUBSCRIBE __key*__:*");
  writer->say("SET quiet 1");
  EXPECT_EQ(subscriber->hear(), "");
  EXPECT_EQ(writer->say("CONFIG SET notify-keyspace-events KEA"), "+OK\r\n");
  for (const std::string key : {"k", "l"}) {
    writer->say("SET " + key + " 1");
    EXPECT_EQ(subscriber->hear(),
              "*4\r\n$8\r\npmessage\r\n$10\r\n__key*__:*\r\n$16\r\n__keyspace@0__:" + key + "\r\n$3\r\nset\r\n" +
                  "*4\r\n$8\r\npmessage\r\n$10\r\n__key*__:*\r\n$18\r\n__keyevent@0__:set\r\n$1\r\n" + key + "\r\n");
  }
  writer->say("CONFIG SET notify-keyspace-events El");
  writer->say("SET k 2");
  writer->say("RPUSH list a");
  EXPECT_EQ(subscriber->hear(),
            "*4\r\n$8\r\npmessage\r\n$10\r\n__key*__:*\r\n$20\r\n__keyevent@0__:rpush\r\n$4\r\nlist\r\n");
}

// Subscribing, leaving and publishing at random agree with a plain model.
TEST(PubSub, AgreesWithAModel) {
  TestService service(3);
  std::mt19937_64 random(5);
  struct Party {
    std::unique_ptr<TestClient> client;
    std::set<std::string> channels, patterns;
  };
  std::vector<Party> parties(5);
  for (Party& party : parties) {
    party.client = service.connect();
    party.client->say("HELLO 3");
  }
  const std::vector<std::string> channels = {"aa", "ab", "b"};
  const std::vector<std::string> patterns = {"a*", "*b", "?"};
  const auto publisher = service.connect();
  for (int step = 0; step < 300; ++step) {
    Party& party = parties[random() % parties.size()];
    const std::string& channel = channels[random() % 3];
    const std::string& pattern = patterns[random() % 3];
    switch (random() % 5) {
      case 0:
        party.client->say("SUBSCRIBE " + channel), party.channels.insert(channel);
        break;
      case 1:
        party.client->say("PSUBSCRIBE " + pattern), party.patterns.insert(pattern);
        break;
      case 2:
        party.client->say("UNSUBSCRIBE " + channel), party.channels.erase(channel);
        break;
      case 3:
        party.client->say("PUNSUBSCRIBE " + pattern), party.patterns.erase(pattern);
        break;
      default: {
        size_t expected = 0;
        std::vector<size_t> each;
        for (const Party& other : parties) {
          each.push_back(other.channels.count(channel));
          for (const std::string& with : other.patterns) each.back() += glob_match(with, channel) ? 1 : 0;
          expected += each.back();
        }
        ASSERT_EQ(publisher->say("PUBLISH " + channel + " msg"), ":" + std::to_string(expected) + "\r\n") << step;
        for (size_t i = 0; i < parties.size(); ++i) {
          const std::string heard = parties[i].client->hear();
          ASSERT_EQ(static_cast<size_t>(std::ranges::count(heard, '>')), each[i]) << step;
        }
      }
    }
  }
}

}  // namespace
}  // namespace keelson::resp
