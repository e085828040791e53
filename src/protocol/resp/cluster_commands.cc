// CLUSTER and its relatives, as on a node of a Redis Cluster (Redis 7.0: "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER
// NODES" of its command reference).
//
// A shard has its own leader, so one node leads some shards and follows in others, where a node of Redis is one or the
// other. Clients are told of each node as what they can use it for: one that leads any slot is a primary, and not
// listed as a replica of others' slots; the rest are replicas. Any node answers for any key all the same.

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/crc16.h"
#include "base/numbers.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/scan_sink.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

using Map = shard::ClusterMap;

constexpr int64_t kSlots = shard::kSlotCount;
// Keys looked at in one step of a walk for a slot's keys.
constexpr std::string_view kWalkStep = "1000";
// Redis's cluster bus, where nothing else is known.
constexpr uint16_t kBusPortOffset = 10'000;

// What clients are told of who has what.
class Picture {
 public:
  explicit Picture(KvService& service, bool is_tls)
      : map_(service.cluster_map()), is_tls_(is_tls), own_name_(service.host().node_id) {
    for (const Map::Slots& range : map_->slots) {
      const Map::Shard* shard = map_->shard(range.shard);
      if (shard == nullptr) continue;
      const shard::NodeId leader = primary_of(*shard);
      if (leader == 0) continue;
      if (leader == shard->leader) slots_served_ += range.last - range.first + 1;
      if (!ranges_.empty() && ranges_.back().leader == leader && ranges_.back().last + 1 == range.first &&
          ranges_.back().replicas == shard->replicas) {
        ranges_.back().last = range.last;
      } else {
        ranges_.push_back({range.first, range.last, leader, shard->replicas});
      }
      primaries_.insert(leader);
    }
  }

  struct Range {
    uint16_t first;
    uint16_t last;
    shard::NodeId leader;
    std::vector<shard::NodeId> replicas;
  };
  [[nodiscard]] const Map& map() const { return *map_; }
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
  [[nodiscard]] const std::set<shard::NodeId>& primaries() const { return primaries_; }
  [[nodiscard]] std::string_view name(const Map::Node& node) const {
    return node.id == map_->here && !own_name_.empty() ? std::string_view(own_name_) : node.name;
  }
  [[nodiscard]] uint16_t port(const Map::Node& node) const {
    return is_tls_ && node.tls_port != 0 ? node.tls_port : node.port;
  }
  // The nodes that only follow, of those.
  [[nodiscard]] std::vector<const Map::Node*> followers(const std::vector<shard::NodeId>& replicas) const {
    std::vector<const Map::Node*> found;
    for (shard::NodeId id : replicas) {
      const Map::Node* node = map_->node(id);
      if (node != nullptr && !primaries_.contains(id)) found.push_back(node);
    }
    return found;
  }
  // Those with a leader.
  [[nodiscard]] int64_t slots_served() const { return slots_served_; }
  [[nodiscard]] int64_t slots_assigned() const {
    int64_t count = 0;
    for (const Map::Slots& range : map_->slots) count += range.last - range.first + 1;
    return count;
  }

 private:
  // Who is listed with the shard's slots. While they elect, a replica stands in for the leader, since clients take a
  // picture without all slots for a broken cluster. 0: nobody is known.
  [[nodiscard]] shard::NodeId primary_of(const Map::Shard& shard) const {
    if (map_->node(shard.leader) != nullptr) return shard.leader;
    const auto known =
        std::ranges::find_if(shard.replicas, [&](shard::NodeId id) { return map_->node(id) != nullptr; });
    return known == shard.replicas.end() ? 0 : *known;
  }

  const std::shared_ptr<const Map> map_;
  const bool is_tls_;
  const std::string own_name_;
  std::vector<Range> ranges_;
  std::set<shard::NodeId> primaries_;
  int64_t slots_served_ = 0;
};

Picture picture_of(Session& session) { return Picture(session.service(), session.client().is_tls); }

void reply_slots_node(RespWriter& out, const Picture& picture, const Map::Node& node) {
  out.array(4);
  out.bulk(node.host);
  out.integer(picture.port(node));
  out.bulk(picture.name(node));
  out.map(0);
}

