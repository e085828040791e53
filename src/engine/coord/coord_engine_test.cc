// The rules of revisions, versions, leases and compaction, one by one; what etcd 3.4.23 answers to the same requests.
#include <gtest/gtest.h>

#include "base/coding.h"
#include "engine/coord/test_support.h"

namespace keelson::coord {

namespace {

const std::string kCompactedText = "failed etcdserver: mvcc: required revision has been compacted ";
const std::string kFutureText = "failed etcdserver: mvcc: required revision is a future revision ";

class Heard final : public ChangeListener {
 public:
  std::string text;
  void changed(Revision revision) override { text += "changed " + std::to_string(revision) + "\n"; }
  void compacted(Revision revision) override { text += "compacted " + std::to_string(revision) + "\n"; }
  void lease_granted(const LeaseInfo& lease) override { text += "granted " + std::to_string(lease.id) + "\n"; }
  void lease_gone(LeaseId lease) override { text += "gone " + std::to_string(lease) + "\n"; }
  void auth_changed() override { text += "auth\n"; }
  void replaced() override { text += "replaced\n"; }
};

}  // namespace

TEST(CoordEngine, RevisionsAndVersions) {
  TestEngine test;
  EXPECT_EQ(test.query(Range{.key = "a"}), "range 1 0 all\n");
  EXPECT_EQ(test.apply(Put{.key = "a", .value = "1"}), "put 2 -\n");
  EXPECT_EQ(test.apply(Put{.key = "a", .value = "2", .prev_kv = true}), "put 3 a=1@2,2v1\n");
  EXPECT_EQ(test.apply(DeleteRange{.key = "b"}), "deleted 3 0\n");
  EXPECT_EQ(test.apply(DeleteRange{.key = "a", .prev_kv = true}), "kv a=2@2,3v2\ndeleted 4 1\n");
  EXPECT_EQ(test.apply(Put{.key = "a", .value = "3"}), "put 5 -\n");
  EXPECT_EQ(test.query(Range{.key = "a"}), "kv a=3@5,5v1\nrange 5 1 all\n");
  EXPECT_EQ(test.query(Range{.key = "a", .revision = 3}), "kv a=2@2,3v2\nrange 5 1 all\n");
  EXPECT_EQ(test.query(Range{.key = "a", .revision = 4}), "range 5 0 all\n");
  EXPECT_EQ(test.query(Range{.key = "a", .revision = 6}), kFutureText + "5 0\n");
}

TEST(CoordEngine, OneTransactionIsOneRevision) {
  TestEngine test;
  Txn txn;
  txn.success.push_back({Put{.key = "a", .value = "1"}});
  txn.success.push_back({Range{.key = "a", .range_end = "c"}});
  txn.success.push_back({Put{.key = "b", .value = "2"}});
  txn.success.push_back({DeleteRange{.key = "x"}});
  EXPECT_EQ(test.apply(txn), "txn success 4\nput 2 -\nkv a=1@2,2v1\nrange 2 1 all\nput 2 -\ndeleted 2 0\nend 2\n");
  EXPECT_EQ(test.query(ReadEvents{.from = 2, .to = 9}),
            "event a=1@2,2v1 - 0 \nevent b=2@2,2v1 - 1 last\nevents 2 0 3 0\n");
  // One that finds nothing to do makes none.
  Txn nothing;
  nothing.success.push_back({DeleteRange{.key = "x"}});
  EXPECT_EQ(test.apply(nothing), "txn success 1\ndeleted 2 0\nend 2\n");
  // An error in any operation undoes nothing, since nothing was done.
  txn.success.push_back({Range{.key = "a", .revision = 9}});
  EXPECT_EQ(test.apply(txn), kFutureText + "2 0\n");
}

TEST(CoordEngine, ReadOnlyTransactionsAreQueries) {
  TestEngine test;
  test.apply(Put{.key = "a", .value = "1"});
  Txn txn;
  txn.compares.push_back({.target = CompareTarget::kVersion, .key = "a", .number = 1});
  txn.success.push_back({Range{.key = "a"}});
  EXPECT_EQ(test.query(txn), "txn success 1\nkv a=1@2,2v1\nrange 2 1 all\nend 2\n");
  txn.success.push_back({Put{.key = "a"}});
  EXPECT_EQ(test.query(txn), "failed etcdserver: the request is malformed or beyond a limit 2 0\n");
}

TEST(CoordEngine, CompactionKeepsWhatIsPresent) {
  TestEngine test;
  test.apply(Put{.key = "a", .value = "1"});  // 2
  test.apply(Put{.key = "a", .value = "2"});  // 3
  test.apply(Put{.key = "b", .value = "1"});  // 4
  test.apply(DeleteRange{.key = "b"});        // 5
  test.apply(Put{.key = "c", .value = "1"});  // 6
  EXPECT_EQ(test.apply(Compact{.revision = 7}), kFutureText + "6 0\n");
  EXPECT_EQ(test.apply(Compact{.revision = 5}), "done 6\n");
  EXPECT_EQ(test.apply(Compact{.revision = 5}), kCompactedText + "6 5\n");
  EXPECT_EQ(test.query(Range{.key = "a", .revision = 4}), kCompactedText + "6 5\n");
  EXPECT_EQ(test.query(Range{.key = "a", .revision = 5}), "kv a=2@2,3v2\nrange 6 1 all\n");
  EXPECT_EQ(test.query(ReadEvents{.from = 4, .to = 9}), kCompactedText + "6 5\n");
  // A watch may begin at the compacted revision.
  EXPECT_EQ(test.query(ReadEvents{.from = 5, .to = 9, .prev_kv = true}),
            "event b@5 gone - 0 last\nevent c=1@6,6v1 - 0 last\nevents 6 5 7 0\n");
  const auto versions = [&test] { return test.ask(StoreStatus{}).status.versions; };
  while (!test.engine->tidy_up(10)) {
  }
  EXPECT_EQ(versions(), 3U);  // a, c, and the deletion of b for watches from there
  EXPECT_EQ(test.apply(Compact{.revision = 6}), "done 6\n");
  while (!test.engine->tidy_up(10)) {
  }
  EXPECT_EQ(versions(), 2U);
}

TEST(CoordEngine, EventsComeInPages) {
  TestEngine test;
  for (const char* key : {"a", "b", "c", "d"}) test.apply(Put{.key = key});
  test.apply(DeleteRange{.key = "a", .range_end = "d"});  // 6: three events
  const TextSink page = test.ask(ReadEvents{.from = 4, .to = 9, .prev_kv = true, .events_max = 3});
  EXPECT_EQ(page.text,
            "event c=@4,4v1 - 0 last\nevent d=@5,5v1 - 0 last\nevent a@6 gone a=@2,2v1 0 \nevents 6 0 6 1\n");
  EXPECT_EQ(test.query(ReadEvents{.from = page.next, .from_sub = page.next_sub, .to = 9}),
            "event b@6 gone - 1 \nevent c@6 gone - 2 last\nevents 6 0 7 0\n");
  EXPECT_EQ(test.query(ReadEvents{.from = 20, .to = 9}), "events 6 0 20 0\n");
  EXPECT_EQ(test.query(ReadEvents{.from = 2, .to = 9, .bytes_max = 1}), "event a=@2,2v1 - 0 last\nevents 6 0 3 0\n");
  // The same without a body, which may stop anywhere.
  EventsAnswer answer;
  int seen = 0;
  const ReadEvents all{.from = 2, .to = 9};
  EXPECT_EQ(test.engine->read_events(all, [&seen](const Event&) { return ++seen < 5; }, answer), CoordErrc::kOk);
  EXPECT_EQ(seen, 5);
  EXPECT_EQ(answer.next, 6);
  EXPECT_EQ(answer.next_sub, 1U);
}

TEST(CoordEngine, Leases) {
  TestEngine test;
  EXPECT_EQ(test.apply(LeaseGrant{.id = 7, .ttl_s = 1}), "granted 1 7 2 1\n");
  EXPECT_EQ(test.apply(LeaseGrant{.id = 7, .ttl_s = 60}), "failed etcdserver: lease already exists 1 0\n");
  EXPECT_EQ(test.apply(LeaseGrant{.ttl_s = 9'000'000'001}), "failed etcdserver: too large lease TTL 1 0\n");
  EXPECT_EQ(test.apply(Put{.key = "b", .lease = 8}), "failed etcdserver: requested lease not found 1 0\n");
  test.apply(Put{.key = "b", .lease = 7});
  test.apply(Put{.key = "a", .lease = 7});
  test.apply(Put{.key = "c", .lease = 7});
  test.apply(Put{.key = "c", .ignore_lease = true});
  test.apply(Put{.key = "a"});
  EXPECT_EQ(test.query(LeaseTimeToLive{.id = 7, .with_keys = true}), "key b\nkey c\nlease 6 7 2 1\n");
  EXPECT_EQ(test.apply(LeaseReign{}), "done 6\n");
  // Another lease of that id is meant; what a former leader has decided.
  EXPECT_EQ(test.apply(LeaseExpire{{{7, 2}}, 1}), "done 6\n");
  EXPECT_EQ(test.apply(LeaseExpire{{{7, 1}}, 0}), "failed another node keeps the times of leases by now 6 0\n");
  EXPECT_EQ(test.apply(LeaseExpire{{{7, 1}}, 1}), "done 7\n");
  EXPECT_EQ(test.query(Range{.key = "a", .range_end = "z", .keys_only = true}), "kv a=@3,6v2\nrange 7 1 all\n");
  EXPECT_EQ(test.query(ReadEvents{.from = 7, .to = 7}),
            "event b@7 gone - 0 \nevent c@7 gone - 1 last\nevents 7 0 8 0\n");
  EXPECT_EQ(test.apply(LeaseRevoke{.id = 7}), "failed etcdserver: requested lease not found 7 0\n");
  // One without keys goes without a revision.
  EXPECT_EQ(test.apply(LeaseGrant{.id = 7, .ttl_s = 60}), "granted 7 7 60 2\n");
  EXPECT_EQ(test.apply(LeaseRevoke{.id = 7}), "done 7\n");
}

TEST(CoordEngine, DrawsLeaseIdsFromTheRecord) {
  TestEngine left;
  TestEngine right;
  for (int i = 0; i < 100; ++i) {
    const std::string answer = left.apply(LeaseGrant{.ttl_s = 60});
    EXPECT_EQ(right.apply(LeaseGrant{.ttl_s = 60}), answer);
    EXPECT_FALSE(answer.starts_with("granted 1 -")) << answer;
  }
  EXPECT_EQ(left.ask(StoreStatus{}).status.leases, 100U);
}

TEST(CoordEngine, Alarms) {
  TestEngine test;
  EXPECT_EQ(test.apply(SetAlarm{.alarm = {3, AlarmType::kNoSpace}, .is_on = true}), "alarm 3 1\ndone 1\n");
  EXPECT_EQ(test.apply(SetAlarm{.alarm = {3, AlarmType::kNoSpace}, .is_on = true}), "done 1\n");
  EXPECT_EQ(test.apply(Put{.key = "a"}), "failed etcdserver: mvcc: database space exceeded 1 0\n");
  EXPECT_EQ(test.apply(LeaseGrant{.ttl_s = 60}), "failed etcdserver: mvcc: database space exceeded 1 0\n");
  EXPECT_EQ(test.apply(DeleteRange{.key = "a"}), "deleted 1 0\n");
  EXPECT_EQ(test.query(ListAlarms{}), "alarm 3 1\ndone 1\n");
  EXPECT_EQ(test.apply(SetAlarm{.alarm = {0, AlarmType::kNone}}), "done 1\n");
  EXPECT_EQ(test.apply(SetAlarm{.alarm = {3, AlarmType::kNoSpace}}), "alarm 3 1\ndone 1\n");
  EXPECT_EQ(test.apply(Put{.key = "a"}), "put 2 -\n");
  test.apply(SetAlarm{.alarm = {3, AlarmType::kCorrupt}, .is_on = true});
  EXPECT_EQ(test.query(Range{.key = "a"}), "failed etcdserver: corrupt cluster 2 0\n");
}

TEST(CoordEngine, ListenersHearWhatChanges) {
  TestEngine test;
  Heard heard;
  test.engine->set_listener(&heard);
  test.apply(Put{.key = "a"});
  test.apply(DeleteRange{.key = "none"});
  test.apply(LeaseGrant{.id = 9, .ttl_s = 60});
  test.apply(Put{.key = "b", .lease = 9});
  test.apply(LeaseRevoke{.id = 9});
  test.apply(Compact{.revision = 3});
  test.apply(UserAdd{.name = "root"});
  test.apply(UserAdd{.name = "root"});
  test.engine->reset();
  EXPECT_EQ(heard.text, "changed 2\ngranted 9\nchanged 3\nchanged 4\ngone 9\ncompacted 3\nauth\nreplaced\n");
  EXPECT_EQ(test.engine->revision(), 1);
}

TEST(CoordEngine, BadBodiesAreInvalid) {
  TestEngine test;
  const std::string refused = "failed etcdserver: the request is malformed or beyond a limit 1 0\n";
  const std::string_view body = "nonsense";
  EXPECT_EQ(test.apply(engine::Command{static_cast<uint16_t>(Code::kPut), 0, {&body, 1}}), refused);
  EXPECT_EQ(test.apply(engine::Command{static_cast<uint16_t>(Code::kPut), 0, {}}), refused);
  EXPECT_EQ(test.apply(engine::Command{99, 0, {&body, 1}}), refused);
  EXPECT_EQ(test.apply(Range{.key = "a"}), refused);
  EXPECT_EQ(test.query(Put{.key = "a"}), refused);
}

TEST(CoordCheckpoint, BadBytesAreErrors) {
  TestEngine test;
  test.apply(LeaseGrant{.id = 9, .ttl_s = 60});
  test.apply(Put{.key = "a", .value = "1", .lease = 9});
  test.apply(Put{.key = "a", .value = "2"});
  test.apply(DeleteRange{.key = "a"});
  std::string whole;
  for (const std::string& piece : pieces_of(*test.engine->begin_checkpoint(), 1)) whole += piece;
  // Cut off within a block, or without the counters in front.
  size_t ends = 0;
  for (size_t size = 1; size < whole.size(); ++size) {
    CoordEngine again;
    ends += again.load_checkpoint(std::string_view(whole).substr(0, size)).ok() ? 1 : 0;
  }
  EXPECT_EQ(ends, 4U);  // behind counters, auth, alarms and leases
  CoordEngine again;
  EXPECT_FALSE(again.load_checkpoint(std::string_view(whole).substr(2)).ok());
  // A bit that is wrong is found or makes another state, and never does harm.
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    CoordEngine other;
    if (other.load_checkpoint(damaged).ok()) other.tidy_up(100);
  }
}

TEST(CoordCheckpoint, StepsAreSmallAndWritesGoOn) {
  TestEngine test;
  const std::string value(1000, 'v');
  for (int i = 0; i < 5000; ++i) {
    const std::string key = "key" + std::to_string(i);
    test.apply(LeaseGrant{.id = i + 1, .ttl_s = 60});
    test.apply(Put{.key = key, .value = value, .lease = i + 1});
  }
  const uint64_t expected = digest(*test.engine);
  const auto source = test.engine->begin_checkpoint();
  TestEngine again;
  for (bool is_done = false; !is_done;) {
    Buffer out;
    is_done = source->next(64 << 10, out);
    EXPECT_LT(out.size(), size_t{300} << 10);
    ASSERT_TRUE(again.engine->load_checkpoint(out.view()).ok());
    test.apply(LeaseRevoke{.id = static_cast<LeaseId>(5000 - test.index % 3000)});
    test.apply(Put{.key = "key7", .value = "changed"});
    test.apply(Compact{.revision = test.engine->revision()});
  }
  EXPECT_EQ(digest(*again.engine), expected);
}

}  // namespace keelson::coord
