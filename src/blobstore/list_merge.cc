#include "blobstore/list_merge.h"

#include <algorithm>
#include <utility>

namespace keelson::blobstore {

namespace {
// Keys are spread by hash: each shard gives about its share, and a little more in most cases.
constexpr uint32_t kSpareEntries = 24;
// Common prefixes are mostly the same on all shards, so each must give all of them: in pages that keep a shard busy for
// a tenth of a millisecond.
constexpr uint32_t kPrefixesOfPage = 128;
}  // namespace

ListMerger::ListMerger(blob::ListObjects what, size_t shard_count)
    : what_(std::move(what)),
      page_entries_(std::min<uint32_t>(what_.count_max + 1,
                                       what_.count_max / static_cast<uint32_t>(shard_count) + kSpareEntries)),
      sources_(shard_count) {
  for (Source& source : sources_) {
    source.after = what_.after;
    source.after_version = what_.after_version;
  }
}

bool ListMerger::Source::is_prefix_next() const {
  if (next_prefix == page.prefixes.size()) return false;
  return next_entry == page.entries.size() || page.prefixes[next_prefix] < page.entries[next_entry].key;
}

std::string_view ListMerger::Source::next_name() const {
  return is_prefix_next() ? page.prefixes[next_prefix] : page.entries[next_entry].key;
}

std::vector<size_t> ListMerger::wanted() const {
  std::vector<size_t> shards;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].is_empty() && sources_[i].has_more) shards.push_back(i);
  }
  return shards;
}

blob::ListObjects ListMerger::request(size_t shard) const {
  blob::ListObjects request = what_;
  request.after = sources_[shard].after;
  request.after_version = sources_[shard].after_version;
  request.walk_after = sources_[shard].walk_after;
  const size_t left = what_.count_max - taken();
  request.count_max = sources_[shard].gives_prefixes
                          ? static_cast<uint32_t>(std::min<size_t>(left + 1, std::max(page_entries_, kPrefixesOfPage)))
                          : page_entries_;
  return request;
}

void ListMerger::give(size_t shard, blob::ListPage page) {
  Source& source = sources_[shard];
  source.has_more = page.is_truncated;
  if (page.is_truncated) {
    if (!page.next_after.empty()) {
      source.after = page.next_after;
      source.after_version = page.next_after_version;
    }
    source.walk_after = page.walked_to;
  }
  source.gives_prefixes = page.prefixes.size() > page.entries.size();
  source.page = std::move(page);
  source.next_entry = source.next_prefix = 0;
}

bool ListMerger::step() {
  if (!wanted().empty()) return false;
  while (true) {
    least_.clear();
    for (Source& source : sources_) {
      if (source.is_empty()) continue;
      const int order = least_.empty() ? -1 : source.next_name().compare(least_.front()->next_name());
      if (order < 0) least_.clear();
      if (order <= 0) least_.push_back(&source);
    }
    if (least_.empty()) {
      merged_.next_after.clear();
      merged_.next_after_version = 0;
      return true;
    }
    if (taken() == what_.count_max) {
      merged_.is_truncated = true;
      return true;
    }
    least_.front()->is_prefix_next() ? take_prefix() : take_entry(*least_.front());
    for (const Source* source : least_) {
      if (source->is_empty() && source->has_more) return false;
    }
  }
}

void ListMerger::take_entry(Source& source) {
  blob::ObjectInfo& info = source.page.entries[source.next_entry++];
  merged_.next_after = info.key;
  merged_.next_after_version = what_.with_versions ? info.version : 0;
  merged_.entries.push_back(std::move(info));
}

// A key of that name cannot stand beside it: it would be rolled up in it.
void ListMerger::take_prefix() {
  std::string common = std::move(least_.front()->page.prefixes[least_.front()->next_prefix]);
  for (Source* source : least_) ++source->next_prefix;
  merged_.next_after = common;
  merged_.next_after_version = 0;
  merged_.prefixes.push_back(std::move(common));
}

}  // namespace keelson::blobstore
