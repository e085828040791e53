// Users, roles and permissions through the engine, by etcd's rules.
#include <gtest/gtest.h>

#include "engine/coord/test_support.h"

namespace keelson::coord {

namespace {

class CoordAuth : public testing::Test {
 protected:
  // Auth on, with root, and "ann" who may read [a, c), write "w" and read and write from "x" on.
  void SetUp() override {
    expect_done(UserAdd{.name = "root", .password_hash = "hash of root"});
    expect_done(UserGrantRole{.name = "root", .role = "root"});
    expect_done(RoleAdd{.name = "reader"});
    expect_done(RoleGrantPermission{.name = "reader", .permission = {Access::kRead, "a", "b"}});
    expect_done(RoleGrantPermission{.name = "reader", .permission = {Access::kRead, "b", "c"}});
    expect_done(RoleGrantPermission{.name = "reader", .permission = {Access::kWrite, "w", ""}});
    expect_done(RoleGrantPermission{.name = "reader", .permission = {Access::kReadWrite, "x", kFromKeyOn}});
    expect_done(UserAdd{.name = "ann", .password_hash = "hash of ann"});
    expect_done(UserGrantRole{.name = "ann", .role = "reader"});
    expect_done(AuthEnable{});
  }
  template <class Body>
  void expect_done(const Body& body) {
    EXPECT_EQ(test_.apply(body), "done 1\n");
  }
  static std::string refused(CoordErrc code, Revision revision = 1) {
    TextSink sink;
    sink.failed({.code = code, .revision = revision, .compact_revision = 0});
    return sink.text;
  }
  [[nodiscard]] uint64_t auth_revision() const { return test_.ask(AuthStatus{}).auth_revision; }
  [[nodiscard]] Caller root() const { return {.user = "root", .auth_revision = auth_revision()}; }
  [[nodiscard]] Caller ann() const { return {.user = "ann", .auth_revision = auth_revision()}; }

  TestEngine test_;
};

}  // namespace

TEST_F(CoordAuth, EnablingNeedsRootWithItsRole) {
  TestEngine test;
  EXPECT_EQ(test.apply(AuthEnable{}), refused(CoordErrc::kRootUserNotExist));
  EXPECT_EQ(test.apply(UserAdd{.name = "root"}), "done 1\n");
  EXPECT_EQ(test.apply(AuthEnable{}), refused(CoordErrc::kRootRoleNotExist));
  EXPECT_EQ(test.query(AuthStatus{}), "auth 1 off 2\n");
  EXPECT_EQ(test.apply(UserGrantRole{.name = "root", .role = "root"}), "done 1\n");
  EXPECT_EQ(test.apply(AuthEnable{}), "done 1\n");
  EXPECT_EQ(test.query(AuthStatus{}), "auth 1 on 3\n");
}

TEST_F(CoordAuth, PermissionsOfKeysAndRanges) {
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "w", .value = "1"}), "put 2 -\n");
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "a"}), refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.query(Range{.caller = ann(), .key = "w"}), refused(CoordErrc::kPermissionDenied, 2));
  // Two ranges that touch permit what spans both.
  EXPECT_EQ(test_.query(Range{.caller = ann(), .key = "a", .range_end = "c"}), "range 2 0 all\n");
  EXPECT_EQ(test_.query(Range{.caller = ann(), .key = "a", .range_end = {"c\0", 2}}),
            refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.query(Range{.caller = ann(), .key = "a", .range_end = "d"}),
            refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.query(Range{.caller = ann(), .key = "y", .range_end = kFromKeyOn}), "range 2 0 all\n");
  // What was there before is shown only to who may read it.
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "w", .prev_kv = true}), refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.apply(DeleteRange{.caller = ann(), .key = "w", .prev_kv = true}),
            refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.apply(DeleteRange{.caller = ann(), .key = "w"}), "deleted 3 1\n");
  EXPECT_EQ(test_.apply(Put{.caller = root(), .key = "anything"}), "put 4 -\n");
  EXPECT_EQ(test_.apply(Put{.caller = {.is_internal = true}, .key = "anything"}), "put 5 -\n");
}

