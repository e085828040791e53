// /admin/cluster: what the cluster looks like, and what people may do about it; `keelson cluster` is its client.
//
//   GET  /admin/cluster                          text, or with ?format=json JSON
//   POST /admin/cluster/init                     a node that belongs to no cluster founds one
//   POST /admin/cluster/join?at=ADDRESS,...      or joins one, through nodes at these addresses (cluster.listen)
//   POST /admin/cluster/node?id=N&state=S        S is active, draining or removed
//   POST /admin/cluster/move?shard=S&from=N&to=N a replica goes from one node to another
//   POST /admin/cluster/lead?shard=S&to=N        the lead of a shard goes to a node
//   POST /admin/cluster/move-slots?first=N&last=N&to=S
//                                                slots go to a shard; with format=json the moves that were begun
//   POST /admin/cluster/cancel-move?id=N         slots that are on their way stay where they are
//   POST /admin/cluster/rebalance                each shard gets as many slots as the others; likewise
//
// Errors are a sentence, with 400 for what makes no sense, 409 for what the cluster does not allow, and 503 while it
// cannot be done.
#include <optional>
#include <utility>

#include "base/numbers.h"
#include "cluster/errors.h"
#include "net/http/server.h"
#include "server/cluster_setup.h"
#include "server/node.h"

