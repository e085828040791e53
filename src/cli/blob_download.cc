// Downloads. The content comes into a file beside the target, in ranges, several at a time, each asked for with the
// entity tag of the first look (If-Match), so that they are of one object; checked as a whole, synced, and renamed.
#include <algorithm>
#include <deque>
#include <utility>

#include "base/crc32c.h"
#include "base/numbers.h"
#include "cli/blob_check.h"
#include "cli/blob_documents.h"
#include "cli/blob_download_state.h"
#include "cli/blob_errors.h"
#include "cli/blob_parts.h"
#include "cli/blob_transfer.h"
#include "env/hand_off.h"

namespace keelson::cli {

namespace {

// So much is read and hashed before others have their turn.
constexpr uint64_t kCheckStepBytes = uint64_t{16} << 20;

BlobRequest object_request(const TransferContext& context, const BlobUrl& from, std::string method) {
  BlobRequest request{.method = std::move(method), .bucket = from.bucket, .key = from.key};
  if (!context.options.version_id.empty()) request.query.emplace_back("versionId", context.options.version_id);
  request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  return request;
}

struct Look {
  BlobAnswer head;
  std::string etag;
  uint64_t size_bytes = 0;
};

Task<Result<Look>> look_at(TransferContext context, BlobUrl from) {
  Result<BlobAnswer> head = co_await context.service.call(object_request(context, from, "HEAD"));
  if (!head.ok()) co_return forward_error(head);
  Look look{.head = std::move(*head), .etag = {}};
  look.etag = unquoted(look.head.field("etag"));
  const auto size = parse_uint64(look.head.field("content-length"));
  if (!size) co_return fail(BlobErrc::kServer, from.text() + ": the server does not say how large it is");
  look.size_bytes = *size;
  co_return look;
}

std::string range_text(const PartRange& range) {
  return "bytes=" + std::to_string(range.offset) + "-" + std::to_string(range.offset + range.size_bytes - 1);
}

// One range of an object, or the whole of a small one, into `sink`.
Task<Result<BlobAnswer>> fetch_range(TransferContext context, BlobUrl from, std::string etag, uint64_t object_bytes,
                                     PartRange range, BlobSink& sink) {
  BlobRequest request = object_request(context, from, "GET");
  if (!etag.empty()) request.headers.emplace_back("if-match", "\"" + etag + "\"");
  const bool is_whole = range.size_bytes == object_bytes;
  if (!is_whole) request.headers.emplace_back("range", range_text(range));
  Result<BlobAnswer> answer = co_await context.service.fetch(std::move(request), sink, &context.meter);
  if (!answer.ok()) {
    if (answer.error().code() != BlobErrc::kPrecondition) co_return answer;
    co_return fail(BlobErrc::kChanged, from.text() + " was changed while it was downloaded. Download it again");
  }
  if (!is_whole && answer->status != 206) {
    co_return fail(BlobErrc::kServer, from.text() + ": the server does not give ranges of objects");
  }
  co_return answer;
}

// Writes what comes at its place, and refuses more or less of it than was asked for.
class FileSink final : public BlobSink {
 public:
  FileSink(env::File& file, std::string place, PartRange range)
      : file_(file), place_(std::move(place)), range_(range) {}
  void restart() override { written_ = crc_ = 0; }
  Status take(std::string_view bytes) override {
    if (bytes.size() > range_.size_bytes - written_) {
      return fail(BlobErrc::kChanged, place_ + ": more has come than was asked for. Download it again");
    }
    if (Status done = file_.write_at(range_.offset + written_, bytes); !done.ok()) return done;
    crc_ = crc32c(crc_, bytes);
    written_ += bytes.size();
    return {};
  }
  [[nodiscard]] Status finish() const {
    if (written_ == range_.size_bytes) return {};
    return fail(BlobErrc::kChanged, place_ + ": less has come than was asked for. Download it again");
  }
  [[nodiscard]] uint32_t crc() const { return crc_; }

 private:
  env::File& file_;
  const std::string place_;
  const PartRange range_;
  uint64_t written_ = 0;
  uint32_t crc_ = 0;
};

class TextSink final : public BlobSink {
 public:
  TextSink(std::string& into, uint64_t bytes_max) : into_(into), bytes_max_(bytes_max) {}
  void restart() override { into_.clear(); }
  Status take(std::string_view bytes) override {
    if (bytes.size() > bytes_max_ - into_.size()) {
      return fail(BlobErrc::kChanged, "more has come than was asked for. Download it again");
    }
    into_.append(bytes);
    return {};
  }

