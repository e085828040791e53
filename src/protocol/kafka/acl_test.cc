#include "protocol/kafka/acl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::kafka {
namespace {

using enum AclOperation;

AclBinding rule(std::string_view principal, AclOperation operation, std::string_view name,
                AclPermission permission = AclPermission::kAllow, PatternType pattern = PatternType::kLiteral) {
  return {.type = ResourceType::kTopic,
          .pattern = pattern,
          .name = std::string(name),
          .principal = std::string(principal),
          .host = "*",
          .operation = operation,
          .permission = permission};
}

bool may(const AclSet& set, std::string_view who, AclOperation operation, std::string_view topic,
         bool if_none = false) {
  return set.allows(who, "10.0.0.1", operation, ResourceType::kTopic, topic, if_none);
}

TEST(KafkaAcls, AllowWhatIsAllowedAndNotDenied) {
  AclSet set;
  EXPECT_FALSE(may(set, "User:ann", kRead, "ships"));
  EXPECT_TRUE(may(set, "User:ann", kRead, "ships", true));
  EXPECT_TRUE(set.add(rule("User:ann", kRead, "ships")));
  EXPECT_FALSE(set.add(rule("User:ann", kRead, "ships")));
  EXPECT_TRUE(may(set, "User:ann", kRead, "ships"));
  EXPECT_TRUE(may(set, "User:ann", kDescribe, "ships"));  // comes with it
  EXPECT_FALSE(may(set, "User:ann", kWrite, "ships"));
  EXPECT_FALSE(may(set, "User:bob", kRead, "ships", true));  // there is a rule about ships
  EXPECT_TRUE(may(set, "User:bob", kRead, "boats", true));
  set.add(rule("User:*", kAll, "*"));
  EXPECT_TRUE(may(set, "User:bob", kWrite, "boats"));
  set.add(rule("User:bob", kWrite, "bo", AclPermission::kDeny, PatternType::kPrefixed));
  EXPECT_FALSE(may(set, "User:bob", kWrite, "boats"));
  EXPECT_TRUE(may(set, "User:bob", kDescribe, "boats"));  // a denial spreads to nothing else
  EXPECT_TRUE(may(set, "User:bob", kWrite, "b"));
  EXPECT_TRUE(set.remove(rule("User:*", kAll, "*")));
  EXPECT_FALSE(set.remove(rule("User:*", kAll, "*")));
  EXPECT_FALSE(may(set, "User:bob", kWrite, "b"));
  EXPECT_EQ(set.size(), 2U);
}

TEST(KafkaAcls, HostsAreLookedAt) {
  AclSet set;
  AclBinding binding = rule("User:ann", kRead, "ships");
  binding.host = "10.0.0.2";
  set.add(binding);
  EXPECT_FALSE(may(set, "User:ann", kRead, "ships"));
  EXPECT_TRUE(set.allows("User:ann", "10.0.0.2", kRead, ResourceType::kTopic, "ships", false));
  EXPECT_FALSE(set.allows("User:ann", "10.0.0.2", kRead, ResourceType::kGroup, "ships", false));
}

// A rule-by-rule reading of Kafka's words, over random rules.
bool oracle(const std::vector<AclBinding>& rules, std::string_view who, std::string_view host, AclOperation operation,
            ResourceType type, std::string_view name, bool if_none) {
  bool is_any = false;
  bool is_allowed = false;
  for (const AclBinding& binding : rules) {
    if (binding.type != type) continue;
    const bool is_about = binding.pattern == PatternType::kPrefixed ? name.starts_with(binding.name)
                                                                    : binding.name == name || binding.name == "*";
    if (!is_about) continue;
    is_any = true;
    if (binding.principal != who && binding.principal != "User:*") continue;
    if (binding.host != host && binding.host != "*") continue;
    const AclOperation given = binding.operation;
    const bool is_it = given == operation || given == kAll;
    if (binding.permission == AclPermission::kDeny && is_it) return false;
    const bool is_implied =
        (operation == kDescribe && (given == kRead || given == kWrite || given == kDelete || given == kAlter)) ||
        (operation == kDescribeConfigs && given == kAlterConfigs);
    is_allowed |= binding.permission == AclPermission::kAllow && (is_it || is_implied);
  }
  return is_any ? is_allowed : if_none;
}

TEST(KafkaAcls, AgreeWithAnOracle) {
  std::mt19937_64 chance(7);
  const auto one_of = [&](const auto& choices) { return choices[chance() % std::size(choices)]; };
  constexpr std::string_view kNames[] = {"a", "ab", "abc", "b", "*", "abcd", "ac"};
  constexpr std::string_view kWho[] = {"User:ann", "User:bob", "User:*"};
  constexpr std::string_view kHosts[] = {"1.1.1.1", "2.2.2.2", "*"};
  constexpr AclOperation kOperations[] = {kRead, kWrite, kDescribe, kAll, kAlterConfigs, kDescribeConfigs, kDelete};
  constexpr ResourceType kKinds[] = {ResourceType::kTopic, ResourceType::kGroup};
  size_t allowed = 0;
  for (int round = 0; round < 300; ++round) {
    AclSet set;
    std::vector<AclBinding> rules;
    for (uint64_t left = chance() % 8; left > 0; --left) {
      AclBinding binding{.type = one_of(kKinds),
                         .pattern = chance() % 2 == 0 ? PatternType::kLiteral : PatternType::kPrefixed,
                         .name = std::string(one_of(kNames)),
                         .principal = std::string(one_of(kWho)),
                         .host = std::string(one_of(kHosts)),
                         .operation = one_of(kOperations),
                         .permission = chance() % 3 == 0 ? AclPermission::kDeny : AclPermission::kAllow};
      if (set.add(binding)) rules.push_back(binding);
    }
    size_t seen = 0;
    set.for_each([&](const AclBinding& binding) {
      ++seen;
      EXPECT_NE(std::ranges::find(rules, binding), rules.end());
      EXPECT_EQ(read_binding(binding_text(binding)).has_value(), why_invalid(binding).empty());
    });
    ASSERT_EQ(seen, rules.size());
    for (int ask = 0; ask < 60; ++ask) {
      const std::string_view who = kWho[chance() % 2];
      const std::string_view host = kHosts[chance() % 2];
      const AclOperation operation = one_of(kOperations);
      const ResourceType type = one_of(kKinds);
      const std::string_view name = one_of(kNames);
      const bool if_none = chance() % 2 == 0;
      const bool is_allowed = set.allows(who, host, operation, type, name, if_none);
      ASSERT_EQ(is_allowed, oracle(rules, who, host, operation, type, name, if_none));
      allowed += is_allowed ? 1 : 0;
    }
  }
  EXPECT_GT(allowed, 1000U);
}

TEST(KafkaAcls, FiltersMatchAsKafkas) {
  const AclBinding literal = rule("User:ann", kRead, "ships");
  const AclBinding prefixed = rule("User:ann", kRead, "sh", AclPermission::kAllow, PatternType::kPrefixed);
  const AclBinding every = rule("User:ann", kRead, "*");
  const auto matched = [&](const AclFilter& filter) {
    return std::string(filter.matches(literal) ? "l" : "") + (filter.matches(prefixed) ? "p" : "") +
           (filter.matches(every) ? "*" : "");
  };
  EXPECT_EQ(matched({}), "lp*");
  EXPECT_EQ(matched({.pattern = PatternType::kMatch, .name = "ships"}), "lp*");
  EXPECT_EQ(matched({.pattern = PatternType::kLiteral, .name = "ships"}), "l");
  EXPECT_EQ(matched({.pattern = PatternType::kAny, .name = "sh"}), "p");
  EXPECT_EQ(matched({.pattern = PatternType::kPrefixed}), "p");
  EXPECT_EQ(matched({.pattern = PatternType::kMatch, .name = "boats"}), "*");
  EXPECT_EQ(matched({.principal = "User:bob"}), "");
  EXPECT_EQ(matched({.operation = kWrite}), "");
  EXPECT_EQ(matched({.permission = AclPermission::kDeny}), "");
  EXPECT_EQ(matched({.type = ResourceType::kGroup}), "");
}

TEST(KafkaAcls, FiltersOfNumbersThatAreNotKnownAreRefused) {
  EXPECT_EQ(why_invalid(AclFilter{}), "");
  for (const int8_t number : {int8_t{-1}, int8_t{0}, int8_t{100}}) {
    EXPECT_NE(why_invalid(AclFilter{.type = static_cast<ResourceType>(number)}), "");
    EXPECT_NE(why_invalid(AclFilter{.pattern = static_cast<PatternType>(number)}), "");
    EXPECT_NE(why_invalid(AclFilter{.operation = static_cast<AclOperation>(number)}), "");
    EXPECT_NE(why_invalid(AclFilter{.permission = static_cast<AclPermission>(number)}), "");
  }
}

TEST(KafkaAcls, SomeBindingsMakeNoSense) {
  EXPECT_EQ(why_invalid(rule("User:ann", kRead, "ships")), "");
  AclBinding binding = rule("User:ann", kRead, "other");
  binding.type = ResourceType::kCluster;
  EXPECT_NE(why_invalid(binding), "");
  binding.name = std::string(kClusterName);
  EXPECT_NE(why_invalid(binding), "");  // clusters are not read
  binding.operation = kAlter;
  EXPECT_EQ(why_invalid(binding), "");
  for (const std::string_view who : {"ann", "", ":ann", "User:"})
    EXPECT_NE(why_invalid(rule(who, kRead, "a")), "") << who;
  EXPECT_NE(why_invalid(rule("User:ann", kAny, "a")), "");
  EXPECT_NE(why_invalid(rule("User:ann", kRead, "")), "");
  EXPECT_NE(why_invalid(rule("User:ann", kRead, "a", AclPermission::kAny)), "");
  EXPECT_NE(why_invalid(rule("User:ann", kRead, "a", AclPermission::kAllow, PatternType::kMatch)), "");
}

}  // namespace
}  // namespace keelson::kafka