void reply_shards_node(RespWriter& out, const Picture& picture, const Map::Node& node, bool is_primary) {
  out.map(node.tls_port != 0 ? 8 : 7);
  out.bulk("id");
  out.bulk(picture.name(node));
  out.bulk("port");
  out.integer(node.port);
  if (node.tls_port != 0) {
    out.bulk("tls-port");
    out.integer(node.tls_port);
  }
  out.bulk("ip");
  out.bulk(node.host);
  out.bulk("endpoint");
  out.bulk(node.host);
  out.bulk("role");
  out.bulk(is_primary ? "master" : "replica");
  out.bulk("replication-offset");
  out.integer(0);
  out.bulk("health");
  out.bulk(node.is_reachable ? "online" : "fail");
}

// One line of CLUSTER NODES.
std::string node_line(const Picture& picture, const Map::Node& node) {
  const Map& map = picture.map();
  const bool is_primary = picture.primaries().contains(node.id);
  std::string line(picture.name(node));
  const uint16_t bus = node.peer_port != 0 ? node.peer_port : static_cast<uint16_t>(node.port + kBusPortOffset);
  line += " " + node.host + ":" + std::to_string(picture.port(node)) + "@" + std::to_string(bus) + " ";
  if (node.id == map.here) line += "myself,";
  // A replica of several; the first leader is named.
  const Map::Node* leader = nullptr;
  for (const Picture::Range& range : picture.ranges()) {
    const bool follows = std::ranges::find(range.replicas, node.id) != range.replicas.end();
    if (follows && leader == nullptr) leader = map.node(range.leader);
  }
  const bool is_replica = !is_primary && leader != nullptr;
  line += is_replica ? "slave" : "master";
  if (!node.is_reachable) line += ",fail";
  line += " ";
  line += is_replica ? picture.name(*leader) : std::string_view("-");
  line += " 0 0 " + std::to_string(map.epoch) + (node.is_reachable ? " connected" : " disconnected");
  for (const Picture::Range& range : picture.ranges()) {
    if (range.leader != node.id) continue;
    line += " " + std::to_string(range.first);
    if (range.last != range.first) line += "-" + std::to_string(range.last);
  }
  return line + "\n";
}

// Walks the keys of a slot, at most `most`, each once. False once an error has been answered: the slot may move away
// between two steps.
Task<bool> walk_slot(Session& session, uint16_t slot, size_t most, std::set<std::string>& keys) {
  const shard::ShardId shard = session.service().router().shard_of_slot(slot);
  const kv::CommandSpec* step = kv::command_by_code(kv::code::kScan);
  uint64_t cursor = 0;
  do {
    const std::string at = std::to_string(cursor);
    const std::vector<std::string_view> args{step->name, at, "COUNT", kWalkStep};
    ScanSink sink;
    co_await session.query_shard(shard, *step, args, sink, slot);
    if (!sink.failure().empty()) {
      session.out().error(sink.failure());
      co_return false;
    }
    for (const std::string& key : sink.keys()) {
      if (keys.size() < most && key_slot(key) == slot) keys.insert(key);
    }
    cursor = sink.cursor();
  } while (cursor != 0 && keys.size() < most);
  co_return true;
}

}  // namespace

Task<void> cmd_cluster_keyslot(Session& session, kv::Args args) {
  session.out().integer(key_slot(args[2]));
  co_return;
}

Task<void> cmd_cluster_info(Session& session, kv::Args) {
  if (!session.service().is_cluster()) {
    // One node that has every slot.
    session.out().verbatim("txt",
                           "cluster_enabled:0\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"
                           "cluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n"
                           "cluster_known_nodes:1\r\ncluster_size:1\r\n");
    co_return;
  }
  const Picture picture = picture_of(session);
  const int64_t assigned = picture.slots_assigned();
  const int64_t served = picture.slots_served();
  const auto line = [](std::string_view name, auto value) {
    return "cluster_" + std::string(name) + ":" + std::to_string(value) + "\r\n";
  };
  session.out().verbatim("txt", "cluster_enabled:1\r\ncluster_state:" + std::string(served == kSlots ? "ok" : "fail") +
                                    "\r\n" + line("slots_assigned", assigned) + line("slots_ok", served) +
                                    line("slots_pfail", 0) + line("slots_fail", assigned - served) +
                                    line("known_nodes", picture.map().nodes.size()) +
                                    line("size", picture.primaries().size()) +
                                    line("current_epoch", picture.map().epoch) + line("my_epoch", picture.map().epoch));
}

