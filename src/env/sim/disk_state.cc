#include "env/sim/disk_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::env::sim {

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void SparseBytes::resize(uint64_t size) {
  if (size < size_) {
    chunks_.erase(chunks_.lower_bound((size + kChunkBytes - 1) / kChunkBytes), chunks_.end());
    // What grows back later reads as zero.
    if (const auto last = chunks_.find(size / kChunkBytes); last != chunks_.end()) {
      std::memset(last->second->data() + size % kChunkBytes, 0, kChunkBytes - size % kChunkBytes);
    }
  }
  size_ = size;
}

void SparseBytes::write(uint64_t offset, std::string_view bytes) {
  size_ = std::max<uint64_t>(size_, offset + bytes.size());
  while (!bytes.empty()) {
    const size_t within = offset % kChunkBytes;
    const size_t count = std::min(bytes.size(), kChunkBytes - within);
    std::unique_ptr<Chunk>& chunk = chunks_[offset / kChunkBytes];
    if (!chunk) chunk = std::make_unique<Chunk>();
    std::memcpy(chunk->data() + within, bytes.data(), count);
    offset += count;
    bytes.remove_prefix(count);
  }
}

void SparseBytes::read(uint64_t offset, std::span<char> into) const {
  while (!into.empty()) {
    const size_t within = offset % kChunkBytes;
    const size_t count = std::min(into.size(), kChunkBytes - within);
    const auto chunk = chunks_.find(offset / kChunkBytes);
    if (chunk != chunks_.end()) {
      std::memcpy(into.data(), chunk->second->data() + within, count);
    } else {
      std::memset(into.data(), 0, count);
    }
    offset += count;
    into = into.subspan(count);
  }
}

void SparseBytes::flip(uint64_t offset, unsigned bit) {
  char byte = 0;
  read(offset, {&byte, 1});
  byte = static_cast<char>(byte ^ (1U << (bit % 8)));
  write(offset, {&byte, 1});
}

std::string SparseBytes::text() const {
  std::string bytes(size_, '\0');
  read(0, bytes);
  return bytes;
}

void SparseBytes::copy_from(const SparseBytes& other) {
  chunks_.clear();
  size_ = other.size_;
  for (const auto& [index, chunk] : other.chunks_) chunks_.emplace(index, std::make_unique<Chunk>(*chunk));
}

bool DiskState::happens(double probability) {
  if (!world_.faults.happens(probability)) return false;
  ++counts_.faults;
  world_.trace(Trace::kFault, node_, counts_.faults);
  return true;
}

InodePtr DiskState::find(const std::string& path) const {
  const auto entry = cached_names_.find(path);
  return entry == cached_names_.end() ? nullptr : entry->second;
}

Status DiskState::refuse_change(const std::string& path) const {
  if (is_read_only_) return fail(DiskErrc::kReadOnly, "cannot change " + path + ": the disk may not be written to");
  return {};
}

Status DiskState::maybe_name_error(const std::string& path) {
  if (happens(faults().name_error_probability))
    return fail(DiskErrc::kIo, "injected: the folder of " + path + " fails");
  return {};
}

uint64_t DiskState::used_bytes() const {
  uint64_t sum = 0;
  for (const auto& [path, inode] : cached_names_) sum += inode->cached.size();
  return sum;
}

uint64_t DiskState::free_bytes() const {
  if (is_set_full_ || world_.now_ns < full_until_ns_) return 0;
  if (capacity_bytes_ == kUnlimited) return uint64_t{1} << 40;
  const uint64_t used = used_bytes();
  return used >= capacity_bytes_ ? 0 : capacity_bytes_ - used;
}

Status DiskState::allocate(const std::string& path, uint64_t more) {
  if (world_.now_ns >= full_until_ns_ && happens(faults().full_probability)) {
    full_until_ns_ = world_.now_ns + world_.faults.between(0, faults().full_ns_max);
  }
  const uint64_t free = free_bytes();
  if (free == 0 || free < more) return fail(DiskErrc::kFull, "no room on the disk for " + path);
  return {};
}

void DiskState::add_name_change(NameChange::Kind kind, std::string from, std::string to, InodePtr inode) {
  world_.trace(Trace::kName, static_cast<uint64_t>(kind), crc32c(crc32c(0, from), to));
  pending_names_.push_back({++sequence_, kind, std::move(from), std::move(to), std::move(inode)});
}

