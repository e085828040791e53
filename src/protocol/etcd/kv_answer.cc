#include "protocol/etcd/kv_answer.h"

namespace keelson::etcd {

namespace {

// Field numbers.
constexpr uint32_t kRangeKvs = 2;
constexpr uint32_t kRangeMore = 3;
constexpr uint32_t kRangeCount = 4;
constexpr uint32_t kPutPrevKv = 2;
constexpr uint32_t kDeleted = 2;
constexpr uint32_t kDeletePrevKvs = 3;
constexpr uint32_t kTxnSucceeded = 2;
constexpr uint32_t kTxnResponses = 3;
constexpr uint32_t kHeader = 1;
constexpr uint32_t kHeaderRevision = 3;

constexpr char message_tag(uint32_t field) { return static_cast<char>(field << 3 | 2); }

size_t number_bytes(int64_t value) {
  return value == 0 ? 0 : 1 + WireWriter::varint_bytes(static_cast<uint64_t>(value));
}
size_t text_bytes(std::string_view value) {
  return value.empty() ? 0 : 1 + WireWriter::varint_bytes(value.size()) + value.size();
}

}  // namespace

void write_key_value(WireWriter& out, const coord::KeyValue& kv) {
  out.varint(text_bytes(kv.key) + number_bytes(kv.create_revision) + number_bytes(kv.mod_revision) +
             number_bytes(kv.version) + text_bytes(kv.value) + number_bytes(kv.lease));
  out.bytes(1, kv.key);
  out.number(2, kv.create_revision);
  out.number(3, kv.mod_revision);
  out.number(4, kv.version);
  out.bytes(5, kv.value);
  out.number(6, kv.lease);
}

// Within a transaction answers have a header with the revision alone.
void KvAnswer::header(coord::Revision revision) {
  if (levels_.empty()) {
    write_header(out_, facts_, revision);
    return;
  }
  const size_t mark = out_.begin(kHeader);
  out_.number(kHeaderRevision, revision);
  out_.end(mark);
}

void KvAnswer::begin_operation() {
  if (levels_.empty() || levels_.back().is_in_operation) return;
  Level& level = levels_.back();
  level.is_in_operation = true;
  level.response = out_.begin(kTxnResponses);
  level.tag_at = message_.size();
  message_.push_back('\0');
  level.operation = out_.begin();
}

void KvAnswer::end_operation(Kind kind) {
  keys_.clear();
  if (levels_.empty()) return;
  Level& level = levels_.back();
  message_[level.tag_at] = message_tag(static_cast<uint32_t>(kind));
  out_.end(level.operation);
  out_.end(level.response);
  level.is_in_operation = false;
}

void KvAnswer::done(coord::Revision revision) { header(revision); }

void KvAnswer::key_value(const coord::KeyValue& kv) {
  begin_operation();
  keys_.push_back(message_.size());
  out_.tag(kRangeKvs);
  write_key_value(out_, kv);
}

void KvAnswer::range(const coord::RangeAnswer& answer) {
  begin_operation();
  out_.boolean(kRangeMore, answer.more);
  out_.number(kRangeCount, answer.count);
  header(answer.revision);
  end_operation(Kind::kRange);
}

void KvAnswer::put(coord::Revision revision, const coord::KeyValue* prev) {
  begin_operation();
  if (prev != nullptr) {
    out_.tag(kPutPrevKv);
    write_key_value(out_, *prev);
  }
  header(revision);
  end_operation(Kind::kPut);
}

void KvAnswer::deleted(coord::Revision revision, int64_t count) {
  begin_operation();
  for (const size_t at : keys_) message_[at] = message_tag(kDeletePrevKvs);
  out_.number(kDeleted, count);
  header(revision);
  end_operation(Kind::kDelete);
}

void KvAnswer::txn_begin(bool succeeded, size_t /*operations*/) {
  begin_operation();
  levels_.emplace_back();
  out_.boolean(kTxnSucceeded, succeeded);
}

void KvAnswer::txn_end(coord::Revision revision) {
  levels_.pop_back();
  if (levels_.empty()) {
    header(revision);
  } else {
    out_.end(out_.begin(kHeader));  // etcd's is there, and empty
  }
  end_operation(Kind::kTxn);
}

}  // namespace keelson::etcd
