#include "raft/groups.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "env/disk.h"
#include "raft/arrival.h"

namespace keelson::raft {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
}  // namespace

Groups::Groups(env::Env& env, env::Reactor& reactor, GroupsOptions options)
    : env_(env), tick_ns_(options.tick_ms * kNsPerMs), timer_(reactor, [this] { tick(); }) {
  timer_.arm_after(tick_ns_);
}

void Groups::add(Member& member) {
  const bool is_new = members_.emplace(member.group(), &member).second;
  KEELSON_CHECK(is_new, "a group has one member on a node");
}

void Groups::remove(Member& member) { members_.erase(member.group()); }

Member* Groups::find(ShardId group) {
  const auto found = members_.find(group);
  return found == members_.end() ? nullptr : found->second;
}

void Groups::tick() {
  // Ticks that were missed (the process was paused) are not made up for: a leader that slept must not believe that
  // others had their chance to answer.
  timer_.arm_after(tick_ns_);
  for (const auto& [group, member] : members_) {
    if (!member->is_quiet()) member->tick();
  }
}

void Groups::received(NodeId from, ShardId group, std::string_view message) {
  if (Member* member = find(group)) member->received(from, message);
}

void Groups::received_file(NodeId from, ShardId group, std::string message, std::string path,
                           std::vector<SideFile> beside) {
  Arrival arrival(env_.disk(), std::move(path), std::move(beside));
  if (Member* member = find(group)) member->received_file(from, std::move(message), std::move(arrival));
}

std::vector<uint64_t> Groups::bytes_here(NodeId, ShardId group, const std::vector<SideFile>& offered) {
  if (Member* member = find(group)) return member->bytes_here(offered);
  // What comes for nobody is dropped: none of it need be sent.
  std::vector<uint64_t> all;
  for (const SideFile& one : offered) all.push_back(one.bytes);
  return all;
}

void Groups::reachable_changed(NodeId node, bool is_reachable) {
  for (const auto& [group, member] : members_) member->reachable_changed(node, is_reachable);
}

}  // namespace keelson::raft
