// etcd's API over simulated connections: calls, watches, leases, locks, logins and the gateway, as a client sees them.
#include "protocol/etcd/service.h"

#include <gtest/gtest.h>

#include <election.pb.h>
#include <lock.pb.h>
#include <rpc.pb.h>

#include <memory>
#include <string>

#include "coord/coord_harness.h"
#include "net/grpc/grpc_test_support.h"

namespace keelson::etcd {
namespace {

using coord::CoordHarness;
using env::sim::kSecond;
using net::grpc::TestClient;
using net::grpc::TestReply;

constexpr HeaderFacts kFacts{.cluster_id = 7, .member_id = 8, .raft_term = 1};

// One that agrees to hand its lead to anybody, and keeps it.
class FaithlessMember final : public LoneMember {
 public:
  using LoneMember::LoneMember;
  Task<net::grpc::CallStatus> move_leader(env::Reactor& /*here*/, uint64_t /*target*/) override {
    co_return net::grpc::CallStatus{};
  }
};

class EtcdServiceTest : public testing::Test {
 protected:
  explicit EtcdServiceTest(const HeaderFacts& facts = kFacts) : member_(facts, "default") {}
  void SetUp() override {
    client_node_ = &harness_.world.add_node();
    EtcdOptions options;
    options.http = http_options_for_etcd();
    service_ = std::make_unique<EtcdService>(harness_.node.env(), harness_.service(), member_, options);
    harness_.world.run_on(harness_.here(),
                          [&] { ASSERT_TRUE(service_->listen(harness_.node.address(2379), nullptr).ok()); });
    client_ = connect();
  }
  void TearDown() override {
    harness_.world.run_on(client_node_->reactor(), [&] {
      client_.reset();
      other_.reset();
    });
    if (!is_stopped_) harness_.run(service_->stop());
    harness_.world.run_on(harness_.here(), [&] { service_.reset(); });
  }
  std::unique_ptr<TestClient> connect() {
    auto stream = harness_.world.run(
        client_node_->reactor(),
        client_node_->env().network().connect(client_node_->reactor(), service_->addresses().front()));
    EXPECT_TRUE(stream.ok());
    return std::make_unique<TestClient>(std::move(*stream));
  }
  bool run_until(TestClient& client, std::function<bool()> done, int64_t within_ns = 600 * kSecond) {
    return harness_.world.run(client_node_->reactor(), client.run_until(std::move(done)), within_ns);
  }
  TestReply& finish(TestClient& client, uint32_t id) {
    EXPECT_TRUE(run_until(client, [&] { return client.reply(id).is_over(); }));
    return client.reply(id);
  }
  template <class Message>
  TestReply& call_raw(const char* path, const Message& message, const TestClient::Lines& more = {}) {
    const uint32_t id = client_->open(path, more);
    client_->send(id, message.SerializeAsString(), true);
    return finish(*client_, id);
  }
  template <class Answer, class Message>
  Answer call(const char* path, const Message& message, const TestClient::Lines& more = {}) {
    const TestReply& reply = call_raw(path, message, more);
    EXPECT_EQ(reply.field("grpc-status"), "0") << path << ": " << reply.field("grpc-message");
    Answer answer;
    if (reply.messages.size() == 1) EXPECT_TRUE(answer.ParseFromString(reply.messages.front()));
    EXPECT_EQ(answer.header().cluster_id(), 7U);
    return answer;
  }
  int64_t put(const std::string& key, const std::string& value, int64_t lease = 0) {
    etcdserverpb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    request.set_lease(lease);
    return call<etcdserverpb::PutResponse>("/etcdserverpb.KV/Put", request).header().revision();
  }
  int64_t count(const std::string& key) {
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    return call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", request).count();
  }
  int64_t grant(int64_t ttl) {
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(ttl);
    return call<etcdserverpb::LeaseGrantResponse>("/etcdserverpb.Lease/LeaseGrant", request).id();
  }
  etcdserverpb::WatchResponse event(TestClient& client, uint32_t id, size_t index) {
    EXPECT_TRUE(run_until(client, [&] { return client.reply(id).messages.size() > index; }));
    etcdserverpb::WatchResponse response;
    EXPECT_TRUE(response.ParseFromString(client.reply(id).messages.at(index)));
    return response;
  }

