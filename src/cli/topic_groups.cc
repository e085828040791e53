#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/topic_verbs.h"
#include "protocol/kafka/messages/consumer_group_describe.h"
#include "protocol/kafka/messages/consumer_protocol_assignment.h"
#include "protocol/kafka/messages/describe_groups.h"
#include "protocol/kafka/messages/list_groups.h"
#include "protocol/kafka/messages/offset_commit.h"
#include "protocol/kafka/messages/offset_fetch.h"

namespace keelson::cli {

namespace {

using Json = nlohmann::ordered_json;

// One group in a request: later versions ask for several.
constexpr int16_t kOffsetFetchVersionMax = 7;
constexpr int16_t kUnknownMember = 25;
constexpr int16_t kGroupNotFound = 69;
// Of the assignments that members have; they begin with the version that wrote them.
constexpr int16_t kAssignmentVersionMax = 3;

using Place = std::pair<std::string, int32_t>;  // topic and partition

struct GroupState {
  std::string state;
  std::map<Place, std::string> owners;  // client id and host of the member that has the partition
  size_t members = 0;
};

template <class Parts>
int16_t first_error(const Parts& parts) {
  return parts.empty() ? int16_t{0} : parts.front().error_code;
}

void add_assignment(GroupState& group, const std::string& bytes, const std::string& owner) {
  kafka::Reader reader(bytes);
  const int16_t version = reader.int16();
  kafka::ConsumerProtocolAssignment assignment;
  if (reader.failed() || version < 0 || !decode(reader, std::min(version, kAssignmentVersionMax), assignment)) return;
  for (const auto& one : assignment.assigned_partitions) {
    for (const int32_t partition : one.partitions) group.owners[{std::string(one.topic), partition}] = owner;
  }
}

Task<Result<GroupState>> describe_new_group(TopicClient& client, std::string name) {
  kafka::ConsumerGroupDescribeRequest request;
  request.group_ids.push_back(name);
  auto told = co_await client.call_coordinator<kafka::ConsumerGroupDescribeResponse>(
      name, request, [](const kafka::ConsumerGroupDescribeResponse& answer) { return first_error(answer.groups); });
  if (!told.ok()) co_return forward_error(told);
  GroupState group;
  for (const auto& one : told->groups) {
    if (one.error_code != 0) co_return refused("group " + name, one.error_code, one.error_message);
    group.state = one.group_state;
    group.members = one.members.size();
    for (const auto& member : one.members) {
      for (const auto& topic : member.assignment.topic_partitions) {
        for (const int32_t partition : topic.partitions) {
          group.owners[{topic.topic_name, partition}] = member.client_id + " " + member.client_host;
        }
      }
    }
  }
  co_return group;
}

Task<Result<GroupState>> describe_group(TopicClient& client, std::string name) {
  kafka::DescribeGroupsRequest request;
  request.groups.push_back(name);
  auto told = co_await client.call_coordinator<kafka::DescribeGroupsResponse>(
      name, request, [](const kafka::DescribeGroupsResponse& answer) { return first_error(answer.groups); });
  if (!told.ok()) co_return forward_error(told);
  GroupState group;
  for (const auto& one : told->groups) {
    if (one.error_code == kGroupNotFound) co_return co_await describe_new_group(client, name);
    if (one.error_code != 0) co_return refused("group " + name, one.error_code, one.error_message);
    group.state = one.group_state;
    group.members = one.members.size();
    for (const auto& member : one.members) {
      add_assignment(group, member.member_assignment, member.client_id + " " + member.client_host);
    }
  }
  co_return group;
}

// Each server knows those that it coordinates.
Task<Result<std::vector<kafka::ListGroupsResponseGroup>>> list_groups(TopicClient& client) {
  auto nodes = co_await client.nodes();
  if (!nodes.ok()) co_return forward_error(nodes);
  std::vector<kafka::ListGroupsResponseGroup> all;
  for (const int32_t node : *nodes) {
    const kafka::ListGroupsRequest request;
    auto told = co_await client.call_node<kafka::ListGroupsResponse>(node, request);
    for (Patience patience(client.env()); told.ok() && passes(told->error_code) && co_await patience.once_more();) {
      told = co_await client.call_node<kafka::ListGroupsResponse>(node, request);
    }
    // What one that is gone coordinated others do now.
    if (!told.ok() && was_not_asked(told.error())) continue;
    if (!told.ok()) co_return forward_error(told);
    if (told->error_code != 0) co_return refused("listing groups", told->error_code);
    std::ranges::move(told->groups, std::back_inserter(all));
  }
  std::ranges::sort(all, {}, &kafka::ListGroupsResponseGroup::group_id);
  co_return all;
}

struct Lag {
  Place place;
  int64_t committed = 0, end = 0;
  [[nodiscard]] int64_t lag() const { return std::max<int64_t>(0, end - committed); }
};

Task<Result<std::vector<Lag>>> lags_of(TopicClient& client, std::string group) {
  auto committed = co_await committed_offsets(client, group);
  if (!committed.ok()) co_return forward_error(committed);
  std::vector<Lag> lags;
  for (const CommittedOffset& one : *committed) {
    std::vector<int32_t> only{one.partition};
    auto end = co_await offsets_at(client, one.topic, std::move(only), {StartPoint::Kind::kLatest, 0}, true);
    if (!end.ok() && end.error().code() != TopicClientErrc::kRefused) co_return forward_error(end);
    // A topic that is gone has nothing to wait for.
    lags.push_back({.place = {one.topic, one.partition},
                    .committed = one.offset,
                    .end = end.ok() ? (*end)[0].offset : one.offset});
  }
  std::ranges::sort(lags, {}, &Lag::place);
  co_return lags;
}

Task<Status> show_group(TopicStage stage) {
  const std::string& name = stage.options.group;
  auto group = co_await describe_group(stage.client, name);
  if (!group.ok()) co_return forward_error(group);
  auto lags = co_await lags_of(stage.client, name);
  if (!lags.ok()) co_return forward_error(lags);
  Json all{{"group", name}, {"state", group->state}, {"members", group->members}, {"partitions", Json::array()}};
  std::string text = "group " + name + ": " + group->state + ", members: " + std::to_string(group->members);
  for (const Lag& one : *lags) {
    const auto owner = group->owners.find(one.place);
    const std::string who = owner == group->owners.end() ? std::string() : owner->second;
    all["partitions"].push_back({{"topic", one.place.first},
                                 {"partition", one.place.second},
                                 {"committed", one.committed},
                                 {"end", one.end},
                                 {"lag", one.lag()},
                                 {"member", who.empty() ? Json() : Json(who)}});
    text += "\n" + one.place.first + " " + std::to_string(one.place.second) + ": at " + std::to_string(one.committed) +
            " of " + std::to_string(one.end) + ", lag " + std::to_string(one.lag()) + (who.empty() ? "" : ", " + who);
  }
  co_return stage.options.as_json ? print_json(all) : print_line(text);
}

}  // namespace

Task<Result<std::vector<CommittedOffset>>> committed_offsets(TopicClient& client, std::string group) {
  kafka::OffsetFetchRequest request;
  request.group_id = group;
  auto told = co_await client.call_coordinator<kafka::OffsetFetchResponse>(
      group, request, [](const kafka::OffsetFetchResponse& answer) { return answer.error_code; },
      kOffsetFetchVersionMax);
  if (!told.ok()) co_return forward_error(told);
  if (told->error_code != 0) co_return refused("group " + group, told->error_code);
  std::vector<CommittedOffset> all;
  for (const auto& topic : told->topics) {
    for (const auto& part : topic.partitions) {
      if (part.error_code != 0) co_return refused("group " + group, part.error_code);
      if (part.committed_offset >= 0) all.push_back({topic.name, part.partition_index, part.committed_offset});
    }
  }
  co_return all;
}

Task<Status> commit_offsets(TopicClient& client, std::string group, std::string topic,
                            std::vector<PartitionOffset> offsets) {
  kafka::OffsetCommitRequest request;
  request.group_id = group;
  auto& asked = request.topics.emplace_back();
  asked.name = topic;
  for (const PartitionOffset& one : offsets) {
    asked.partitions.push_back(
        {.partition_index = one.partition, .committed_offset = one.offset, .committed_metadata = ""});
  }
  auto told = co_await client.call_coordinator<kafka::OffsetCommitResponse>(
      group, request, [](const kafka::OffsetCommitResponse& answer) {
        return answer.topics.empty() ? int16_t{0} : first_error(answer.topics.front().partitions);
      });
  if (!told.ok()) co_return forward_error(told);
  for (const auto& one : told->topics) {
    for (const auto& part : one.partitions) {
      if (part.error_code == kUnknownMember) {
        co_return fail(TopicClientErrc::kRefused,
                       "group " + group + " has members, who commit for themselves; stop them first");
      }
      if (part.error_code != 0) co_return refused("group " + group, part.error_code);
    }
  }
  co_return Status();
}

Task<Status> topic_groups(TopicStage stage) {
  if (!stage.options.group.empty()) co_return co_await show_group(stage);
  auto groups = co_await list_groups(stage.client);
  if (!groups.ok()) co_return forward_error(groups);
  for (const auto& one : *groups) {
    auto lags = co_await lags_of(stage.client, one.group_id);
    if (!lags.ok()) co_return forward_error(lags);
    int64_t lag = 0;
    for (const Lag& each : *lags) lag += each.lag();
    const Status printed =
        stage.options.as_json
            ? print_json({{"group", one.group_id}, {"state", one.group_state}, {"type", one.group_type}, {"lag", lag}})
            : print_line(one.group_id + ": " + one.group_state + ", lag " + std::to_string(lag));
    if (!printed.ok()) co_return printed;
  }
  co_return Status();
}

Task<Status> topic_seek(TopicStage stage) {
  const TopicOptions& options = stage.options;
  const auto point = parse_start_point(options.from, stage.env.clock().wall_ms());
  if (!point) {
    co_return fail(TopicClientErrc::kUsage,
                   "--to is earliest, latest, an offset, @MILLISECONDS since 1970, or a time ago such as 15m");
  }
  auto partitions = co_await partitions_of(stage.client, options.topic, options.partition);
  if (!partitions.ok()) co_return forward_error(partitions);
  auto offsets = co_await offsets_at(stage.client, options.topic, *partitions, *point, false);
  if (!offsets.ok()) co_return forward_error(offsets);
  if (Status done = co_await commit_offsets(stage.client, options.group, options.topic, *offsets); !done.ok()) {
    co_return done;
  }
  if (options.quiet) co_return Status();
  for (const PartitionOffset& one : *offsets) {
    const Status printed = print_json({{"topic", options.topic}, {"partition", one.partition}, {"offset", one.offset}});
    if (!printed.ok()) co_return printed;
  }
  co_return Status();
}

Task<Status> run_topic_verb(TopicStage stage) {
  switch (stage.options.verb) {
    case TopicVerb::kCreate:
      co_return co_await topic_create(stage);
    case TopicVerb::kList:
      co_return co_await topic_list(stage);
    case TopicVerb::kDescribe:
      co_return co_await topic_describe(stage);
    case TopicVerb::kDelete:
      co_return co_await topic_delete(stage);
    case TopicVerb::kAlter:
      co_return co_await topic_alter(stage);
    case TopicVerb::kProduce:
      co_return co_await topic_produce(stage);
    case TopicVerb::kConsume:
      co_return co_await topic_consume(stage);
    case TopicVerb::kGroups:
      co_return co_await topic_groups(stage);
    case TopicVerb::kSeek:
      co_return co_await topic_seek(stage);
    case TopicVerb::kDeadLetters:
      co_return co_await topic_dead_letters(stage);
  }
  co_return fail(TopicClientErrc::kUsage, "no such verb");
}

}  // namespace keelson::cli
