// What people see of a cluster.
#include <algorithm>
#include <string>

#include "monitor/log_lines.h"
#include "server/cluster_setup.h"

namespace keelson::server {

namespace {

class Json {
 public:
  void field(std::string_view name, std::string_view value) {
    begin(name);
    text_ += '"';
    monitor::append_json(text_, value);
    text_ += '"';
  }
  void field(std::string_view name, uint64_t value) {
    begin(name);
    text_ += std::to_string(value);
  }
  void field(std::string_view name, bool value) {
    begin(name);
    text_ += value ? "true" : "false";
  }
  void field(std::string_view name, const std::vector<peer::NodeId>& values) {
    begin(name);
    text_ += '[';
    for (size_t i = 0; i < values.size(); ++i) text_.append(i == 0 ? "" : ",").append(std::to_string(values[i]));
    text_ += ']';
  }
  void begin(std::string_view name) {
    element();
    text_ += '"';
    text_.append(name).append("\":");
  }
  void element() {
    if (!text_.empty() && text_.back() != '{' && text_.back() != '[') text_ += ',';
  }
  void open(char bracket) { text_ += bracket; }
  void close(char bracket) { text_ += bracket; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text + "  ";
}

// What is not as it should be with one shard; empty: nothing.
std::string trouble_of(const cluster::ClusterFacts& facts, const cluster::ShardFacts& shard) {
  if (!shard.status) return "no leader that can be asked";
  const raft::Members& members = shard.status->members;
  if (members.is_joint()) return "its members are changing";
  std::vector<peer::NodeId> voters = members.voters;
  std::sort(voters.begin(), voters.end());
  if (voters != shard.wanted) return "replicas are on their way to nodes " + cluster::format_ids(shard.wanted);
  for (const peer::NodeId voter : voters) {
    if (!facts.reachable.contains(voter)) return "its replica on node " + std::to_string(voter) + " is missing";
  }
  for (const raft::PeerStatus& peer : shard.status->peers) {
    if (!peer.is_active) return "its replica on node " + std::to_string(peer.node) + " does not follow";
    if (peer.needs_checkpoint) return "node " + std::to_string(peer.node) + " is being brought up to date";
  }
  return {};
}

uint64_t slots_of(const cluster::ClusterFacts& facts, shard::ShardId shard) {
  uint64_t slots = 0;
  for (const cluster::SlotRun& run : facts.slots) slots += run.shard == shard ? run.last - run.first + 1U : 0U;
  return slots;
}

std::string ranges_of(const cluster::ClusterFacts& facts, shard::ShardId shard) {
  std::string text;
  for (const cluster::SlotRun& run : facts.slots) {
    if (run.shard == shard) text.append(text.empty() ? "" : ",").append(cluster::format_slots(run.first, run.last));
  }
  return text;
}

void write_move(const cluster::SlotMove& move, Json& json) {
  json.field("id", move.id);
  json.field("first", uint64_t{move.first});
  json.field("last", uint64_t{move.last});
  json.field("from", uint64_t{move.from});
  json.field("to", uint64_t{move.to});
  json.field("phase", cluster::name_of(move.phase));
}

std::string move_text(const cluster::SlotMove& move) {
  return "move " + std::to_string(move.id) + ": slots " + cluster::format_slots(move.first, move.last) +
         " from shard " + std::to_string(move.from) + " to shard " + std::to_string(move.to);
}

// What it does, and what is wrong with it.
std::string state_text(const cluster::MoveFacts& about) {
  if (about.move.phase == cluster::MovePhase::kFailed) return "failed: " + about.move.why;
  std::string text(cluster::name_of(about.move.phase));
  if (about.node == 0 && about.progress.error.empty()) return text + ", waits for others";
  if (about.node != 0) text += ", node " + std::to_string(about.node);
  if (about.progress.is_running) {
    text += ", " + about.progress.step + ", attempt " + std::to_string(about.progress.attempt) + ", " +
            std::to_string(about.progress.bytes >> 10) + " KiB copied";
  }
  if (!about.move.why.empty()) text += "; " + about.move.why;
  if (!about.progress.error.empty()) text += "; last error: " + about.progress.error;
  return text;
}

void write_node(const cluster::ClusterFacts& facts, const cluster::NodeRecord& node, Json& json) {
  json.element();
  json.open('{');
  json.field("id", node.id);
  json.field("name", node.name);
  json.field("zone", node.zone);
  json.field("state", cluster::name_of(node.state));
  json.field("reachable", facts.reachable.contains(node.id));
  json.field("peer", node.peer);
  json.field("kv", node.kv);
  json.field("etcd", node.etcd);
  json.field("kafka", node.kafka);
  json.field("kafka_tls", node.kafka_tls);
  json.field("http", node.http);
  json.field("version", node.version);
  json.close('}');
}

}  // namespace

std::string cluster_json(const cluster::ClusterFacts& facts) {
  Json json;
  json.open('{');
  json.field("cluster", facts.cluster);
  json.field("node", facts.self);
  json.field("system_leader", facts.system_leader);
  json.begin("nodes");
  json.open('[');
  for (const auto& [id, node] : facts.state.nodes) write_node(facts, node, json);
  json.close(']');
  json.begin("shards");
  json.open('[');
  for (const cluster::ShardFacts& shard : facts.shards) {
    json.element();
    json.open('{');
    json.field("id", uint64_t{shard.shard});
    json.field("is_system", shard.is_system);
    json.field("leader", shard.leader);
    json.field("wanted", shard.wanted);
    json.field("slots", slots_of(facts, shard.shard));
    json.field("slot_ranges", ranges_of(facts, shard.shard));
    if (shard.status) {
      json.field("voters", shard.status->members.voters);
      json.field("learners", shard.status->members.learners);
      json.field("term", shard.status->term);
      json.field("commit", shard.status->commit);
    }
    json.field("trouble", trouble_of(facts, shard));
    json.close('}');
  }
  json.close(']');
  json.begin("moves");
  json.open('[');
  for (const cluster::MoveFacts& about : facts.moves) {
    json.element();
    json.open('{');
    write_move(about.move, json);
    json.field("why", about.move.why);
    json.field("node", about.node);
    json.field("running", about.progress.is_running);
    json.field("step", about.progress.step);
    json.field("attempt", about.progress.attempt);
    json.field("bytes", about.progress.bytes);
    json.field("error", about.progress.error);
    json.field("text", state_text(about));
    json.close('}');
  }
  json.close(']');
  json.close('}');
  return json.take() + "\n";
}

std::string begun_json(const cluster::BegunMoves& begun) {
  Json json;
  json.open('{');
  json.field("is_all", begun.is_all);
  json.begin("moves");
  json.open('[');
  for (const cluster::SlotMove& move : begun.moves) {
    json.element();
    json.open('{');
    write_move(move, json);
    json.close('}');
  }
  json.close(']');
  json.close('}');
  return json.take() + "\n";
}

std::string begun_text(const cluster::BegunMoves& begun) {
  if (begun.moves.empty()) return begun.is_all ? "no slots need to move\n" : "other moves have to end first\n";
  std::string text;
  for (const cluster::SlotMove& move : begun.moves) text += move_text(move) + "\n";
  if (!begun.is_all) text += "more moves are needed: ask again once these are done\n";
  return text;
}

std::string cluster_text(const cluster::ClusterFacts& facts) {
  std::string text = "cluster " + facts.cluster + ", seen from node " + std::to_string(facts.self) + "\n\n";
  text += padded("node", 4) + padded("name", 12) + padded("zone", 8) + padded("state", 12) + padded("leads", 5) +
          padded("peers", 21) + "kv\n";
  for (const auto& [id, node] : facts.state.nodes) {
    const auto leads = std::count_if(facts.shards.begin(), facts.shards.end(),
                                     [&](const cluster::ShardFacts& shard) { return shard.leader == id; });
    std::string state(cluster::name_of(node.state));
    if (node.state == cluster::NodeState::kActive && !facts.reachable.contains(id)) state = "unreachable";
    text += padded(std::to_string(id), 4) + padded(node.name, 12) + padded(node.zone, 8) + padded(state, 12) +
            padded(std::to_string(leads), 5) + padded(node.peer, 21) + node.kv + "\n";
  }
  size_t good = 0;
  std::string troubles;
  for (const cluster::ShardFacts& shard : facts.shards) {
    const std::string trouble = trouble_of(facts, shard);
    if (trouble.empty()) {
      ++good;
    } else {
      troubles +=
          "shard " + std::to_string(shard.shard) + (shard.is_system ? " (the system's): " : ": ") + trouble + "\n";
    }
  }
  text += "\n" + std::to_string(good) + " of " + std::to_string(facts.shards.size()) +
          " shards have all their replicas\n" + troubles;
  for (const cluster::MoveFacts& about : facts.moves) {
    text += move_text(about.move) + ": " + state_text(about) + "\n";
  }
  return text;
}

Task<void> ClusterPart::write_metrics(monitor::OpenMetrics& out) {
  const std::vector<peer::NodeFigures> nodes = co_await mesh_->figures();
  const auto counter = [&](std::string_view name, std::string_view unit, std::string_view help,
                           uint64_t peer::NodeFigures::* field) {
    out.family(name, monitor::MetricType::kCounter, unit, help);
    for (const peer::NodeFigures& node : nodes) out.sample({{"node", std::to_string(node.node)}}, node.*field);
  };
  out.family("keelson_peer_reachable", monitor::MetricType::kGauge, "", "1 while the node can be reached.");
  for (const peer::NodeFigures& node : nodes) {
    out.sample({{"node", std::to_string(node.node)}}, uint64_t{node.is_reachable});
  }
  using peer::NodeFigures;
  counter("keelson_peer_messages_sent", "", "Messages to a node.", &NodeFigures::messages_sent);
  counter("keelson_peer_messages_received", "", "Messages of a node.", &NodeFigures::messages_received);
  counter("keelson_peer_messages_dropped", "",
          "Messages to a node that were dropped: it could not be reached, or too much waited.",
          &NodeFigures::messages_dropped);
  counter("keelson_peer_sent_bytes", "bytes", "Bytes to a node.", &NodeFigures::bytes_sent);
  counter("keelson_peer_received_bytes", "bytes", "Bytes of a node.", &NodeFigures::bytes_received);
  counter("keelson_peer_files_sent", "", "Files that arrived at a node.", &NodeFigures::files_sent);
  counter("keelson_peer_files_received", "", "Files of a node.", &NodeFigures::files_received);
  counter("keelson_peer_files_failed", "", "Files to a node that did not arrive.", &NodeFigures::files_failed);
  counter("keelson_peer_connects", "", "Connections that were made to a node.", &NodeFigures::connects);
  counter("keelson_peer_connect_failures", "", "Attempts at a connection that failed.", &NodeFigures::connect_failures);
  out.family("keelson_peer_round_trip_seconds", monitor::MetricType::kGauge, "seconds",
             "Half of the pings to a node come back within this.");
  for (const peer::NodeFigures& node : nodes) {
    out.sample({{"node", std::to_string(node.node)}}, static_cast<double>(node.round_trip_ns.percentile(0.5)) * 1e-9);
  }
}

}  // namespace keelson::server
