#include "engine/kv/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/kv/digest.h"
#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

// Changes of every kind, on keys and big objects alike.
class Changer {
 public:
  Changer(Keyspace& keyspace, uint64_t seed) : keyspace_(keyspace), random_(seed) {}

  void change() {
    const auto database = static_cast<uint16_t>(random_.below(3));
    const size_t number = random_.below(kKeys);
    const std::string key = "key" + std::to_string(number);
    const size_t kind = number % 5;
    const size_t choice = random_.below(400);
    if (choice == 0) return keyspace_.flush(database);
    if (choice == 1) return keyspace_.swap(database, static_cast<uint16_t>(random_.below(3)));
    if (choice < 12) {
      keyspace_.erase(database, key, kNow);
      return;
    }
    if (choice < 20) return move_or_copy(database, key, kind);
    if (choice < 40) {
      if (Value value = keyspace_.find_for_write(database, key, kNow)) {
        keyspace_.set_expiry(value,
                             random_.one_in(3) ? kNoExpiry : static_cast<int64_t>(kNow + 1 + random_.below(1000)));
      }
      return;
    }
    // Most keys stay small, some become objects of several parts.
    const size_t times = number % 20 < 5 ? 1 + random_.below(300) : 1 + random_.below(3);
    for (size_t i = 0; i < times; ++i) change_value(database, key, kind);
  }
  TestRandom& random() { return random_; }

 private:
  static constexpr size_t kKeys = 400;
  static constexpr int64_t kNow = 1000;

  // A field's name that soon stands in hashes by its number.
  std::string shared_name(size_t number) {
    const std::string name = "shared:" + std::to_string(number);
    for (int i = 0; i < 8; ++i) (void)keyspace_.field_names().sighted(name);
    return name;
  }

  void move_or_copy(uint16_t database, const std::string& key, size_t kind) {
    const auto to = static_cast<uint16_t>(random_.below(3));
    const std::string other = "key" + std::to_string(random_.below(kKeys / 5) * 5 + kind);
    Value value = keyspace_.find_for_write(database, key, kNow);
    if (!value || (to == database && other == key)) return;
    if (random_.one_in(2)) {
      keyspace_.copy(value, to, other);
    } else {
      keyspace_.put(to, other, keyspace_.take(value));
    }
  }

  void change_value(uint16_t database, const std::string& key, size_t kind) {
    const std::string text = random_.text(80);
    switch (kind) {
      case 0: {
        if (random_.one_in(30)) {
          keyspace_.set_string(database, key, text);
        } else if (auto string = keyspace_.write<StringValue>(database, key, kNow)) {
          if (random_.one_in(2))
            string->append(text);
          else
            *string->writable(random_.below(200000), 1) = 'w';
        }
        return;
      }
      case 1: {
        auto list = *keyspace_.write_or_create<ListValue>(database, key, kNow);
        change_list(list, text);
        keyspace_.erase_if_empty(list);
        return;
      }
      case 2: {
        auto set = *keyspace_.write_or_create<SetValue>(database, key, kNow);
        if (random_.below(3) != 0)
          set.add(text);
        else if (set.size() != 0)
          (void)set.take(random_.below(set.size()));
        keyspace_.erase_if_empty(set);
        return;
      }
      case 3: {
        auto sorted_set = *keyspace_.write_or_create<SortedSetValue>(database, key, kNow);
        if (random_.below(3) != 0)
          sorted_set.set(text, static_cast<double>(random_.below(50)));
        else if (sorted_set.size() != 0)
          sorted_set.erase_range(random_.below(sorted_set.size()), 2);
        keyspace_.erase_if_empty(sorted_set);
        return;
      }
      default: {
        auto hash = *keyspace_.write_or_create<HashValue>(database, key, kNow);
        if (random_.below(3) != 0)
          hash.set(random_.one_in(2) ? shared_name(random_.below(8)) : text, random_.text(80));
        else if (hash.size() != 0)
          hash.erase(std::string(hash.at(random_.below(hash.size())).first));
        keyspace_.erase_if_empty(hash);
        return;
      }
    }
  }

  void change_list(ListValue& list, const std::string& text) {
    const size_t size = list.size();
    switch (random_.below(8)) {
      case 0:
        if (size != 0) (void)list.pop(random_.one_in(2) ? ListEnd::kHead : ListEnd::kTail);
        return;
      case 1:
        if (size != 0) list.set(random_.below(size), text);
        return;
      case 2:
        if (size != 0) list.erase(random_.below(size), 1);
        return;
      case 3:
        if (size != 0) list.remove_equal(std::string(list.at(random_.below(size))), random_.below(3), ListEnd::kTail);
        return;
      case 4:
        return list.insert(random_.below(size + 1), text);
      default:
        return list.push(random_.one_in(2) ? ListEnd::kHead : ListEnd::kTail, text);
    }
  }

  Keyspace& keyspace_;
  TestRandom random_;
};

KeyspaceOptions options_for(uint64_t seed) {
  KeyspaceOptions options;
  options.hash_secret = seed * 3;
  options.databases = 4;
  return options;
}

