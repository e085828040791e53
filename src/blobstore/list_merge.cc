#include "blobstore/list_merge.h"

#include <algorithm>
#include <utility>

namespace keelson::blobstore {

namespace {
// Keys are spread by hash: each shard gives about its share, and a little more in most cases.
constexpr uint32_t kSpareEntries = 24;
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
  request.count_max = page_entries_;
  return request;
}

void ListMerger::give(size_t shard, blob::ListPage page) {
  Source& source = sources_[shard];
  source.has_more = page.is_truncated;
  if (page.is_truncated) {
    source.after = page.next_after;
    source.after_version = page.next_after_version;
  }
  source.page = std::move(page);
  source.next_entry = source.next_prefix = 0;
}

bool ListMerger::step() {
  while (wanted().empty()) {
    Source* least = nullptr;
    for (Source& source : sources_) {
      if (source.is_empty()) continue;
      if (least == nullptr || source.next_name() < least->next_name()) least = &source;
    }
    if (least == nullptr) {
      merged_.next_after.clear();
      merged_.next_after_version = 0;
      return true;
    }
    if (merged_.entries.size() + merged_.prefixes.size() == what_.count_max) {
      merged_.is_truncated = true;
      return true;
    }
    take_from(*least);
  }
  return false;
}

void ListMerger::take_from(Source& least) {
  if (!least.is_prefix_next()) {
    blob::ObjectInfo& info = least.page.entries[least.next_entry++];
    merged_.next_after = info.key;
    merged_.next_after_version = what_.with_versions ? info.version : 0;
    merged_.entries.push_back(std::move(info));
    return;
  }
  const std::string common = least.page.prefixes[least.next_prefix];
  for (Source& source : sources_) {
    if (!source.is_empty() && source.is_prefix_next() && source.page.prefixes[source.next_prefix] == common) {
      ++source.next_prefix;
    }
  }
  merged_.next_after = common;
  merged_.next_after_version = 0;
  merged_.prefixes.push_back(common);
}

}  // namespace keelson::blobstore