Result<InodePtr> DiskState::create(const std::string& path) {
  if (Status allowed = refuse_change(path); !allowed.ok()) return forward_error(allowed);
  if (!is_folder(folder_of(path))) return fail(DiskErrc::kNotFound, "there is no folder for " + path);
  if (Status error = maybe_name_error(path); !error.ok()) return forward_error(error);
  if (Status room = allocate(path, 0); !room.ok()) return forward_error(room);
  auto inode = std::make_shared<Inode>(next_inode_++);
  inode->modified_ms = wall_ms();
  cached_names_[path] = inode;
  add_name_change(NameChange::Kind::kCreate, path, {}, inode);
  return inode;
}

Status DiskState::rename(const std::string& from, const std::string& to) {
  if (Status allowed = refuse_change(from); !allowed.ok()) return allowed;
  const InodePtr inode = find(from);
  if (!inode) return fail(DiskErrc::kNotFound, "cannot rename " + from + ": it is not there");
  if (!is_folder(folder_of(to))) return fail(DiskErrc::kNotFound, "there is no folder for " + to);
  if (Status error = maybe_name_error(from); !error.ok()) return error;
  ++counts_.renames;
  cached_names_.erase(from);
  cached_names_[to] = inode;
  add_name_change(NameChange::Kind::kRename, from, to, inode);
  return {};
}

Status DiskState::remove(const std::string& path) {
  if (Status allowed = refuse_change(path); !allowed.ok()) return allowed;
  if (folders_.contains(path)) {
    if (!list(path).empty()) return fail(DiskErrc::kInvalid, "cannot remove " + path + ": it is not empty");
    folders_.erase(path);
    return {};
  }
  const InodePtr inode = find(path);
  if (!inode) return fail(DiskErrc::kNotFound, "cannot remove " + path + ": it is not there");
  if (Status error = maybe_name_error(path); !error.ok()) return error;
  cached_names_.erase(path);
  add_name_change(NameChange::Kind::kRemove, path, {}, inode);
  return {};
}

Status DiskState::make_folder(const std::string& path) {
  if (is_folder(path)) return {};
  if (Status allowed = refuse_change(path); !allowed.ok()) return allowed;
  if (find(path)) return fail(DiskErrc::kExists, path + " is there but is no folder");
  if (Status error = maybe_name_error(path); !error.ok()) return error;
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    folders_.insert(path.substr(0, slash));
    if (slash == std::string::npos) break;
  }
  return {};
}

std::vector<std::string> DiskState::list(const std::string& folder) const {
  std::vector<std::string> names;
  const std::string prefix = folder == "/" ? folder : folder + "/";
  const auto add = [&](const std::string& path) {
    if (path.starts_with(prefix) && path.size() > prefix.size() && path.find('/', prefix.size()) == std::string::npos) {
      names.push_back(path.substr(prefix.size()));
    }
  };
  for (const auto& [path, inode] : cached_names_) add(path);
  for (const std::string& path : folders_) add(path);
  std::sort(names.begin(), names.end());
  return names;
}

Status DiskState::write(Inode& inode, const std::string& path, uint64_t offset, std::string_view bytes) {
  if (Status allowed = refuse_change(path); !allowed.ok()) return allowed;
  const uint64_t end = offset + bytes.size();
  if (end > inode.cached.size()) {
    if (Status room = allocate(path, end - inode.cached.size()); !room.ok()) return room;
  }
  const bool fails = failing_writes_.hits(path) || happens(faults().write_error_probability);
  if (fails) bytes = bytes.substr(0, world_.faults.below(bytes.size() + 1));
  std::string copy(bytes);
  if (!copy.empty() && happens(faults().flip_bit_on_write_probability)) {
    copy[world_.faults.below(copy.size())] ^= static_cast<char>(1 << world_.faults.below(8));
  }
  ++counts_.writes;
  counts_.bytes_written += copy.size();
  world_.trace(Trace::kWrite, inode.number ^ (offset << 8), crc32c(0, copy));
  if (!copy.empty()) {
    inode.modified_ms = wall_ms();
    inode.cached.write(offset, copy);
    inode.pending.push_back({++sequence_, false, offset, std::move(copy)});
  }
  if (fails) return fail(DiskErrc::kIo, "injected: a write to " + path + " fails");
  return {};
}

Status DiskState::resize(Inode& inode, const std::string& path, uint64_t size) {
  if (Status allowed = refuse_change(path); !allowed.ok()) return allowed;
  if (size > inode.cached.size()) {
    if (Status room = allocate(path, size - inode.cached.size()); !room.ok()) return room;
  }
  world_.trace(Trace::kWrite, inode.number, size);
  inode.modified_ms = wall_ms();
  inode.cached.resize(size);
  inode.pending.push_back({++sequence_, true, size, {}});
  return {};
}