TEST_F(CoordAuth, TransactionsAreCheckedWhole) {
  Txn txn;
  txn.caller = ann();
  txn.success.push_back({Put{.key = "x"}});
  txn.failure.push_back({Put{.key = "a"}});
  EXPECT_EQ(test_.apply(txn), refused(CoordErrc::kPermissionDenied));
  txn.failure.clear();
  txn.compares.push_back({.key = "w"});
  EXPECT_EQ(test_.apply(txn), refused(CoordErrc::kPermissionDenied));
  txn.compares.clear();
  EXPECT_EQ(test_.apply(txn), "txn success 1\nput 2 -\nend 2\n");
  Txn inner;
  inner.success.push_back({Put{.key = "w", .prev_kv = true}});
  txn.failure.push_back({inner});
  EXPECT_EQ(test_.apply(txn), refused(CoordErrc::kPermissionDenied, 2));
}

TEST_F(CoordAuth, TokensGetOld) {
  const Caller old = ann();
  EXPECT_EQ(test_.apply(Put{.caller = {}, .key = "x"}), refused(CoordErrc::kUserEmpty));
  EXPECT_EQ(test_.apply(RoleAdd{.caller = root(), .name = "other"}), "done 1\n");
  EXPECT_EQ(test_.apply(Put{.caller = old, .key = "x"}), refused(CoordErrc::kAuthOldRevision));
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "x"}), "put 2 -\n");
  EXPECT_EQ(test_.apply(UserDelete{.caller = root(), .name = "ann"}), "done 2\n");
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "x"}), refused(CoordErrc::kPermissionDenied, 2));
}

TEST_F(CoordAuth, ManagementIsRoots) {
  EXPECT_EQ(test_.apply(RoleAdd{.caller = ann(), .name = "r"}), refused(CoordErrc::kPermissionDenied));
  EXPECT_EQ(test_.apply(RoleAdd{.name = "r"}), refused(CoordErrc::kUserEmpty));
  EXPECT_EQ(test_.apply(UserDelete{.caller = root(), .name = "root"}), refused(CoordErrc::kInvalidAuthManagement));
  EXPECT_EQ(test_.apply(RoleDelete{.caller = root(), .name = "root"}), refused(CoordErrc::kInvalidAuthManagement));
  EXPECT_EQ(test_.apply(UserRevokeRole{.caller = root(), .name = "root", .role = "root"}),
            refused(CoordErrc::kInvalidAuthManagement));
  EXPECT_EQ(test_.apply(UserAdd{.caller = root(), .name = "ann"}), refused(CoordErrc::kUserExists));
  EXPECT_EQ(test_.apply(UserAdd{.caller = root()}), refused(CoordErrc::kUserEmpty));
  EXPECT_EQ(test_.apply(UserDelete{.caller = root(), .name = "bob"}), refused(CoordErrc::kUserNotFound));
  EXPECT_EQ(test_.apply(UserGrantRole{.caller = root(), .name = "ann", .role = "none"}),
            refused(CoordErrc::kRoleNotFound));
  EXPECT_EQ(test_.apply(UserRevokeRole{.caller = root(), .name = "ann", .role = "none"}),
            refused(CoordErrc::kRoleNotGranted));
  EXPECT_EQ(test_.apply(RoleAdd{.caller = root(), .name = "reader"}), refused(CoordErrc::kRoleExists));
  EXPECT_EQ(test_.apply(RoleAdd{.caller = root()}), refused(CoordErrc::kRoleEmpty));
  EXPECT_EQ(test_.apply(RoleRevokePermission{.caller = root(), .name = "reader", .key = "a"}),
            refused(CoordErrc::kPermissionNotGranted));
  // Nothing of that has changed anything, nor does granting what is granted.
  const uint64_t before = auth_revision();
  EXPECT_EQ(test_.apply(UserGrantRole{.caller = root(), .name = "ann", .role = "reader"}), "done 1\n");
  EXPECT_EQ(auth_revision(), before);
  EXPECT_EQ(test_.apply(AuthDisable{.caller = root()}), "done 1\n");
  EXPECT_EQ(auth_revision(), before + 1);
  EXPECT_EQ(test_.apply(UserDelete{.name = "root"}), "done 1\n");
}

