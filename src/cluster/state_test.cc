#include "cluster/state.h"

#include <gtest/gtest.h>

#include "cluster/calls.h"
#include "cluster/errors.h"
#include "cluster/join.h"
#include "cluster/leases.h"
#include "cluster/view.h"

namespace keelson::cluster {
namespace {

TEST(Fields, ComeBackWithWhatNobodyKnows) {
  const auto fields = Fields::parse("b=2\nlater=some=thing\na=\n");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->number("b"), 2U);
  EXPECT_EQ(fields->text("later"), "some=thing");
  EXPECT_EQ(fields->text("a"), "");
  EXPECT_FALSE(fields->number("a"));
  EXPECT_EQ(fields->format(), "b=2\nlater=some=thing\na=\n");
  EXPECT_FALSE(Fields::parse("no equals sign"));
  EXPECT_FALSE(Fields::parse("=value"));
}

TEST(Fields, Ids) {
  EXPECT_EQ(format_ids({1, 20, 3}), "1 20 3");
  EXPECT_EQ(parse_ids("1 20 3"), (std::vector<uint64_t>{1, 20, 3}));
  EXPECT_EQ(parse_ids(""), std::vector<uint64_t>());
  for (const char* bad : {"1  2", " 1", "1 x", "-1", "99999999999999999999"}) EXPECT_FALSE(parse_ids(bad)) << bad;
}

TEST(ClusterFile, ComesBackAndDamageIsFound) {
  ClusterFile file;
  file.cluster = "0123456789abcdef0123456789abcdef";
  file.node = 3;
  file.boots = 7;
  file.book = {{1, 4, "127.0.0.1:7401"}, {2, 1, "[::1]:7402"}};
  const std::string text = write_cluster_file(file);
  const Result<ClusterFile> read = read_cluster_file(text, "cluster");
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(*read, file);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(read_cluster_file(bad, "cluster").ok()) << i;
    EXPECT_FALSE(read_cluster_file(text.substr(0, i), "cluster").ok()) << i;
  }
}

NodeRecord node_of(NodeId id) {
  NodeRecord node;
  node.id = id;
  node.name = "n" + std::to_string(id);
  node.zone = "z";
  node.peer = "127.0.0.1:" + std::to_string(7400 + id);
  node.revision = id;
  node.kv = "127.0.0.1:" + std::to_string(7000 + id);
  node.kv_id = std::string(40, 'a');
  return node;
}

