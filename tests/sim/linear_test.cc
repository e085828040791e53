// The judge is judged: histories known to be good and bad, and a judge that tries everything on small random ones.
#include "tests/sim/linear.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "env/sim/chance.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/linear_register.h"
#include "tests/sim/linear_store.h"

namespace keelson::sim_test::linear {
namespace {

using env::sim::Chance;
using Kind = RegisterCall::Kind;

Judgement judge_text(const std::string& text, Limits limits = {}) {
  // Written with spaces here, so that the columns can be read.
  std::string tabbed;
  for (const char c : text) tabbed += c == ' ' ? '\t' : c;
  const Result<RegisterHistory> history = parse_history(tabbed);
  EXPECT_TRUE(history.ok()) << (history.ok() ? "" : history.error().message());
  return history.ok() ? judge_keys(*history, limits) : Judgement{};
}
bool is_good(const std::string& text) { return judge_text(text).verdict == Verdict::kLinearizable; }
bool is_bad(const std::string& text) { return judge_text(text).verdict == Verdict::kViolated; }

TEST(Linear, GoodHistories) {
  EXPECT_TRUE(is_good(""));
  EXPECT_TRUE(is_good("1 0 10 x get (nil)\n1 20 30 x set a ok\n2 40 50 x get a\n"));
  // Overlapping calls may take effect in any order.
  EXPECT_TRUE(is_good("1 0 100 x set a ok\n2 10 20 x get a\n3 30 40 x get a\n"));
  EXPECT_TRUE(is_good("1 0 100 x set a ok\n2 10 20 x get (nil)\n3 30 40 x get a\n"));
  EXPECT_TRUE(is_good("1 0 100 x set a ok\n2 0 100 x set b ok\n3 110 120 x get a\n4 130 140 x get a\n"));
  // A call without an answer: never, late, or at once.
  EXPECT_TRUE(is_good("1 0 - x set a -\n2 10 20 x get (nil)\n"));
  EXPECT_TRUE(is_good("1 0 - x set a -\n2 10 20 x get (nil)\n2 30 40 x set b ok\n2 50 60 x get b\n2 70 80 x get a\n"));
  EXPECT_TRUE(is_good("1 0 - x cas a b -\n2 0 9 x set a ok\n2 10 20 x get b\n"));
  EXPECT_TRUE(is_good("1 0 9 x append a 1\n1 10 - x append b -\n2 20 30 x append c 3\n2 40 50 x get abc\n"));
  EXPECT_TRUE(
      is_good("1 0 9 x setnx a 1\n1 10 19 x setnx b 0\n2 20 30 x swap c a\n2 40 50 x delete 1\n2 60 70 x get (nil)\n"));
  // Ends and beginnings at the same time overlap.
  EXPECT_TRUE(is_good("1 0 10 x set a ok\n2 10 20 x get (nil)\n"));
}

TEST(Linear, StaleRead) {
  EXPECT_TRUE(is_bad("1 0 10 x set a ok\n1 20 30 x set b ok\n2 40 50 x get a\n"));
  // Time goes back between two readers, though each alone could be right.
  EXPECT_TRUE(is_bad("1 0 100 x set a ok\n2 10 20 x get a\n3 30 40 x get (nil)\n"));
  // A write of which nobody knows was seen, and is then unseen.
  EXPECT_TRUE(is_bad("1 0 - x set a -\n2 10 20 x get a\n3 30 40 x get (nil)\n"));
}

TEST(Linear, LostUpdate) {
  EXPECT_TRUE(is_bad("1 0 10 x set a ok\n2 20 30 x get (nil)\n"));
  EXPECT_TRUE(is_bad("1 0 10 x append a 1\n2 20 30 x append b 1\n"));
  EXPECT_TRUE(is_bad("1 0 9 x set 0 ok\n1 10 30 x cas 0 a 1\n2 10 30 x cas 0 b 1\n"));
}

TEST(Linear, SplitBrain) {
  // Two leaders each take writes and serve their own.
  EXPECT_TRUE(is_bad(
      "1 0 10 x set a ok\n2 5 15 x set b ok\n1 20 30 x get a\n2 20 30 x get b\n1 40 50 x get a\n2 40 50 x get b\n"));
  EXPECT_TRUE(is_bad("1 0 10 x setnx a 1\n2 5 15 x setnx b 1\n"));
}

TEST(Linear, NonRepeatableRead) {
  EXPECT_TRUE(is_bad("1 0 9 x set a ok\n1 10 100 x set b ok\n2 20 30 x get b\n2 40 50 x get a\n2 60 70 x get b\n"));
}

TEST(Linear, AbortedRead) {
  // A compare that failed left its value behind; a value that nobody wrote.
  EXPECT_TRUE(is_bad("1 0 9 x set a ok\n1 10 20 x cas z b 0\n2 30 40 x get b\n"));
  EXPECT_TRUE(is_bad("1 0 9 x set a ok\n2 30 40 x get q\n"));
  // The call that wrote it began after it was read.
  EXPECT_TRUE(is_bad("2 0 10 x get a\n1 20 30 x set a ok\n"));
}

TEST(Linear, KeysAreJudgedEachByItself) {
  EXPECT_TRUE(is_good("1 0 10 x set a ok\n1 20 30 y set b ok\n2 40 50 x get a\n2 60 70 y get b\n"));
  const Judgement bad = judge_text("1 0 10 x set a ok\n1 20 30 y set b ok\n2 40 50 x get a\n2 60 70 y get a\n");
  EXPECT_EQ(bad.verdict, Verdict::kViolated);
  EXPECT_EQ(bad.explanation.substr(0, 5), "key y");
}

TEST(Linear, ExplanationIsTheShortestBeginning) {
  const Judgement bad = judge_text(
      "1 0 10 x set a ok\n1 20 30 x set b ok\n2 25 50 x get a\n2 60 70 x get a\n3 80 90 x get q\n1 100 110 x set c "
      "ok\n");
  EXPECT_EQ(bad.verdict, Verdict::kViolated);
  EXPECT_EQ(bad.explanation,
            "key x: no order explains\n  [60 .. 70] client 2: get -> \"a\"\nwhatever the state was before: \"b\"\n"
            "before it began or ended (3 calls):\n"
            "  [0 .. 10] client 1: set \"a\" -> ok\n  [20 .. 30] client 1: set \"b\" -> ok\n"
            "  [25 .. 50] client 2: get -> \"a\"");
}

TEST(Linear, OrderExplainsTheHistory) {
  const Judgement good =
      judge_text("1 0 100 x set a ok\n2 0 100 x set b ok\n3 0 - x set c -\n4 110 120 x get c\n4 130 140 x get c\n");
  ASSERT_EQ(good.verdict, Verdict::kLinearizable);
  const Result<RegisterHistory> history = parse_history("1\t0\t9\tx\tset\ta\tok\n2\t0\t-\tx\tset\tb\t-\n");
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(judge<RegisterModel>(history->at("x")).order, (std::vector<size_t>{0}));
}

TEST(Linear, BoundsEndAsUndecided) {
  // Thirty appends of which nobody knows, and a reading that none of their orders explains.
  std::string text;
  for (int i = 0; i < 30; ++i) text += std::to_string(i) + " 0 - x append v" + std::to_string(i) + " -\n";
  text += "99 10 20 x get nonsense\n";
  const Judgement judgement = judge_text(text, {.steps_max = 20'000});
  EXPECT_EQ(judgement.verdict, Verdict::kUndecided);
  EXPECT_LE(judgement.steps, 20'001U);
  text.clear();
  for (int i = 0; i < 70; ++i) text += std::to_string(i) + " 0 9 x set a ok\n";
  EXPECT_EQ(judge_text(text).verdict, Verdict::kUndecided) << "more at a time than there are slots";
}

// Writes of which nobody knows cost nothing as long as nobody sees them.
TEST(Linear, UnansweredWritesAreCheap) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    const std::string at = std::to_string(i * 100 + 10);
    const std::string end = std::to_string(i * 100 + 20);
    const std::string value = std::to_string(i);
    text += "1 " + at + " - x set lost" + value + " -\n";
    text += "2 " + at + " " + end + " x set v" + value + " ok\n";
    text += "3 " + std::to_string(i * 100 + 30) + " " + std::to_string(i * 100 + 40) + " x get v" + value + "\n";
  }
  Judgement judgement = judge_text(text);
  EXPECT_EQ(judgement.verdict, Verdict::kLinearizable);
  EXPECT_LT(judgement.steps, 2'000U);
  judgement = judge_text(text + "3 90000 90001 x get v0\n");
  EXPECT_EQ(judgement.verdict, Verdict::kViolated);
  EXPECT_LT(judgement.steps, 500'000U);
}

TEST(Linear, HistoriesAsText) {
  const std::string text =
      "3\t1000\t1200\tx\tset\tv17\tok\n4\t1100\t-\tx\tcas\tv17\tv18\t-\n3\t1300\t1310\tx\tget\tv17\n"
      "3\t1300\t1310\tx\tget\t(nil)\n3\t1300\t1310\tx\tappend\tq\t4\n3\t1300\t1310\tx\tdelete\t1\n"
      "3\t1300\t1310\tx\tswap\tq\tr\n3\t1300\t1310\tx\tsetnx\tq\t0\n";
  const Result<RegisterHistory> history = parse_history("# a comment\n" + text);
  ASSERT_TRUE(history.ok());
  std::string again;
  for (const auto& recorded : history->at("x")) again += format_call("x", recorded) + "\n";
  EXPECT_EQ(again, text);
  for (const char* bad : {"x", "1\t2\t3\tx\tget", "1\t2\t1\tx\tget\tv", "1\t2\t3\tx\tfly\tv", "a\t2\t3\tx\tget\tv",
                          "1\t2\t3\tx\tset\tv\tno", "1\t2\t3\tx\tget\tv\tw", "1\t2\t3\tx\tdelete\tv"}) {
    EXPECT_FALSE(parse_history(bad).ok()) << bad;
  }
}

// Tries every order of every subset that time allows.
template <class Model>
bool try_everything(const std::vector<Recorded<typename Model::Call>>& history, typename Model::State state,
                    std::vector<bool>& done) {
  bool is_complete = true;
  for (size_t i = 0; i < history.size(); ++i) is_complete &= done[i] || !history[i].is_answered();
  if (is_complete) return true;
  for (size_t i = 0; i < history.size(); ++i) {
    if (done[i]) continue;
    // Nothing that ended before it began may still be to come.
    bool is_next = true;
    for (size_t other = 0; other < history.size(); ++other) {
      is_next &= done[other] || history[other].returned_at >= history[i].called_at;
    }
    typename Model::State next = state;
    if (!is_next || !Model::step(next, history[i].call, history[i].is_answered())) continue;
    done[i] = true;
    if (try_everything<Model>(history, std::move(next), done)) return true;
    done[i] = false;
  }
  return false;
}
template <class Model>
bool try_everything(const std::vector<Recorded<typename Model::Call>>& history) {
  std::vector<bool> done(history.size());
  return try_everything<Model>(history, {}, done);
}

// Calls of some clients, answered by a true store at a moment in between, or by a liar.
template <class Model, class Draw, class Answer>
std::vector<Recorded<typename Model::Call>> random_history(Chance& chance, Draw draw, Answer answer) {
  std::vector<Recorded<typename Model::Call>> history;
  const unsigned clients = 2 + static_cast<unsigned>(chance.below(3));
  const size_t count = 3 + chance.below(5);
  std::vector<int64_t> free_at(clients);
  for (size_t i = 0; i < count; ++i) {
    Recorded<typename Model::Call> one;
    one.by = static_cast<unsigned>(chance.below(clients));
    one.called_at = free_at[one.by] + chance.between(0, 5);
    one.returned_at = one.called_at + chance.between(0, 12);
    free_at[one.by] = one.returned_at + 1;
    one.call = draw(chance);
    history.push_back(one);
  }
  // They take effect each at a moment of its own.
  std::vector<std::pair<int64_t, size_t>> moments;
  for (size_t i = 0; i < count; ++i) {
    moments.emplace_back(chance.between(history[i].called_at, history[i].returned_at), i);
  }
  std::sort(moments.begin(), moments.end());
  typename Model::State state;
  for (const auto& [at, i] : moments) answer(chance, state, history[i].call);
  for (auto& one : history) {
    if (chance.happens(0.2)) one.returned_at = kNever;
  }
  return history;
}

TEST(Linear, AgreesWithTryingEverythingOnRegisters) {
  uint64_t good = 0;
  uint64_t bad = 0;
  env::sim::for_each_seed(1, 4000, [&](uint64_t seed) {
    Chance chance(seed);
    const double lie = chance.happens(0.5) ? 0 : 0.3;
    const auto draw = [](Chance& dice) {
      RegisterCall call;
      call.kind = static_cast<Kind>(dice.below(7));
      call.value = std::string(1, static_cast<char>('a' + dice.below(3)));
      call.expected = std::string(1, static_cast<char>('a' + dice.below(3)));
      return call;
    };
    const auto answer = [&](Chance& dice, RegisterModel::State& state, RegisterCall& call) {
      const RegisterModel::State before = state;
      RegisterModel::State after = state;
      RegisterModel::step(after, call, false);
      call.found = before.exists;
      call.read = before.exists ? before.value : "";
      const bool has_changed = call.kind == Kind::kCas           ? before.exists && before.value == call.expected
                               : call.kind == Kind::kSetIfAbsent ? !before.exists
                                                                 : before.exists;
      call.count = call.kind == Kind::kAppend ? static_cast<int64_t>(after.value.size()) : (has_changed ? 1 : 0);
      if (dice.happens(lie)) {
        call.count ^= 1;
        call.found = true;
        call.read = "b";
      }
      if (!dice.happens(lie)) state = after;
    };
    const auto history = random_history<RegisterModel>(chance, draw, answer);
    const Judgement judgement = judge<RegisterModel>(history);
    const bool expected = try_everything<RegisterModel>(history);
    std::string shown;
    for (const auto& one : history) shown += format_call("x", one) + "\n";
    EXPECT_EQ(judgement.verdict == Verdict::kLinearizable, expected) << judgement.explanation << "\n" << shown;
    EXPECT_TRUE(expected || lie > 0) << "a history of a true store";
    ++(expected ? good : bad);
  });
  std::printf("%llu good, %llu bad\n", static_cast<unsigned long long>(good), static_cast<unsigned long long>(bad));
}

StoreCall random_store_call(Chance& chance) {
  const auto key = [&] { return std::string(1, static_cast<char>('a' + chance.below(3))); };
  const auto operation = [&] {
    StoreOperation one;
    one.kind = static_cast<StoreOperation::Kind>(chance.below(4));
    one.key = key();
    if (chance.happens(0.3) && one.kind != StoreOperation::Kind::kPut) one.end = "c";
    one.value = std::to_string(chance.below(1000));
    one.lease = static_cast<int64_t>(chance.below(2));
    return one;
  };
  StoreCall call;
  if (chance.happens(0.4)) {
    StoreCompare compare;
    compare.key = key();
    compare.target = static_cast<StoreCompare::Target>(chance.below(5));
    compare.relation = static_cast<StoreCompare::Relation>(chance.below(4));
    compare.number = static_cast<int64_t>(chance.below(4));
    call.compares.push_back(compare);
    call.otherwise.push_back(operation());
  }
  call.then.push_back(operation());
  return call;
}

// Answers as the store of that state would, and changes it.
void answer_store_call(StoreModel::State& state, StoreCall& call) {
  StoreModel::State after = state;
  for (const bool succeeded : {true, false}) {
    call.has_succeeded = succeeded;
    for (const int64_t revision : {state.revision, state.revision + 1}) {
      call.revision = revision;
      for (StoreOperation& operation : succeeded ? call.then : call.otherwise) {
        operation.found.clear();
        operation.count = 0;
        for (const auto& [name, key] : state.keys) {
          if (!operation.covers(name)) continue;
          operation.found[name] = key;
          ++operation.count;
        }
      }
      after = state;
      if (StoreModel::step(after, call, true)) {
        state = after;
        return;
      }
    }
  }
  FAIL() << "no answer fits " << StoreModel::text(call, false);
}

TEST(Linear, AgreesWithTryingEverythingOnStores) {
  uint64_t good = 0;
  uint64_t bad = 0;
  env::sim::for_each_seed(1, 4000, [&](uint64_t seed) {
    Chance chance(seed);
    const double lie = chance.happens(0.5) ? 0 : 0.15;
    const auto answer = [&](Chance& dice, StoreModel::State& state, StoreCall& call) {
      answer_store_call(state, call);
      if (!dice.happens(lie)) return;
      if (dice.happens(0.5)) call.revision += dice.happens(0.5) ? 1 : -1;
      if (dice.happens(0.5)) call.has_succeeded = !call.has_succeeded;
      for (StoreOperation& operation : call.then) {
        if (!operation.found.empty()) operation.found.begin()->second.value += "?";
      }
    };
    const auto history = random_history<StoreModel>(chance, random_store_call, answer);
    const Judgement judgement = judge_store(history);
    const bool expected = try_everything<StoreModel>(history);
    std::string shown;
    for (const auto& one : history) shown += StoreModel::text(one.call, one.is_answered()) + "\n";
    EXPECT_EQ(judgement.verdict == Verdict::kLinearizable, expected) << judgement.explanation << "\n" << shown;
    EXPECT_TRUE(expected || lie > 0) << shown;
    ++(expected ? good : bad);
  });
  std::printf("%llu good, %llu bad\n", static_cast<unsigned long long>(good), static_cast<unsigned long long>(bad));
}

StoreHistory store_history(std::vector<StoreCall> calls) {
  StoreHistory history;
  int64_t now = 0;
  for (StoreCall& call : calls) {
    history.push_back({.call = std::move(call), .called_at = now, .returned_at = now + 5, .by = 1});
    now += 10;
  }
  return history;
}
StoreCall put(const std::string& key, const std::string& value, int64_t revision) {
  StoreCall call;
  call.then.push_back({.kind = StoreOperation::Kind::kPut, .key = key, .end = {}, .value = value, .found = {}});
  call.revision = revision;
  return call;
}
StoreCall range(int64_t of, StoredKeys found, int64_t revision) {
  StoreCall call;
  call.then.push_back({.kind = StoreOperation::Kind::kRange,
                       .key = "a",
                       .end = "z",
                       .value = {},
                       .revision = of,
                       .found = std::move(found)});
  call.revision = revision;
  return call;
}

TEST(LinearStore, Revisions) {
  const StoredKey a2{.value = "1", .create_revision = 2, .mod_revision = 2, .version = 1};
  const StoredKey a3{.value = "2", .create_revision = 2, .mod_revision = 3, .version = 2};
  const auto verdict = [](std::vector<StoreCall> calls) {
    return judge_store(store_history(std::move(calls))).verdict;
  };
  EXPECT_EQ(verdict({put("a", "1", 2), range(0, {{"a", a2}}, 2), put("a", "2", 3), range(0, {{"a", a3}}, 3),
                     range(2, {{"a", a2}}, 3)}),
            Verdict::kLinearizable);
  EXPECT_EQ(verdict({put("a", "1", 2), put("a", "2", 2)}), Verdict::kViolated) << "a revision twice";
  EXPECT_EQ(verdict({put("a", "1", 2), put("a", "2", 4)}), Verdict::kViolated) << "a revision left out";
  EXPECT_EQ(verdict({put("a", "1", 2), put("a", "2", 3), range(0, {{"a", a3}}, 2)}), Verdict::kViolated) << "went back";
  EXPECT_EQ(verdict({put("a", "1", 2), put("a", "2", 3), range(0, {{"a", a2}}, 3)}), Verdict::kViolated) << "stale";
  EXPECT_EQ(verdict({put("a", "1", 2), put("a", "2", 3), range(2, {{"a", a3}}, 3)}), Verdict::kViolated) << "the past";
  EXPECT_EQ(verdict({put("a", "1", 2), range(3, {}, 2)}), Verdict::kViolated) << "the future";
}

TEST(LinearStore, UnansweredCallsFillRevisions) {
  StoreHistory history = store_history({put("a", "1", 2), put("a", "2", 0), put("a", "3", 4)});
  history[1].returned_at = kNever;
  EXPECT_EQ(judge_store(history).verdict, Verdict::kLinearizable);
  history[1].call.revision = 5;  // a watch has seen it
  EXPECT_EQ(judge_store(history).verdict, Verdict::kViolated);
  history[1].call.revision = 3;
  EXPECT_EQ(judge_store(history).verdict, Verdict::kLinearizable);
}

// Two calls without an answer could each have made the revision that nobody looked at meanwhile: a range of that
// revision, later, says which.
TEST(LinearStore, ARangeOfThePastTellsWhichCallMadeIt) {
  const StoredKey first{.value = "1", .create_revision = 2, .mod_revision = 2, .version = 1};
  for (const std::string& other : {"b", "a"}) {
    for (const bool is_other_first : {false, true}) {
      StoreHistory history =
          store_history({put("a", "1", 0), put(other, "2", 0), put("a", "9", 4), range(2, {{"a", first}}, 4)});
      if (is_other_first) std::swap(history[0], history[1]);
      history[0].returned_at = history[1].returned_at = kNever;
      EXPECT_EQ(judge_store(history).verdict, Verdict::kLinearizable) << other;
      history[3].call.then[0].found["a"].value = "3";
      EXPECT_EQ(judge_store(history).verdict, Verdict::kViolated) << "nobody has put that";
    }
  }
}

// A lease that runs out is a call of which nobody knows, not before its time.
TEST(LinearStore, LeasesAreNotShortened) {
  StoreHistory history = store_history({put("a", "1", 2), range(0, {}, 3)});
  history[0].call.then[0].lease = 7;
  StoreCall revoke;
  revoke.then.push_back(
      {.kind = StoreOperation::Kind::kRevoke, .key = {}, .end = {}, .value = {}, .lease = 7, .found = {}});
  history.push_back({.call = revoke, .called_at = 8, .returned_at = kNever, .by = 0});
  EXPECT_EQ(judge_store(history).verdict, Verdict::kLinearizable);
  history[2].called_at = 1000;
  EXPECT_EQ(judge_store(history).verdict, Verdict::kViolated);
}

}  // namespace
}  // namespace keelson::sim_test::linear
