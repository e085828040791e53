#include "env/disk.h"

#include <utility>

namespace keelson::env {

namespace {

class DiskCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "disk"; }
  std::string message(int code) const override {
    switch (static_cast<DiskErrc>(code)) {
      case DiskErrc::kOk:
        return "ok";
      case DiskErrc::kNotFound:
        return "no such file or folder";
      case DiskErrc::kExists:
        return "it exists already";
      case DiskErrc::kFull:
        return "no room on the disk";
      case DiskErrc::kReadOnly:
        return "it may not be written to";
      case DiskErrc::kLocked:
        return "another process holds the lock";
      case DiskErrc::kIo:
        return "the device failed";
      case DiskErrc::kInvalid:
        return "the operation is not possible";
    }
    return "unknown error";
  }
};

}  // namespace

std::error_code make_error_code(DiskErrc code) {
  static const DiskCategory category;
  return {static_cast<int>(code), category};
}

Task<Result<Fetched>> File::fetch(uint64_t offset, size_t bytes_max, Reactor& on) {
  Fetched fetched{std::make_unique_for_overwrite<char[]>(bytes_max)};
  Result<size_t> count = read_at(offset, {fetched.bytes.get(), bytes_max});
  if (!count.ok()) co_return forward_error(count);
  fetched.count = *count;
  co_return fetched;
}

Result<std::string> read_file(Disk& disk, const std::string& path, uint64_t bytes_max) {
  Result<std::unique_ptr<File>> file = disk.open(path, OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  const Result<uint64_t> size = (*file)->size();
  if (!size.ok()) return std::unexpected<Error>(size.error());
  if (*size > bytes_max) {
    return fail(DiskErrc::kInvalid, path + " has " + std::to_string(*size) + " bytes, more than the " +
                                        std::to_string(bytes_max) + " that are allowed here");
  }
  std::string content(*size, '\0');
  Result<size_t> count = (*file)->read_at(0, content);
  if (!count.ok()) return forward_error(count);
  content.resize(*count);
  return content;
}

Task<Status> replace_file(Disk& disk, Reactor& on, std::string folder, std::string name, std::string content,
                          OpenMode mode) {
  const std::string path = folder + "/" + name;
  const std::string aside = path + ".new";
  if (disk.exists(aside)) {  // left by a crash
    if (Status removed = disk.remove(aside); !removed.ok()) co_return forward_error(removed);
  }
  Result<std::unique_ptr<File>> file = disk.open(aside, mode);
  if (!file.ok()) co_return forward_error(file);
  Status done = (*file)->write_at(0, content);
  if (done.ok()) done = co_await (*file)->sync(on);
  file->reset();
  if (done.ok()) done = disk.rename(aside, path);
  if (!done.ok()) {
    // The first error is the one to tell; what lies aside is removed by the next call too.
    (void)disk.remove(aside);
    co_return forward_error(done);
  }
  co_return co_await disk.sync_folder(folder, on);
}

}  // namespace keelson::env
