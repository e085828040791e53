#include "engine/kv/checkpoint.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lazy_free.h"

namespace keelson::kv {
namespace {

// What is written ahead of its turn is kept in pieces of about this size.
constexpr size_t kEarlyBytes = 128 * 1024;

// The entry's bytes, with no address and no name by number in them.
void append_entry(const Entry& entry, const FieldNames& names, Buffer& out) {
  if (entry.type() == Type::kHash && !entry.is_object()) {
    const std::string_view blob = entry.inline_value();
    if (const size_t spelled_bytes = spelled_out_bytes(blob, names); spelled_bytes != blob.size()) {
      Entry* spelled = Entry::create(entry.type(), entry.encoding(), entry.key(),
                                     entry.has_expiry() ? entry.expires_at_ms() : -1, entry.flags(), spelled_bytes);
      spelled->set_clock(entry.clock());
      spell_out(blob, names, spelled->inline_data());
      const std::string_view bytes(reinterpret_cast<const char*>(spelled), spelled->bytes_used());
      append_varint(out, bytes.size());
      out.append(bytes);
      Entry::destroy(spelled);
      return;
    }
  }
  const size_t bytes = entry.bytes_used();
  append_varint(out, bytes);
  char* to = out.reserve(bytes);
  std::memcpy(to, &entry, bytes);
  if (entry.is_object()) std::memset(to + bytes - sizeof(BigObject*), 0, sizeof(BigObject*));
  out.commit(bytes);
}

}  // namespace

Checkpoint::Checkpoint(Keyspace& keyspace, uint32_t epoch) : keyspace_(&keyspace), epoch_(epoch) {
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    Database& database = keyspace.database(static_cast<uint16_t>(i));
    database.table.set_frozen(true);
    if (database.table.size() == 0) {
      // Segments that exist may be of an earlier epoch, but hold nothing.
      database.table.clear();
      database.table.set_epoch(epoch);
      continue;
    }
    keys_ += database.table.size();
    sources_.push_back({&database, static_cast<uint16_t>(i), 0, false, nullptr});
  }
  write_header();
}

Checkpoint::~Checkpoint() {
  if (keyspace_ == nullptr) return;
  abandon();
}

// Ends the checkpoint, finished or not: objects and databases that it owns go to be freed.
void Checkpoint::abandon() {
  Keyspace& keyspace = *std::exchange(keyspace_, nullptr);
  keyspace.checkpoint_ended();
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    keyspace.database(static_cast<uint16_t>(i)).table.set_frozen(false);
  }
  for (auto& [id, pending] : pending_) {
    pending->object().set_pending(nullptr);
    if (pending->is_orphan()) keyspace.drop(&pending->object());
  }
  pending_.clear();
  for (Source& source : sources_) {
    if (source.owned != nullptr) keyspace.lazy_free().add(std::move(source.owned));
  }
  sources_.clear();
}

void Checkpoint::write_header() {
  Buffer& out = early();
  append_u8(out, static_cast<uint8_t>(CheckpointRecord::kHeader));
  append_varint(out, kCheckpointVersion);
  append_varint(out, sources_.size());
  for (const Source& source : sources_) {
    append_varint(out, source.number);
    append_varint(out, source.database->table.size());
    append_varint(out, source.database->expiries.size());
  }
}

void Checkpoint::write_segment(const Source& source, Table<EntryTraits>::Segment& segment, Buffer& out) {
  segment.epoch = epoch_;
  uint32_t small = 0;
  Table<EntryTraits>::for_each_in(segment, [&small](const Entry* entry) { small += entry->is_object() ? 0 : 1; });
  if (small != 0) {
    append_u8(out, static_cast<uint8_t>(CheckpointRecord::kEntries));
    append_varint(out, source.number);
    append_varint(out, small);
    const FieldNames& names = keyspace_->field_names();
    Table<EntryTraits>::for_each_in(segment, [&out, &names](const Entry* entry) {
      if (!entry->is_object()) append_entry(*entry, names, out);
    });
  }
  if (small == segment.count) return;
  Table<EntryTraits>::for_each_in(segment, [&](const Entry* entry) {
    if (entry->is_object()) announce_object(source, *entry, out);
  });
}

