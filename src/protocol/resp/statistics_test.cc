// Command statistics, the slow log, the latency monitor, rates: what they keep and what they drop.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/rates.h"
#include "protocol/resp/slowlog.h"

namespace keelson::resp {
namespace {

TEST(CommandStats, SumsOverReactors) {
  CommandStats one, two;
  const uint16_t code = kv::find_command("GET")->code;
  one.called(code, 1000);
  one.called_many(code, 9, 2000);
  two.called(code, 100'000);
  two.failed(code);
  two.rejected(code);
  CommandTotals totals;
  one.merge_into(code, totals);
  two.merge_into(code, totals);
  EXPECT_EQ(totals.calls, 11U);
  EXPECT_EQ(totals.failed, 1U);
  EXPECT_EQ(totals.rejected, 1U);
  EXPECT_EQ(totals.total_ns, 1000U + 9 * 2000 + 100'000);
  EXPECT_EQ(totals.latency_ns.count, 11U);
  EXPECT_EQ(totals.latency_ns.max, 100'000U);
  EXPECT_NEAR(static_cast<double>(totals.latency_ns.percentile(0.5)), 2000, 2000.0 / 8);
  two.reset();
  CommandTotals after;
  two.merge_into(code, after);
  EXPECT_EQ(after.calls + after.failed + after.rejected + after.total_ns + after.latency_ns.count, 0U);
}

TEST(Slowlog, KeepsTheLatestAndNumbersAll) {
  Slowlog log;
  for (int i = 0; i < 10; ++i) log.add({.time_s = i, .args = {"GET"}}, 4);
  ASSERT_EQ(log.entries().size(), 4U);
  EXPECT_EQ(log.entries().front().id, 9U);
  EXPECT_EQ(log.entries().back().id, 6U);
  log.reset();
  log.add({.time_s = 1}, 4);
  EXPECT_EQ(log.entries().front().id, 10U);
  log.add({.time_s = 1}, 0);
  EXPECT_TRUE(log.entries().empty());
}

TEST(Slowlog, CutsArguments) {
  const std::string exact(kSlowlogArgBytesMax, 'a'), over(kSlowlogArgBytesMax + 5, 'b');
  const std::vector<std::string_view> few = {"SET", exact, over};
  EXPECT_EQ(slowlog_args(few), (std::vector<std::string>{"SET", exact, std::string(128, 'b') + "... (5 more bytes)"}));
  const std::vector<std::string_view> fits(kSlowlogArgsMax, "x");
  EXPECT_EQ(slowlog_args(fits), std::vector<std::string>(kSlowlogArgsMax, "x"));
  const std::vector<std::string_view> many(kSlowlogArgsMax + 1, "x");
  const std::vector<std::string> cut = slowlog_args(many);
  ASSERT_EQ(cut.size(), kSlowlogArgsMax);
  EXPECT_EQ(cut.back(), "... (2 more arguments)");
}

TEST(LatencyMonitor, KeepsTheWorstOfEachSecond) {
  LatencyMonitor monitor;
  monitor.add("command", 100, 5);
  monitor.add("command", 100, 9);
  monitor.add("command", 100, 7);
  monitor.add("command", 101, 3);
  monitor.add("expire-cycle", 101, 30);
  const LatencyEvent& event = monitor.events().find("command")->second;
  std::vector<std::pair<int64_t, uint32_t>> samples;
  event.for_each([&](const LatencySample& sample) { samples.emplace_back(sample.time_s, sample.latency_ms); });
  EXPECT_EQ(samples, (std::vector<std::pair<int64_t, uint32_t>>{{100, 9}, {101, 3}}));
  EXPECT_EQ(event.worst_ms(), 9U);
  EXPECT_EQ(event.latest().latency_ms, 3U);
  EXPECT_TRUE(monitor.reset("command"));
  EXPECT_FALSE(monitor.reset("command"));
  EXPECT_EQ(monitor.reset_all(), 1U);
}

TEST(LatencyMonitor, ForgetsTheOldest) {
  LatencyEvent event;
  for (int64_t time_s = 1; time_s <= 1000; ++time_s) event.add(time_s, static_cast<uint32_t>(time_s));
  std::vector<int64_t> times;
  event.for_each([&](const LatencySample& sample) { times.push_back(sample.time_s); });
  ASSERT_EQ(times.size(), kLatencySamples);
  EXPECT_EQ(times.front(), 1000 - static_cast<int64_t>(kLatencySamples) + 1);
  EXPECT_EQ(times.back(), 1000);
}

TEST(RateSampler, GivesRatesBetweenSamples) {
  constexpr int64_t kSecondNs = 1'000'000'000;
  RateSampler rates;
  rates.sample(5 * kSecondNs, 1000, 1 << 20, 1 << 20, 500);
  EXPECT_EQ(rates.commands_per_s(), 0);
  rates.sample(7 * kSecondNs, 1300, (1 << 20) + 4096, 1 << 20, 900);
  EXPECT_EQ(rates.commands_per_s(), 150);
  EXPECT_EQ(rates.input_bytes_per_s(), 2048);
  EXPECT_EQ(rates.output_bytes_per_s(), 0);
  // CONFIG RESETSTAT has set the counters back.
  rates.sample(8 * kSecondNs, 10, 0, 0, 100);
  EXPECT_EQ(rates.commands_per_s(), 0);
  EXPECT_EQ(rates.memory_peak_bytes(), 900U);
}

}  // namespace
}  // namespace keelson::resp
