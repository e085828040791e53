#include "raft/proposals.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "raft/batch.h"
#include "raft/frame.h"
#include "raft/reads.h"

namespace keelson::raft {
namespace {

constexpr uint64_t kLife = 5;
constexpr uint64_t kFirst = (kLife << kLifeShift) + 1;

uint64_t add(Proposals& proposals, uint64_t proposal, std::string_view payload = "p", bool must_lead = false) {
  proposals.begin(proposal, 7, must_lead, false).append(payload);
  proposals.end();
  return proposals.pending();
}

std::vector<uint64_t> settled_before(Proposals& proposals, uint64_t term) {
  std::vector<uint64_t> told;
  proposals.settle_before(term, [&](uint64_t proposal) { told.push_back(proposal); });
  return told;
}

TEST(Proposals, GatherIntoOneParcelUntilItIsBound) {
  Proposals proposals(3, kLife, 1000, 10'000);
  add(proposals, 10, "ab");
  add(proposals, 11, "");
  ASSERT_EQ(proposals.parcels().size(), 1u);
  Parcel& parcel = proposals.parcels().front();
  EXPECT_EQ(last_number_of(parcel.records.view(), 3), parcel.last());
  EXPECT_EQ(last_number_of(parcel.records.view(), 4), 0u);
  std::string_view rest = parcel.records.view();
  BatchRecord record;
  ASSERT_TRUE(read_record(rest, record));
  EXPECT_EQ(record.number, kFirst);
  EXPECT_EQ(record.payload, "ab");
  EXPECT_EQ(record.slot, 7);
  proposals.bind(parcel, 2);
  EXPECT_FALSE(proposals.has_unbound());
  add(proposals, 12);
  EXPECT_EQ(proposals.parcels().size(), 2u);
  proposals.bind(proposals.parcels().back(), 2);
  EXPECT_EQ(proposals.parcels().back().previous, kFirst + 1);
}

TEST(Proposals, SettleInAnyWay) {
  Proposals proposals(3, kLife, 30, 10'000);
  for (uint64_t i = 0; i < 6; ++i) add(proposals, 100 + i, std::string(10, 'x'));
  ASSERT_EQ(proposals.parcels().size(), 6u);
  for (size_t i = 0; i < 4; ++i) proposals.bind(proposals.parcels()[i], i < 2 ? 2 : 3);
  EXPECT_EQ(proposals.find(kFirst + 1), 101u);
  EXPECT_EQ(proposals.settle(kFirst + 1), 101u);
  EXPECT_EQ(proposals.settle(kFirst + 1), 0u) << "once";
  EXPECT_EQ(proposals.settle(kFirst - 1), 0u) << "of no proposal";
  EXPECT_EQ(proposals.settle((uint64_t{4} << kLifeShift) + 1), 0u) << "of an earlier life";
  EXPECT_EQ(settled_before(proposals, 3), (std::vector<uint64_t>{100}));
  EXPECT_EQ(proposals.pending(), 4u);
  std::vector<uint64_t> told;
  proposals.settle_all([&](uint64_t proposal) { told.push_back(proposal); });
  EXPECT_EQ(told, (std::vector<uint64_t>{102, 103, 104, 105}));
  EXPECT_EQ(proposals.bytes(), 0u);
  EXPECT_TRUE(proposals.parcels().empty());
}

TEST(Proposals, RefuseWhatIsTooMuch) {
  Proposals proposals(3, kLife, 1000, 100);
  add(proposals, 1, std::string(100, 'x'));
  add(proposals, 2);
  EXPECT_EQ(proposals.pending(), 1u);
  add(proposals, 3, "p", true);
  EXPECT_EQ(proposals.pending(), 2u) << "a borrower's record is never too much";
  std::vector<uint64_t> told;
  proposals.refuse_excess([&](uint64_t proposal) { told.push_back(proposal); });
  EXPECT_EQ(told, (std::vector<uint64_t>{2}));
  told.clear();
  proposals.settle_unbound_must_lead([&](uint64_t proposal) { told.push_back(proposal); });
  EXPECT_EQ(told, (std::vector<uint64_t>{3}));
}

// What a checkpoint settled is not sent again: what follows must not wait for it.
TEST(Proposals, BeginAnewBehindWhatIsLost) {
  Proposals proposals(3, kLife, 1000, 10'000);
  add(proposals, 1);
  proposals.bind(proposals.parcels().back(), 4);
  proposals.settle_up_to(4, [](uint64_t) {});
  add(proposals, 2);
  proposals.bind(proposals.parcels().back(), 4);
  EXPECT_EQ(proposals.parcels().back().previous, 0u);
}

TEST(Proposals, MayBeAddedWhileTheyAreSettled) {
  Proposals proposals(3, kLife, 1000, 10'000);
  for (uint64_t i = 1; i <= 3; ++i) add(proposals, i);
  proposals.settle_all([&](uint64_t proposal) { add(proposals, proposal + 10); });
  EXPECT_EQ(proposals.pending(), 3u);
}

TEST(Batch, RefusesWhatDoesNotFollow) {
  Buffer entry;
  append_batch_header(1234, entry);
  std::string_view rest = entry.view();
  int64_t time_ms = 0;
  ASSERT_TRUE(read_batch_header(rest, time_ms));
  EXPECT_EQ(time_ms, 1234);
  std::string bytes(entry.view());
  bytes[0] = 2;
  rest = bytes;
  EXPECT_FALSE(read_batch_header(rest, time_ms)) << "a newer version";
  char header[kRecordHeaderBytes];
  put_record_header({1, 2, 3, RecordKind::kRecord, {}}, 5, header);
  rest = {header, sizeof(header)};
  BatchRecord record;
  EXPECT_FALSE(read_record(rest, record)) << "its payload is missing";
  put_record_header({1, 2, 3, RecordKind::kRefused, {}}, 0, header);
  rest = {header, sizeof(header)};
  ASSERT_TRUE(read_record(rest, record));
  EXPECT_EQ(record.kind, RecordKind::kRefused);
  header[22] = 2;
  rest = {header, sizeof(header)};
  EXPECT_FALSE(read_record(rest, record)) << "a kind that is not known";
}

TEST(Frames, ComeBack) {
  std::string bytes;
  Frame frame;
  for (const Frame& sent :
       {Frame{FrameKind::kRaft, 0, 0, "message"}, Frame{FrameKind::kForward, 3, 4, "records"},
        Frame{FrameKind::kMissing, 5, 6, {}}, Frame{FrameKind::kSleep, 7, 8, {}}, Frame{FrameKind::kWake, 9, 0, {}}}) {
    encode_frame(sent, bytes);
    ASSERT_TRUE(decode_frame(bytes, frame));
    EXPECT_EQ(frame.kind, sent.kind);
    EXPECT_EQ(frame.term, sent.term);
    EXPECT_EQ(frame.number, sent.number);
    EXPECT_EQ(frame.rest, sent.rest);
  }
  EXPECT_FALSE(decode_frame("", frame));
  EXPECT_FALSE(decode_frame("\x09 of a newer version", frame));
  EXPECT_FALSE(decode_frame("\x02 cut", frame));
}

TEST(Reads, ShareRoundsAndAreAskedAgain) {
  Reads reads;
  std::vector<uint64_t> asked;
  std::vector<std::pair<uint64_t, bool>> told;
  const auto ask = [&](uint64_t id) { asked.push_back(id); };
  const auto tell = [&](uint64_t read, bool is_confirmed) { told.emplace_back(read, is_confirmed); };
  reads.add(1, 0);
  reads.add(2, 0);
  reads.begin_round(0, ask);
  reads.add(3, 1);
  reads.begin_round(1, ask);
  reads.add(4, 1);
  reads.begin_round(1, ask);
  EXPECT_EQ(asked, (std::vector<uint64_t>{1, 2})) << "a third round waits";
  reads.ask_again(3, 3, ask);
  EXPECT_EQ(asked, (std::vector<uint64_t>{1, 2, 3}));
  reads.answered(1, 10);
  reads.confirm(10, tell);
  EXPECT_TRUE(told.empty()) << "its first round was given up";
  reads.answered(3, 10);
  reads.confirm(9, tell);
  EXPECT_TRUE(told.empty()) << "not applied yet";
  reads.confirm(10, tell);
  EXPECT_EQ(told, (std::vector<std::pair<uint64_t, bool>>{{1, true}, {2, true}}));
  told.clear();
  reads.fail_before(2, tell);
  EXPECT_EQ(told, (std::vector<std::pair<uint64_t, bool>>{{3, false}, {4, false}}));
  EXPECT_TRUE(reads.empty());
}

}  // namespace
}  // namespace keelson::raft
