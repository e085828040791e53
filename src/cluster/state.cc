#include "cluster/state.h"

#include <limits>
#include <utility>

namespace keelson::cluster {

namespace {

constexpr size_t kIdDigits = 10;

std::string digits(uint64_t number) {
  const std::string text = std::to_string(number);
  return text.size() < kIdDigits ? std::string(kIdDigits - text.size(), '0') + text : text;
}

std::optional<uint64_t> number_of(std::string_view key, std::string_view prefix) {
  if (!key.starts_with(prefix)) return std::nullopt;
  const auto ids = parse_ids(key.substr(prefix.size()));
  if (!ids || ids->size() != 1) return std::nullopt;
  return ids->front();
}

std::optional<NodeState> state_of(std::string_view name) {
  for (const NodeState state : {NodeState::kActive, NodeState::kDraining, NodeState::kRemoved}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

template <class Number>
bool read_number(const Fields& fields, std::string_view name, Number& number) {
  const auto value = fields.number(name);
  if (!value || *value > std::numeric_limits<Number>::max()) return false;
  number = static_cast<Number>(*value);
  return true;
}

}  // namespace

std::string_view name_of(NodeState state) {
  switch (state) {
    case NodeState::kActive:
      return "active";
    case NodeState::kDraining:
      return "draining";
    case NodeState::kRemoved:
      return "removed";
  }
  return "unknown";
}

std::string node_key(NodeId id) { return std::string(kNodesPrefix) + digits(id); }

std::string move_key(uint64_t id) { return std::string(kMovesPrefix) + digits(id); }

std::string replicas_key(ShardId shard) { return std::string(kReplicasPrefix) + digits(shard); }

std::string format_node(const NodeRecord& node) {
  Fields fields = node.fields;
  fields.set("state", std::string(name_of(node.state)));
  fields.set("name", node.name);
  fields.set("zone", node.zone);
  fields.set("peer", node.peer);
  fields.set("revision", node.revision);
  fields.set("kv", node.kv);
  fields.set("kv-tls", node.kv_tls);
  fields.set("etcd", node.etcd);
  fields.set("kafka", node.kafka);
  fields.set("kafka-tls", node.kafka_tls);
  fields.set("http", node.http);
  fields.set("kv-id", node.kv_id);
  fields.set("version", node.version);
  fields.set("moves-slots", uint64_t{node.can_move_slots});
  return fields.format();
}

std::optional<NodeRecord> parse_node(NodeId id, std::string_view value) {
  std::optional<Fields> fields = Fields::parse(value);
  if (!fields) return std::nullopt;
  NodeRecord node;
  const auto state = state_of(fields->text("state"));
  if (!state || !read_number(*fields, "revision", node.revision)) return std::nullopt;
  node.id = id;
  node.state = *state;
  node.name = fields->text("name");
  node.zone = fields->text("zone");
  node.peer = fields->text("peer");
  node.kv = fields->text("kv");
  node.kv_tls = fields->text("kv-tls");
  node.etcd = fields->text("etcd");
  node.kafka = fields->text("kafka");
  node.kafka_tls = fields->text("kafka-tls");
  node.http = fields->text("http");
  node.kv_id = fields->text("kv-id");
  node.version = fields->text("version");
  node.can_move_slots = fields->number("moves-slots") == 1;
  node.fields = std::move(*fields);
  return node;
}

std::string format_settings(const ClusterSettings& settings) {
  Fields fields;
  fields.set("kv-shards", uint64_t{settings.kv_shards});
  fields.set("blob-shards", uint64_t{settings.blob_shards});
  if (settings.topic_shards != 0) fields.set("topic-shards", uint64_t{settings.topic_shards});
  fields.set("databases", uint64_t{settings.databases});
  fields.set("replicas", uint64_t{settings.replicas});
  return fields.format();
}

std::optional<ClusterSettings> parse_settings(std::string_view value) {
  const std::optional<Fields> fields = Fields::parse(value);
  ClusterSettings settings;
  if (!fields || !read_number(*fields, "kv-shards", settings.kv_shards) ||
      !read_number(*fields, "blob-shards", settings.blob_shards) ||
      !read_number(*fields, "databases", settings.databases) || !read_number(*fields, "replicas", settings.replicas)) {
    return std::nullopt;
  }
  if (!fields->text("topic-shards").empty() && !read_number(*fields, "topic-shards", settings.topic_shards)) {
    return std::nullopt;
  }
  return settings;
}

bool ClusterState::apply(std::string_view key, std::optional<std::string_view> value) {
  if (key == kSettingsKey) {
    const auto parsed = value ? parse_settings(*value) : std::nullopt;
    if (parsed) settings = *parsed;
    return parsed.has_value();
  }
  if (key == kNextNodeKey) {
    const auto ids = value ? parse_ids(*value) : std::nullopt;
    if (!ids || ids->size() != 1) return false;
    next_node = ids->front();
    return true;
  }
  if (const auto node = number_of(key, kNodesPrefix)) {
    if (!value) return nodes.erase(*node) != 0;
    auto parsed = parse_node(*node, *value);
    if (parsed) nodes[*node] = std::move(*parsed);
    return parsed.has_value();
  }
  if (const auto shard = number_of(key, kReplicasPrefix); shard && *shard <= std::numeric_limits<ShardId>::max()) {
    if (!value) return replicas.erase(static_cast<ShardId>(*shard)) != 0;
    auto ids = parse_ids(*value);
    if (ids) replicas[static_cast<ShardId>(*shard)] = std::move(*ids);
    return ids.has_value();
  }
  return apply_slots(key, value);
}

bool ClusterState::apply_slots(std::string_view key, std::optional<std::string_view> value) {
  if (key == kSlotsKey) {
    auto runs = parse_slot_runs(value.value_or(""));
    if (runs) slots = std::move(*runs);
    return runs.has_value();
  }
  if (key == kNextMoveKey) {
    const auto ids = value ? parse_ids(*value) : std::nullopt;
    if (!ids || ids->size() != 1) return false;
    next_move = ids->front();
    return true;
  }
  if (const auto id = number_of(key, kMovesPrefix)) {
    if (!value) return moves.erase(*id) != 0;
    auto parsed = parse_move(*id, *value);
    if (parsed) moves[*id] = std::move(*parsed);
    return parsed.has_value();
  }
  return false;
}

std::vector<BookEntry> ClusterState::book() const {
  std::vector<BookEntry> book;
  for (const auto& [id, node] : nodes) {
    if (node.state != NodeState::kRemoved) book.push_back({id, node.revision, node.peer});
  }
  return book;
}

std::vector<NodeId> ClusterState::removed() const {
  std::vector<NodeId> removed;
  for (const auto& [id, node] : nodes) {
    if (node.state == NodeState::kRemoved) removed.push_back(id);
  }
  return removed;
}

}  // namespace keelson::cluster