void Checkpoint::announce_object(const Source& source, const Entry& entry, Buffer& out) {
  BigObject& object = *entry.object();
  const uint64_t id = next_id_++;
  auto pending = std::make_unique<PendingObject>(*this, id, object);
  append_u8(out, static_cast<uint8_t>(CheckpointRecord::kObject));
  append_varint(out, id);
  append_varint(out, source.number);
  append_entry(entry, keyspace_->field_names(), out);
  append_u8(out, static_cast<uint8_t>(object.kind()));
  append_varint(out, pending->parts());
  append_varint(out, pending->size());
  if (pending->parts() == 0) return;  // an empty value, within a command that fills it: never seen here in truth
  object.set_pending(pending.get());
  pending_.emplace(id, std::move(pending));
  queue_.push_back(id);
}

void Checkpoint::before_change(Database& in, uint64_t hash) {
  auto* segment = in.table.segment_at(hash);
  if (segment == nullptr || segment->epoch == epoch_) return;
  for (const Source& source : sources_) {
    if (source.database != &in) continue;
    write_segment(source, *segment, early());
    return;
  }
  // A database that came to be after the beginning.
  segment->epoch = epoch_;
}

std::unique_ptr<Database> Checkpoint::adopt(std::unique_ptr<Database> database) {
  for (Source& source : sources_) {
    if (source.database != database.get()) continue;
    if (source.is_done) break;
    source.owned = std::move(database);
    return nullptr;
  }
  return database;
}

void Checkpoint::object_written(PendingObject& pending) {
  const auto found = pending_.find(pending.id());
  const std::unique_ptr<PendingObject> ended = std::move(found->second);
  pending_.erase(found);
  BigObject& object = ended->object();
  object.set_pending(nullptr);
  if (ended->is_orphan()) keyspace_->drop(&object);
}

Buffer& Checkpoint::early() {
  if (early_.empty() || early_.back().size() >= kEarlyBytes) early_.emplace_back();
  return early_.back();
}

// True if nothing written ahead of its turn is left and there is room for more.
bool Checkpoint::take_early(size_t bytes_wanted, Buffer& out) {
  while (!early_.empty() && out.size() < bytes_wanted) {
    out.append(early_.front().view());
    early_.pop_front();
  }
  return early_.empty() && out.size() < bytes_wanted;
}

void Checkpoint::finish(Source& source) {
  source.is_done = true;
  if (source.owned != nullptr) keyspace_->lazy_free().add(std::move(source.owned));
}

// Segments in their order, until enough is written or an object was announced; true when all are written.
bool Checkpoint::walk(size_t bytes_wanted, Buffer& out) {
  for (; next_source_ < sources_.size(); ++next_source_) {
    Source& source = sources_[next_source_];
    while (!source.is_done) {
      if (out.size() >= bytes_wanted || queue_front_ < queue_.size()) return false;
      auto* segment = source.database->table.segment_at(source.position);
      if (segment == nullptr) {
        finish(source);
        break;
      }
      if (segment->epoch != epoch_) write_segment(source, *segment, out);
      source.position = Table<EntryTraits>::end_of(*segment);
      if (source.position == 0) finish(source);
    }
  }
  return true;
}

bool Checkpoint::next(size_t bytes_wanted, Buffer& out) {
  if (keyspace_ == nullptr) return true;  // the keyspace was reset: what has been written is of no use
  bytes_wanted += out.size();
  if (!take_early(bytes_wanted, out)) return false;
  for (;;) {
    while (queue_front_ < queue_.size()) {
      const auto found = pending_.find(queue_[queue_front_]);
      if (found != pending_.end()) {
        if (!found->second->write(bytes_wanted, out)) return false;
        object_written(*found->second);
      }
      ++queue_front_;
    }
    queue_.clear();
    queue_front_ = 0;
    if (out.size() >= bytes_wanted) return false;
    if (walk(bytes_wanted, out) && queue_.empty()) break;
  }
  if (!is_end_written_) {
    append_u8(out, static_cast<uint8_t>(CheckpointRecord::kEnd));
    append_varint(out, keys_);
    is_end_written_ = true;
  }
  return true;
}

}  // namespace keelson::kv
