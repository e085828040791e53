// A sorted set that a command has computed: gathered aside, then answered or stored.
#pragma once

#include <string_view>
#include <vector>

#include "engine/kv/command.h"
#include "engine/kv/members.h"

namespace keelson::kv {

// Members with their scores, each member once, in any order.
class ScoredMembers {
 public:
  void add(std::string_view member, double score) {
    members_.add(member);
    scores_.push_back(score);
  }
  [[nodiscard]] size_t size() const { return scores_.size(); }
  [[nodiscard]] bool empty() const { return scores_.empty(); }
  [[nodiscard]] std::string_view member(size_t index) const { return members_[index]; }
  [[nodiscard]] double score(size_t index) const { return scores_[index]; }

 private:
  MemberList members_;
  std::vector<double> scores_;
};

// A list of members as answers show it: without scores, or with them, then flat under RESP2 and in pairs under RESP3.
struct MemberReply {
  ReplySink& out;
  bool with_scores = false;

  void begin(size_t count) const { out.array(with_scores && !out.is_resp3() ? count * 2 : count); }
  void member(std::string_view name, double score) const {
    if (with_scores && out.is_resp3()) out.array(2);
    out.bulk(name);
    if (with_scores) out.real(score);
  }
};

// The sorted set under args[1] is `result` from now on, whatever it was; no key if the result is empty. Answers with
// the size; sends `event`, or "del"; tells the effects.
void store_result(CommandContext& context, const ScoredMembers& result, std::string_view event);

}  // namespace keelson::kv
