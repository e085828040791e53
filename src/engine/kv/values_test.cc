// Random operations on the typed values against containers of the standard library, under several thresholds.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/kv/keyspace.h"
#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

KeyspaceOptions options_for(uint64_t seed) {
  KeyspaceOptions options;
  options.hash_secret = seed;
  if (seed % 3 == 1) {
    options.hash_max_listpack_entries = options.set_max_listpack_entries = options.zset_max_listpack_entries = 8;
    options.set_max_intset_entries = 16;
    options.list_max_listpack_size = 5;
  } else if (seed % 3 == 2) {
    options.hash_max_listpack_entries = options.set_max_listpack_entries = options.zset_max_listpack_entries = 0;
    options.set_max_intset_entries = 0;
    options.list_max_listpack_size = -1;
  }
  return options;
}

TEST(StringValueTest, AgreesWithAString) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace(options_for(seed));
    std::string model = "x";
    keyspace.set_string(0, "key", model);
    for (int step = 0; step < 4000; ++step) {
      StringValue value = *keyspace.write<StringValue>(0, "key", 1);
      switch (random.below(6)) {
        case 0: {
          model = random.text(random.one_in(20) ? 20000 : 100);
          value.set_bytes(model);
          break;
        }
        case 1: {
          const auto number = static_cast<int64_t>(random.next()) >> random.below(64);
          model = std::to_string(number);
          value.set_integer(number);
          ASSERT_EQ(value.encoding_name(), "int");
          break;
        }
        case 2: {
          const std::string more = random.text(300);
          model += more;
          value.append(more);
          break;
        }
        case 3: {
          const size_t offset = random.below(random.one_in(10) ? 200000 : 200);
          const std::string bytes = random.text(40);
          if (bytes.empty()) break;
          if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size(), '\0');
          model.replace(offset, bytes.size(), bytes);
          std::copy(bytes.begin(), bytes.end(), value.writable(offset, bytes.size()));
          break;
        }
        default:
          model = random.text(random.one_in(20) ? 10000 : 60);
          value = StringValue(keyspace.set_string(0, "key", model));
          break;
      }
      ASSERT_EQ(value.bytes(), model);
      ASSERT_EQ(value.size(), model.size());
      ASSERT_EQ(value.as_integer(), parse_int64(model));
      ASSERT_EQ(keyspace.read<StringValue>(0, "key", 1)->bytes(), model);
    }
  }
}

TEST(HashValueTest, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace(options_for(seed));
    HashValue hash = keyspace.create<HashValue>(0, "key");
    std::map<std::string, std::string> model;
    for (int step = 0; step < 6000; ++step) {
      const bool is_shared = step < 500 && random.one_in(2);
      const std::string field = is_shared ? "shared:" + std::to_string(random.below(20)) : random.text(30);
      // Some fields are in the hash before their names are shared, some come after.
      if (is_shared) (void)keyspace.field_names().sighted(field);
      const std::string value = random.text(random.one_in(500) ? 300 : 40);
      if (random.below(3) != 0 || step < 500) {
        ASSERT_EQ(hash.set(field, value), model.insert_or_assign(field, value).second);
      } else {
        std::string erased = field;
        if (!model.empty() && random.one_in(2)) erased = hash.at(random.below(hash.size())).first;
        ASSERT_EQ(hash.erase(erased), model.erase(erased) == 1);
      }
      ASSERT_EQ(hash.size(), model.size());
      const auto found = hash.get(field);
      ASSERT_EQ(found.has_value(), model.contains(field));
      ASSERT_EQ(hash.contains(field), model.contains(field));
      if (found) {
        ASSERT_EQ(*found, model[field]);
      }
      if (step % 200 == 0) {
        std::map<std::string, std::string> all;
        hash.for_each([&all](std::string_view name, std::string_view content) { all[std::string(name)] = content; });
        ASSERT_EQ(all, model);
        all.clear();
        for (size_t i = 0; i < hash.size(); ++i) all[std::string(hash.at(i).first)] = hash.at(i).second;
        ASSERT_EQ(all, model);
        all.clear();
        uint64_t cursor = 0;
        do {
          cursor = hash.scan(cursor, 10, [&all](std::string_view name, std::string_view content) {
            all[std::string(name)] = content;
          });
        } while (cursor != 0);
        ASSERT_EQ(all, model);
      }
    }
    ASSERT_EQ(hash.encoding_name(), "hashtable");
  }
}