TEST(ClusterState, FollowsItsKeys) {
  ClusterState state;
  const ClusterSettings settings{.kv_shards = 16, .blob_shards = 8, .databases = 16, .replicas = 3};
  EXPECT_TRUE(state.apply(kSettingsKey, format_settings(settings)));
  EXPECT_TRUE(state.apply(kNextNodeKey, "4"));
  for (NodeId id = 1; id <= 3; ++id) EXPECT_TRUE(state.apply(node_key(id), format_node(node_of(id))));
  EXPECT_TRUE(state.apply(replicas_key(5), "1 2 3"));
  EXPECT_EQ(state.settings, settings);
  EXPECT_EQ(state.next_node, 4U);
  EXPECT_EQ(state.nodes.at(2).kv, "127.0.0.1:7002");
  EXPECT_EQ(state.replicas.at(5), (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(state.book().size(), 3U);

  NodeRecord removed = node_of(2);
  removed.state = NodeState::kRemoved;
  EXPECT_TRUE(state.apply(node_key(2), format_node(removed)));
  EXPECT_EQ(state.book().size(), 2U);
  EXPECT_EQ(state.removed(), std::vector<NodeId>{2});
  EXPECT_TRUE(state.apply(replicas_key(5), std::nullopt));
  EXPECT_TRUE(state.replicas.empty());

  // What is not understood changes nothing.
  EXPECT_FALSE(state.apply("/keelson/cluster/later", "x"));
  EXPECT_FALSE(state.apply(node_key(1), "state=dancing\nrevision=1\n"));
  EXPECT_FALSE(state.apply(replicas_key(5), "one"));
  EXPECT_EQ(state.nodes.at(1).state, NodeState::kActive);
}

TEST(ClusterState, TopicsOfAClusterThatWasFoundedWithout) {
  const ClusterSettings with{.kv_shards = 16, .blob_shards = 8, .topic_shards = 4, .databases = 16, .replicas = 3};
  EXPECT_EQ(parse_settings(format_settings(with)), with);
  const auto without = parse_settings("kv-shards=16\nblob-shards=8\ndatabases=16\nreplicas=3\n");
  ASSERT_TRUE(without);
  EXPECT_EQ(without->topic_shards, 0U);
  EXPECT_EQ(format_settings(*without).find("topic"), std::string::npos);
  EXPECT_FALSE(parse_settings("kv-shards=16\nblob-shards=8\ndatabases=16\nreplicas=3\ntopic-shards=x\n"));
}

TEST(ClusterMap, ShowsWhereEachServiceIsReached) {
  ClusterState state;
  state.settings.replicas = 3;
  NodeRecord one = node_of(1);
  one.kafka = "kafka.example.com:9092";
  one.kafka_tls = "[::1]:9093";
  state.nodes[1] = one;
  state.nodes[2] = node_of(2);
  state.nodes[3] = node_of(3);
  state.nodes[3].state = NodeState::kRemoved;
  state.replicas[20] = {1, 2};
  const std::vector<ShardId> shards{20};
  const MapParts parts{.here = 1,
                       .state = state,
                       .clients = Clients::kKafka,
                       .shards = shards,
                       .slots = {},
                       .leaders = {{20, 2}, {21, 1}},
                       .reachable = {1}};
  const shard::ClusterMap map = make_map(parts);
  ASSERT_EQ(map.nodes.size(), 2U);
  EXPECT_EQ(map.nodes[0].host, "kafka.example.com");
  EXPECT_EQ(map.nodes[0].port, 9092);
  EXPECT_EQ(map.nodes[0].tls_host, "::1");
  EXPECT_EQ(map.nodes[0].tls_port, 9093);
  EXPECT_EQ(map.nodes[0].zone, "z");
  EXPECT_EQ(map.nodes[1].port, 0);
  EXPECT_FALSE(map.nodes[1].is_reachable);
  ASSERT_EQ(map.shards.size(), 1U);
  EXPECT_EQ(map.shards[0].leader, 2U);
  EXPECT_EQ(map.shards[0].replicas, (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(map.replicas, 3U);
}

TEST(ClusterState, NodeKeepsWhatALaterVersionWrote) {
  const auto node = parse_node(1, format_node(node_of(1)) + "later=kept\n");
  ASSERT_TRUE(node);
  EXPECT_EQ(parse_node(1, format_node(*node))->fields.text("later"), "kept");
}

TEST(Calls, ComeBackAndCutOnesDoNot) {
  ShardCall call{.shard = 7, .node = 3, .changes = {{.type = 0, .id = 4}, {.type = 1, .id = 2}}};
  ShardCall read;
  ASSERT_TRUE(decode(encode(call), read));
  EXPECT_EQ(read.shard, 7);
  EXPECT_EQ(read.node, 3U);
  ASSERT_EQ(read.changes.size(), 2U);
  EXPECT_EQ(read.changes[1].id, 2U);

  ReplicaReport report{.shard = 9, .status = {}};
  report.status.term = 4;
  report.status.leader = 2;
  report.status.role = raft::Role::kLeader;
  report.status.is_leader_here = true;
  report.status.commit = 1000;
  report.status.members.voters = {1, 2, 3};
  report.status.members.learners = {4};
  report.status.peers = {
      {.node = 1, .matched = 900, .next = 0, .is_learner = false, .is_active = true, .needs_checkpoint = true}};
  const std::string bytes = encode(std::vector{report, report});
  std::vector<ReplicaReport> reports;
  ASSERT_TRUE(decode(bytes, reports));
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[1].status.members, report.status.members);
  EXPECT_EQ(reports[1].status.peers[0].matched, 900U);
  EXPECT_TRUE(reports[1].status.peers[0].needs_checkpoint);
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::vector<ReplicaReport> cut;
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), cut)) << size;
  }
}