 private:
  std::string& into_;
  const uint64_t bytes_max_;
};

// A check that also knows the parts' size, where that helps.
Task<ContentCheck> check_for(TransferContext context, BlobUrl from, const Look& look) {
  ContentCheck check(look.head);
  if (!check.wants_part_bytes()) co_return check;
  BlobRequest request = object_request(context, from, "HEAD");
  request.query.emplace_back("partNumber", "1");
  Result<BlobAnswer> head = co_await context.service.call(std::move(request));
  if (!head.ok() || unquoted(head->field("etag")) != look.etag) co_return check;
  const auto part_bytes = parse_uint64(head->field("content-length"));
  const uint64_t count = part_count_of(look.etag);
  if (!part_bytes || *part_bytes == 0 || (look.size_bytes + *part_bytes - 1) / *part_bytes != count) co_return check;
  co_return ContentCheck(look.head, *part_bytes);
}

Task<Result<std::optional<bool>>> check_file(TransferContext context, env::File& file, uint64_t size, std::string path,
                                             ContentCheck check) {
  if (!check.is_possible()) co_return std::optional<bool>();
  FileBody body(file, path, 0, size);
  for (uint64_t at = 0, step = 0; at < size;) {
    Result<std::string_view> piece = body.piece(at);
    if (!piece.ok()) co_return forward_error(piece);
    check.update(*piece);
    at += piece->size();
    if (at - step < kCheckStepBytes) continue;
    step = at;
    co_await env::sleep_for(context.reactor(), 0);
  }
  co_return check.finish();
}

std::unexpected<Error> damaged(const BlobUrl& from) {
  return fail(BlobErrc::kDamaged,
              from.text() + ": what came is not what the server's checksum says. Download it again");
}

// A download into a file beside the target.
class FileDownload final : public PartWork {
 public:
  FileDownload(TransferContext context, BlobUrl from, std::string path, Look look)
      : context_(context),
        disk_(context.env.disk()),
        from_(std::move(from)),
        path_(std::move(path)),
        look_(std::move(look)) {}

  Task<Result<TransferOutcome>> run() {
    TransferOutcome outcome{.size_bytes = look_.size_bytes};
    if (Status opened = open(); !opened.ok()) co_return forward_error(opened);
    std::vector<PartRange> ranges = cut_into_parts(look_.size_bytes, state_.part_bytes);
    std::erase_if(ranges, [&](const PartRange& range) { return range.size_bytes == 0; });
    if (Status kept = keep_good_parts(ranges, outcome.resumed_bytes); !kept.ok()) co_return forward_error(kept);
    context_.meter.moved_bytes += outcome.resumed_bytes;
    Status got = co_await for_each_part(context_.reactor(), context_.parts, context_.parallel(), ranges, *this);
    if (got.ok()) got = co_await finish(outcome);
    if (got.ok()) co_return outcome;
    context_.meter.moved_bytes -= outcome.resumed_bytes;
    if (got.error().code() == BlobErrc::kChanged || got.error().code() == BlobErrc::kDamaged) forget();
    co_return forward_error(got);
  }

  Task<Status> part(PartRange range) override {
    FileSink sink(*file_, from_.text(), range);
    Result<BlobAnswer> answer = co_await fetch_range(context_, from_, look_.etag, look_.size_bytes, range, sink);
    if (!answer.ok()) co_return forward_error(answer);
    if (Status whole = sink.finish(); !whole.ok()) co_return whole;
    // A small object that was known from a listing tells its checksum here.
    if (look_.head.status == 0) look_.head = std::move(*answer);
    state_.crc32c_by_part[range.number] = sink.crc();
    if (ranges_ == nullptr) co_return Status();
    const std::string line = download_state_line(range.number, sink.crc());
    Status noted = ranges_->write_at(ranges_end_, line);
    ranges_end_ += line.size();
    co_return noted;
  }

 private:
  // Goes on with what is there, if it is of this object; else begins.
  Status open() {
    state_ = {.etag = look_.etag,
              .size_bytes = look_.size_bytes,
              .part_bytes = part_size_for(look_.size_bytes, context_.options.part_bytes)};
    const bool is_small = look_.size_bytes <= state_.part_bytes;
    if (context_.options.resume && !is_small && reopen()) return {};
    if (Status removed = remove_left_over(); !removed.ok()) return removed;
    auto file = disk_.open(partial_path(path_), env::OpenMode::kCreate);
    if (!file.ok()) return forward_error(file);
    file_ = std::move(*file);
    if (is_small || look_.etag.empty()) return {};
    auto ranges = disk_.open(ranges_path(path_), env::OpenMode::kCreate);
    if (!ranges.ok()) return forward_error(ranges);
    ranges_ = std::move(*ranges);
    const std::string head = download_state_head(state_);
    ranges_end_ = head.size();
    return ranges_->write_at(0, head);
  }