TEST(HashValueTest, HashesOfTheSameFieldsShareTheirNames) {
  Keyspace keyspace(options_for(3));
  const auto add = [&keyspace](int number) {
    HashValue hash = keyspace.create<HashValue>(0, "hash:" + std::to_string(number));
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(hash.set("a long field name:" + std::to_string(i), std::to_string(i)));
    return hash;
  };
  const HashValue first = add(0);
  for (int i = 1; i < 200; ++i) (void)add(i);
  HashValue last = add(200);
  EXPECT_EQ(keyspace.field_names().size(), 10U);
  EXPECT_EQ(first.entry()->inline_value().size(), 2U + 10 * (1 + 19 + 1));
  EXPECT_EQ(last.entry()->inline_value().size(), 2U + 10 * (2 + 1));
  for (const HashValue& hash : {first, last}) {
    EXPECT_EQ(hash.at(3).first, "a long field name:3");
    EXPECT_EQ(hash.get("a long field name:9"), "9");
    EXPECT_FALSE(hash.contains("a long field name:10"));
  }
  // Over a copy, and when it grows into a table.
  HashValue copy(keyspace.copy(last, 1, "copy"));
  EXPECT_FALSE(copy.set("a long field name:4", std::string(100, 'v')));
  EXPECT_EQ(copy.encoding_name(), "hashtable");
  EXPECT_EQ(copy.get("a long field name:5"), "5");
  EXPECT_TRUE(last.erase("a long field name:0"));
  EXPECT_FALSE(last.erase("a long field name:0"));
  EXPECT_EQ(last.size(), 9U);
  keyspace.flush_all();
  EXPECT_EQ(keyspace.field_names().size(), 0U);
}

// A replica that was loaded from a checkpoint knows other names than one that has seen every command.
TEST(HashValueTest, BecomesATableAtTheSameSizeWhateverNamesAreKnown) {
  const auto fields_when_it_becomes_a_table = [](bool has_seen_others) {
    Keyspace keyspace(options_for(3));
    const auto field = [](int i) { return std::string(58, 'f') + std::to_string(100 + i); };
    for (int other = 0; has_seen_others && other < 200; ++other) {
      HashValue hash = keyspace.create<HashValue>(0, "other:" + std::to_string(other));
      for (int i = 0; i < 20; ++i) (void)hash.set(field(i), "v");
    }
    HashValue hash = keyspace.create<HashValue>(0, "hash");
    int count = 0;
    while (hash.encoding_name() != "hashtable") (void)hash.set(field(count++), std::string(60, 'v'));
    return count;
  };
  EXPECT_EQ(fields_when_it_becomes_a_table(true), fields_when_it_becomes_a_table(false));
}

TEST(FieldNamesTest, RareNamesStayOut) {
  FieldNames names(7);
  for (int i = 0; i < 100000; ++i) {
    EXPECT_FALSE(names.sighted("rare:" + std::to_string(i)));
    if (i % 100 == 0) (void)names.sighted("common");
  }
  for (uint16_t i = 0; i < FieldNames::kSightings; ++i) (void)names.sighted("common");
  EXPECT_EQ(names.size(), 1U);
  EXPECT_EQ(names.find("common"), 0);
  EXPECT_EQ(names.name(0), "common");
  EXPECT_FALSE(names.find("rare:1"));
  EXPECT_FALSE(names.sighted("x"));  // too short to gain by it
}

