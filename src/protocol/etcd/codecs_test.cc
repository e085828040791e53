// Requests and answers against the generated messages of Protocol Buffers: what ours reads and writes is what theirs
// does.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <rpc.pb.h>
#include "protocol/etcd/errors.h"
#include "protocol/etcd/json.h"
#include "protocol/etcd/kv_answer.h"
#include "protocol/etcd/methods.h"
#include "protocol/etcd/plain_answer.h"
#include "protocol/etcd/requests.h"
#include "protocol/etcd/secrets.h"
#include "protocol/etcd/snapshot.h"
#include "protocol/etcd/tokens.h"
#include "protocol/etcd/watch_response.h"

namespace keelson::etcd {
namespace {

using coord::CoordErrc;

constexpr HeaderFacts kFacts{.cluster_id = 7, .member_id = 1ULL << 63, .raft_term = 3};

template <class Message>
Message parse(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

TEST(EtcdWire, AMessageWithinGrowsItsLength) {
  for (const size_t bytes : {0, 1, 127, 128, 16'383, 16'384, 3'000'000}) {
    std::string all;
    WireWriter out(all);
    const size_t outer = out.begin(2);
    out.bytes(1, std::string(bytes, 'k'));
    out.end(outer);
    out.number(3, uint64_t{1});
    const auto parsed = parse<etcdserverpb::PutResponse>(all.substr(0, all.size() - 2));
    EXPECT_EQ(parsed.prev_kv().key().size(), bytes);
  }
}

TEST(EtcdRequests, RangeHasEveryField) {
  etcdserverpb::RangeRequest request;
  request.set_key("a");
  request.set_range_end(std::string(1, '\0'));
  request.set_limit(-5);
  request.set_revision(INT64_MAX);
  request.set_sort_order(etcdserverpb::RangeRequest::DESCEND);
  request.set_sort_target(etcdserverpb::RangeRequest::VALUE);
  request.set_serializable(true);
  request.set_keys_only(true);
  request.set_count_only(true);
  request.set_min_mod_revision(1);
  request.set_max_mod_revision(2);
  request.set_min_create_revision(3);
  request.set_max_create_revision(4);
  RangeAsk ask;
  const std::string bytes = request.SerializeAsString();
  ASSERT_EQ(translate(bytes, ask), CoordErrc::kOk);
  EXPECT_EQ(ask.range.key, "a");
  EXPECT_EQ(ask.range.range_end, coord::kFromKeyOn);
  EXPECT_EQ(ask.range.limit, -5);
  EXPECT_EQ(ask.range.revision, INT64_MAX);
  EXPECT_EQ(ask.range.sort_order, coord::SortOrder::kDescending);
  EXPECT_EQ(ask.range.sort_target, coord::SortTarget::kValue);
  EXPECT_TRUE(ask.is_serializable && ask.range.keys_only && ask.range.count_only);
  EXPECT_EQ(ask.range.min_mod_revision, 1);
  EXPECT_EQ(ask.range.max_mod_revision, 2);
  EXPECT_EQ(ask.range.min_create_revision, 3);
  EXPECT_EQ(ask.range.max_create_revision, 4);
  RangeAsk bad;
  EXPECT_EQ(translate("\x0a\x01"
                      "a\x28\x09",
                      bad),
            CoordErrc::kInvalidSortOption);
  RangeAsk empty;
  EXPECT_EQ(translate("", empty), CoordErrc::kEmptyKey);
  EXPECT_EQ(translate("\x0a\x05"
                      "a",
                      bad),
            CoordErrc::kInvalid);
}

TEST(EtcdRequests, PutAndDelete) {
  etcdserverpb::PutRequest request;
  request.set_key("k");
  request.set_value(std::string(300, 'v'));
  request.set_lease(-9);
  request.set_prev_kv(true);
  coord::Put put;
  const std::string bytes = request.SerializeAsString();
  ASSERT_EQ(translate(bytes, put), CoordErrc::kOk);
  EXPECT_EQ(put.value.size(), 300U);
  EXPECT_EQ(put.lease, -9);
  EXPECT_TRUE(put.prev_kv);
  request.set_ignore_value(true);
  coord::Put both;
  const std::string provided = request.SerializeAsString();
  EXPECT_EQ(translate(provided, both), CoordErrc::kValueProvided);
  coord::DeleteRange range;
  EXPECT_EQ(translate("\x0a\x01"
                      "k\x12\x01"
                      "l\x18\x01",
                      range),
            CoordErrc::kOk);
  EXPECT_EQ(range.range_end, "l");
  EXPECT_TRUE(range.prev_kv);
}

etcdserverpb::TxnRequest nested_txn() {
  etcdserverpb::TxnRequest txn;
  auto* compare = txn.add_compare();
  compare->set_key("k");
  compare->set_target(etcdserverpb::Compare::MOD);
  compare->set_result(etcdserverpb::Compare::GREATER);
  compare->set_mod_revision(4);
  compare->set_range_end("z");
  auto* text = txn.add_compare();
  text->set_key("t");
  text->set_target(etcdserverpb::Compare::VALUE);
  text->set_value("");
  auto* other = txn.add_compare();  // the union's member is not the target's
  other->set_key("o");
  other->set_target(etcdserverpb::Compare::LEASE);
  other->set_version(5);
  txn.add_success()->mutable_request_put()->set_key("p");
  auto* inner = txn.add_success()->mutable_request_txn();
  inner->add_failure()->mutable_request_range()->set_key("r");
  txn.add_failure()->mutable_request_delete_range()->set_key("d");
  return txn;
}

TEST(EtcdRequests, ATransactionWithinATransaction) {
  const std::string bytes = nested_txn().SerializeAsString();
  TxnAsk ask;
  ASSERT_EQ(translate(bytes, 128, ask), CoordErrc::kOk);
  ASSERT_EQ(ask.txn.compares.size(), 3U);
  EXPECT_EQ(ask.txn.compares[0].target, coord::CompareTarget::kMod);
  EXPECT_EQ(ask.txn.compares[0].result, coord::CompareResult::kGreater);
  EXPECT_EQ(ask.txn.compares[0].number, 4);
  EXPECT_EQ(ask.txn.compares[0].range_end, "z");
  EXPECT_EQ(ask.txn.compares[1].target, coord::CompareTarget::kValue);
  EXPECT_EQ(ask.txn.compares[2].number, 0);
  ASSERT_EQ(ask.txn.success.size(), 2U);
  EXPECT_EQ(std::get<coord::Put>(ask.txn.success[0].op).key, "p");
  const auto& inner = std::get<coord::Txn>(ask.txn.success[1].op);
  EXPECT_EQ(std::get<coord::Range>(inner.failure.at(0).op).key, "r");
  EXPECT_EQ(std::get<coord::DeleteRange>(ask.txn.failure.at(0).op).key, "d");
  EXPECT_FALSE(ask.is_serializable);
}

TEST(EtcdRequests, TransactionsAreBounded) {
  etcdserverpb::TxnRequest txn;
  for (int i = 0; i < 3; ++i) txn.add_success()->mutable_request_put()->set_key(std::to_string(i));
  TxnAsk three;
  EXPECT_EQ(translate(txn.SerializeAsString(), 3, three), CoordErrc::kOk);
  EXPECT_FALSE(three.has_too_many_operations);
  TxnAsk two;
  (void)translate(txn.SerializeAsString(), 2, two);
  EXPECT_TRUE(two.has_too_many_operations);
  // What is within has what is left: 3 of 4 outside leave 1.
  auto* inner = txn.mutable_success(0)->mutable_request_txn();
  inner->add_success()->mutable_request_put()->set_key("a");
  TxnAsk four;
  EXPECT_EQ(translate(txn.SerializeAsString(), 4, four), CoordErrc::kOk);
  EXPECT_FALSE(four.has_too_many_operations);
  inner->add_success()->mutable_request_put()->set_key("b");
  TxnAsk five;
  (void)translate(txn.SerializeAsString(), 4, five);
  EXPECT_TRUE(five.has_too_many_operations);
  etcdserverpb::TxnRequest deep;
  etcdserverpb::TxnRequest* at = &deep;
  for (int i = 0; i < 20; ++i) at = at->add_success()->mutable_request_txn();
  TxnAsk too_deep;
  EXPECT_EQ(translate(deep.SerializeAsString(), 128, too_deep), CoordErrc::kTxnTooDeep);
  // Two parts of one operation are one message, as Protocol Buffers have it, and are counted together.
  etcdserverpb::RequestOp half;
  for (const char* key : {"a", "b"}) half.mutable_request_txn()->add_success()->mutable_request_put()->set_key(key);
  std::string merged;
  WireWriter(merged).element(2, half.SerializeAsString() + half.SerializeAsString());
  ASSERT_EQ(parse<etcdserverpb::TxnRequest>(merged).success(0).request_txn().success_size(), 4);
  TxnAsk halves;
  (void)translate(merged, 4, halves);
  EXPECT_TRUE(halves.has_too_many_operations);
  etcdserverpb::TxnRequest nothing;
  nothing.add_success();
  TxnAsk empty;
  EXPECT_EQ(translate(nothing.SerializeAsString(), 128, empty), CoordErrc::kKeyNotFound);
}

TEST(EtcdRequests, Watches) {
  etcdserverpb::WatchRequest request;
  auto* create = request.mutable_create_request();
  create->set_key("a");
  create->set_range_end("b");
  create->set_start_revision(9);
  create->set_progress_notify(true);
  create->add_filters(etcdserverpb::WatchCreateRequest::NOPUT);
  create->add_filters(etcdserverpb::WatchCreateRequest::NODELETE);
  create->set_prev_kv(true);
  create->set_watch_id(5);
  create->set_fragment(true);
  WatchAsk ask;
  ASSERT_EQ(translate(request.SerializeAsString(), ask), CoordErrc::kOk);
  EXPECT_EQ(ask.kind, WatchAsk::Kind::kCreate);
  EXPECT_EQ(ask.create.key + "-" + ask.create.range_end, "a-b");
  EXPECT_EQ(ask.create.start_revision, 9);
  EXPECT_EQ(ask.create.id, 5);
  EXPECT_TRUE(ask.create.wants_progress && ask.create.without_puts && ask.create.without_deletes);
  EXPECT_TRUE(ask.create.with_previous && ask.create.is_fragmented);
  request.mutable_cancel_request()->set_watch_id(6);
  WatchAsk cancel;
  ASSERT_EQ(translate(request.SerializeAsString(), cancel), CoordErrc::kOk);
  EXPECT_EQ(cancel.kind, WatchAsk::Kind::kCancel);
  EXPECT_EQ(cancel.cancel_id, 6);
  request.mutable_progress_request();
  WatchAsk progress;
  ASSERT_EQ(translate(request.SerializeAsString(), progress), CoordErrc::kOk);
  EXPECT_EQ(progress.kind, WatchAsk::Kind::kProgress);
}

TEST(EtcdAnswers, RangeAndPut) {
  KvAnswer range(kFacts);
  range.key_value({.key = "a", .value = "1", .create_revision = 2, .mod_revision = 3, .version = 4, .lease = -5});
  range.key_value({.key = "b", .value = std::string_view(), .create_revision = 1, .mod_revision = 1, .version = 1});
  range.range({.revision = 9, .count = 12, .more = true});
  const auto parsed = parse<etcdserverpb::RangeResponse>(range.message());
  EXPECT_EQ(parsed.header().member_id(), kFacts.member_id);
  EXPECT_EQ(parsed.header().revision(), 9);
  ASSERT_EQ(parsed.kvs_size(), 2);
  EXPECT_EQ(parsed.kvs(0).lease(), -5);
  EXPECT_EQ(parsed.kvs(0).version(), 4);
  EXPECT_EQ(parsed.kvs(1).key(), "b");
  EXPECT_EQ(parsed.count(), 12);
  EXPECT_TRUE(parsed.more());
  KvAnswer put(kFacts);
  const coord::KeyValue before{.key = "a", .value = std::string_view("0"), .create_revision = 1, .mod_revision = 1};
  put.put(5, &before);
  EXPECT_EQ(parse<etcdserverpb::PutResponse>(put.message()).prev_kv().value(), "0");
}

TEST(EtcdAnswers, TransactionsWithinTransactions) {
  const std::string long_value(1000, 'v');
  KvAnswer txn(kFacts);
  txn.txn_begin(true, 4);
  txn.put(7, nullptr);
  txn.key_value({.key = "gone", .value = long_value, .create_revision = 1, .mod_revision = 1, .version = 1});
  txn.deleted(7, 1);
  txn.txn_begin(false, 2);
  txn.key_value({.key = "in", .value = long_value, .create_revision = 1, .mod_revision = 1, .version = 1});
  txn.range({.revision = 7, .count = 1, .more = false});
  txn.txn_begin(true, 0);
  txn.txn_end(7);
  txn.txn_end(7);
  txn.range({.revision = 7, .count = 0, .more = false});
  txn.txn_end(7);
  const auto parsed = parse<etcdserverpb::TxnResponse>(txn.message());
  EXPECT_TRUE(parsed.succeeded());
  EXPECT_EQ(parsed.header().cluster_id(), 7U);
  ASSERT_EQ(parsed.responses_size(), 4);
  EXPECT_TRUE(parsed.responses(0).has_response_put());
  EXPECT_EQ(parsed.responses(0).response_put().header().revision(), 7);
  EXPECT_EQ(parsed.responses(0).response_put().header().cluster_id(), 0U);
  EXPECT_EQ(parsed.responses(1).response_delete_range().prev_kvs(0).key(), "gone");
  EXPECT_EQ(parsed.responses(1).response_delete_range().deleted(), 1);
  const auto& inner = parsed.responses(2).response_txn();
  EXPECT_FALSE(inner.succeeded());
  ASSERT_EQ(inner.responses_size(), 2);
  EXPECT_EQ(inner.responses(0).response_range().kvs(0).value(), long_value);
  EXPECT_TRUE(inner.responses(1).response_txn().succeeded());
  EXPECT_TRUE(parsed.responses(3).has_response_range());
}

TEST(EtcdAnswers, PlainOnes) {
  PlainAnswer names(kFacts);
  names.name("x");
  names.name("");
  names.done(4);
  const auto users = parse<etcdserverpb::AuthUserListResponse>(names.message());
  EXPECT_EQ(users.users_size(), 2);
  EXPECT_EQ(users.header().revision(), 4);
  PlainAnswer role(kFacts);
  role.permission({.access = coord::Access::kReadWrite, .key = "k", .range_end = "l"});
  role.done(4);
  const auto permissions = parse<etcdserverpb::AuthRoleGetResponse>(role.message());
  EXPECT_EQ(permissions.perm(0).permtype(), authpb::Permission::READWRITE);
  EXPECT_EQ(permissions.perm(0).range_end(), "l");
  PlainAnswer alarms(kFacts);
  alarms.alarm({.member = 9, .type = coord::AlarmType::kCorrupt});
  alarms.done(4);
  EXPECT_EQ(parse<etcdserverpb::AlarmResponse>(alarms.message()).alarms(0).alarm(), etcdserverpb::CORRUPT);
  PlainAnswer lease(kFacts);
  lease.lease_granted(4, {.id = 77, .granted_ttl_s = 60});
  EXPECT_EQ(parse<etcdserverpb::LeaseGrantResponse>(lease.message()).ttl(), 60);
}

coord::Shared<coord::EventSet> some_events(size_t count, size_t value_bytes) {
  std::vector<coord::Shared<coord::WatchEvent>> events;
  const std::string value(value_bytes, 'v');
  for (size_t i = 0; i < count; ++i) {
    const coord::Event event{.kv = {.key = "k", .value = value, .create_revision = 5, .mod_revision = 5, .version = 1},
                             .is_last_of_revision = i + 1 == count};
    events.push_back(coord::Shared<coord::WatchEvent>::make(event));
  }
  return coord::Shared<coord::EventSet>::make(std::move(events));
}

TEST(EtcdAnswers, EventsAreCutIntoFragmentsOnRequest) {
  coord::Delivery delivery;
  delivery.kind = coord::DeliveryKind::kEvents;
  delivery.id = 3;
  delivery.revision = 5;
  delivery.events = some_events(10, 1000);
  const auto whole = watch_responses(kFacts, delivery, 3000);
  ASSERT_EQ(whole.size(), 1U);
  const auto parsed = parse<etcdserverpb::WatchResponse>(whole.front());
  EXPECT_EQ(parsed.events_size(), 10);
  EXPECT_EQ(parsed.watch_id(), 3);
  delivery.is_fragmented = true;
  const auto parts = watch_responses(kFacts, delivery, 3000);
  int events = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    EXPECT_LT(parts[i].size(), 3000U);
    const auto part = parse<etcdserverpb::WatchResponse>(parts[i]);
    events += part.events_size();
    EXPECT_EQ(part.fragment(), i + 1 != parts.size());
  }
  EXPECT_EQ(events, 10);
  EXPECT_EQ(watch_responses(kFacts, delivery, 10).size(), 10U);  // each alone, although it is too large
}

TEST(EtcdJson, BothWays) {
  std::string error;
  const auto bytes =
      from_json("etcdserverpb.RangeRequest",
                R"({"key":"Zm9v","rangeEnd":"Zm9w","limit":"5","sort_order":"DESCEND","what":[1,{}]})", error);
  ASSERT_TRUE(bytes) << error;
  const auto request = parse<etcdserverpb::RangeRequest>(*bytes);
  EXPECT_EQ(request.key() + request.range_end(), "foofop");
  EXPECT_EQ(request.limit(), 5);
  EXPECT_EQ(request.sort_order(), etcdserverpb::RangeRequest::DESCEND);
  KvAnswer answer(kFacts);
  answer.key_value({.key = "foo", .value = "bar", .create_revision = 2, .mod_revision = 3, .version = 1});
  answer.range({.revision = 3, .count = 1});
  EXPECT_EQ(
      to_json("etcdserverpb.RangeResponse", answer.message()),
      R"({"header":{"cluster_id":"7","member_id":"9223372036854775808","revision":"3","raft_term":"3"},)"
      R"("kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"1","value":"YmFy"}],"count":"1"})");
  EXPECT_FALSE(from_json("etcdserverpb.RangeRequest", "{\"key\":", error));
  EXPECT_FALSE(from_json("etcdserverpb.RangeRequest", std::string(200, '[') + std::string(200, ']'), error));
  EXPECT_EQ(first_json_bytes(R"( {"a":"}\"","b":{}} {"c"})"), 19U);
  EXPECT_EQ(first_json_bytes(R"({"a":)"), 0U);
  EXPECT_EQ(quote_json("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
}

TEST(EtcdJson, EveryMethodHasItsMessages) {
  std::string error;
  for (const MethodRow& row : method_table()) {
    if (row.kind == MethodKind::kNone) continue;
    EXPECT_TRUE(from_json(row.request, "{}", error)) << row.grpc_path;
    EXPECT_TRUE(to_json(row.response, "")) << row.grpc_path;
  }
}

// Who is not there has a hash that costs what any other does: of the same form, but no password's.
TEST(EtcdSecrets, NobodyHasAHash) {
  const std::string somebody = hash_password("secret", std::string(16, 's'));
  EXPECT_TRUE(is_password("secret", somebody));
  EXPECT_FALSE(is_password("Secret", somebody));
  EXPECT_FALSE(is_password("secret", "secret"));
  const std::string nobody = hash_of_nobody();
  EXPECT_EQ(nobody.size(), somebody.size());
  const size_t salt_at = somebody.find('$', somebody.find('$') + 1) + 1;
  EXPECT_EQ(nobody.substr(0, salt_at), somebody.substr(0, salt_at));
  EXPECT_FALSE(is_password("", nobody));
  EXPECT_EQ(number_to_hex(0) + number_to_hex(UINT64_MAX), "0ffffffffffffffff");
}

TEST(EtcdTokens, SealsAndUses) {
  const TokenParts none{};
  EXPECT_FALSE(is_sealed_with(none, ""));
  EXPECT_FALSE(parse_token(""));
  EXPECT_FALSE(parse_token("61.5.7"));
  EXPECT_FALSE(parse_token("zz.5.7.8"));
  Tokens tokens(1000);
  tokens.put("t", {.user = "a", .auth_revision = 4, .used_ms = 0});
  ASSERT_NE(tokens.use("t", 900), nullptr);
  ASSERT_NE(tokens.use("t", 1800), nullptr);  // it lives on from its last use
  EXPECT_EQ(tokens.use("t", 2801), nullptr);
  EXPECT_FALSE(tokens.last_use("t"));
}

TEST(EtcdErrors, CodesAndTexts) {
  using net::grpc::Code;
  EXPECT_EQ(status_of(CoordErrc::kCompacted).code, Code::kOutOfRange);
  EXPECT_EQ(status_of(CoordErrc::kCompacted).message, "etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(status_of(CoordErrc::kLeaseNotFound).code, Code::kNotFound);
  EXPECT_EQ(go_text(status_of(CoordErrc::kPermissionDenied)),
            "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
}

}  // namespace
}  // namespace keelson::etcd
