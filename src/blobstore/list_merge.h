// Merges the listings of several shards into one, in order.
//
// Each shard answers with pages of its own; the merger says which shard must be asked next, and for what. A key lies on
// one shard, a common prefix maybe on several.
//
//   ListMerger merger(what, shard_count);
//   while (!merger.step()) for (size_t shard : merger.wanted()) merger.give(shard, ask(shard, merger.request(shard)));
//   ListPage page = merger.take();
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/blob/answer.h"
#include "engine/blob/commands.h"

namespace keelson::blobstore {

class ListMerger {
 public:
  ListMerger(blob::ListObjects what, size_t shard_count);

  // Goes on as far as the pages allow; true: done.
  bool step();
  // Shards whose next page is needed before step() can go on.
  [[nodiscard]] std::vector<size_t> wanted() const;
  [[nodiscard]] blob::ListObjects request(size_t shard) const;
  void give(size_t shard, blob::ListPage page);
  [[nodiscard]] blob::ListPage take() { return std::move(merged_); }

 private:
  struct Source {
    blob::ListPage page;
    size_t next_entry = 0;
    size_t next_prefix = 0;
    bool has_more = true;
    bool gives_prefixes = false;  // its last page was of those, or mostly
    std::string after;
    std::string walk_after;
    blob::Version after_version = 0;
    [[nodiscard]] bool is_empty() const {
      return next_entry == page.entries.size() && next_prefix == page.prefixes.size();
    }
    [[nodiscard]] bool is_prefix_next() const;
    [[nodiscard]] std::string_view next_name() const;
  };

  [[nodiscard]] size_t taken() const { return merged_.entries.size() + merged_.prefixes.size(); }
  void take_entry(Source& source);
  void take_prefix();

  const blob::ListObjects what_;
  const uint32_t page_entries_;
  std::vector<Source> sources_;
  std::vector<Source*> least_;  // whose next name is the least: all that have it
  blob::ListPage merged_;
};

}  // namespace keelson::blobstore
