#include "tests/sim/coord_calls.h"

#include <vector>

namespace keelson::sim_test {

namespace {

using linear::StoreCompare;
using linear::StoreOperation;

coord::Compare to_compare(const StoreCompare& compare) {
  coord::Compare made;
  // Both enumerations stand in the API's order but for creation and last change.
  switch (compare.target) {
    case StoreCompare::Target::kVersion:
      made.target = coord::CompareTarget::kVersion;
      break;
    case StoreCompare::Target::kCreate:
      made.target = coord::CompareTarget::kCreate;
      break;
    case StoreCompare::Target::kMod:
      made.target = coord::CompareTarget::kMod;
      break;
    case StoreCompare::Target::kValue:
      made.target = coord::CompareTarget::kValue;
      break;
    case StoreCompare::Target::kLease:
      made.target = coord::CompareTarget::kLease;
      break;
  }
  switch (compare.relation) {
    case StoreCompare::Relation::kEqual:
      made.result = coord::CompareResult::kEqual;
      break;
    case StoreCompare::Relation::kGreater:
      made.result = coord::CompareResult::kGreater;
      break;
    case StoreCompare::Relation::kLess:
      made.result = coord::CompareResult::kLess;
      break;
    case StoreCompare::Relation::kNotEqual:
      made.result = coord::CompareResult::kNotEqual;
      break;
  }
  made.key = compare.key;
  made.number = compare.number;
  made.value = compare.value;
  return made;
}

coord::TxnOp to_op(const StoreOperation& operation) {
  switch (operation.kind) {
    case StoreOperation::Kind::kPut:
      return {coord::Put{.key = operation.key, .value = operation.value, .lease = operation.lease}};
    case StoreOperation::Kind::kDelete:
      return {coord::DeleteRange{.key = operation.key, .range_end = operation.end}};
    default:
      return {coord::Range{.key = operation.key, .range_end = operation.end, .revision = operation.revision}};
  }
}

}  // namespace

coord::Txn to_txn(const linear::StoreCall& call) {
  coord::Txn txn{.caller = coord::Caller{.user = {}, .auth_revision = 0, .is_internal = true},
                 .compares = {},
                 .success = {},
                 .failure = {}};
  for (const StoreCompare& compare : call.compares) txn.compares.push_back(to_compare(compare));
  for (const StoreOperation& operation : call.then) txn.success.push_back(to_op(operation));
  for (const StoreOperation& operation : call.otherwise) txn.failure.push_back(to_op(operation));
  return txn;
}

void CallSink::key_value(const coord::KeyValue& kv) {
  operation().found[std::string(kv.key)] = {.value = std::string(kv.value),
                                            .create_revision = kv.create_revision,
                                            .mod_revision = kv.mod_revision,
                                            .version = kv.version,
                                            .lease = kv.lease};
}

void CallSink::range(const coord::RangeAnswer& answer) {
  operation().count = answer.count;
  ++next_;
}

void CallSink::deleted(coord::Revision revision, int64_t count) {
  operation().count = count;
  ++next_;
}

}  // namespace keelson::sim_test
