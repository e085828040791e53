// Random commands on two engines and the plain model: one engine tidies up at random moments, the other goes through
// checkpoints taken while commands go on; every answer must be the model's, and both must end in the same state.
#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <random>

#include "engine/coord/model.h"
#include "engine/coord/test_support.h"

namespace keelson::coord {

namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t end) { return random_() % end; }
  bool one_in(uint64_t n) { return below(n) == 0; }
  // Keys are short, over few letters, so that they collide and share beginnings.
  std::string key() {
    std::string key;
    for (uint64_t length = 1 + below(3); length > 0; --length) key += static_cast<char>('a' + below(4));
    return key;
  }
  std::string range_end(const std::string& key) {
    switch (below(6)) {
      case 0:
        return std::string(kFromKeyOn);
      case 1: {
        std::string prefix = key;
        ++prefix.back();
        return prefix;
      }
      case 2:
        return this->key();
      default:
        return {};
    }
  }
  std::string value() { return std::string(below(4), static_cast<char>('0' + below(4))); }

 private:
  std::mt19937_64 random_;
};

// Bodies hold views: what they look at lives here until the step is over.
class Texts {
 public:
  std::string_view keep(std::string text) { return *kept_.insert(kept_.end(), std::move(text)); }
  void clear() { kept_.clear(); }

