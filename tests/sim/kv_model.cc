#include "tests/sim/kv_model.h"

#include <algorithm>
#include <iterator>

namespace keelson::sim_test {

namespace {

std::string integer(size_t value) { return ":" + std::to_string(value); }
std::string array_of(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += "$" + item + " ";
  return text + "]";
}

std::string apply_string(const ModelOperation& operation, ModelValue& value) {
  const std::string& name = operation.args[0];
  if (name == "APPEND") {
    value.text += operation.args[2];
    value.exists = true;
    return integer(value.text.size());
  }
  value.text = operation.args[2];
  value.exists = true;
  return "+OK";
}

std::string apply_list(const ModelOperation& operation, ModelValue& value) {
  const std::string& name = operation.args[0];
  std::deque<std::string>& list = value.list;
  if (name == "RPUSH" || name == "LPUSH") {
    for (size_t i = 2; i < operation.args.size(); ++i) {
      name == "RPUSH" ? list.push_back(operation.args[i]) : list.push_front(operation.args[i]);
    }
    value.exists = true;
    return integer(list.size());
  }
  if (list.empty()) return "nil";
  const std::string taken = name == "LPOP" ? list.front() : list.back();
  name == "LPOP" ? list.pop_front() : list.pop_back();
  value.exists = !list.empty();
  return "$" + taken;
}

std::string apply_hash(const ModelOperation& operation, ModelValue& value) {
  size_t changed = 0;
  if (operation.args[0] == "HSET") {
    changed = value.hash.insert_or_assign(operation.args[2], operation.args[3]).second ? 1 : 0;
  } else {
    changed = value.hash.erase(operation.args[2]);
  }
  value.exists = !value.hash.empty();
  return integer(changed);
}

std::string apply_set(const ModelOperation& operation, ModelValue& value) {
  const size_t changed = operation.args[0] == "SADD" ? (value.members.insert(operation.args[2]).second ? 1 : 0)
                                                     : value.members.erase(operation.args[2]);
  value.exists = !value.members.empty();
  return integer(changed);
}

std::string apply_sorted_set(const ModelOperation& operation, ModelValue& value) {
  if (operation.args[0] == "ZREM") {
    const size_t changed = value.scores.erase(operation.args[2]);
    value.exists = !value.scores.empty();
    return integer(changed);
  }
  value.exists = true;
  const std::string& member = operation.args[3];
  if (operation.args[0] == "ZINCRBY") {
    value.scores[member] += std::stoll(operation.args[2]);
    return "$" + std::to_string(value.scores[member]);
  }
  return integer(value.scores.insert_or_assign(member, std::stoll(operation.args[2])).second ? 1 : 0);
}

}  // namespace

std::string ModelOperation::apply(ModelValue& value) const {
  if (args[0] == "DEL") {
    const bool existed = value.exists;
    value = {};
    return integer(existed ? 1 : 0);
  }
  switch (type) {
    case ModelType::kString:
      return apply_string(*this, value);
    case ModelType::kCounter:
      value.number += std::stoll(args[2]);
      value.exists = true;
      return ":" + std::to_string(value.number);
    case ModelType::kList:
      return apply_list(*this, value);
    case ModelType::kHash:
      return apply_hash(*this, value);
    case ModelType::kSet:
      return apply_set(*this, value);
    case ModelType::kSortedSet:
    case ModelType::kCount:
      break;
  }
  return apply_sorted_set(*this, value);
}

ModelOperation random_operation(env::Random& random, ModelType type, const std::string& key) {
  const auto pick = [&](uint64_t below) { return random.next() % below; };
  // Some values are larger than a log sector and a packed collection's limit.
  const std::string text(1 + pick(20) + (pick(10) == 0 ? pick(3000) : 0), static_cast<char>('a' + pick(26)));
  const std::string member = "m" + std::to_string(pick(12));
  const std::string number = std::to_string(pick(1000));
  ModelOperation operation{type, key, {}};
  if (pick(15) == 0) {
    operation.args = {"DEL", key};
    return operation;
  }
  switch (type) {
    case ModelType::kString:
      operation.args = {pick(2) == 0 ? "SET" : "APPEND", key, text};
      break;
    case ModelType::kCounter:
      operation.args = {"INCRBY", key, number};
      break;
    case ModelType::kList:
      if (pick(3) == 0) {
        operation.args = {pick(2) == 0 ? "LPOP" : "RPOP", key};
      } else {
        operation.args = {pick(2) == 0 ? "LPUSH" : "RPUSH", key, text, member};
      }
      break;
    case ModelType::kHash:
      operation.args = pick(3) == 0 ? std::vector<std::string>{"HDEL", key, member}
                                    : std::vector<std::string>{"HSET", key, member, text};
      break;
    case ModelType::kSet:
      operation.args = {pick(3) == 0 ? "SREM" : "SADD", key, member};
      break;
    case ModelType::kSortedSet:
    case ModelType::kCount:
      if (pick(4) == 0) {
        operation.args = {"ZREM", key, member};
      } else {
        operation.args = {pick(2) == 0 ? "ZADD" : "ZINCRBY", key, number, member};
      }
      break;
  }
  return operation;
}

std::vector<std::string> reading_command(ModelType type, const std::string& key) {
  switch (type) {
    case ModelType::kString:
    case ModelType::kCounter:
      return {"GET", key};
    case ModelType::kList:
      return {"LRANGE", key, "0", "-1"};
    case ModelType::kHash:
      return {"HGETALL", key};
    case ModelType::kSet:
      return {"SMEMBERS", key};
    case ModelType::kSortedSet:
    case ModelType::kCount:
      break;
  }
  return {"ZRANGE", key, "0", "-1", "WITHSCORES"};
}

std::string expected_reading(ModelType type, const ModelValue& value) {
  switch (type) {
    case ModelType::kString:
      return value.exists ? "$" + value.text : "nil";
    case ModelType::kCounter:
      return value.exists ? "$" + std::to_string(value.number) : "nil";
    case ModelType::kList:
      return array_of({value.list.begin(), value.list.end()});
    case ModelType::kHash: {
      std::vector<std::string> items;
      for (const auto& [field, text] : value.hash) items.insert(items.end(), {field, text});
      return array_of(items);
    }
    case ModelType::kSet:
      return array_of({value.members.begin(), value.members.end()});
    case ModelType::kSortedSet:
    case ModelType::kCount:
      break;
  }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [member, score] : value.scores) order.emplace_back(score, member);
  std::sort(order.begin(), order.end());
  std::vector<std::string> items;
  for (const auto& [score, member] : order) items.insert(items.end(), {member, std::to_string(score)});
  return array_of(items);
}

}  // namespace keelson::sim_test