TEST(FieldNamesTest, HasALimit) {
  FieldNames names(7);
  for (size_t i = 0; i < FieldNames::kNamesMax + 100; ++i) {
    for (uint16_t times = 0; times < FieldNames::kSightings + 2; ++times)
      (void)names.sighted("name:" + std::to_string(i));
  }
  EXPECT_EQ(names.size(), FieldNames::kNamesMax);
  for (uint16_t i = 0; i < FieldNames::kNamesMax; ++i) EXPECT_EQ(names.find(names.name(i)), i);
  EXPECT_LT(names.bytes(), size_t{512} << 10);
}

TEST(SetValueTest, AgreesWithAVectorInOrder) {
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace(options_for(seed));
    SetValue set = keyspace.create<SetValue>(0, "key");
    std::vector<std::string> model;
    const bool has_words_from = seed % 2 == 0 ? 0 : 3000;
    for (int step = 0; step < 6000; ++step) {
      const std::string member = step < has_words_from
                                     ? std::to_string(static_cast<int64_t>(random.next()) >> (20 + random.below(44)))
                                     : random.text(30);
      const auto found = std::find(model.begin(), model.end(), member);
      ASSERT_EQ(set.contains(member), found != model.end());
      const size_t choice = random.below(step % 2000 < 1000 ? 5 : 3);
      if (choice >= 2) {
        ASSERT_EQ(set.add(member), found == model.end());
        if (found == model.end()) model.push_back(member);
      } else if (!model.empty() && choice == 1) {
        const size_t index = random.below(model.size());
        ASSERT_EQ(set.take(index), model[index]);
        model[index] = model.back();
        model.pop_back();
      } else {
        ASSERT_EQ(set.erase(member), found != model.end());
        if (found != model.end()) {
          *found = model.back();
          model.pop_back();
        }
      }
      ASSERT_EQ(set.size(), model.size());
      if (!model.empty()) {
        const size_t index = random.below(model.size());
        ASSERT_EQ(set.at(index), model[index]);
      }
      if (step % 300 == 0) {
        std::vector<std::string> all;
        set.for_each([&all](std::string_view each) { all.emplace_back(each); });
        ASSERT_EQ(all, model);
        std::set<std::string> scanned;
        uint64_t cursor = 0;
        do {
          cursor = set.scan(cursor, 10, [&scanned](std::string_view each) { scanned.emplace(each); });
        } while (cursor != 0);
        ASSERT_EQ(scanned, std::set<std::string>(model.begin(), model.end()));
      }
    }
  }
}

TEST(SetValueTest, EncodingsHaveRedissNames) {
  Keyspace keyspace({});
  SetValue set = keyspace.create<SetValue>(0, "key");
  for (int i = 0; i < 512; ++i) set.add(std::to_string(i));
  EXPECT_EQ(set.encoding_name(), "intset");
  set.add("512");
  EXPECT_EQ(set.encoding_name(), "hashtable");
  SetValue words = keyspace.create<SetValue>(0, "words");
  words.add("1");
  EXPECT_EQ(words.encoding_name(), "intset");
  words.add("one");
  EXPECT_EQ(words.encoding_name(), "hashtable");
  EXPECT_EQ(words.at(0), "1");
  EXPECT_EQ(words.at(1), "one");
}