Task<void> cmd_cluster_myid(Session& session, kv::Args) {
  session.out().bulk(session.service().host().node_id);
  co_return;
}

Task<void> cmd_cluster_slots(Session& session, kv::Args) {
  const Picture picture = picture_of(session);
  RespWriter& out = session.out();
  out.array(picture.ranges().size());
  for (const Picture::Range& range : picture.ranges()) {
    const std::vector<const Map::Node*> followers = picture.followers(range.replicas);
    out.array(3 + followers.size());
    out.integer(range.first);
    out.integer(range.last);
    reply_slots_node(out, picture, *picture.map().node(range.leader));
    for (const Map::Node* node : followers) reply_slots_node(out, picture, *node);
  }
  co_return;
}

Task<void> cmd_cluster_shards(Session& session, kv::Args) {
  const Picture picture = picture_of(session);
  RespWriter& out = session.out();
  out.array(picture.primaries().size());
  for (shard::NodeId id : picture.primaries()) {
    std::vector<uint16_t> bounds;
    std::set<const Map::Node*> followers;
    for (const Picture::Range& range : picture.ranges()) {
      if (range.leader != id) continue;
      bounds.insert(bounds.end(), {range.first, range.last});
      for (const Map::Node* node : picture.followers(range.replicas)) followers.insert(node);
    }
    out.map(2);
    out.bulk("slots");
    out.array(bounds.size());
    for (uint16_t bound : bounds) out.integer(bound);
    out.bulk("nodes");
    out.array(1 + followers.size());
    reply_shards_node(out, picture, *picture.map().node(id), true);
    for (const Map::Node& node : picture.map().nodes) {
      if (followers.contains(&node)) reply_shards_node(out, picture, node, false);
    }
  }
  co_return;
}

Task<void> cmd_cluster_nodes(Session& session, kv::Args) {
  const Picture picture = picture_of(session);
  std::string text;
  for (const Map::Node& node : picture.map().nodes) text += node_line(picture, node);
  session.out().verbatim("txt", text);
  co_return;
}

// Redis has an index for this; here the shard is walked in steps.
Task<void> cmd_cluster_countkeysinslot(Session& session, kv::Args args) {
  const auto slot = integer_argument(session.out(), args[2], INT64_MIN, "ERR Invalid slot");
  if (!slot) co_return;
  if (*slot < 0 || *slot >= kSlots) {
    session.out().error("ERR Invalid slot");
    co_return;
  }
  std::set<std::string> keys;
  if (!co_await walk_slot(session, static_cast<uint16_t>(*slot), SIZE_MAX, keys)) co_return;
  session.out().integer(static_cast<int64_t>(keys.size()));
}

Task<void> cmd_cluster_getkeysinslot(Session& session, kv::Args args) {
  const auto slot = integer_argument(session.out(), args[2], INT64_MIN, "ERR Invalid slot");
  if (!slot) co_return;
  const auto count = integer_argument(session.out(), args[3], INT64_MIN, "ERR Invalid number of keys");
  if (!count) co_return;
  if (*slot < 0 || *slot >= kSlots || *count < 0) {
    session.out().error("ERR Invalid slot or number of keys");
    co_return;
  }
  std::set<std::string> keys;
  if (!co_await walk_slot(session, static_cast<uint16_t>(*slot), static_cast<size_t>(*count), keys)) co_return;
  session.out().array(keys.size());
  for (const std::string& key : keys) session.out().bulk(key);
}

Task<void> cmd_readonly(Session& session, kv::Args) {
  session.client().is_readonly = true;
  session.out().ok();
  co_return;
}

Task<void> cmd_readwrite(Session& session, kv::Args) {
  session.client().is_readonly = false;
  session.out().ok();
  co_return;
}

// No node answers ASK. A slot that moves has one owner at every moment, which answers for all of its keys: the old
// shard until the slot is handed over, then the new one (shard/slot_table.h); between the two, commands wait. So no key
// is ever to be asked for at another node than its slot is, and there is nothing to let in.
Task<void> cmd_asking(Session& session, kv::Args) {
  session.out().ok();
  co_return;
}

}  // namespace keelson::resp