TEST_F(CoordAuth, Reads) {
  EXPECT_EQ(test_.query(UserGet{.caller = ann(), .name = "ann"}), "user reader\n");
  EXPECT_EQ(test_.query(UserGet{.caller = ann(), .name = "root"}), refused(CoordErrc::kPermissionDenied));
  EXPECT_EQ(test_.query(UserList{.caller = root()}), "name ann\nname root\ndone 1\n");
  EXPECT_EQ(test_.query(UserList{.caller = ann()}), refused(CoordErrc::kPermissionDenied));
  EXPECT_EQ(test_.query(RoleList{.caller = root()}), "name reader\ndone 1\n");
  EXPECT_EQ(
      test_.query(RoleGet{.caller = ann(), .name = "reader"}),
      "permission 0 a b\npermission 0 b c\npermission 1 w \npermission 2 x " + std::string(kFromKeyOn) + "\ndone 1\n");
  EXPECT_EQ(test_.query(UserSecret{.name = "ann"}), "secret hash of ann " + std::to_string(auth_revision()) + " \n");
  EXPECT_EQ(test_.query(UserSecret{.name = "bob"}), refused(CoordErrc::kUserNotFound));
  EXPECT_EQ(test_.query(CheckAccess{.caller = ann(), .access = Access::kRead, .key = "b"}), "done 1\n");
  EXPECT_EQ(test_.query(CheckAccess{.caller = ann(), .access = Access::kReadWrite, .key = "b"}),
            refused(CoordErrc::kPermissionDenied));
  EXPECT_EQ(test_.query(CheckAccess{.caller = ann(), .needs_root = true}), refused(CoordErrc::kPermissionDenied));
  EXPECT_EQ(test_.query(CheckAccess{.caller = root(), .needs_root = true}), "done 1\n");
}

TEST_F(CoordAuth, ALeaseIsItsKeysWriters) {
  EXPECT_EQ(test_.apply(LeaseGrant{.caller = ann(), .id = 5, .ttl_s = 10}), "granted 1 5 10 1\n");
  EXPECT_EQ(test_.apply(Put{.caller = root(), .key = "secret", .lease = 5}), "put 2 -\n");
  EXPECT_EQ(test_.apply(LeaseRevoke{.caller = ann(), .id = 5}), refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.apply(Put{.caller = ann(), .key = "x", .lease = 5}), refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.query(LeaseTimeToLive{.caller = ann(), .id = 5, .with_keys = true}),
            refused(CoordErrc::kPermissionDenied, 2));
  EXPECT_EQ(test_.query(LeaseTimeToLive{.caller = ann(), .id = 5}), "lease 2 5 10 1\n");
  EXPECT_EQ(test_.apply(LeaseRevoke{.caller = root(), .id = 5}), "done 3\n");
}

TEST_F(CoordAuth, IsInTheCheckpoint) {
  EXPECT_EQ(test_.apply(UserAdd{.caller = root(), .name = "cert", .no_password = true}), "done 1\n");
  EXPECT_EQ(test_.apply(SetAlarm{.alarm = {7, AlarmType::kNoSpace}, .is_on = true}), "alarm 7 1\ndone 1\n");
  TestEngine again;
  for (const std::string& piece : pieces_of(*test_.engine->begin_checkpoint(), 100)) {
    ASSERT_TRUE(again.engine->load_checkpoint(piece).ok());
  }
  EXPECT_EQ(digest(*again.engine), digest(*test_.engine));
  EXPECT_EQ(again.query(RoleGet{.caller = ann(), .name = "reader"}),
            test_.query(RoleGet{.caller = ann(), .name = "reader"}));
  EXPECT_EQ(again.query(ListAlarms{}), "alarm 7 1\ndone 1\n");
  EXPECT_EQ(again.apply(Put{.caller = ann(), .key = "x"}), refused(CoordErrc::kNoSpace));
}

}  // namespace keelson::coord