// long: one case for each operation, beside what it does to the model.
TEST(ListValueTest, AgreesWithADeque) {
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace(options_for(seed));
    ListValue list = keyspace.create<ListValue>(0, "key");
    std::deque<std::string> model;
    for (int step = 0; step < 8000; ++step) {
      const std::string element = random.text(random.one_in(300) ? 9000 : 30);
      const auto place = [&](size_t index) { return model.begin() + static_cast<ptrdiff_t>(index); };
      const size_t choice = random.below(step % 4000 < 2500 ? 12 : 8);
      if (choice == 0 && !model.empty()) {
        ASSERT_EQ(list.pop(ListEnd::kHead), model.front());
        model.pop_front();
      } else if (choice == 1 && !model.empty()) {
        ASSERT_EQ(list.pop(ListEnd::kTail), model.back());
        model.pop_back();
      } else if (choice == 2 && !model.empty()) {
        const size_t index = random.below(model.size());
        list.set(index, element);
        model[index] = element;
      } else if (choice == 3 && !model.empty()) {
        const size_t first = random.below(model.size());
        const size_t count = std::min(model.size() - first, random.below(random.one_in(20) ? 500 : 5));
        list.erase(first, count);
        model.erase(place(first), place(first + count));
      } else if (choice == 4 && !model.empty() && random.one_in(4)) {
        const std::string equal = model[random.below(model.size())];
        const size_t count = random.below(4);
        const bool from_tail = random.one_in(2);
        size_t left = count == 0 ? model.size() : count;
        size_t removed = 0;
        for (size_t i = 0; i < model.size() && left > 0;) {
          const size_t at = from_tail ? model.size() - 1 - i : i;
          if (model[at] != equal) {
            ++i;
            continue;
          }
          model.erase(place(at));
          ++removed;
          --left;
        }
        ASSERT_EQ(list.remove_equal(equal, count, from_tail ? ListEnd::kTail : ListEnd::kHead), removed);
      } else if (choice < 8) {
        const size_t index = random.below(model.size() + 1);
        list.insert(index, element);
        model.insert(place(index), element);
      } else if (choice < 10) {
        list.push(ListEnd::kHead, element);
        model.push_front(element);
      } else {
        list.push(ListEnd::kTail, element);
        model.push_back(element);
      }
      ASSERT_EQ(list.size(), model.size());
      if (model.empty()) continue;
      const size_t first = random.below(model.size());
      ASSERT_EQ(list.at(first), model[first]);
      if (step % 50 != 0) continue;
      const size_t count = random.below(model.size() + 5);
      size_t expected = first;
      list.for_range(first, count, [&](size_t index, std::string_view each) {
        EXPECT_EQ(index, expected);
        EXPECT_EQ(each, model[expected++]);
        return true;
      });
      ASSERT_EQ(expected, std::min(model.size(), first + count));
      size_t seen = 0;
      list.for_range_reverse(first, count, [&](size_t index, std::string_view each) {
        EXPECT_EQ(index, first - seen);
        EXPECT_EQ(each, model[first - seen]);
        ++seen;
        return true;
      });
      ASSERT_EQ(seen, std::min(count, first + 1));
    }
  }
}

