// scan_log_folder(): which files of a folder are the log, and in which order.
#include <algorithm>
#include <cstring>
#include <map>

#include "log/log_reader.h"

namespace keelson::log {

namespace {

struct Found {
  SegmentInfo info;
  bool is_blank = false;  // never written, or holds the header of an earlier life under another name
};

Result<Found> look_at(env::Disk& disk, std::string path, uint64_t number) {
  Result<std::unique_ptr<env::File>> file = disk.open(path, env::OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  Result<uint64_t> size = (*file)->size();
  if (!size.ok()) return forward_error(size);
  std::string start(kFirstRecordOffset, '\0');
  Result<size_t> count = (*file)->read_at(0, start);
  if (!count.ok()) return forward_error(count);
  start.resize(*count);
  Found found;
  found.info.number = number;
  found.info.path = std::move(path);
  found.info.exists = true;
  found.info.file_bytes = *size;
  found.info.header = parse_segment_start(start);
  if (found.info.header && found.info.header->previous.segment >= found.info.header->number) {
    found.info.header.reset();  // no segment of ours: nothing comes before itself
  }
  if (found.info.header && found.info.header->number != number) {
    found.info.header.reset();
    found.is_blank = true;
  } else if (!found.info.header) {
    found.is_blank = start.find_first_not_of('\0') == std::string::npos;
  }
  return found;
}

using FoundByNumber = std::map<uint64_t, Found>;

// The numbers between a segment and the one that it names as the one before it were cut away.
void drop_cut_tails(FoundByNumber& files, LogFolder& folder) {
  for (auto at = files.end(); at != files.begin();) {
    --at;
    const std::optional<SegmentHeader>& header = at->second.info.header;
    if (!header) continue;
    for (auto below = files.upper_bound(header->previous.segment); below != at;) {
      folder.leftovers.push_back(below->second.info.path);
      below = files.erase(below);
    }
  }
}

}  // namespace

Result<LogFolder> scan_log_folder(env::Disk& disk, const std::string& folder_path) {
  Result<std::vector<std::string>> names = disk.list(folder_path);
  if (!names.ok()) return forward_error(names);
  LogFolder folder;
  FoundByNumber files;
  bool has_garbage = false;
  for (const std::string& name : *names) {
    std::string path = folder_path + "/" + name;
    const std::optional<uint64_t> number = parse_segment_name(name);
    if (!number) {
      if (name.ends_with(kSpareSuffix)) folder.leftovers.push_back(std::move(path));
      continue;
    }
    folder.highest_number = std::max(folder.highest_number, *number);
    Result<Found> found = look_at(disk, std::move(path), *number);
    if (!found.ok()) return forward_error(found);
    if (const auto& header = found->info.header) {
      if (folder.has_log && header->log_id != folder.log_id) {
        return fail(LogErrc::kDamaged, "log: " + found->info.path + " belongs to another log than its neighbours");
      }
      folder.has_log = true;
      folder.log_id = header->log_id;
    } else if (!found->is_blank) {
      has_garbage = true;
    }
    files.emplace(*number, std::move(*found));
  }
  if (!folder.has_log && has_garbage) {
    return fail(LogErrc::kDamaged, "log: no segment in " + folder_path + " has a readable header (bytes 0..4095)");
  }
  // A blank file at the end was to be the next segment.
  while (!files.empty() && files.rbegin()->second.is_blank) {
    folder.leftovers.push_back(files.rbegin()->second.info.path);
    files.erase(std::prev(files.end()));
  }
  drop_cut_tails(files, folder);
  for (auto& [number, found] : files) {
    const uint64_t previous = found.info.header ? found.info.header->previous.segment : 0;
    if (previous != 0 && !folder.chain.empty() && folder.chain.back().number < previous) {
      SegmentInfo missing;
      missing.number = previous;
      missing.path = folder_path + "/" + segment_name(previous);
      folder.chain.push_back(std::move(missing));
    }
    folder.chain.push_back(std::move(found.info));
  }
  return folder;
}

}  // namespace keelson::log
