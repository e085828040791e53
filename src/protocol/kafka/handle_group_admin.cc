// What administrators ask of groups: DescribeGroups, ConsumerGroupDescribe, ListGroups, DeleteGroups, OffsetDelete.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string>
#include <utility>

#include "engine/topic/group_commands.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/consumer_group_describe.h"
#include "protocol/kafka/messages/delete_groups.h"
#include "protocol/kafka/messages/describe_groups.h"
#include "protocol/kafka/messages/list_groups.h"
#include "protocol/kafka/messages/offset_delete.h"
#include "protocol/kafka/operations.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

namespace {

using topics::Topics;

constexpr int16_t kNotFoundFrom = 6;  // of DescribeGroups: KIP-1043; before, such a group is described as dead

std::optional<std::string> instance_of(const topic::GroupMember& member) {
  if (member.instance_id.empty()) return std::nullopt;
  return member.instance_id;
}

// ---- DescribeGroups.

// A group without members need not be in the coordinator's memory: of offsets alone, say.
Task<DescribedGroup> describe_classic(Call& call, std::string name) {
  DescribedGroup group = co_await call.service().groups().describe(call.here(), name, topic::GroupType::kClassic);
  if (group.error != ErrorCode::kGroupIdNotFound || group.head.type != topic::GroupType::kSimple) co_return group;
  Topics& topics = call.topics();
  const topics::Asked asked =
      co_await topics.ask(call.here(), topics.shard_of_name(name), topic::DescribeGroup{.group = name});
  if (asked.outcome != log::LogErrc::kOk) co_return DescribedGroup{.error = ErrorCode::kCoordinatorNotAvailable};
  if (!asked.ok()) co_return group;
  co_return DescribedGroup{.head = asked.answer.groups.at(0).head, .state = "Empty"};
}

Task<void> handle_describe_groups(Call& call) {
  DescribeGroupsRequest request;
  if (!call.decode(request)) co_return;
  DescribeGroupsResponse response;
  for (const std::string_view name : request.groups) {
    auto& out = response.groups.emplace_back();
    out.group_id = std::string(name);
    if (!call.may(AclOperation::kDescribe, ResourceType::kGroup, name)) {
      out.error_code = number(ErrorCode::kGroupAuthorizationFailed);
      continue;
    }
    if (request.include_authorized_operations) {
      out.authorized_operations = allowed_operations(call, ResourceType::kGroup, name);
    }
    DescribedGroup group = co_await describe_classic(call, std::string(name));
    if (group.error == ErrorCode::kGroupIdNotFound) {
      out.group_state = "Dead";
      if (call.version() >= kNotFoundFrom) {
        out.error_code = number(group.error);
        out.error_message = group.message;
      }
      continue;
    }
    out.error_code = number(group.error);
    out.group_state = group.state;
    out.protocol_type = group.head.protocol_type;
    out.protocol_data = group.head.protocol;
    for (topic::GroupMember& each : group.members) {
      auto& member = out.members.emplace_back();
      member.member_id = each.id;
      member.group_instance_id = instance_of(each);
      member.client_id = std::move(each.client_id);
      member.client_host = std::move(each.client_host);
      if (!each.protocols.empty()) member.member_metadata = std::move(each.protocols.front().second);
      member.member_assignment = std::move(each.assignment);
    }
  }
  call.respond(response);
}

// ---- ConsumerGroupDescribe.

using DescribedAssignment = decltype(ConsumerGroupDescribeResponse::Member::assignment);

Task<void> fill_assignment(Call& call, const std::vector<topic::TopicPartitions>& from, DescribedAssignment& out) {
  for (const topic::TopicPartitions& row : from) {
    const Topics::Found found = co_await call.topics().find_topic(call.here(), row.topic);
    if (found.topic == nullptr) continue;  // deleted; the next assignment will be without it
    auto& rows = out.topic_partitions.emplace_back();
    rows.topic_id = row.topic;
    rows.topic_name = found.topic->name;
    rows.partitions = row.partitions;
  }
}

Task<void> handle_consumer_group_describe(Call& call) {
  ConsumerGroupDescribeRequest request;
  if (!call.decode(request)) co_return;
  ConsumerGroupDescribeResponse response;
  for (const std::string_view name : request.group_ids) {
    ConsumerGroupDescribeResponse::Group out;
    out.group_id = std::string(name);
    DescribedGroup group{.error = ErrorCode::kGroupAuthorizationFailed};
    if (call.may(AclOperation::kDescribe, ResourceType::kGroup, name)) {
      group = co_await call.service().groups().describe(call.here(), std::string(name), topic::GroupType::kConsumer);
    }
    out.error_code = number(group.error);
    if (group.error != ErrorCode::kNone) {
      out.error_message = group.message.empty() ? std::string(error_text(group.error)) : group.message;
      response.groups.push_back(std::move(out));
      continue;
    }
    if (request.include_authorized_operations) {
      out.authorized_operations = allowed_operations(call, ResourceType::kGroup, name);
    }
    out.group_state = group.state;
    out.group_epoch = group.head.epoch;
    out.assignment_epoch = group.head.target_epoch;
    out.assignor_name = group.head.protocol;
    for (topic::GroupMember& each : group.members) {
      ConsumerGroupDescribeResponse::Member member;
      member.member_id = each.id;
      member.instance_id = instance_of(each);
      if (!each.rack.empty()) member.rack_id = each.rack;
      member.member_epoch = each.epoch;
      member.client_id = std::move(each.client_id);
      member.client_host = std::move(each.client_host);
      member.subscribed_topic_names = std::move(each.topics);
      if (!each.topic_regex.empty()) member.subscribed_topic_regex = std::move(each.topic_regex);
      co_await fill_assignment(call, each.owned, member.assignment);
      co_await fill_assignment(call, each.target, member.target_assignment);
      member.member_type = 1;  // of the consumer protocol
      out.members.push_back(std::move(member));
    }
    response.groups.push_back(std::move(out));
  }
  call.respond(response);
}

// ---- ListGroups.

std::string_view type_name(topic::GroupType type) {
  switch (type) {
    case topic::GroupType::kConsumer:
      return "consumer";
    case topic::GroupType::kShare:
      return "share";
    case topic::GroupType::kSimple:
    case topic::GroupType::kClassic:
      break;
  }
  return "classic";
}

bool is_one_of(const std::vector<std::string_view>& filter, std::string_view value) {
  return filter.empty() || std::ranges::any_of(filter, [&](std::string_view each) {
           return std::ranges::equal(each, value, [](char a, char b) {
             return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
           });
         });
}

Task<void> handle_list_groups(Call& call) {
  ListGroupsRequest request;
  if (!call.decode(request)) co_return;
  ListGroupsResponse response;
  const bool may_all = call.may(AclOperation::kDescribe, ResourceType::kCluster, kClusterName);
  Groups& groups = call.service().groups();
  for (unsigned i = 0; i < groups.reactor_count(); ++i) {
    Groups::Listed listed = co_await groups.list(call.here(), i);
    if (listed.error != ErrorCode::kNone) response.error_code = number(listed.error);
    for (ListedGroup& each : listed.groups) {
      if (!may_all && !call.may(AclOperation::kDescribe, ResourceType::kGroup, each.name)) continue;
      if (!is_one_of(request.states_filter, each.state) || !is_one_of(request.types_filter, type_name(each.type))) {
        continue;
      }
      auto& out = response.groups.emplace_back();
      out.group_id = std::move(each.name);
      out.protocol_type = std::move(each.protocol_type);
      out.group_state = std::move(each.state);
      out.group_type = std::string(type_name(each.type));
    }
  }
  call.respond(response);
}

// ---- DeleteGroups, OffsetDelete.

Task<void> handle_delete_groups(Call& call) {
  DeleteGroupsRequest request;
  if (!call.decode(request)) co_return;
  DeleteGroupsResponse response;
  for (const std::string_view name : request.group_names) {
    ErrorCode error = ErrorCode::kGroupAuthorizationFailed;
    if (call.may(AclOperation::kDelete, ResourceType::kGroup, name)) {
      error = co_await call.service().groups().remove(call.here(), std::string(name));
    }
    response.results.push_back({.group_id = std::string(name), .error_code = number(error)});
  }
  call.respond(response);
}

Task<void> handle_offset_delete(Call& call) {
  OffsetDeleteRequest request;
  if (!call.decode(request)) co_return;
  OffsetDeleteResponse response;
  if (!call.may(AclOperation::kDelete, ResourceType::kGroup, request.group_id)) {
    response.error_code = number(ErrorCode::kGroupAuthorizationFailed);
    call.respond(response);
    co_return;
  }
  std::vector<std::string> names;
  for (const auto& topic : request.topics) names.emplace_back(topic.name);
  const Groups::Unused unused =
      co_await call.service().groups().find_unused(call.here(), std::string(request.group_id), names);
  ErrorCode whole = unused.error;
  std::vector<topic::GroupOffset> offsets;
  for (size_t i = 0; i < request.topics.size() && whole == ErrorCode::kNone; ++i) {
    ErrorCode error = ErrorCode::kNone;
    if (!call.may(AclOperation::kRead, ResourceType::kTopic, names[i])) error = ErrorCode::kTopicAuthorizationFailed;
    if (error == ErrorCode::kNone && unused.is_subscribed[i]) error = ErrorCode::kGroupSubscribedToTopic;
    auto& out = response.topics.emplace_back();
    out.name = names[i];
    for (const auto& partition : request.topics[i].partitions) {
      out.partitions.push_back({.partition_index = partition.partition_index, .error_code = number(error)});
      if (error == ErrorCode::kNone) {
        offsets.push_back({.topic = names[i], .partition = partition.partition_index});
      }
    }
  }
  if (whole == ErrorCode::kNone) {
    topic::DeleteOffsets remove{.group = std::string(request.group_id), .offsets = std::move(offsets)};
    auto deleting = call.service().groups().delete_offsets(call.here(), std::move(remove));
    whole = co_await deleting;
  }
  response.error_code = number(whole);
  if (whole != ErrorCode::kNone) response.topics.clear();
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kDescribeGroups, handle_describe_groups},
    {ApiKey::kConsumerGroupDescribe, handle_consumer_group_describe},
    {ApiKey::kListGroups, handle_list_groups},
    {ApiKey::kDeleteGroups, handle_delete_groups},
    {ApiKey::kOffsetDelete, handle_offset_delete},
});

}  // namespace

std::span<const HandlerRow> group_admin_handlers() { return kRows; }

}  // namespace keelson::kafka
