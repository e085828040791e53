#include "tests/sim/linear_store.h"

#include <algorithm>

namespace keelson::sim_test::linear {

namespace {

using Kind = StoreOperation::Kind;

template <class T>
bool holds(StoreCompare::Relation relation, const T& is, const T& wanted) {
  switch (relation) {
    case StoreCompare::Relation::kEqual:
      return is == wanted;
    case StoreCompare::Relation::kGreater:
      return is > wanted;
    case StoreCompare::Relation::kLess:
      return is < wanted;
    case StoreCompare::Relation::kNotEqual:
      return is != wanted;
  }
  return false;
}

bool holds(const StoreCompare& compare, const StoredKeys& keys) {
  const auto found = keys.find(compare.key);
  // A key that is not there compares as zeros, but it has no value to compare (etcd's applyCompare).
  if (found == keys.end() && compare.target == StoreCompare::Target::kValue) return false;
  const StoredKey key = found == keys.end() ? StoredKey{} : found->second;
  switch (compare.target) {
    case StoreCompare::Target::kVersion:
      return holds(compare.relation, key.version, compare.number);
    case StoreCompare::Target::kCreate:
      return holds(compare.relation, key.create_revision, compare.number);
    case StoreCompare::Target::kMod:
      return holds(compare.relation, key.mod_revision, compare.number);
    case StoreCompare::Target::kValue:
      return holds(compare.relation, key.value, compare.value);
    case StoreCompare::Target::kLease:
      return holds(compare.relation, key.lease, compare.number);
  }
  return false;
}

StoredKeys range_of(const StoredKeys& keys, const StoreOperation& operation) {
  StoredKeys found;
  for (auto it = keys.lower_bound(operation.key); it != keys.end() && operation.covers(it->first); ++it) {
    found.insert(*it);
  }
  return found;
}

void put(StoredKeys& keys, const StoreOperation& operation, int64_t revision) {
  StoredKey& key = keys[operation.key];
  if (key.version == 0) key.create_revision = revision;
  key.mod_revision = revision;
  ++key.version;
  key.value = operation.value;
  key.lease = operation.lease;
}

// False: it could not have been answered so. `changes` counts what was changed.
bool apply(StoreModel::State& state, const StoreOperation& operation, int64_t next, bool is_answered,
           int64_t& changes) {
  switch (operation.kind) {
    case Kind::kRange: {
      if (!is_answered) return true;
      const int64_t seen = changes > 0 ? next : state.revision;
      if (operation.revision > seen) return false;
      // Compared when that revision was made; that of an empty store is made by nobody.
      if (operation.revision != 0 && operation.revision != seen) {
        return operation.revision != StoreModel::State().revision || operation.found.empty();
      }
      return range_of(state.keys, operation) == operation.found;
    }
    case Kind::kPut:
      put(state.keys, operation, next);
      ++changes;
      return true;
    case Kind::kDelete: {
      const auto gone = static_cast<int64_t>(
          std::erase_if(state.keys, [&](const auto& entry) { return operation.covers(entry.first); }));
      changes += gone;
      return !is_answered || operation.count == gone;
    }
    case Kind::kRevoke:
      changes += static_cast<int64_t>(
          std::erase_if(state.keys, [&](const auto& entry) { return entry.second.lease == operation.lease; }));
      return true;
  }
  return false;
}

std::string shown(const StoredKeys& keys) {
  std::string text;
  for (const auto& [name, key] : keys) {
    text += (text.empty() ? "" : ", ") + name + "=" + key.value + "@" + std::to_string(key.create_revision) + "/" +
            std::to_string(key.mod_revision) + "v" + std::to_string(key.version);
    if (key.lease != 0) text += " lease " + std::to_string(key.lease);
  }
  return "{" + text + "}";
}

std::string shown(const StoreOperation& operation, bool is_answered) {
  const std::string keys = operation.key + (operation.end.empty() ? "" : ".." + operation.end);
  switch (operation.kind) {
    case Kind::kRange:
      return "range " + keys + (operation.revision == 0 ? "" : " of " + std::to_string(operation.revision)) +
             (is_answered ? " -> " + shown(operation.found) : "");
    case Kind::kPut:
      return "put " + keys + "=" + operation.value +
             (operation.lease == 0 ? "" : " lease " + std::to_string(operation.lease));
    case Kind::kDelete:
      return "delete " + keys + (is_answered ? " -> " + std::to_string(operation.count) : "");
    case Kind::kRevoke:
      return "revoke " + std::to_string(operation.lease);
  }
  return {};
}

std::string shown(const StoreCompare& compare) {
  constexpr const char* kTargets[] = {"version", "create", "mod", "value", "lease"};
  constexpr const char* kRelations[] = {"=", ">", "<", "!="};
  return std::string(kTargets[static_cast<size_t>(compare.target)]) + "(" + compare.key + ")" +
         kRelations[static_cast<size_t>(compare.relation)] +
         (compare.target == StoreCompare::Target::kValue ? compare.value : std::to_string(compare.number));
}

const std::vector<StoreOperation>& branch(const StoreCall& call) {
  return call.has_succeeded ? call.then : call.otherwise;
}

// Those of the past alone: what a range has seen of its own revision, apply() looks at.
PastRanges past_ranges(const StoreHistory& history) {
  PastRanges past;
  for (const Recorded<StoreCall>& recorded : history) {
    if (!recorded.is_answered()) continue;
    for (const StoreOperation& operation : branch(recorded.call)) {
      if (operation.kind != Kind::kRange || operation.revision == 0 || operation.revision == recorded.call.revision) {
        continue;
      }
      past[operation.revision].push_back(&operation);
    }
  }
  return past;
}

bool agrees_with_past(const StoreModel::State& state, const PastRanges* past) {
  if (past == nullptr) return true;
  const auto found = past->find(state.revision);
  if (found == past->end()) return true;
  return std::ranges::all_of(found->second, [&](const StoreOperation* operation) {
    return range_of(state.keys, *operation) == operation->found;
  });
}

}  // namespace

bool StoreModel::step(State& state, const Call& call, bool is_answered) {
  const bool succeeds = std::all_of(call.compares.begin(), call.compares.end(),
                                    [&](const auto& compare) { return holds(compare, state.keys); });
  if (is_answered && succeeds != call.has_succeeded) return false;
  const int64_t next = state.revision + 1;
  // Cheaper than trying it: most calls are asked about in states that they cannot follow.
  if (call.revision != 0 && call.revision != next && call.revision != state.revision) return false;
  int64_t changes = 0;
  for (const StoreOperation& operation : succeeds ? call.then : call.otherwise) {
    if (!apply(state, operation, next, is_answered, changes)) return false;
  }
  if (changes > 0) {
    state.revision = next;
    if (!agrees_with_past(state, call.past)) return false;
  }
  return call.revision == 0 ? !is_answered : call.revision == state.revision;
}

bool StoreModel::is_read(const Call& call) {
  const auto reads = [](const StoreOperation& operation) { return operation.kind == Kind::kRange; };
  return std::all_of(call.then.begin(), call.then.end(), reads) &&
         std::all_of(call.otherwise.begin(), call.otherwise.end(), reads);
}

uint64_t StoreModel::hash(const State& state) {
  uint64_t hash = mix64(static_cast<uint64_t>(state.revision));
  for (const auto& [name, key] : state.keys) {
    hash = hash64(key.value, hash64(name, hash)) ^ mix64(static_cast<uint64_t>(key.mod_revision));
  }
  return hash;
}

std::string StoreModel::text(const State& state) {
  return "revision " + std::to_string(state.revision) + " " + shown(state.keys);
}

std::string StoreModel::text(const Call& call, bool is_answered) {
  std::string text;
  for (const StoreCompare& compare : call.compares) text += (text.empty() ? "if " : " and ") + shown(compare);
  if (!text.empty()) text += is_answered ? (call.has_succeeded ? " (yes) " : " (no) ") : " ";
  const auto list = [&](const std::vector<StoreOperation>& operations) {
    for (size_t i = 0; i < operations.size(); ++i) text += (i == 0 ? "" : "; ") + shown(operations[i], is_answered);
  };
  if (is_answered) {
    list(branch(call));
    return text + " -> revision " + std::to_string(call.revision);
  }
  list(call.then);
  if (!call.otherwise.empty()) text += " else ";
  list(call.otherwise);
  return text + " -> ?" + (call.revision == 0 ? "" : " made revision " + std::to_string(call.revision));
}

Judgement judge_store(const StoreHistory& history, Limits limits) {
  const PastRanges past = past_ranges(history);
  StoreHistory with_past = history;
  for (Recorded<StoreCall>& recorded : with_past) recorded.call.past = &past;
  return judge<StoreModel>(with_past, limits);
}

}  // namespace keelson::sim_test::linear
