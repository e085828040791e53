// Runs the scenarios of testdata/ (recorded from redis-server 7.0, see testdata/record.py) on one shard and on several:
// the same answers and the same keyspace events. What was logged is then replayed into fresh shards, which must come to
// the same state, key by key and shard by shard.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

struct Step {
  int line = 0;
  std::string command;
  bool is_sorted = false;
  std::string directive;  // "@sleep 30"; no command then
  std::string reply;
  std::string events;
};

// Not from __FILE__: the compiler's cache makes it relative.
std::filesystem::path folder() { return KEELSON_KV_TESTDATA; }

// testdata/local/ holds scenarios that generate.py made for one run; it is not in the repository.
std::vector<std::filesystem::path> scenario_files() {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& in : {folder(), folder() / "local"}) {
    if (!std::filesystem::is_directory(in)) continue;
    for (const auto& file : std::filesystem::directory_iterator(in)) {
      if (file.path().extension() == ".txt") files.push_back(file.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Step> read_scenario(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Step> steps;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '>') {
      const bool is_sorted = line.starts_with(">~");
      steps.push_back({number, line.substr(is_sorted ? 2 : 1), is_sorted, {}, {}, {}});
    } else if (line[0] == '@') {
      steps.push_back({number, {}, false, line, {}, {}});
    } else if (line.starts_with("! ")) {
      steps.back().events = line.substr(2);
    } else {
      steps.back().reply = line;
    }
  }
  return steps;
}

void obey(TestNode& node, const std::string& directive) {
  const std::vector<std::string> words = split_line(directive);
  if (words[0] == "@resp3" || words[0] == "@resp2") {
    node.is_resp3 = words[0] == "@resp3";
  } else if (words[0] == "@db") {
    node.database = static_cast<uint16_t>(std::stoi(words[1]));
  } else if (words[0] == "@sleep") {
    node.now_ms += std::stoi(words[1]);
  } else {
    FAIL() << "unknown directive " << directive;
  }
}

class Scenario : public testing::TestWithParam<std::tuple<std::filesystem::path, unsigned>> {};

TEST_P(Scenario, AnswersAsRedisAndReplaysToTheSameState) {
  const auto& [path, shard_count] = GetParam();
  const std::string name = path.stem().string();
  TestNode node(shard_count);
  node.expires_before_reads = true;
  const std::vector<Step> steps = read_scenario(path);
  ASSERT_FALSE(steps.empty());
  for (const Step& step : steps) {
    if (!step.directive.empty()) {
      obey(node, step.directive);
      continue;
    }
    const std::string reply = node.run_sorted(split_line(step.command), step.is_sorted);
    EXPECT_EQ(reply, step.reply) << name << ".txt:" << step.line << ": " << step.command;
    EXPECT_EQ(node.take_events(), step.events) << name << ".txt:" << step.line << ": " << step.command;
  }
  TestNode replica(shard_count);
  node.replay_into(replica);
  EXPECT_EQ(replica.shard_digests(), node.shard_digests());
  EXPECT_EQ(replica.digest(), node.digest());
}

INSTANTIATE_TEST_SUITE_P(Recorded, Scenario,
                         testing::Combine(testing::ValuesIn(scenario_files()), testing::Values(1U, 3U, 16U)),
                         [](const auto& chosen) {
                           return std::get<0>(chosen.param).stem().string() + "_on_" +
                                  std::to_string(std::get<1>(chosen.param));
                         });

}  // namespace
}  // namespace keelson::kv
