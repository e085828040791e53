// The internal commands of eviction: what a decision does that is applied after its key was written again.
#include <gtest/gtest.h>

#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

TEST(InternalCommands, EvictRemovesAnyKey) {
  TestNode node;
  EXPECT_EQ(node.run("SET lasting v"), "OK");
  EXPECT_EQ(node.run("SET passing v EX 10"), "OK");
  (void)node.take_events();
  EXPECT_EQ(node.run("_EVICT lasting"), ":1");
  EXPECT_EQ(node.run("_EVICT passing"), ":1");
  EXPECT_EQ(node.run("_EVICT passing"), ":0");
  EXPECT_EQ(node.take_events(), "evicted:lasting evicted:passing");
  EXPECT_EQ(node.run("DBSIZE"), ":0");
}

TEST(InternalCommands, EvictVolatileSparesAKeyThatHasNoExpiryByThen) {
  TestNode node;
  EXPECT_EQ(node.run("SET passing v EX 10"), "OK");
  EXPECT_EQ(node.run("SET rewritten v EX 10"), "OK");
  EXPECT_EQ(node.run("SET rewritten w"), "OK");
  EXPECT_EQ(node.run("SET persisted v EX 10"), "OK");
  EXPECT_EQ(node.run("PERSIST persisted"), ":1");
  (void)node.take_events();
  (void)node.take_changed();
  EXPECT_EQ(node.run("_EVICTVOLATILE rewritten"), ":0");
  EXPECT_EQ(node.run("_EVICTVOLATILE persisted"), ":0");
  EXPECT_EQ(node.run("_EVICTVOLATILE nothing"), ":0");
  EXPECT_EQ(node.take_changed(), "");
  EXPECT_EQ(node.run("_EVICTVOLATILE passing"), ":1");
  EXPECT_EQ(node.take_events(), "evicted:passing");
  EXPECT_EQ(node.run("GET rewritten"), "\"w\"");
  EXPECT_EQ(node.run("GET persisted"), "\"v\"");
  EXPECT_EQ(node.run("GET passing"), "nil");
  TestNode other;
  node.replay_into(other);
  EXPECT_EQ(other.shard_digests(), node.shard_digests());
}

}  // namespace
}  // namespace keelson::kv