Result<size_t> DiskState::read(const Inode& inode, const std::string& path, uint64_t offset, std::span<char> into) {
  ++counts_.reads;
  if (happens(faults().read_error_probability)) return fail(DiskErrc::kIo, "injected: a read of " + path + " fails");
  if (offset >= inode.cached.size()) return size_t{0};
  into = into.first(std::min<uint64_t>(into.size(), inode.cached.size() - offset));
  inode.cached.read(offset, into);
  if (!into.empty() && happens(faults().flip_bit_on_read_probability)) {
    into[world_.faults.below(into.size())] ^= static_cast<char>(1 << world_.faults.below(8));
  }
  return into.size();
}

DiskState::SyncPlan DiskState::plan_sync(const std::string& path, bool is_folder) {
  const DiskFaults& f = faults();
  ++(is_folder ? counts_.folder_syncs : counts_.syncs);
  SyncPlan plan;
  plan.delay_ns = world_.faults.between(f.sync_ns_min, f.sync_ns_max);
  if (happens(f.slow_sync_probability)) plan.delay_ns += world_.faults.between(0, f.slow_sync_ns_max);
  plan.sequence = sequence_;
  plan.fails = (!is_folder && failing_syncs_.hits(path)) || happens(f.sync_error_probability);
  return plan;
}

void DiskState::make_durable(Inode& inode, const FileChange& change) {
  if (change.is_resize) {
    inode.durable.resize(change.offset);
  } else {
    inode.durable.write(change.offset, change.bytes);
  }
}

void DiskState::finish_sync(Inode& inode, const SyncPlan& plan) {
  world_.trace(Trace::kSync, inode.number, plan.sequence);
  if (faults().ignore_file_syncs) return;
  while (!inode.pending.empty() && inode.pending.front().sequence <= plan.sequence) {
    // After a failure the kernel takes the pages for clean: no later sync writes them either.
    if (!plan.fails) make_durable(inode, inode.pending.front());
    inode.pending.pop_front();
  }
}

void DiskState::make_durable(const NameChange& change) {
  const auto erase = [this, &change](const std::string& path) {
    const auto entry = durable_names_.find(path);
    if (entry != durable_names_.end() && entry->second == change.inode) durable_names_.erase(entry);
  };
  switch (change.kind) {
    case NameChange::Kind::kCreate:
      durable_names_[change.from] = change.inode;
      break;
    case NameChange::Kind::kRemove:
      erase(change.from);
      break;
    case NameChange::Kind::kRename:
      erase(change.from);
      durable_names_[change.to] = change.inode;
      break;
  }
}

void DiskState::finish_folder_sync(const std::string& folder, const SyncPlan& plan) {
  world_.trace(Trace::kSync, crc32c(0, folder), plan.sequence);
  if (faults().ignore_folder_syncs || plan.fails) return;
  std::erase_if(pending_names_, [&](const NameChange& change) {
    const bool is_here = folder_of(change.from) == folder || (!change.to.empty() && folder_of(change.to) == folder);
    if (!is_here || change.sequence > plan.sequence) return false;
    make_durable(change);
    return true;
  });
}

void DiskState::tear(Inode& inode, const FileChange& change) {
  // Half of the time a prefix arrives, as from a disk that writes in order; else any sectors.
  const bool is_prefix = world_.faults.below(2) == 0;
  const uint64_t end = change.offset + change.bytes.size();
  const uint64_t sectors = (end - 1) / kSectorBytes - change.offset / kSectorBytes + 1;
  const uint64_t prefix = world_.faults.below(sectors);
  uint64_t index = 0;
  for (uint64_t at = change.offset; at < end; ++index) {
    const uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
    const bool arrives = is_prefix ? index < prefix : world_.faults.below(2) == 0;
    if (arrives) inode.durable.write(at, std::string_view(change.bytes).substr(at - change.offset, next - at));
    at = next;
  }
}