  bool reopen() {
    if (!disk_.exists(ranges_path(path_)) || !disk_.exists(partial_path(path_))) return false;
    const Result<std::string> text = env::read_file(disk_, ranges_path(path_), kDownloadStateBytesMax);
    auto state = text.ok() ? parse_download_state(*text) : std::nullopt;
    if (!state || !state->is_of(look_.etag, look_.size_bytes)) return false;
    auto file = disk_.open(partial_path(path_), env::OpenMode::kReadWrite);
    auto ranges = disk_.open(ranges_path(path_), env::OpenMode::kReadWrite);
    if (!file.ok() || !ranges.ok()) return false;
    file_ = std::move(*file);
    ranges_ = std::move(*ranges);
    state_ = std::move(*state);
    return true;
  }

  // Takes the parts that are there and whole out of `ranges`, and writes down what is left of the state.
  Status keep_good_parts(std::vector<PartRange>& ranges, uint64_t& kept_bytes) {
    std::map<uint32_t, uint32_t> good;
    for (const PartRange& range : ranges) {
      const auto known = state_.crc32c_by_part.find(range.number);
      if (known == state_.crc32c_by_part.end()) continue;
      FileBody body(*file_, path_, range.offset, range.size_bytes);
      uint32_t crc = 0;
      uint64_t at = 0;
      while (at < range.size_bytes) {
        const Result<std::string_view> piece = body.piece(at);
        if (!piece.ok()) break;  // shorter than it should be: the part comes again
        crc = crc32c(crc, *piece);
        at += piece->size();
      }
      if (at != range.size_bytes || crc != known->second) continue;
      good.insert(*known);
      kept_bytes += range.size_bytes;
    }
    state_.crc32c_by_part = std::move(good);
    std::erase_if(ranges, [&](const PartRange& range) { return state_.crc32c_by_part.contains(range.number); });
    if (ranges_ == nullptr) return {};
    std::string text = download_state_head(state_);
    for (const auto& [number, crc] : state_.crc32c_by_part) text += download_state_line(number, crc);
    if (Status cut = ranges_->truncate(0); !cut.ok()) return cut;
    ranges_end_ = text.size();
    return ranges_->write_at(0, text);
  }

  // The CRC32C of the whole from those of the parts.
  [[nodiscard]] std::string whole_crc32c() const {
    std::vector<std::string> values;
    for (const auto& [number, crc] : state_.crc32c_by_part) values.push_back(crc32c_bytes(crc));
    const std::vector<PartRange> ranges = cut_into_parts(look_.size_bytes, state_.part_bytes);
    std::vector<s3::PartChecksum> parts;
    for (size_t i = 0; i < values.size(); ++i) parts.push_back({values[i], ranges[i].size_bytes});
    if (parts.empty()) return crc32c_bytes(0);
    return s3::full_object_checksum(s3::ChecksumAlgorithm::kCrc32c, parts).value_or("");
  }

  Task<Status> finish(TransferOutcome& outcome) {
    ContentCheck check = co_await check_for(context_, from_, look_);
    if (look_.size_bytes == 0) {
      outcome.is_checked = true;  // of nothing
    } else if (const auto expected = check.expected_crc32c()) {
      if (whole_crc32c() != *expected) co_return damaged(from_);
      outcome.is_checked = true;
    } else {
      Result<std::optional<bool>> is_same =
          co_await check_file(context_, *file_, look_.size_bytes, path_, std::move(check));
      if (!is_same.ok()) co_return forward_error(is_same);
      if (*is_same && !**is_same) co_return damaged(from_);
      outcome.is_checked = is_same->has_value();
    }
    if (Status synced = co_await file_->sync(context_.reactor()); !synced.ok()) co_return synced;
    file_.reset();
    // The name is not synced: a crash may lose it, which a later sync sees, but never gives it half a content.
    if (Status renamed = disk_.rename(partial_path(path_), path_); !renamed.ok()) co_return renamed;
    if (ranges_ == nullptr) co_return Status();
    ranges_.reset();
    co_return disk_.remove(ranges_path(path_));
  }

  Status remove_left_over() {
    for (const std::string& path : {partial_path(path_), ranges_path(path_)}) {
      if (!disk_.exists(path)) continue;
      if (Status removed = disk_.remove(path); !removed.ok()) return removed;
    }
    return {};
  }