  CoordHarness harness_;
  FaithlessMember member_;
  env::sim::Node* client_node_ = nullptr;
  std::unique_ptr<EtcdService> service_;
  std::unique_ptr<TestClient> client_;
  std::unique_ptr<TestClient> other_;
  bool is_stopped_ = false;
};

TEST_F(EtcdServiceTest, KeysAndErrors) {
  EXPECT_EQ(put("a", "1"), 2);
  EXPECT_EQ(put("a", "2"), 3);
  EXPECT_EQ(count("a"), 1);
  etcdserverpb::RangeRequest range;
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Range", range).field("grpc-message"), "etcdserver: key is not provided");
  range.set_key("a");
  range.set_revision(99);
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Range", range).field("grpc-status"), "11");
  EXPECT_EQ(call_raw("/etcdserverpb.Maintenance/Downgrade", range).field("grpc-status"), "12");
  etcdserverpb::PutRequest large;
  large.set_key("l");
  large.set_value(std::string(service_->options().request_bytes_max, 'v'));
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Put", large).field("grpc-message"), "etcdserver: request is too large");
  etcdserverpb::MemberListRequest list;
  EXPECT_EQ(call<etcdserverpb::MemberListResponse>("/etcdserverpb.Cluster/MemberList", list).members(0).id(), 8U);
  etcdserverpb::HashKVRequest hash;
  EXPECT_NE(call<etcdserverpb::HashKVResponse>("/etcdserverpb.Maintenance/HashKV", hash).hash(), 0U);
}

TEST_F(EtcdServiceTest, AWatchSeesEverythingOnce) {
  put("w/1", "a");
  const uint32_t watch = client_->open("/etcdserverpb.Watch/Watch");
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key("w/");
  request.mutable_create_request()->set_range_end("w0");
  request.mutable_create_request()->set_start_revision(2);
  request.mutable_create_request()->set_prev_kv(true);
  client_->send(watch, request.SerializeAsString());
  EXPECT_TRUE(event(*client_, watch, 0).created());
  EXPECT_EQ(event(*client_, watch, 1).events(0).kv().value(), "a");
  put("w/1", "b");
  const auto second = event(*client_, watch, 2);
  EXPECT_EQ(second.events(0).kv().value() + second.events(0).prev_kv().value(), "ba");
  etcdserverpb::WatchRequest cancel;
  cancel.mutable_cancel_request()->set_watch_id(0);
  client_->send(watch, cancel.SerializeAsString());
  EXPECT_TRUE(event(*client_, watch, 3).canceled());
  client_->reset(watch);
  EXPECT_EQ(put("w/1", "c"), 4);
  EXPECT_EQ(service_->local(harness_.here()).metrics.streams.value() + service_->locals()[1]->metrics.streams.value() +
                service_->locals()[2]->metrics.streams.value(),
            0);
}

// More requests than answers may wait for a client, from one that takes none and then goes.
TEST_F(EtcdServiceTest, AWatcherThatTakesNothingCanGo) {
  int pings = 0;
  const auto ping = [&] {
    client_->ping();
    ++pings;
    EXPECT_TRUE(run_until(*client_, [&] { return client_->pings_answered() == pings; }));
    harness_.world.run_for(kSecond);
  };
  const auto streams = [&] {
    int64_t all = 0;
    for (const auto& local : service_->locals()) all += local->metrics.streams.value();
    return all;
  };
  ping();  // from here on the server's windows are those of its settings
  client_->gives_windows = false;
  const uint32_t watch = client_->open("/etcdserverpb.Watch/Watch");
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key("k");
  const std::string create = request.SerializeAsString();
  for (size_t i = 0; i < 10 * coord::kStreamAnswersMax; ++i) client_->send(watch, create);
  ping();
  ping();
  EXPECT_EQ(streams(), 1);
  EXPECT_LT(client_->reply(watch).messages.size(), 8 * coord::kStreamAnswersMax);
  client_->reset(watch);
  ping();
  EXPECT_EQ(streams(), 0);
}

TEST_F(EtcdServiceTest, AServiceThatStopsEndsItsStreams) {
  const uint32_t watch = client_->open("/etcdserverpb.Watch/Watch");
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key("k");
  client_->send(watch, request.SerializeAsString());
  EXPECT_TRUE(event(*client_, watch, 0).created());
  harness_.run(service_->stop());
  is_stopped_ = true;
  EXPECT_EQ(finish(*client_, watch).field("grpc-message"), "etcdserver: server stopped");
  EXPECT_EQ(client_->reply(watch).field("grpc-status"), "14");
}

TEST_F(EtcdServiceTest, ALeaseLivesWhileItIsKeptAlive) {
  const int64_t lease = grant(5);
  put("l", "1", lease);
  const uint32_t stream = client_->open("/etcdserverpb.Lease/LeaseKeepAlive");
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  for (size_t i = 0; i < 5; ++i) {
    harness_.world.run_for(3 * kSecond);
    client_->send(stream, request.SerializeAsString());
    ASSERT_TRUE(run_until(*client_, [&] { return client_->reply(stream).messages.size() > i; }));
  }
  etcdserverpb::LeaseKeepAliveResponse answer;
  ASSERT_TRUE(answer.ParseFromString(client_->reply(stream).messages.back()));
  EXPECT_EQ(answer.ttl(), 5);
  EXPECT_EQ(count("l"), 1);
  harness_.world.run_for(10 * kSecond);
  EXPECT_EQ(count("l"), 0);
  client_->send(stream, request.SerializeAsString(), true);
  EXPECT_EQ(finish(*client_, stream).field("grpc-status"), "0");
  ASSERT_TRUE(answer.ParseFromString(client_->reply(stream).messages.back()));
  EXPECT_EQ(answer.ttl(), 0);
  etcdserverpb::LeaseTimeToLiveRequest question;
  question.set_id(lease);
  EXPECT_EQ(call<etcdserverpb::LeaseTimeToLiveResponse>("/etcdserverpb.Lease/LeaseTimeToLive", question).ttl(), -1);
}

TEST_F(EtcdServiceTest, ALockGoesFromOneToTheNext) {
  v3lockpb::LockRequest request;
  request.set_name("name");
  request.set_lease(grant(600));
  const auto first = call<v3lockpb::LockResponse>("/v3lockpb.Lock/Lock", request);
  other_ = connect();
  request.set_lease(grant(600));
  const uint32_t waits = other_->open("/v3lockpb.Lock/Lock");
  other_->send(waits, request.SerializeAsString(), true);
  request.set_lease(grant(600));
  const uint32_t gives_up = other_->open("/v3lockpb.Lock/Lock");
  other_->send(gives_up, request.SerializeAsString(), true);
  other_->ping();
  EXPECT_TRUE(run_until(*other_, [&] { return other_->pings_answered() == 1; }));
  harness_.world.run_for(kSecond);
  EXPECT_FALSE(other_->reply(waits).is_over());
  other_->reset(gives_up);
  v3lockpb::UnlockRequest unlock;
  unlock.set_key(first.key());
  call<v3lockpb::UnlockResponse>("/v3lockpb.Lock/Unlock", unlock);
  const TestReply& second = finish(*other_, waits);
  EXPECT_EQ(second.field("grpc-status"), "0");
  v3lockpb::LockResponse answer;
  ASSERT_TRUE(answer.ParseFromString(second.messages.at(0)));
  EXPECT_GT(answer.header().revision(), first.header().revision());
  harness_.world.run_for(kSecond);
  etcdserverpb::RangeRequest keys;  // the one that gave up has left nothing
  keys.set_key("name/");
  keys.set_range_end("name0");
  EXPECT_EQ(call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", keys).count(), 1);
}

TEST_F(EtcdServiceTest, AnElectionIsObserved) {
  other_ = connect();
  v3electionpb::LeaderRequest question;
  question.set_name("e");
  const uint32_t observe = other_->open("/v3electionpb.Election/Observe");
  other_->send(observe, question.SerializeAsString(), true);
  EXPECT_EQ(call_raw("/v3electionpb.Election/Leader", question).field("grpc-message"), "election: no leader");
  v3electionpb::CampaignRequest campaign;
  campaign.set_name("e");
  campaign.set_lease(grant(600));
  campaign.set_value("one");
  const auto won = call<v3electionpb::CampaignResponse>("/v3electionpb.Election/Campaign", campaign);
  v3electionpb::ProclaimRequest proclaim;
  *proclaim.mutable_leader() = won.leader();
  proclaim.set_value("uno");
  call<v3electionpb::ProclaimResponse>("/v3electionpb.Election/Proclaim", proclaim);
  EXPECT_EQ(call<v3electionpb::LeaderResponse>("/v3electionpb.Election/Leader", question).kv().value(), "uno");
  ASSERT_TRUE(run_until(*other_, [&] {
    const auto& messages = other_->reply(observe).messages;
    v3electionpb::LeaderResponse last;
    return !messages.empty() && last.ParseFromString(messages.back()) && last.kv().value() == "uno";
  }));
  v3electionpb::ResignRequest resign;
  *resign.mutable_leader() = won.leader();
  call<v3electionpb::ResignResponse>("/v3electionpb.Election/Resign", resign);
  EXPECT_EQ(call_raw("/v3electionpb.Election/Proclaim", proclaim).field("grpc-message"), "election: not leader");
  other_->reset(observe);
}

TEST_F(EtcdServiceTest, UsersLogIn) {
  etcdserverpb::AuthUserAddRequest add;
  add.set_name("root");
  add.set_password("secret");
  call<etcdserverpb::AuthUserAddResponse>("/etcdserverpb.Auth/UserAdd", add);
  etcdserverpb::AuthUserGrantRoleRequest role;
  role.set_user("root");
  role.set_role("root");
  call<etcdserverpb::AuthUserGrantRoleResponse>("/etcdserverpb.Auth/UserGrantRole", role);
  etcdserverpb::AuthEnableRequest enable;
  call<etcdserverpb::AuthEnableResponse>("/etcdserverpb.Auth/AuthEnable", enable);
  etcdserverpb::RangeRequest range;
  range.set_key("a");
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Range", range).field("grpc-message"), "etcdserver: user name is empty");
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Range", range, {{"token", "726f6f74.1.2.3"}}).field("grpc-message"),
            "etcdserver: invalid auth token");
  etcdserverpb::AuthenticateRequest login;
  login.set_name("root");
  login.set_password("wrong");
  EXPECT_EQ(call_raw("/etcdserverpb.Auth/Authenticate", login).field("grpc-message"),
            "etcdserver: authentication failed, invalid user ID or password");
  login.set_password("secret");
  const std::string token = call<etcdserverpb::AuthenticateResponse>("/etcdserverpb.Auth/Authenticate", login).token();
  call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", range, {{"token", token}});
  // Another user: the token was looked at under an older state of users, and is looked at again.
  etcdserverpb::AuthUserAddRequest other;
  other.set_name("other");
  other.set_password("x");
  call<etcdserverpb::AuthUserAddResponse>("/etcdserverpb.Auth/UserAdd", other, {{"token", token}});
  call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", range, {{"authorization", token}});
  // It lives on from its last use; then it ends.
  for (int i = 0; i < 3; ++i) {
    harness_.world.run_for(200 * kSecond);
    call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", range, {{"token", token}});
  }
  harness_.world.run_for(301 * kSecond);
  EXPECT_EQ(call_raw("/etcdserverpb.KV/Range", range, {{"token", token}}).field("grpc-status"), "16");
}

TEST_F(EtcdServiceTest, ALeadThatIsNotHandedOverIsNoSuccess) {
  etcdserverpb::MoveLeaderRequest request;
  request.set_targetid(kFacts.member_id);
  call<etcdserverpb::MoveLeaderResponse>("/etcdserverpb.Maintenance/MoveLeader", request);
  request.set_targetid(kFacts.member_id + 1);
  EXPECT_EQ(call_raw("/etcdserverpb.Maintenance/MoveLeader", request).field("grpc-message"),
            "etcdserver: request timed out, leader transfer took too long");
}

TEST_F(EtcdServiceTest, TheGatewaySaysWhatItCannotSay) {
  const auto list_roles = [&] {
    const uint32_t id = client_->open("/v3/auth/role/list", {{"content-type", "application/json"}});
    client_->send_raw(id, "{}", true);
    return finish(*client_, id).field(":status");
  };
  EXPECT_EQ(list_roles(), "200");
  std::string add;
  WireWriter(add).bytes(1, "\xff");  // no UTF-8
  const uint32_t id = client_->open("/etcdserverpb.Auth/RoleAdd");
  client_->send(id, add, true);
  EXPECT_EQ(finish(*client_, id).field("grpc-status"), "0");
  EXPECT_EQ(list_roles(), "500");
}

// Node 0 leads, which is nobody.
class LeaderlessEtcdServiceTest : public EtcdServiceTest {
 protected:
  LeaderlessEtcdServiceTest() : EtcdServiceTest({.cluster_id = 7, .member_id = 0, .raft_term = 1}) {}
};

TEST_F(LeaderlessEtcdServiceTest, WhoWantsALeaderIsToldThatThereIsNone) {
  etcdserverpb::StatusRequest question;
  const auto status = call<etcdserverpb::StatusResponse>("/etcdserverpb.Maintenance/Status", question);
  ASSERT_EQ(status.errors_size(), 1);
  EXPECT_EQ(status.errors(0), "etcdserver: no leader");
  etcdserverpb::RangeRequest range;
  range.set_key("a");
  range.set_serializable(true);
  call<etcdserverpb::RangeResponse>("/etcdserverpb.KV/Range", range);
  const TestReply& reply = call_raw("/etcdserverpb.KV/Range", range, {{"hasleader", "true"}});
  EXPECT_EQ(reply.field("grpc-status"), "14");
  EXPECT_EQ(reply.field("grpc-message"), "etcdserver: no leader");
}

TEST_F(EtcdServiceTest, ASnapshotEndsWithItsChecksum) {
  for (int i = 0; i < 50; ++i) put("s" + std::to_string(i), std::string(100, 's'));
  etcdserverpb::SnapshotRequest request;
  const TestReply& reply = call_raw("/etcdserverpb.Maintenance/Snapshot", request);
  EXPECT_EQ(reply.field("grpc-status"), "0");
  std::string file;
  for (const std::string& message : reply.messages) {
    etcdserverpb::SnapshotResponse part;
    ASSERT_TRUE(part.ParseFromString(message));
    file += part.blob();
  }
  EXPECT_EQ(file.size() % 512, 32U);
  EXPECT_TRUE(file.starts_with("KEELSON COORD SNAPSHOT 1\n"));
  EXPECT_NE(file.find("s49"), std::string::npos);
}

}  // namespace
}  // namespace keelson::etcd
