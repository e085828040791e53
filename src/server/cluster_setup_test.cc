#include "server/cluster_setup.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keelson::server {
namespace {

// The keys that are complained of.
std::string complaints(const Pairs& flags, bool has_secret = false) {
  const LoadedSettings loaded = load_settings({.file_name = {}, .file_text = {}, .variables = {}, .flags = flags});
  EXPECT_TRUE(loaded.errors.empty());
  std::vector<SettingError> errors;
  check_cluster_settings(loaded.settings, has_secret, errors);
  std::string keys;
  for (const SettingError& error : errors) keys.append(keys.empty() ? "" : " ").append(error.key);
  return keys;
}

TEST(ClusterSettings, WhatGoesTogether) {
  EXPECT_EQ(complaints({}), "");
  EXPECT_EQ(complaints({{"cluster.listen", "127.0.0.1:0"}}), "");
  EXPECT_EQ(complaints({{"cluster.join", "127.0.0.1:1"}}), "cluster.join");
  EXPECT_EQ(complaints({{"cluster.init", "yes"}}), "cluster.init");
  EXPECT_EQ(complaints({{"cluster.listen", "127.0.0.1:0"}, {"cluster.init", "yes"}, {"cluster.join", "127.0.0.1:1"}}),
            "cluster.init");
  EXPECT_EQ(complaints({{"cluster.listen", "127.0.0.1:0"}, {"cluster.replicas", "4"}}), "cluster.replicas");
  EXPECT_EQ(complaints({{"cluster.listen", "127.0.0.1:0"}, {"cluster.tls.cert", "a"}}),
            "cluster.tls.key cluster.tls.ca");
  EXPECT_EQ(complaints({{"cluster.listen", "127.0.0.1:0"}, {"cluster.tls.key", "a"}}), "cluster.tls.key");
}

TEST(ClusterSettings, WhoeverCanConnectMustProveSomething) {
  EXPECT_EQ(complaints({{"cluster.listen", "10.0.0.1:7400"}}), "cluster.listen");
  EXPECT_EQ(complaints({{"cluster.listen", "10.0.0.1:7400"}}, true), "");
  EXPECT_EQ(complaints({{"cluster.listen", "10.0.0.1:7400"},
                        {"cluster.tls.cert", "a"},
                        {"cluster.tls.key", "b"},
                        {"cluster.tls.ca", "c"}}),
            "");
  EXPECT_EQ(complaints({{"cluster.listen", "*:7400"}}, true), "cluster.advertise");
  EXPECT_EQ(complaints({{"cluster.listen", "*:7400"}, {"cluster.advertise", "10.0.0.1:7400"}}, true), "");
}

cluster::ClusterFacts facts() {
  cluster::ClusterFacts facts;
  facts.cluster = "c1";
  facts.self = 1;
  facts.system_leader = 2;
  for (const cluster::NodeId id : {1, 2, 3}) {
    cluster::NodeRecord& node = facts.state.nodes[id];
    node.id = id;
    node.name = "n\"" + std::to_string(id);
  }
  facts.reachable = {1, 2};
  cluster::ShardFacts shard{.shard = 4, .is_system = false, .leader = 2, .wanted = {1, 2, 3}, .status = {}};
  facts.shards.push_back(shard);
  shard.shard = 5;
  shard.status.emplace();
  shard.status->members.voters = {2, 1};
  shard.wanted = {1, 2};
  facts.shards.push_back(shard);
  return facts;
}

TEST(ClusterTexts, SayWhatIsNotAsItShouldBe) {
  const std::string text = cluster_text(facts());
  EXPECT_NE(text.find("1 of 2 shards have all their replicas"), std::string::npos) << text;
  EXPECT_NE(text.find("shard 4: no leader that can be asked"), std::string::npos) << text;
  EXPECT_NE(text.find("unreachable"), std::string::npos) << text;
}

TEST(ClusterTexts, JsonIsWellFormed) {
  const std::string json = cluster_json(facts());
  EXPECT_NE(json.find(R"("name":"n\"1")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("voters":[2,1],"learners":[])"), std::string::npos) << json;
  EXPECT_EQ(json.find(",,"), std::string::npos) << json;
  EXPECT_EQ(json.find("{,"), std::string::npos) << json;
}

}  // namespace
}  // namespace keelson::server
