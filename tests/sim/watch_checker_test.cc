// Each promise to watchers has a record that keeps it and one that breaks it.
#include "tests/sim/watch_checker.h"

#include <gtest/gtest.h>

#include <utility>

namespace keelson::sim_test {
namespace {

using Kind = WatchResponse::Kind;

WatchedEvent put(const std::string& key, int64_t revision, int64_t created, int64_t version) {
  return {.is_delete = false,
          .key = key,
          .value = key + std::to_string(revision),
          .create_revision = created,
          .mod_revision = revision,
          .version = version,
          .lease = 0};
}
WatchedEvent gone(const std::string& key, int64_t revision) {
  WatchedEvent event;
  event.is_delete = true;
  event.key = key;
  event.mod_revision = revision;
  return event;
}

// a: 2 3 . 5 . 7x    b: . . 4 5 . 7x 8     c: 6
TrueHistory history() {
  TrueHistory all;
  for (const WatchedEvent& event :
       {put("a", 2, 2, 1), put("a", 3, 2, 2), put("b", 4, 4, 1), put("a", 5, 2, 3), put("b", 5, 4, 2),
        put("c", 6, 6, 1), gone("a", 7), gone("b", 7), put("b", 8, 8, 1)}) {
    all.add(event);
  }
  return all;
}

WatchResponse created(int64_t revision) { return {.kind = Kind::kCreated, .revision = revision, .events = {}}; }
WatchResponse progress(int64_t revision) { return {.kind = Kind::kProgress, .revision = revision, .events = {}}; }
WatchResponse canceled(int64_t compact) {
  return {.kind = Kind::kCanceled, .revision = 8, .compact_revision = compact, .events = {}};
}
WatchResponse events(std::vector<WatchedEvent> all, bool has_more = false) {
  WatchResponse response{.kind = Kind::kEvents, .revision = 8, .has_more = has_more, .events = {}};
  for (WatchedEvent& event : all) response.events.push_back({std::move(event), std::nullopt});
  return response;
}

WatchRecord watch(std::vector<WatchResponse> responses, int64_t start = 2) {
  WatchRecord record;
  record.by = "w";
  record.key = "a";
  record.end = "c";
  record.start_revision = start;
  record.responses = std::move(responses);
  record.must_be_complete = true;
  return record;
}
std::string check(const WatchRecord& record, int64_t compacted = 0) {
  return check_watch(history(), record, compacted);
}

// What a faithful server sends for [a, c) from 2.
std::vector<WatchResponse> faithful() {
  return {created(8),
          events({put("a", 2, 2, 1)}),
          events({put("a", 3, 2, 2), put("b", 4, 4, 1)}),
          progress(4),
          events({put("a", 5, 2, 3), put("b", 5, 4, 2)}),
          progress(6),
          events({gone("a", 7), gone("b", 7)}),
          events({put("b", 8, 8, 1)}),
          progress(8)};
}

void expect_broken(const WatchRecord& record, const std::string& what, int64_t compacted = 0) {
  const std::string broken = check(record, compacted);
  EXPECT_NE(broken.find(what), std::string::npos) << "'" << broken << "' should say " << what;
}

TEST(WatchChecker, FaithfulRecordsPass) {
  EXPECT_EQ(check(watch(faithful())), "");
  EXPECT_EQ(check(watch({created(8)}, 9)), "");
  EXPECT_EQ(check(watch({created(7), events({put("b", 8, 8, 1)})}, 0)), "");
  EXPECT_EQ(check(watch({created(8), events({gone("a", 7), gone("b", 7), put("b", 8, 8, 1)})}, 6)), "");
  WatchRecord cut = watch({created(8), events({put("a", 2, 2, 1)})});
  cut.must_be_complete = false;
  EXPECT_EQ(check(cut), "");
}

TEST(WatchChecker, Order) {
  auto responses = faithful();
  std::swap(responses[2], responses[1]);
  responses.erase(responses.begin() + 3);
  expect_broken(watch(responses), "reliable: left out");
  expect_broken(watch({created(8), events({put("b", 4, 4, 1)}), events({put("a", 3, 2, 2)})}, 4), "ordered");
}

TEST(WatchChecker, Uniqueness) {
  auto responses = faithful();
  responses.insert(responses.begin() + 2, responses[1]);
  expect_broken(watch(responses), "unique");
  expect_broken(watch({created(8), events({put("a", 2, 2, 1), put("a", 2, 2, 1)})}), "unique");
}

TEST(WatchChecker, Atomicity) {
  expect_broken(watch({created(8), events({put("a", 5, 2, 3)}), events({put("b", 5, 4, 2)})}, 5), "atomic");
  WatchRecord fragments = watch({created(8), events({put("a", 5, 2, 3)}, true), events({put("b", 5, 4, 2)}),
                                 events({gone("a", 7), gone("b", 7)}), events({put("b", 8, 8, 1)})},
                                5);
  expect_broken(fragments, "not asked for");
  fragments.allows_fragments = true;
  EXPECT_EQ(check(fragments), "");
  fragments.responses.insert(fragments.responses.begin() + 2, progress(4));
  expect_broken(fragments, "atomic");
}

TEST(WatchChecker, Reliability) {
  auto responses = faithful();
  responses.erase(responses.begin() + 6);
  expect_broken(watch(responses), "reliable: left out: delete a @7");
  responses = faithful();
  responses.resize(7);
  expect_broken(watch(responses), "reliable: never came: put b=b8 @8");
  expect_broken(watch({created(7)}, 0), "never came");
}

TEST(WatchChecker, Bookmarks) {
  expect_broken(watch({created(8), events({put("a", 2, 2, 1)}), progress(3)}), "bookmarkable");
  auto responses = faithful();
  responses.insert(responses.begin() + 1, progress(1));
  EXPECT_EQ(check(watch(responses)), "");
}

TEST(WatchChecker, Compaction) {
  EXPECT_EQ(check(watch({created(8), canceled(5)}), 5), "");
  expect_broken(watch({created(8), canceled(5)}, 5), "resumable", 5);
  expect_broken(watch({created(8), canceled(5)}), "nobody compacted", 4);
  expect_broken(watch({created(8), canceled(0), events({put("a", 2, 2, 1)})}), "after the end");
}

TEST(WatchChecker, WhatAnEventSays) {
  WatchRecord record = watch({created(8), events({put("a", 2, 1, 1)})});
  expect_broken(record, "never happened");
  record = watch({created(8), events({put("c", 6, 6, 1)})}, 6);
  expect_broken(record, "not asked for");
  record = watch({created(8), events({put("a", 2, 2, 1)})});
  record.responses[1].revision = 1;
  expect_broken(record, "header");
}

TEST(WatchChecker, PreviousValues) {
  WatchRecord record = watch({created(8), events({put("b", 8, 8, 1)})}, 8);
  record.wants_previous = true;
  EXPECT_EQ(check(record), "") << "it was deleted, so there was none";
  record = watch({created(8), events({gone("a", 7), gone("b", 7), put("b", 8, 8, 1)})}, 7);
  record.wants_previous = true;
  expect_broken(record, "no previous value");
  EXPECT_EQ(check(record, 7), "") << "it may be compacted";
  record.responses[1].events[0].previous = put("a", 5, 2, 3);
  record.responses[1].events[1].previous = put("b", 5, 4, 2);
  EXPECT_EQ(check(record), "");
  record.wants_previous = false;
  expect_broken(record, "not asked for");
  record.wants_previous = true;
  record.responses[1].events[0].previous = put("a", 3, 2, 2);
  expect_broken(record, "the wrong previous value");
}

TEST(WatchChecker, Filters) {
  WatchRecord record = watch({created(8), events({gone("a", 7), gone("b", 7)})});
  record.no_puts = true;
  EXPECT_EQ(check(record), "");
  record.no_puts = false;
  record.no_deletes = true;
  expect_broken(record, "filtered");
  record.responses = {created(8), events({put("a", 2, 2, 1), put("a", 3, 2, 2), put("b", 4, 4, 1)}),
                      events({put("a", 5, 2, 3), put("b", 5, 4, 2), put("b", 8, 8, 1)})};
  EXPECT_EQ(check(record), "");
}

}  // namespace
}  // namespace keelson::sim_test