std::map<std::string, std::string> load(const std::vector<std::string>& pieces, const KeyspaceOptions& options) {
  Keyspace loaded(options);
  for (const std::string& piece : pieces) {
    const Status status = loaded.load_checkpoint(piece);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message());
    if (!status.ok()) break;
  }
  return describe(loaded);
}

TEST(CheckpointTest, IsTheStateAtItsBeginningWhateverChangesMeanwhile) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Keyspace keyspace(options_for(seed));
    Changer changer(keyspace, seed);
    for (int i = 0; i < 500; ++i) changer.change();
    for (int round = 0; round < 2; ++round) {
      const auto expected = describe(keyspace);
      auto source = keyspace.begin_checkpoint();
      std::vector<std::string> pieces;
      const size_t changes = changer.random().below(60);
      bool is_done = false;
      while (!is_done) {
        Buffer out;
        is_done = source->next(1 + changer.random().below(20000), out);
        pieces.emplace_back(out.view());
        for (size_t i = 0; i < changes; ++i) changer.change();
        if (changer.random().one_in(3)) (void)keyspace.lazy_free_step(100);
      }
      source.reset();
      const auto loaded = load(pieces, options_for(seed));
      ASSERT_EQ(loaded, expected) << "seed " << seed << " round " << round;
    }
  }
}

TEST(CheckpointTest, CanBeGivenUpAtAnyTime) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Keyspace keyspace(options_for(seed));
    Changer changer(keyspace, seed);
    for (int i = 0; i < 300; ++i) changer.change();
    auto source = keyspace.begin_checkpoint();
    const size_t slices = changer.random().below(10);
    for (size_t i = 0; i < slices; ++i) {
      Buffer out;
      (void)source->next(5000, out);
      changer.change();
    }
    if (seed % 2 == 0) keyspace.reset();
    source.reset();
    for (int i = 0; i < 300; ++i) changer.change();
    while (keyspace.lazy_free_step(1000)) continue;
    const auto expected = describe(keyspace);
    Buffer out;
    EXPECT_TRUE(keyspace.begin_checkpoint()->next(SIZE_MAX / 2, out));
    EXPECT_EQ(load({std::string(out.view())}, options_for(seed)), expected);
  }
}

TEST(CheckpointTest, OneSliceIsBoundedHoweverLargeAValueIs) {
  Keyspace keyspace(options_for(1));
  for (int i = 0; i < 100000; ++i) keyspace.write_or_create<SetValue>(0, "set", 0)->add("member" + std::to_string(i));
  keyspace.set_string(0, "string", std::string(5000000, 'x'));
  auto source = keyspace.begin_checkpoint();
  size_t slices = 0;
  for (bool is_done = false; !is_done; ++slices) {
    Buffer out;
    is_done = source->next(100000, out);
    EXPECT_LT(out.size(), 200000U);
    // Changes each part of the string, and so forces some of it out.
    *keyspace.write<StringValue>(0, "string", 0)->writable(slices * 50000 % 5000000, 1) = 'y';
  }
  EXPECT_GT(slices, 40U);
}

TEST(CheckpointTest, DamageIsRefusedWithoutACrash) {
  Keyspace keyspace(options_for(5));
  Changer changer(keyspace, 5);
  for (int i = 0; i < 400; ++i) changer.change();
  Buffer out;
  ASSERT_TRUE(keyspace.begin_checkpoint()->next(SIZE_MAX / 2, out));
  const std::string good(out.view());
  TestRandom& random = changer.random();
  for (int i = 0; i < 150; ++i) {
    std::string bad = good;
    if (random.one_in(3)) {
      bad.resize(random.below(bad.size()));
    } else {
      bad[random.below(random.one_in(2) ? 2000 : bad.size())] = static_cast<char>(random.next());
    }
    Keyspace loaded(options_for(5));
    const Status status = loaded.load_checkpoint(bad);
    if (!status.ok()) {
      EXPECT_FALSE(status.error().message().empty());
    }
    // What did come in can be used and freed.
    (void)describe(loaded);
  }
}

TEST(CheckpointTest, EmptyKeyspacesToo) {
  Keyspace keyspace(options_for(1));
  Buffer out;
  auto source = keyspace.begin_checkpoint();
  keyspace.set_string(0, "later", "v");
  ASSERT_TRUE(source->next(1000, out));
  EXPECT_TRUE(load({std::string(out.view())}, options_for(1)).empty());
}

TEST(CheckpointTest, KeepsTheExactDigest) {
  Keyspace keyspace(options_for(9));
  Changer changer(keyspace, 9);
  for (int i = 0; i < 800; ++i) changer.change();
  Buffer out;
  ASSERT_TRUE(keyspace.begin_checkpoint()->next(SIZE_MAX / 2, out));
  Keyspace loaded(options_for(9));
  ASSERT_TRUE(loaded.load_checkpoint(out.view()).ok());
  EXPECT_EQ(to_hex(digest_exact(loaded)), to_hex(digest_exact(keyspace)));
  EXPECT_EQ(to_hex(digest_keyspace(loaded, 0)), to_hex(digest_keyspace(keyspace, 0)));
}

}  // namespace
}  // namespace keelson::kv