// long: one case for each operation, beside what it does to the model.
TEST(SortedSetValueTest, AgreesWithASortedVector) {
  using Pair = std::pair<double, std::string>;
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace(options_for(seed));
    SortedSetValue sorted_set = keyspace.create<SortedSetValue>(0, "key");
    std::map<std::string, double> scores;
    std::set<Pair> order;
    const auto erase = [&](const std::string& member) {
      const auto found = scores.find(member);
      if (found == scores.end()) return false;
      order.erase({found->second, member});
      scores.erase(found);
      return true;
    };
    for (int step = 0; step < 6000; ++step) {
      const std::string member = random.text(30);
      const double score = random.one_in(2) ? static_cast<double>(random.below(10)) - 5.0
                                            : static_cast<double>(random.below(100000)) / 7.0;
      const size_t choice = random.below(step % 3000 < 2000 ? 8 : 5);
      if (choice >= 3) {
        const auto found = scores.find(member);
        const auto change = sorted_set.set(member, score);
        if (found == scores.end()) {
          ASSERT_EQ(change, SortedSetValue::Change::kAdded);
        } else {
          ASSERT_EQ(change, found->second == score ? SortedSetValue::Change::kNone : SortedSetValue::Change::kMoved);
          erase(member);
        }
        scores[member] = score;
        order.insert({score, member});
      } else if (choice == 2 && !order.empty()) {
        const size_t first = random.below(order.size());
        const size_t count = random.below(random.one_in(20) ? 100 : 3);
        sorted_set.erase_range(first, count);
        std::vector<std::string> gone;
        size_t rank = 0;
        for (const Pair& each : order) {
          if (rank >= first && rank < first + count) gone.push_back(each.second);
          ++rank;
        }
        for (const std::string& each : gone) erase(each);
      } else {
        std::string erased = member;
        if (!order.empty()) erased = sorted_set.at(random.below(order.size())).first;
        ASSERT_EQ(sorted_set.erase(erased), erase(erased));
      }
      ASSERT_EQ(sorted_set.size(), scores.size());
      const auto found = scores.find(member);
      ASSERT_EQ(sorted_set.score(member).has_value(), found != scores.end());
      ASSERT_EQ(sorted_set.rank(member).has_value(), found != scores.end());
      if (found != scores.end()) {
        ASSERT_EQ(*sorted_set.score(member), found->second);
        const auto place = order.find({found->second, member});
        ASSERT_EQ(*sorted_set.rank(member), static_cast<size_t>(std::distance(order.begin(), place)));
      }
      if (step % 100 != 0 || order.empty()) continue;
      const std::vector<Pair> all(order.begin(), order.end());
      for (const bool is_exclusive : {false, true}) {
        size_t below = 0;
        size_t up_to = 0;
        for (const Pair& each : all) {
          below += is_exclusive ? each.first <= score : each.first < score;
          up_to += is_exclusive ? each.first < score : each.first <= score;
        }
        ASSERT_EQ(sorted_set.rank_of_start(ScoreBound{score, is_exclusive}), below);
        ASSERT_EQ(sorted_set.rank_of_end(ScoreBound{score, is_exclusive}), up_to);
      }
      const size_t first = random.below(all.size());
      size_t rank = first;
      sorted_set.for_range(first, all.size(), [&](std::string_view name, double each) {
        EXPECT_EQ(name, all[rank].second);
        EXPECT_EQ(each, all[rank++].first);
        return true;
      });
      ASSERT_EQ(rank, all.size());
      size_t seen = 0;
      sorted_set.for_range_reverse(first, all.size(), [&](std::string_view name, double) {
        EXPECT_EQ(name, all[first - seen++].second);
        return true;
      });
      ASSERT_EQ(seen, first + 1);
      std::map<std::string, double> scanned;
      uint64_t cursor = 0;
      do {
        cursor = sorted_set.scan(cursor, 10, [&scanned](std::string_view name, double each) {
          scanned[std::string(name)] = each;
          return true;
        });
      } while (cursor != 0);
      ASSERT_EQ(scanned, scores);
    }
  }
}

TEST(SortedSetValueTest, LexBoundsAreRanks) {
  for (uint32_t entries : {128U, 0U}) {
    KeyspaceOptions options;
    options.zset_max_listpack_entries = entries;
    Keyspace keyspace(options);
    SortedSetValue sorted_set = keyspace.create<SortedSetValue>(0, "key");
    for (const char* member : {"a", "b", "c", "d"}) sorted_set.set(member, 0);
    using Kind = LexBound::Kind;
    EXPECT_EQ(sorted_set.rank_of_start({Kind::kMinimum, ""}), 0U);
    EXPECT_EQ(sorted_set.rank_of_start({Kind::kInclusive, "b"}), 1U);
    EXPECT_EQ(sorted_set.rank_of_start({Kind::kExclusive, "b"}), 2U);
    EXPECT_EQ(sorted_set.rank_of_start({Kind::kMaximum, ""}), 4U);
    EXPECT_EQ(sorted_set.rank_of_end({Kind::kMinimum, ""}), 0U);
    EXPECT_EQ(sorted_set.rank_of_end({Kind::kInclusive, "c"}), 3U);
    EXPECT_EQ(sorted_set.rank_of_end({Kind::kExclusive, "c"}), 2U);
    EXPECT_EQ(sorted_set.rank_of_end({Kind::kMaximum, ""}), 4U);
  }
}

}  // namespace
}  // namespace keelson::kv