  // What is there cannot be gone on with. If it cannot be removed, the next run finds that out.
  void forget() {
    file_.reset();
    ranges_.reset();
    (void)remove_left_over();
  }

  TransferContext context_;
  env::Disk& disk_;
  const BlobUrl from_;
  const std::string path_;
  Look look_;
  DownloadState state_;
  std::unique_ptr<env::File> file_;
  std::unique_ptr<env::File> ranges_;  // null for a small object, which comes in one piece
  uint64_t ranges_end_ = 0;
};

Status make_folder_of(env::Disk& disk, const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string folder = path.substr(0, slash);
  return disk.exists(folder) ? Status() : disk.make_folder(folder);
}

// A range on its way into memory.
struct Arriving {
  Arriving(env::Reactor& reactor) : done(reactor) {}
  std::string bytes;
  env::HandOff<Status> done;
};

Task<void> arrive(TransferContext context, BlobUrl from, std::string etag, uint64_t object_bytes, PartRange range,
                  Arriving& into) {
  auto deliver = into.done.deliverer();
  TextSink sink(into.bytes, range.size_bytes);
  Result<BlobAnswer> answer =
      co_await fetch_range(context, std::move(from), std::move(etag), object_bytes, range, sink);
  if (!answer.ok()) {
    deliver(forward_error(answer));
  } else if (into.bytes.size() != range.size_bytes) {
    deliver(fail(BlobErrc::kChanged, "less has come than was asked for. Download it again"));
  } else {
    deliver(Status());
  }
}

}  // namespace

Task<Result<TransferOutcome>> download_file(TransferContext context, BlobUrl from, std::string path,
                                            std::optional<Entry> known) {
  env::Disk& disk = context.env.disk();
  if (context.options.no_clobber && disk.exists(path)) co_return TransferOutcome{.is_skipped = true};
  if (Status made = make_folder_of(disk, path); !made.ok()) co_return forward_error(made);
  Look look;
  if (known && known->size_bytes <= context.options.part_bytes && !known->etag.empty()) {
    look.etag = known->etag;
    look.size_bytes = known->size_bytes;
  } else {
    Result<Look> looked = co_await look_at(context, from);
    if (!looked.ok()) co_return forward_error(looked);
    look = std::move(*looked);
    if (!known) context.meter.announced_bytes += look.size_bytes;
  }
  FileDownload download(context, std::move(from), std::move(path), std::move(look));
  co_return co_await download.run();
}

Task<Result<TransferOutcome>> download_stream(TransferContext context, BlobUrl from, BlobOutput& to) {
  Result<Look> look = co_await look_at(context, from);
  if (!look.ok()) co_return forward_error(look);
  ContentCheck check = co_await check_for(context, from, *look);
  std::vector<PartRange> ranges =
      cut_into_parts(look->size_bytes, part_size_for(look->size_bytes, context.options.part_bytes));
  if (look->size_bytes == 0) ranges.clear();
  std::deque<std::unique_ptr<Arriving>> window;  // outlives the tasks that write into it
  env::TaskScope scope(context.reactor());
  Status good;
  for (size_t begun = 0, written = 0; good.ok() && written < ranges.size(); ++written) {
    for (; begun < ranges.size() && begun < written + context.parallel(); ++begun) {
      window.push_back(std::make_unique<Arriving>(context.reactor()));
      scope.spawn(arrive(context, from, look->etag, look->size_bytes, ranges[begun], *window.back()));
    }
    env::HandOff<Status>& arrival = window.front()->done;
    good = co_await arrival;
    if (good.ok()) {
      check.update(window.front()->bytes);
      good = to.write(window.front()->bytes);
      window.pop_front();
    }
  }
  co_await scope.join();
  if (!good.ok()) co_return forward_error(good);
  const std::optional<bool> is_same = check.finish();
  if (is_same && !*is_same) co_return damaged(from);
  co_return TransferOutcome{.size_bytes = look->size_bytes, .is_checked = is_same.has_value()};
}

Task<Result<std::optional<bool>>> same_content(TransferContext context, BlobUrl object, std::string path) {
  Result<Look> look = co_await look_at(context, object);
  if (!look.ok()) co_return forward_error(look);
  auto file = context.env.disk().open(path, env::OpenMode::kRead);
  if (!file.ok()) co_return forward_error(file);
  const Result<uint64_t> size = (*file)->size();
  if (!size.ok()) co_return std::unexpected<Error>(size.error());
  if (*size != look->size_bytes) co_return std::optional<bool>(false);
  ContentCheck check = co_await check_for(context, object, *look);
  co_return co_await check_file(context, **file, *size, std::move(path), std::move(check));
}

}  // namespace keelson::cli