 private:
  std::list<std::string> kept_;
};

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {}

  void go(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      look();
      texts_.clear();
      if (random_.one_in(20)) left_.engine->tidy_up(random_.below(50));
      if (random_.one_in(40) && source_ == nullptr) begin_checkpoint();
      if (source_ != nullptr && random_.one_in(3)) go_on_with_checkpoint();
    }
    EXPECT_EQ(digest(*left_.engine), digest(*right_.engine));
    while (!left_.engine->tidy_up(1000)) {
    }
    EXPECT_EQ(digest(*left_.engine), digest(*right_.engine));
  }

 private:
  template <class Body>
  void apply(const Body& body) {
    const std::string expected = model_.run(body);
    EXPECT_EQ(left_.apply(body), expected);
    EXPECT_EQ(right_.apply(body), expected);
    if (source_ != nullptr) {
      replay_.push_back([body = encode(body)](TestEngine& engine) {
        const std::string_view view = body;
        engine.apply(engine::Command{static_cast<uint16_t>(Body::kCode), 0, {&view, 1}});
      });
    }
  }
  template <class Body>
  void query(const Body& body) {
    const std::string expected = model_.run(body);
    EXPECT_EQ(left_.query(body), expected);
    EXPECT_EQ(right_.query(body), expected);
  }

  Revision some_revision() {
    switch (random_.below(4)) {
      case 0:
        return model_.compact_revision() + static_cast<Revision>(random_.below(3)) - 1;
      case 1:
        return model_.revision() + static_cast<Revision>(random_.below(3)) - 1;
      default:
        return static_cast<Revision>(random_.below(static_cast<uint64_t>(model_.revision()) + 1));
    }
  }
  LeaseId some_lease() {
    const std::vector<LeaseId> ids = model_.lease_ids();
    if (ids.empty() || random_.one_in(20)) return 1 + static_cast<LeaseId>(random_.below(12));
    return ids[random_.below(ids.size())];
  }

  Put some_put() {
    Put put{.key = texts_.keep(random_.key()), .value = texts_.keep(random_.value())};
    if (random_.one_in(3)) put.lease = some_lease();
    put.prev_kv = random_.one_in(3);
    put.ignore_value = random_.one_in(8);
    put.ignore_lease = random_.one_in(8);
    if (put.ignore_value && !random_.one_in(5)) put.value = {};
    if (put.ignore_lease && !random_.one_in(5)) put.lease = 0;
    return put;
  }
  DeleteRange some_delete() {
    const std::string key = random_.key();
    return {.key = texts_.keep(key), .range_end = texts_.keep(random_.range_end(key)), .prev_kv = random_.one_in(2)};
  }
  Range some_range() {
    const std::string key = random_.one_in(4) ? std::string(kFromKeyOn) : random_.key();
    Range range{.key = texts_.keep(key), .range_end = texts_.keep(random_.range_end(key))};
    if (random_.one_in(2)) range.limit = static_cast<int64_t>(random_.below(5)) - 1;
    if (random_.one_in(2)) range.revision = some_revision();
    range.sort_order = static_cast<SortOrder>(random_.below(3));
    range.sort_target = static_cast<SortTarget>(random_.below(5));
    range.keys_only = random_.one_in(4);
    range.count_only = random_.one_in(6);
    if (random_.one_in(6)) range.min_mod_revision = some_revision();
    if (random_.one_in(6)) range.max_mod_revision = some_revision();
    if (random_.one_in(6)) range.min_create_revision = some_revision();
    if (random_.one_in(6)) range.max_create_revision = some_revision();
    return range;
  }
  Compare some_compare() {
    const std::string key = random_.key();
    Compare compare{.target = static_cast<CompareTarget>(random_.below(5)),
                    .result = static_cast<CompareResult>(random_.below(4)),
                    .key = texts_.keep(key)};
    if (random_.one_in(3)) compare.range_end = texts_.keep(random_.range_end(key));
    compare.number = random_.one_in(2) ? static_cast<int64_t>(random_.below(4)) : some_revision();
    if (compare.target == CompareTarget::kValue) compare.value = texts_.keep(random_.value());
    return compare;
  }
  Txn some_txn(int depth) {
    Txn txn;
    for (uint64_t i = random_.below(3); i > 0; --i) txn.compares.push_back(some_compare());
    for (std::vector<TxnOp>* ops : {&txn.success, &txn.failure}) {
      for (uint64_t i = random_.below(4); i > 0; --i) {
        const uint64_t kind = random_.below(depth > 0 ? 7 : 6);
        if (kind <= 2) ops->push_back({some_put()});
        if (kind == 3) ops->push_back({some_delete()});
        if (kind == 4 || kind == 5) ops->push_back({some_range()});
        if (kind == 6) ops->push_back({some_txn(depth - 1)});
      }
    }
    return txn;
  }

  void step() {
    const uint64_t kind = random_.below(100);
    if (kind < 40) {
      apply(some_put());
    } else if (kind < 55) {
      apply(some_delete());
    } else if (kind < 80) {
      apply(some_txn(2));
    } else if (kind < 85) {
      apply(LeaseGrant{.id = 1 + static_cast<LeaseId>(random_.below(12)),
                       .ttl_s = static_cast<int64_t>(random_.below(9))});
    } else if (kind < 88) {
      apply(LeaseRevoke{.id = some_lease()});
    } else if (kind < 91) {
      LeaseExpire expire;
      for (uint64_t i = random_.below(3); i > 0; --i) {
        const LeaseId id = some_lease();
        expire.items.push_back({id, random_.one_in(4) ? random_.below(20) : model_.grant_of(id)});
      }
      expire.reign = model_.lease_reign() - (random_.one_in(4) ? 1 : 0);
      apply(expire);
      if (random_.one_in(4)) apply(LeaseReign{});
    } else if (kind < 97) {
      apply(Compact{.revision = some_revision()});
    }
  }

  void look() {
    switch (random_.below(6)) {
      case 0:
        return query(LeaseTimeToLive{.id = some_lease(), .with_keys = random_.one_in(2)});
      case 1:
        return query(LeaseList{.has_after = random_.one_in(2),
                               .after = static_cast<LeaseId>(random_.below(12)),
                               .count_max = random_.one_in(2) ? 3 : UINT32_MAX});
      case 2:
        return query(ReadEvents{.from = std::max<Revision>(some_revision(), 0),
                                .from_sub = static_cast<uint32_t>(random_.below(2)),
                                .to = std::max<Revision>(some_revision(), 0),
                                .prev_kv = random_.one_in(2),
                                .events_max = 1 + static_cast<uint32_t>(random_.below(20))});
      case 3:
        return look_at_scan();
      case 4:
        return query(StoreStatus{});
      default:
        return query(some_range());
    }
  }

  // All pages of a scan, and of a hash, of both.
  void look_at_scan() {
    Revision to = some_revision();
    if (to < model_.compact_revision() || to > model_.revision()) to = model_.revision();
    if (to == 0) return;
    const std::string expected = model_.scan(to);
    std::vector<uint64_t> hashes;
    for (const TestEngine* engine : {&left_, &right_}) {
      std::string text;
      Scan scan{.revision = to, .events_max = 1 + static_cast<uint32_t>(random_.below(10))};
      while (scan.from <= to) {
        EventsOnly sink;
        engine->engine->query({}, Encoded(scan).command(), sink);
        text += sink.text;
        scan.from = sink.answer.next;
        scan.from_sub = sink.answer.next_sub;
        scan.compact_revision = sink.answer.compact_revision;
      }
      EXPECT_EQ(text, expected);
      HashKv hash{.revision = to, .keys_max = 1 + static_cast<uint32_t>(random_.below(10))};
      TextSink page = engine->ask(hash);
      while (!page.last_hash.is_done) {
        hash.compact_revision = page.last_hash.compact_revision;
        hash.state = page.last_hash.state;
        const std::string next_key = page.next_key;
        hash.next_key = next_key;
        page = engine->ask(hash);
        ASSERT_FALSE(page.text.starts_with("failed")) << page.text;
      }
      hashes.push_back(page.last_hash.state);
    }
    EXPECT_EQ(hashes[0], hashes[1]);
  }

  class EventsOnly final : public AnswerSink {
   public:
    std::string text;
    EventsAnswer answer;
    void failed(const Failure& failure) override { ADD_FAILURE() << errc_text(failure.code); }
    void event(const Event& event) override { text += text_of(event.kv) + "\n"; }
    void events(const EventsAnswer& end) override { answer = end; }
  };

  void begin_checkpoint() {
    digest_ = digest(*right_.engine);
    index_ = right_.index;
    source_ = right_.engine->begin_checkpoint();
    replay_.clear();
    pieces_.clear();
  }

  void go_on_with_checkpoint() {
    Buffer out;
    const bool is_done = source_->next(random_.below(500), out);
    pieces_.emplace_back(out.view());
    if (!is_done) return;
    source_.reset();
    TestEngine again;
    again.index = index_;
    for (const std::string& piece : pieces_) {
      const Status status = again.engine->load_checkpoint(piece);
      ASSERT_TRUE(status.ok()) << status.error().message();
    }
    EXPECT_EQ(digest(*again.engine), digest_);
    for (const auto& command : replay_) command(again);
    EXPECT_EQ(digest(*again.engine), digest(*right_.engine));
    right_ = std::move(again);
  }

  Random random_;
  Texts texts_;
  Model model_;
  TestEngine left_;
  TestEngine right_;
  std::unique_ptr<engine::CheckpointSource> source_;
  std::vector<std::string> pieces_;
  std::vector<std::function<void(TestEngine&)>> replay_;
  uint64_t digest_ = 0;
  uint64_t index_ = 0;
};

}  // namespace

TEST(CoordRandom, AnswersAsThePlainModelDoes) {
  for (uint64_t seed = 1; seed <= 300 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomRun(seed).go(400);
  }
}

}  // namespace keelson::coord