void DiskState::crash_file(Inode& inode) {
  const DiskFaults& f = faults();
  for (const FileChange& change : inode.pending) {
    if (world_.faults.happens(f.lose_write_probability)) {
      ++counts_.writes_lost;
      // The size may have arrived without the bytes.
      const uint64_t end = change.offset + change.bytes.size();
      if (!change.is_resize && end > inode.durable.size() && world_.faults.below(2) == 0) inode.durable.resize(end);
    } else if (!change.is_resize && world_.faults.happens(f.tear_write_probability)) {
      ++counts_.writes_lost;
      tear(inode, change);
    } else {
      make_durable(inode, change);
    }
  }
  inode.pending.clear();
  if (inode.durable.size() > 0 && world_.faults.happens(f.flip_bit_at_crash_probability)) {
    const uint64_t offset = world_.faults.below(inode.durable.size());
    inode.durable.flip(offset, static_cast<unsigned>(world_.faults.below(8)));
    flips_.emplace(inode.number, offset);
    ++counts_.faults;
  }
  inode.cached.copy_from(inode.durable);
}

void DiskState::crash() {
  for (const NameChange& change : pending_names_) {
    if (world_.faults.happens(faults().lose_name_probability)) {
      ++counts_.names_lost;
    } else {
      make_durable(change);
    }
  }
  pending_names_.clear();
  cached_names_ = durable_names_;
  flips_.clear();
  // Each file once, in the order of its creation, whatever it is called.
  std::map<uint64_t, InodePtr> inodes;
  for (const auto& [path, inode] : durable_names_) inodes.emplace(inode->number, inode);
  for (const auto& [number, inode] : inodes) crash_file(*inode);
  full_until_ns_ = 0;
  world_.trace(Trace::kCrash, counts_.writes_lost, counts_.names_lost);
}

std::vector<SimDisk::Flip> DiskState::flips_at_last_crash() const {
  std::vector<Flip> flips;
  for (const auto& [path, inode] : cached_names_) {
    if (const auto flip = flips_.find(inode->number); flip != flips_.end()) flips.push_back({path, flip->second});
  }
  return flips;
}

Result<std::string> DiskState::content(const std::string& path) const {
  const InodePtr inode = find(path);
  if (!inode) return fail(DiskErrc::kNotFound, path + " is not there");
  return inode->cached.text();
}

Status DiskState::flip_bit(const std::string& path, uint64_t offset, unsigned bit) {
  const InodePtr inode = find(path);
  if (!inode) return fail(DiskErrc::kNotFound, path + " is not there");
  if (offset >= inode->cached.size()) return fail(DiskErrc::kInvalid, path + " has fewer bytes");
  inode->cached.flip(offset, bit);
  if (offset < inode->durable.size()) inode->durable.flip(offset, bit);
  for (FileChange& change : inode->pending) {
    if (!change.is_resize && offset >= change.offset && offset < change.offset + change.bytes.size()) {
      change.bytes[offset - change.offset] ^= static_cast<char>(1U << (bit % 8));
    }
  }
  return {};
}

void DiskState::put(const std::string& path, std::string_view content) {
  auto inode = std::make_shared<Inode>(next_inode_++);
  inode->cached.write(0, content);
  inode->durable.write(0, content);
  inode->modified_ms = wall_ms();
  KEELSON_CHECK(make_folder(folder_of(path)).ok(), "a file stands where a folder should be");
  cached_names_[path] = inode;
  durable_names_[path] = inode;
}

Status DiskState::cut(const std::string& path, uint64_t size) {
  const InodePtr inode = find(path);
  if (!inode) return fail(DiskErrc::kNotFound, path + " is not there");
  inode->cached.resize(size);
  inode->durable.copy_from(inode->cached);
  inode->pending.clear();
  return {};
}

void DiskState::sync_all() {
  for (const NameChange& change : pending_names_) make_durable(change);
  pending_names_.clear();
  for (const auto& [path, inode] : cached_names_) {
    for (const FileChange& change : inode->pending) make_durable(*inode, change);
    inode->pending.clear();
  }
}

void DiskState::copy_from(const SimDisk& other) {
  const auto& from = static_cast<const DiskState&>(other);  // there is no other kind
  cached_names_.clear();
  pending_names_.clear();
  folders_ = from.folders_;
  for (const auto& [path, inode] : from.cached_names_) {
    auto copy = std::make_shared<Inode>(next_inode_++);
    copy->cached.copy_from(inode->cached);
    copy->durable.copy_from(inode->cached);
    copy->modified_ms = inode->modified_ms;
    cached_names_[path] = copy;
  }
  durable_names_ = cached_names_;
}

void DiskState::fail_syncs(unsigned count, std::string part) { failing_syncs_ = {count, std::move(part)}; }
void DiskState::fail_writes(unsigned count, std::string part) { failing_writes_ = {count, std::move(part)}; }

}  // namespace keelson::env::sim