namespace keelson::server {

namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

Task<void> say(net::http::Exchange& exchange, uint16_t status, std::string sentence) {
  sentence += "\n";
  (void)co_await exchange.respond(status, kPlain, sentence);
}

Task<void> say(net::http::Exchange& exchange, Error error) {
  const std::error_code code = error.code();
  uint16_t status = 503;
  if (code == cluster::ClusterErrc::kNotFound) status = 404;
  if (code == cluster::ClusterErrc::kNotAllowed) status = 409;
  co_await say(exchange, status, error.message());
}

Task<void> say(net::http::Exchange& exchange, Status outcome, std::string done) {
  if (!outcome.ok()) co_return co_await say(exchange, std::move(outcome.error()));
  co_await say(exchange, 200, std::move(done));
}

Task<void> say_begun(net::http::Exchange& exchange, Result<cluster::BegunMoves> begun) {
  if (!begun.ok()) co_return co_await say(exchange, std::move(begun.error()));
  const bool is_json = exchange.request().parameter("format") == "json";
  const std::string text = is_json ? begun_json(*begun) : begun_text(*begun);
  (void)co_await exchange.respond(200, is_json ? kJson : kPlain, text);
}

std::optional<uint64_t> number_of(const net::http::Exchange& exchange, std::string_view name, int64_t most) {
  const auto text = exchange.request().parameter(name);
  const auto number = text ? parse_int64(*text) : std::nullopt;
  if (!number || *number < 0 || *number > most) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

constexpr std::string_view kNoCluster = "this node is in no cluster; see cluster.listen";

}  // namespace

void Node::add_cluster_endpoints() {
  using monitor::Access;
  const auto add = [this](const char* method, const char* path, Task<void> (Node::*answer)(net::http::Exchange&),
                          const char* what) {
    endpoints_.add({method, path, Access::kPassword,
                    [this, answer](net::http::Exchange& exchange) { return (this->*answer)(exchange); }, what});
  };
  add("GET", "/admin/cluster", &Node::answer_cluster, "the cluster's nodes and shards");
  add("POST", "/admin/cluster/init", &Node::answer_cluster_init, "founds a cluster with this node");
  add("POST", "/admin/cluster/join", &Node::answer_cluster_join, "takes this node into a cluster");
  add("POST", "/admin/cluster/node", &Node::answer_cluster_node, "drains a node, takes it back or removes it");
  add("POST", "/admin/cluster/move", &Node::answer_cluster_move, "moves a replica of a shard");
  add("POST", "/admin/cluster/lead", &Node::answer_cluster_lead, "gives the lead of a shard to a node");
  add("POST", "/admin/cluster/move-slots", &Node::answer_cluster_move_slots, "moves slots to a shard");
  add("POST", "/admin/cluster/cancel-move", &Node::answer_cluster_cancel_move, "leaves slots where they are");
  add("POST", "/admin/cluster/rebalance", &Node::answer_cluster_rebalance, "gives shards equally many slots");
}

void Node::announce_to_cluster() {
  cluster_->serving_at({.kv = addresses_.kv,
                        .kv_tls = addresses_.kv_tls,
                        .etcd = addresses_.etcd,
                        .etcd_tls = addresses_.etcd_tls,
                        .kafka = addresses_.kafka,
                        .kafka_tls = addresses_.kafka_tls,
                        .http = addresses_.http,
                        .kv_id = folder_->node().id});
}

Task<void> Node::answer_cluster(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  Result<cluster::ClusterFacts> facts = co_await cluster_->service().facts();
  if (!facts.ok()) co_return co_await say(exchange, 503, facts.error().message());
  const bool is_json = exchange.request().parameter("format") == "json";
  const std::string text = is_json ? cluster_json(*facts) : cluster_text(*facts);
  (void)co_await exchange.respond(200, is_json ? kJson : kPlain, text);
}

Task<void> Node::answer_cluster_init(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (!cluster_->found()) co_return co_await say(exchange, 409, "the node has a place in a cluster, or is getting one");
  co_await say(exchange, 200, "the node founds a cluster");
}

Task<void> Node::answer_cluster_join(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  const auto at = exchange.request().parameter("at");
  const SettingSpec* spec = find_setting("cluster.join");
  const Result<SettingValue> value = parse_setting(*spec, at ? std::string_view(*at) : std::string_view());
  if (!value.ok() || value->addresses.empty()) {
    co_return co_await say(exchange, 400,
                           value.ok() ? "the parameter at is missing" : "at: " + value.error().message());
  }
  if (!cluster_->join(value->addresses)) {
    co_return co_await say(exchange, 409, "the node has a place in a cluster, or is getting one");
  }
  co_await say(exchange, 200, "the node joins the cluster");
}

Task<void> Node::answer_cluster_node(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  const auto id = number_of(exchange, "id", INT64_MAX);
  const auto name = exchange.request().parameter("state");
  std::optional<cluster::NodeState> state;
  for (const auto one : {cluster::NodeState::kActive, cluster::NodeState::kDraining, cluster::NodeState::kRemoved}) {
    if (name && *name == cluster::name_of(one)) state = one;
  }
  if (!id || !state) co_return co_await say(exchange, 400, "id is a node's number, state active, draining or removed");
  Status done = co_await cluster_->service().set_node_state(*id, *state);
  co_await say(exchange, std::move(done),
               "node " + std::to_string(*id) + " is " + std::string(cluster::name_of(*state)));
}

Task<void> Node::answer_cluster_move(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  const auto shard = number_of(exchange, "shard", UINT16_MAX);
  const auto from = number_of(exchange, "from", INT64_MAX);
  const auto to = number_of(exchange, "to", INT64_MAX);
  if (!shard || !from || !to) co_return co_await say(exchange, 400, "shard, from and to are numbers");
  Status done = co_await cluster_->service().move_replica(static_cast<shard::ShardId>(*shard), *from, *to);
  co_await say(exchange, std::move(done),
               "the replica of shard " + std::to_string(*shard) + " moves from node " + std::to_string(*from) +
                   " to node " + std::to_string(*to));
}

Task<void> Node::answer_cluster_lead(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  const auto shard = number_of(exchange, "shard", UINT16_MAX);
  const auto to = number_of(exchange, "to", INT64_MAX);
  if (!shard || !to || *shard >= runtime_->shards_total()) {
    co_return co_await say(exchange, 400, "shard and to are numbers");
  }
  Status done = co_await cluster_->service().transfer_lead(static_cast<shard::ShardId>(*shard), *to);
  co_await say(exchange, std::move(done),
               "the lead of shard " + std::to_string(*shard) + " goes to node " + std::to_string(*to));
}

Task<void> Node::answer_cluster_move_slots(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  const auto first = number_of(exchange, "first", INT64_MAX);
  const auto last = number_of(exchange, "last", INT64_MAX);
  const auto to = number_of(exchange, "to", INT64_MAX);
  if (!first || !last || !to) co_return co_await say(exchange, 400, "first and last are slots, to is a shard's number");
  Result<cluster::BegunMoves> begun = co_await cluster_->service().move_slots(*first, *last, *to);
  co_await say_begun(exchange, std::move(begun));
}

Task<void> Node::answer_cluster_cancel_move(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  const auto id = number_of(exchange, "id", INT64_MAX);
  if (!id) co_return co_await say(exchange, 400, "id is a move's number; see the status");
  Status done = co_await cluster_->service().cancel_move(*id);
  co_await say(exchange, std::move(done), "move " + std::to_string(*id) + " is cancelled");
}

Task<void> Node::answer_cluster_rebalance(net::http::Exchange& exchange) {
  if (cluster_ == nullptr) co_return co_await say(exchange, 404, std::string(kNoCluster));
  if (state_ != State::kReady) co_return co_await say(exchange, 503, why_not_ready());
  // Replicas: the leader of the system shard looks after them all the time, and now.
  cluster_->service().drive_soon();
  Result<cluster::BegunMoves> begun = co_await cluster_->service().rebalance_slots();
  co_await say_begun(exchange, std::move(begun));
}

}  // namespace keelson::server
