// What a request breaks by itself (etcd's server/etcdserver/api/v3rpc/key.go has the same rules).
#include <set>

#include "engine/coord/commands.h"
#include "engine/coord/range_set.h"

namespace keelson::coord {

namespace {

CoordErrc check_key(std::string_view key, std::string_view range_end) {
  if (key.empty()) return CoordErrc::kEmptyKey;
  if (key.size() > kKeyBytesMax || range_end.size() > kKeyBytesMax) return CoordErrc::kInvalid;
  return CoordErrc::kOk;
}

// What a branch may change, for the rule that a transaction changes no key twice.
struct Changes {
  std::set<std::string_view> puts;
  RangeSet deletions;
};

bool has_nested(const std::vector<TxnOp>& ops) {
  for (const TxnOp& op : ops) {
    if (std::holds_alternative<Txn>(op.op)) return true;
  }
  return false;
}

size_t count_writes(const std::vector<TxnOp>& ops) {
  size_t count = 0;
  for (const TxnOp& op : ops) count += std::holds_alternative<Range>(op.op) ? 0 : 1;
  return count;
}

bool collect(const std::vector<TxnOp>& ops, Changes& changes);

// The branches of one transaction exclude each other, so both may put a key.
bool collect_nested(const Txn& txn, Changes& changes) {
  Changes then_changes;
  Changes else_changes;
  if (!collect(txn.success, then_changes) || !collect(txn.failure, else_changes)) return false;
  for (const std::string_view key : then_changes.puts) {
    if (changes.deletions.has_key(key) || !changes.puts.insert(key).second) return false;
  }
  for (const std::string_view key : else_changes.puts) {
    if (changes.deletions.has_key(key)) return false;
    if (!changes.puts.insert(key).second && !then_changes.puts.contains(key)) return false;
  }
  changes.deletions.add_all(then_changes.deletions);
  changes.deletions.add_all(else_changes.deletions);
  return true;
}

// False: some key is changed twice. Deletions of this level count for the nested transactions before them too; a
// nested transaction's count for those behind it alone. This is etcd's rule, gaps and all: the store takes what it lets
// through.
bool collect(const std::vector<TxnOp>& ops, Changes& changes) {
  for (const TxnOp& op : ops) {
    const auto* range = std::get_if<DeleteRange>(&op.op);
    if (range == nullptr) continue;
    if (range->range_end.empty()) {
      changes.deletions.add_key(range->key);
    } else {
      changes.deletions.add(range->key, range->range_end);
    }
  }
  for (const TxnOp& op : ops) {
    const auto* txn = std::get_if<Txn>(&op.op);
    if (txn != nullptr && !collect_nested(*txn, changes)) return false;
  }
  for (const TxnOp& op : ops) {
    const auto* put = std::get_if<Put>(&op.op);
    if (put == nullptr) continue;
    if (changes.deletions.has_key(put->key) || !changes.puts.insert(put->key).second) return false;
  }
  return true;
}

CoordErrc check_txn(const Txn& txn, size_t depth);

CoordErrc check_ops(const std::vector<TxnOp>& ops, size_t depth) {
  for (const TxnOp& op : ops) {
    CoordErrc errc = CoordErrc::kOk;
    if (const auto* txn = std::get_if<Txn>(&op.op)) {
      errc = check_txn(*txn, depth + 1);
    } else if (const auto* put = std::get_if<Put>(&op.op)) {
      errc = check(*put);
    } else if (const auto* range = std::get_if<Range>(&op.op)) {
      errc = check(*range);
    } else {
      errc = check(std::get<DeleteRange>(op.op));
    }
    if (errc != CoordErrc::kOk) return errc;
  }
  return CoordErrc::kOk;
}

// All but keys that are changed twice.
CoordErrc check_txn(const Txn& txn, size_t depth) {
  if (depth > kTxnDepthMax) return CoordErrc::kTxnTooDeep;
  for (const Compare& compare : txn.compares) {
    if (const CoordErrc errc = check_key(compare.key, compare.range_end); errc != CoordErrc::kOk) return errc;
  }
  if (const CoordErrc errc = check_ops(txn.success, depth); errc != CoordErrc::kOk) return errc;
  return check_ops(txn.failure, depth);
}

bool changes_twice(const std::vector<TxnOp>& ops) {
  // Most transactions have one change in a branch.
  if (count_writes(ops) <= 1 && !has_nested(ops)) return false;
  Changes changes;
  return !collect(ops, changes);
}

bool reads_only(const std::vector<TxnOp>& ops) {
  for (const TxnOp& op : ops) {
    if (std::holds_alternative<Range>(op.op)) continue;
    const auto* txn = std::get_if<Txn>(&op.op);
    if (txn == nullptr || !is_read_only(*txn)) return false;
  }
  return true;
}

}  // namespace

bool is_read_only(const Txn& txn) { return reads_only(txn.success) && reads_only(txn.failure); }

CoordErrc check(const Put& put) {
  if (const CoordErrc errc = check_key(put.key, {}); errc != CoordErrc::kOk) return errc;
  if (put.value.size() > kValueBytesMax) return CoordErrc::kInvalid;
  if (put.ignore_value && !put.value.empty()) return CoordErrc::kValueProvided;
  if (put.ignore_lease && put.lease != 0) return CoordErrc::kLeaseProvided;
  return CoordErrc::kOk;
}

CoordErrc check(const DeleteRange& range) { return check_key(range.key, range.range_end); }

CoordErrc check(const Range& range) {
  if (const CoordErrc errc = check_key(range.key, range.range_end); errc != CoordErrc::kOk) return errc;
  if (range.sort_order > SortOrder::kDescending || range.sort_target > SortTarget::kValue) {
    return CoordErrc::kInvalidSortOption;
  }
  return CoordErrc::kOk;
}

CoordErrc check(const Txn& txn) {
  if (const CoordErrc errc = check_txn(txn, 1); errc != CoordErrc::kOk) return errc;
  if (changes_twice(txn.success) || changes_twice(txn.failure)) return CoordErrc::kDuplicateKey;
  return CoordErrc::kOk;
}

}  // namespace keelson::coord
