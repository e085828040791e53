#include "engine/coord/commands.h"

#include <gtest/gtest.h>

#include <string>

namespace keelson::coord {

namespace {

// Encoded, decoded and encoded again it is the same; cut short, or with a byte too many, it is refused.
template <class Body>
void expect_round_trip(const Body& body) {
  const std::string bytes = encode(body);
  Body again;
  ASSERT_TRUE(decode(bytes, again));
  EXPECT_EQ(encode(again), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    Body cut;
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), cut)) << size;
  }
  Body more;
  EXPECT_FALSE(decode(bytes + '\0', more));
  std::string other_version = bytes;
  other_version[0] = 2;
  EXPECT_FALSE(decode(other_version, more));
}

Txn nested(size_t depth) {
  Txn txn;
  if (depth > 1) txn.success.push_back({nested(depth - 1)});
  return txn;
}

const Caller kAnn{.user = "ann", .auth_revision = 7};

}  // namespace

TEST(CoordCommands, EveryBodyGoesThereAndBack){
#define KEELSON_COORD_TRIP(Body) expect_round_trip(Body{});
    KEELSON_COORD_BODIES(KEELSON_COORD_TRIP)
#undef KEELSON_COORD_TRIP
}

TEST(CoordCommands, FieldsKeepTheirValues) {
  const Put put{.caller = {.user = "ann", .auth_revision = 7, .is_internal = true},
                .key = "k",
                .value = "v",
                .lease = -5,
                .prev_kv = true,
                .ignore_value = false,
                .ignore_lease = true};
  expect_round_trip(put);
  const std::string bytes = encode(put);
  Put again;
  ASSERT_TRUE(decode(bytes, again));
  EXPECT_EQ(again.caller.user, "ann");
  EXPECT_EQ(again.caller.auth_revision, 7U);
  EXPECT_TRUE(again.caller.is_internal);
  EXPECT_EQ(again.key, "k");
  EXPECT_EQ(again.value, "v");
  EXPECT_EQ(again.lease, -5);
  EXPECT_TRUE(again.prev_kv);
  EXPECT_FALSE(again.ignore_value);
  EXPECT_TRUE(again.ignore_lease);
}

TEST(CoordCommands, TransactionsNest) {
  Txn txn;
  txn.caller = kAnn;
  txn.compares.push_back(
      {.target = CompareTarget::kValue, .result = CompareResult::kNotEqual, .key = "a", .value = "b"});
  txn.compares.push_back({.target = CompareTarget::kMod, .key = "a", .range_end = "b", .number = 9});
  txn.success.push_back({Put{.key = "a", .value = "1"}});
  txn.success.push_back({Range{.key = "a", .range_end = "c", .limit = 5, .sort_target = SortTarget::kMod}});
  txn.failure.push_back({DeleteRange{.key = "x", .prev_kv = true}});
  txn.failure.push_back({nested(2)});
  expect_round_trip(txn);
  const std::string bytes = encode(txn);
  Txn again;
  ASSERT_TRUE(decode(bytes, again));
  ASSERT_EQ(again.failure.size(), 2U);
  EXPECT_EQ(std::get<Txn>(again.failure[1].op).success.size(), 1U);
  EXPECT_EQ(std::get<Range>(again.success[1].op).limit, 5);
  expect_round_trip(LeaseReign{});
  expect_round_trip(LeaseExpire{{{1, 2}, {-3, 4}}, 5});
}

TEST(CoordCommands, DepthIsLimited) {
  Txn txn;
  EXPECT_TRUE(decode(encode(nested(kTxnDepthMax)), txn));
  EXPECT_EQ(check(nested(kTxnDepthMax)), CoordErrc::kOk);
  EXPECT_FALSE(decode(encode(nested(kTxnDepthMax + 1)), txn));
  EXPECT_EQ(check(nested(kTxnDepthMax + 1)), CoordErrc::kTxnTooDeep);
}

TEST(CoordChecks, WhatARequestBreaksByItself) {
  EXPECT_EQ(check(Put{}), CoordErrc::kEmptyKey);
  EXPECT_EQ(check(Put{.key = "a", .value = "v", .ignore_value = true}), CoordErrc::kValueProvided);
  EXPECT_EQ(check(Put{.key = "a", .lease = 3, .ignore_lease = true}), CoordErrc::kLeaseProvided);
  EXPECT_EQ(check(DeleteRange{}), CoordErrc::kEmptyKey);
  EXPECT_EQ(check(Range{}), CoordErrc::kEmptyKey);
  EXPECT_EQ(check(Txn{.caller = {}, .compares = {Compare{}}, .success = {}, .failure = {}}), CoordErrc::kEmptyKey);
}

// The cases of etcd's own rule: no key is put twice, or put and deleted.
TEST(CoordChecks, NoKeyIsChangedTwice) {
  const auto errc_of = [](std::vector<TxnOp> ops) {
    Txn txn;
    txn.success = std::move(ops);
    return check(txn);
  };
  const auto txn_of = [](std::vector<TxnOp> then_ops, std::vector<TxnOp> else_ops) {
    Txn txn;
    txn.success = std::move(then_ops);
    txn.failure = std::move(else_ops);
    return TxnOp{txn};
  };
  const TxnOp put_a{Put{.key = "a"}};
  const TxnOp put_b{Put{.key = "b"}};
  const TxnOp delete_a{DeleteRange{.key = "a"}};
  const TxnOp delete_a_to_c{DeleteRange{.key = "a", .range_end = "c"}};
  EXPECT_EQ(errc_of({put_a, put_b}), CoordErrc::kOk);
  EXPECT_EQ(errc_of({put_a, put_a}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({put_a, delete_a}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({delete_a, put_a}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({put_b, delete_a_to_c}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({delete_a, delete_a_to_c}), CoordErrc::kOk);
  EXPECT_EQ(errc_of({txn_of({put_a}, {put_a})}), CoordErrc::kOk);
  EXPECT_EQ(errc_of({put_a, txn_of({put_a}, {})}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({txn_of({put_a}, {}), txn_of({}, {put_a})}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({txn_of({put_a}, {}), delete_a}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({txn_of({delete_a}, {}), put_a}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({txn_of({delete_a}, {}), txn_of({put_a}, {})}), CoordErrc::kDuplicateKey);
  EXPECT_EQ(errc_of({put_a, TxnOp{Range{.key = "a"}}}), CoordErrc::kOk);
}

TEST(CoordChecks, ReadOnlyAtAnyDepth) {
  Txn inner;
  inner.failure.push_back({Range{.key = "a"}});
  Txn txn;
  txn.success.push_back({inner});
  EXPECT_TRUE(is_read_only(txn));
  std::get<Txn>(txn.success[0].op).success.push_back({Put{.key = "a"}});
  EXPECT_FALSE(is_read_only(txn));
}

}  // namespace keelson::coord
