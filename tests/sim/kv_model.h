// What one key must hold: a plain model, changed by the same operations as the server.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "env/random.h"

namespace keelson::sim_test {

enum class ModelType : uint8_t { kString, kCounter, kList, kHash, kSet, kSortedSet, kCount };

struct ModelValue {
  bool exists = false;
  std::string text;
  int64_t number = 0;
  std::deque<std::string> list;
  std::map<std::string, std::string> hash;
  std::set<std::string> members;
  std::map<std::string, int64_t> scores;
};

// One command on one key.
struct ModelOperation {
  ModelType type = ModelType::kString;
  std::string key;
  std::vector<std::string> args;

  // Changes the value; returns the answer to expect, as reply_text() shows it.
  std::string apply(ModelValue& value) const;
};

// A random operation on a key of this type.
ModelOperation random_operation(env::Random& random, ModelType type, const std::string& key);
// The command that reads all of it.
std::vector<std::string> reading_command(ModelType type, const std::string& key);
// What it answers for this value; unordered answers are sorted (see canonical()).
std::string expected_reading(ModelType type, const ModelValue& value);

}  // namespace keelson::sim_test
