#include "monitor/open_metrics.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/endpoints.h"
#include "monitor/http_metrics.h"
#include "monitor/log_lines.h"

namespace keelson::monitor {
namespace {

TEST(HttpMetrics, SayAllThatTheServersCount) {
  net::http::ServerCounts counts;
  counts.connections = 1;
  counts.connections_accepted = 2;
  counts.connections_refused = 3;
  counts.requests = 10;
  counts.requests_http2 = 4;
  counts.requests_active = 5;
  counts.faults = 6;
  counts.timeouts = 7;
  for (uint64_t i = 0; i < 5; ++i) counts.responses[i] = i + 1;
  counts.bytes_received = 8;
  counts.bytes_sent = 9;
  const std::vector<HttpServerMetrics> servers = {{"http", counts}, {"s3", {}}};
  OpenMetrics out;
  write_http_metrics(servers, out);
  const std::string text = out.finish();
  for (const std::string_view line :
       {"keelson_http_connections{server=\"http\"} 1\n", "keelson_http_connections_accepted_total{server=\"http\"} 2\n",
        "keelson_http_connections_refused_total{server=\"http\"} 3\n",
        "keelson_http_requests_total{server=\"http\",version=\"1\"} 6\n",
        "keelson_http_requests_total{server=\"http\",version=\"2\"} 4\n",
        "keelson_http_requests_active{server=\"http\"} 5\n", "keelson_http_faults_total{server=\"http\"} 6\n",
        "keelson_http_timeouts_total{server=\"http\"} 7\n",
        "keelson_http_responses_total{server=\"http\",class=\"1xx\"} 1\n",
        "keelson_http_responses_total{server=\"http\",class=\"5xx\"} 5\n",
        "keelson_http_received_bytes_total{server=\"http\"} 8\n", "keelson_http_sent_bytes_total{server=\"http\"} 9\n",
        "keelson_http_sent_bytes_total{server=\"s3\"} 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(OpenMetrics, WritesFamiliesAsTheFormatHasThem) {
  OpenMetrics out;
  out.family("k_commands", MetricType::kCounter, "", "Commands.");
  out.sample({{"command", "get"}}, uint64_t{17});
  out.sample({{"command", "a\"b\\c\nd"}, {"x", "y"}}, uint64_t{UINT64_MAX});
  out.gauge("k_memory_bytes", "bytes", "Memory.", int64_t{-5});
  out.family("k_build", MetricType::kInfo, "", "Build.");
  out.sample({{"version", "1"}}, uint64_t{1});
  out.gauge("k_ratio", "", "Ratio.", 0.1);
  EXPECT_EQ(
      out.finish(),
      "# TYPE k_commands counter\n# HELP k_commands Commands.\n"
      "k_commands_total{command=\"get\"} 17\n"
      "k_commands_total{command=\"a\\\"b\\\\c\\nd\",x=\"y\"} 18446744073709551615\n"
      "# TYPE k_memory_bytes gauge\n# UNIT k_memory_bytes bytes\n# HELP k_memory_bytes Memory.\nk_memory_bytes -5\n"
      "# TYPE k_build info\n# HELP k_build Build.\nk_build_info{version=\"1\"} 1\n"
      "# TYPE k_ratio gauge\n# HELP k_ratio Ratio.\nk_ratio 0.1\n"
      "# EOF\n");
  EXPECT_EQ(out.finish(), "# EOF\n");
}

TEST(OpenMetrics, HistogramBucketsCountWhatLiesBelowTheirBound) {
  std::mt19937_64 random(3);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t value = random() >> (24 + random() % 36);
    histogram.record(value);
    values.push_back(value);
  }
  OpenMetrics out;
  out.family("h", MetricType::kHistogram, "", "H.");
  out.histogram_ns({{"a", "b"}}, histogram.snapshot());
  std::istringstream lines(out.finish());
  std::string line;
  uint64_t bound = 1 << 10;
  int buckets = 0;
  while (std::getline(lines, line)) {
    if (!line.starts_with("h_bucket") || line.find("+Inf") != std::string::npos) continue;
    uint64_t below = 0;
    for (const uint64_t value : values) below += value < bound ? 1 : 0;
    EXPECT_TRUE(line.ends_with(" " + std::to_string(below))) << line << " wants " << below;
    EXPECT_TRUE(line.starts_with("h_bucket{a=\"b\",le=\"")) << line;
    bound *= 2;
    ++buckets;
  }
  EXPECT_EQ(buckets, 25);
  OpenMetrics again;
  again.family("h", MetricType::kHistogram, "", "H.");
  again.histogram_ns({}, histogram.snapshot());
  const std::string text = again.finish();
  EXPECT_NE(text.find("h_bucket{le=\"+Inf\"} 2000\nh_count 2000\nh_sum "), std::string::npos);
  EXPECT_NE(text.find("h_bucket{le=\"1.024e-06\"}"), std::string::npos) << text;
}

TEST(LogLines, JsonIsOneLineWhateverTheValuesHold) {
  EXPECT_EQ(json_line("log", "torn \"tail\"",
                      {{"file", "a\\b\n"}, {"offset_bytes", 4096}, {"bad", "x\xff\xc0y\xe2\x82\xac"}}),
            "\"part\":\"log\",\"message\":\"torn \\\"tail\\\"\",\"file\":\"a\\\\b\\u000a\",\"offset_bytes\":4096,"
            "\"bad\":\"x\xef\xbf\xbd\xef\xbf\xbdy\xe2\x82\xac\"");
  // Overlong forms, surrogates and what lies above U+10FFFF are not UTF-8.
  for (std::string_view bytes :
       {"\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf", "\xe2\x82"}) {
    std::string out;
    append_json(out, bytes);
    EXPECT_TRUE(out.starts_with("\xef\xbf\xbd")) << bytes.size();
  }
}

TEST(LogLines, TextQuotesValuesThatWouldBreakTheLine) {
  EXPECT_EQ(text_line("kv", "a\nb", {{"plain", "x/y"}, {"blank", "a b"}, {"empty", ""}, {"count", 3}}),
            "kv: a b plain=x/y blank=\"a b\" empty=\"\" count=3");
}

TEST(Secrets, AreEqualOnlyIfTheyAre) {
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_TRUE(equal_secrets("", ""));
  for (std::string_view wrong : {"", "ab", "abd", "abcabc", "abcd", "xbc"})
    EXPECT_FALSE(equal_secrets(wrong, "abc")) << wrong;
  EXPECT_FALSE(equal_secrets("a", ""));
}

TEST(BasicPassword, IsWhatFollowsTheColon) {
  const auto of = [](std::string_view value) {
    net::http::FieldList fields;
    fields.add("authorization", value);
    std::string password;
    return basic_password(fields.view(), password) ? password : "-";
  };
  EXPECT_EQ(of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "open sesame");
  EXPECT_EQ(of("basic dTpwOnE="), "p:q");
  EXPECT_EQ(of("Basic !!!"), "-");
  EXPECT_EQ(of("Basic dQ=="), "-");
  EXPECT_EQ(of("Bearer x"), "-");
  EXPECT_EQ(of(""), "-");
}

}  // namespace
}  // namespace keelson::monitor