TEST(Calls, JoiningAndLeases) {
  const JoinRequest request{.name = "a", .zone = "z", .peer = "127.0.0.1:7402", .token = "t"};
  JoinRequest read;
  ASSERT_TRUE(decode(encode(request), read));
  EXPECT_EQ(read.peer, request.peer);
  EXPECT_FALSE(decode("name=a\n", read));

  Joined joined{.cluster = "c",
                .node = 2,
                .settings = {.kv_shards = 16, .blob_shards = 8, .databases = 4, .replicas = 3},
                .hash_secret = 99,
                .book = {{1, 1, "127.0.0.1:7401"}}};
  Joined again;
  ASSERT_TRUE(decode(encode(joined), again));
  EXPECT_EQ(again.settings, joined.settings);
  EXPECT_EQ(again.hash_secret, 99U);
  EXPECT_EQ(again.book, joined.book);

  const coord::LeaseAnswer answer{
      .outcome = coord::ServiceErrc::kOk, .is_found = true, .granted_ttl_s = 10, .ttl_s = -1};
  coord::LeaseAnswer back;
  ASSERT_TRUE(decode(encode(answer), back));
  EXPECT_TRUE(back.is_found);
  EXPECT_EQ(back.ttl_s, -1);
  coord::LeaseId lease = 0;
  ASSERT_TRUE(decode_lease(encode_lease(-5), lease));
  EXPECT_EQ(lease, -5);
}

// Whatever is cut off is refused, and nothing is read behind the end.
template <class Call>
void expect_each_byte_counts(const std::string& bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    Call cut;
    EXPECT_FALSE(decode(bytes.substr(0, i), cut)) << i;
  }
}

TEST(Calls, OfMovesComeBack) {
  MoveCall move;
  const std::string order = encode(MoveCall{.move = 300, .is_order = false});
  ASSERT_TRUE(decode(order, move));
  EXPECT_EQ(move.move, 300U);
  EXPECT_FALSE(move.is_order);
  expect_each_byte_counts<MoveCall>(order);

  MoveProgress progress;
  const std::string told =
      encode(MoveProgress{.is_running = true, .attempt = 2, .bytes = 1 << 30, .step = "copying", .error = "no"});
  ASSERT_TRUE(decode(told, progress));
  EXPECT_TRUE(progress.is_running);
  EXPECT_EQ(progress.attempt, 2U);
  EXPECT_EQ(progress.bytes, 1U << 30);
  EXPECT_EQ(progress.step, "copying");
  EXPECT_EQ(progress.error, "no");
  expect_each_byte_counts<MoveProgress>(told);

  int64_t revision = 0;
  ASSERT_TRUE(decode_revision(encode_revision(INT64_MAX), revision));
  EXPECT_EQ(revision, INT64_MAX);
  EXPECT_FALSE(decode_revision("", revision));
}

TEST(Calls, OfSlotsComeBack) {
  shard::SlotRange range;
  range.first = 7;
  range.last = 16383;
  range.state = shard::SlotState::kGone;
  range.epoch = UINT64_MAX;
  SlotCall call;
  const std::string asked = encode(SlotCall{.shard = 65535, .range = range});
  ASSERT_TRUE(decode(asked, call));
  EXPECT_EQ(call.shard, 65535);
  EXPECT_EQ(call.range, range);
  expect_each_byte_counts<SlotCall>(asked);
  range.last = 6;
  EXPECT_FALSE(decode(encode(SlotCall{.shard = 1, .range = range}), call));
  range.last = 16384;
  EXPECT_FALSE(decode(encode(SlotCall{.shard = 1, .range = range}), call));

  SlotReply reply;
  range.last = 9;
  const std::string answer = encode(SlotReply{.outcome = log::LogErrc::kNotOwner, .range = range});
  ASSERT_TRUE(decode(answer, reply));
  EXPECT_EQ(reply.outcome, log::LogErrc::kNotOwner);
  EXPECT_EQ(reply.range, range);
  expect_each_byte_counts<SlotReply>(answer);
  std::string bad = answer;
  bad[0] = 99;
  EXPECT_FALSE(decode(bad, reply));

  ImportCall import{.shard = 3, .first = 1, .last = 2, .epoch = 9, .sequence = 4, .commands = {}};
  import.commands.push_back({.code = 5, .space = 1, .args = {"key", std::string("\0v", 2), ""}});
  import.commands.push_back({.code = 6, .space = 0, .args = {}});
  ImportCall back;
  const std::string sent = encode(import);
  ASSERT_TRUE(decode(sent, back));
  EXPECT_EQ(back.shard, 3);
  EXPECT_EQ(back.sequence, 4U);
  ASSERT_EQ(back.commands.size(), 2U);
  EXPECT_EQ(back.commands[0].args, import.commands[0].args);
  EXPECT_EQ(back.commands[1].code, 6);
  expect_each_byte_counts<ImportCall>(sent);
}

}  // namespace
}  // namespace keelson::cluster
