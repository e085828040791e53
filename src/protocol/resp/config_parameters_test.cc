#include "protocol/resp/config_parameters.h"

#include <gtest/gtest.h>

#include <string>

namespace keelson::resp {
namespace {

TEST(ConfigParameters, ReadsMemoryUnitsAsRedis) {
  EXPECT_EQ(parse_memory_bytes("0"), 0U);
  EXPECT_EQ(parse_memory_bytes("512"), 512U);
  EXPECT_EQ(parse_memory_bytes("5b"), 5U);
  EXPECT_EQ(parse_memory_bytes("2k"), 2000U);
  EXPECT_EQ(parse_memory_bytes("2kb"), 2048U);
  EXPECT_EQ(parse_memory_bytes("3M"), 3'000'000U);
  EXPECT_EQ(parse_memory_bytes("3Mb"), 3U << 20);
  EXPECT_EQ(parse_memory_bytes("1g"), 1'000'000'000U);
  EXPECT_EQ(parse_memory_bytes("1GB"), 1U << 30);
  for (const std::string_view wrong :
       {"", "x", "1.5gb", "-1", "1tb", "kb", "1 gb", "99999999999999999999", "99999999999gb"}) {
    EXPECT_EQ(parse_memory_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(ConfigParameters, ReadsAndShowsNotificationClasses) {
  const auto round = [](std::string_view letters) {
    KvConfig config;
    return parse_notify_classes(letters, config) ? format_notify_classes(config) : "wrong";
  };
  EXPECT_EQ(round(""), "");
  EXPECT_EQ(round("KEA"), "AKE");
  EXPECT_EQ(round("g$lshzxetdE"), "AE");
  EXPECT_EQ(round("xgK$"), "g$xK");
  EXPECT_EQ(round("Kq"), "wrong");
}

TEST(ConfigParameters, KnowsEveryEvictionPolicy) {
  for (const std::string_view name : {"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru",
                                      "volatile-lfu", "volatile-random", "volatile-ttl"}) {
    const auto policy = parse_eviction_policy(name);
    ASSERT_TRUE(policy.has_value()) << name;
    EXPECT_EQ(eviction_policy_name(*policy), name);
  }
  EXPECT_EQ(parse_eviction_policy("lru"), std::nullopt);
}

TEST(ConfigParameters, FindsNamesAndOlderNames) {
  ASSERT_NE(find_config_parameter("MaxMemory"), nullptr);
  EXPECT_EQ(find_config_parameter("hash-max-ziplist-entries"), find_config_parameter("hash-max-listpack-entries"));
  EXPECT_EQ(find_config_parameter("nosuch"), nullptr);
}

TEST(ConfigParameters, ChecksWhatIsSet) {
  const auto set = [](std::string_view name, std::string_view value, KvConfig& config) {
    return find_config_parameter(name)->set(config, value).value_or("");
  };
  KvConfig config;
  EXPECT_EQ(set("timeout", "30", config), "");
  EXPECT_EQ(config.timeout_s, 30U);
  EXPECT_EQ(set("timeout", "-1", config), "argument must be between 0 and 2147483647 inclusive");
  EXPECT_EQ(set("timeout", "1x", config), "argument couldn't be parsed into an integer");
  EXPECT_EQ(config.timeout_s, 30U);
  EXPECT_EQ(set("maxmemory", "100mb", config), "");
  EXPECT_EQ(config.maxmemory_bytes, 100U << 20);
  EXPECT_EQ(set("maxmemory-policy", "ALLKEYS-LFU", config), "");
  EXPECT_EQ(config.encodings.eviction_policy, EvictionPolicy::kAllKeysLfu);
  EXPECT_EQ(set("client-output-buffer-limit", "pubsub 1mb 512kb 10 replica 0 0 0", config), "");
  EXPECT_EQ(config.output_limits[kPubsubClient].hard_bytes, 1U << 20);
  EXPECT_EQ(config.output_limits[kPubsubClient].soft_seconds, 10U);
  EXPECT_EQ(config.output_limits[kReplicaClient].hard_bytes, 0U);
  EXPECT_EQ(set("client-output-buffer-limit", "normal 0 0", config),
            "Wrong number of arguments in buffer limit configuration.");
  EXPECT_EQ(set("save", "", config), "");
  EXPECT_NE(set("save", "900 1", config), "");
  EXPECT_EQ(set("appendonly", "yes", config), "");
  EXPECT_NE(set("appendonly", "no", config), "");
  EXPECT_EQ(find_config_parameter("databases")->set, nullptr);
}

}  // namespace
}  // namespace keelson::resp
