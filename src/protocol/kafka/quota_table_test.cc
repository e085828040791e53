#include "protocol/kafka/quota_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::kafka {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

QuotaName named(std::string_view name) { return {.kind = QuotaName::Kind::kNamed, .name = std::string(name)}; }
QuotaName others() { return {.kind = QuotaName::Kind::kDefault, .name = {}}; }
QuotaName no_one() { return {}; }

double rate(const QuotaTable& table, std::string_view user, std::string_view client) {
  const std::optional<QuotaMatch> match = table.find(user, client, QuotaKind::kProduceBytes);
  return match ? match->rate : 0;
}

TEST(KafkaQuotas, TheMostParticularHolds) {
  const QuotaEntity ranked[] = {{no_one(), others()},   {no_one(), named("c")},  {others(), no_one()},
                                {others(), others()},   {others(), named("c")},  {named("u"), no_one()},
                                {named("u"), others()}, {named("u"), named("c")}};
  QuotaTable table;
  EXPECT_EQ(rate(table, "u", "c"), 0);
  double value = 0;
  for (const QuotaEntity& entity : ranked) {
    table.set(entity, {++value, std::nullopt, std::nullopt});
    EXPECT_EQ(rate(table, "u", "c"), value);
    EXPECT_EQ(read_quota_entity(quota_entity_text(entity)), entity);
  }
  EXPECT_EQ(rate(table, "u", "d"), 7);
  EXPECT_EQ(rate(table, "v", "c"), 5);
  EXPECT_EQ(rate(table, "v", "d"), 4);
  EXPECT_EQ(table.find("u", "c", QuotaKind::kFetchBytes), std::nullopt);
  for (size_t left = std::size(ranked); left > 0; --left) {
    EXPECT_EQ(rate(table, "u", "c"), static_cast<double>(left));
    table.set(ranked[left - 1], {});
  }
  EXPECT_TRUE(table.empty());
}

TEST(KafkaQuotas, ShareMetersByWhatTheyName) {
  QuotaTable table;
  const auto meter = [&](std::string_view user, std::string_view client) {
    return table.find(user, client, QuotaKind::kFetchBytes)->meter;
  };
  table.set({others(), no_one()}, {std::nullopt, 5, std::nullopt});
  EXPECT_EQ(meter("u", "c"), meter("u", "d"));  // of a user, whatever the client
  EXPECT_NE(meter("u", "c"), meter("v", "c"));  // each user's own
  table.set({others(), others()}, {std::nullopt, 5, std::nullopt});
  EXPECT_NE(meter("u", "c"), meter("u", "d"));
  const std::string before = meter("u", "c");
  table.set({others(), others()}, {std::nullopt, 6, std::nullopt});
  EXPECT_NE(meter("u", "c"), before);  // what was owed at another rate is forgotten
}

TEST(KafkaQuotas, RequestTimeIsPercentOfACore) {
  QuotaTable table;
  table.set({named("u"), no_one()}, {std::nullopt, std::nullopt, 50});
  EXPECT_EQ(table.find("u", "c", QuotaKind::kRequestTime)->rate, 5e8);
  EXPECT_TRUE(table.has(QuotaKind::kRequestTime) && !table.has(QuotaKind::kProduceBytes));
  table.set({named("u"), no_one()}, {1, std::nullopt, std::nullopt});
  EXPECT_TRUE(!table.has(QuotaKind::kRequestTime) && table.has(QuotaKind::kProduceBytes));
}

TEST(KafkaQuotas, FiltersAskAboutParts) {
  const QuotaEntity user{named("u"), no_one()};
  const QuotaEntity both{named("u"), named("c")};
  const QuotaEntity default_user{others(), no_one()};
  QuotaFilter filter;
  EXPECT_TRUE(filter.matches(user) && filter.matches(both) && filter.matches(default_user));
  filter.user = {.match = QuotaFilter::Match::kExact, .name = "u"};
  EXPECT_TRUE(filter.matches(user) && filter.matches(both) && !filter.matches(default_user));
  filter.is_strict = true;
  EXPECT_TRUE(filter.matches(user) && !filter.matches(both));
  filter.client_id.match = QuotaFilter::Match::kAnyTold;
  EXPECT_TRUE(!filter.matches(user) && filter.matches(both));
  EXPECT_TRUE((
      QuotaFilter{.user = {.match = QuotaFilter::Match::kDefault, .name = {}}, .client_id = {}}.matches(default_user)));
}

TEST(KafkaQuotas, TheMeterHoldsTheRate) {
  const QuotaMeter meter;
  int64_t now_ns = 50 * kSecondNs;
  // A second's worth at once is forgiven, what is beyond is waited for.
  EXPECT_EQ(meter.charge(now_ns, 1000, 1000), 0);
  EXPECT_EQ(meter.charge(now_ns, 1000, 500), 500);
  now_ns += kSecondNs / 2;
  EXPECT_EQ(meter.charge(now_ns, 1000, 1), 1);
  // Who waits as told gets just the rate, however he asks.
  uint64_t sent = 0;
  const int64_t from_ns = now_ns;
  while (now_ns < from_ns + 100 * kSecondNs) {
    now_ns += int64_t{meter.charge(now_ns, 1000, 300)} * 1'000'000;
    sent += 300;
  }
  EXPECT_NEAR(static_cast<double>(sent), 100'000, 1'500);
}

TEST(KafkaQuotas, TheMeterStandsExtremes) {
  const QuotaMeter meter;
  EXPECT_EQ(meter.charge(0, 1e-300, std::numeric_limits<uint64_t>::max()), kThrottleMsMax);
  EXPECT_EQ(meter.charge(kSecondNs, 1e-300, std::numeric_limits<uint64_t>::max()), kThrottleMsMax);
  EXPECT_EQ(meter.charge(std::numeric_limits<int64_t>::max() / 2, 1, 0), 0);
}

TEST(KafkaQuotas, AreKeptAsText) {
  const QuotaValues values{1.5, std::nullopt, 200};
  EXPECT_EQ(read_quota_values(quota_values_text(values)), values);
  const std::string text = quota_values_text(values);
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(read_quota_values(text.substr(0, size)));
  EXPECT_FALSE(read_quota_values(quota_values_text({-1, std::nullopt, std::nullopt})));
  EXPECT_FALSE(read_quota_entity(quota_entity_text({})));
}

}  // namespace
}  // namespace keelson::kafka
