// For tests of groups: a world with its own time, where saves take effect when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/kafka/group_coordinator.h"
#include "protocol/kafka/group_host.h"

namespace keelson::kafka {

class FakeOutside final : public GroupHost {
 public:
  [[nodiscard]] int64_t now_ms() const override { return now; }
  [[nodiscard]] const GroupOptions& options() const override { return settings; }
  [[nodiscard]] std::string fresh_id() override { return std::to_string(++ids); }
  [[nodiscard]] std::optional<TopicFacts> find_topic(std::string_view name) override {
    const auto at = topics.find(name);
    if (at == topics.end()) return std::nullopt;
    return at->second;
  }
  // Prefixes, which is enough here; "[" is no expression.
  [[nodiscard]] std::optional<std::vector<std::string>> match_topics(const std::string& regex) override {
    if (regex == "[") return std::nullopt;
    ++matches;
    std::vector<std::string> names;
    for (const auto& [name, facts] : topics) {
      if (name.starts_with(regex)) names.push_back(name);
    }
    return names;
  }
  void save(uint64_t, topic::SaveGroup what, Saved saved) override {
    saves.emplace_back(std::move(what), std::move(saved));
  }

  void add_topic(const std::string& name, int32_t partitions) {
    TopicFacts& facts = topics[name];
    facts.id.bytes[15] = static_cast<uint8_t>(topics.size());
    facts.partition_count = partitions;
  }
  // Everything that was to be saved is, into what a restart would find.
  void flush(ErrorCode error = ErrorCode::kNone) {
    while (!saves.empty()) {
      auto [what, saved] = std::move(saves.front());
      saves.pop_front();
      if (error == ErrorCode::kNone) keep(what);
      saved(error);
    }
  }
  void keep(const topic::SaveGroup& what) {
    auto& [head, members] = kept[what.head.name];
    EXPECT_GE(what.head.epoch, head.epoch) << "an epoch goes back";
    head = what.head;
    if (what.is_whole) members.clear();
    for (const std::string& id : what.removed) members.erase(id);
    for (const topic::GroupMember& member : what.members) members[member.id] = member;
  }

  int64_t now = 1'000'000;
  GroupOptions settings;
  uint64_t ids = 0;
  uint64_t matches = 0;  // that were asked for
  std::map<std::string, TopicFacts, std::less<>> topics;
  std::deque<std::pair<topic::SaveGroup, Saved>> saves;
  std::map<std::string, std::pair<topic::GroupHead, std::map<std::string, topic::GroupMember>>> kept;
};

class GroupWorld {
 public:
  GroupWorld() { settings().initial_rebalance_delay_ms = 0; }
  [[nodiscard]] GroupOptions& settings() { return outside.settings; }
  // Wakes groups as they ask for it; saves are done at once.
  void run_for(int64_t ms) {
    const int64_t end = outside.now + ms;
    outside.flush();
    while (groups->wake_ms() <= end) {
      outside.now = std::max(outside.now, groups->wake_ms());
      groups->look();
      outside.flush();
    }
    outside.now = end;
  }
  // The coordinator dies and comes back with what was saved.
  void restart() {
    outside.saves.clear();
    groups = std::make_unique<GroupCoordinator>(outside, 7);
    for (const auto& [name, row] : outside.kept) {
      std::vector<topic::GroupMember> members;
      for (const auto& [id, member] : row.second) members.push_back(member);
      groups->load(row.first, std::move(members));
    }
  }

  FakeOutside outside;
  std::unique_ptr<GroupCoordinator> groups = std::make_unique<GroupCoordinator>(outside, 7);
};

}  // namespace keelson::kafka
