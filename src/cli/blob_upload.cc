// Uploads. A small file is one PUT. A large one is a multipart upload: begun or gone on with, its parts sent several at
// a time, each with its CRC32C, and completed with the CRC32C of the whole, which the server compares again.
#include <algorithm>
#include <deque>
#include <utility>

#include "cli/blob_check.h"
#include "cli/blob_documents.h"
#include "cli/blob_errors.h"
#include "cli/blob_multipart.h"
#include "cli/blob_parts.h"
#include "cli/blob_transfer.h"
#include "cli/blob_walk.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

namespace {

Pairs object_headers(const TransferOptions& options, std::string_view name) {
  Pairs headers;
  const std::string_view type = options.content_type.empty() ? content_type_of(name) : options.content_type;
  if (!type.empty()) headers.emplace_back("content-type", type);
  if (!options.cache_control.empty()) headers.emplace_back("cache-control", options.cache_control);
  if (!options.storage_class.empty()) headers.emplace_back("x-amz-storage-class", options.storage_class);
  for (const auto& [key, value] : options.metadata) headers.emplace_back("x-amz-meta-" + key, value);
  return headers;
}

Task<Result<Upload>> begin_upload(TransferContext context, BlobUrl to) {
  BlobRequest request{.method = "POST", .bucket = to.bucket, .key = to.key, .query = {{"uploads", ""}}};
  request.headers = object_headers(context.options, to.key);
  request.headers.emplace_back("x-amz-checksum-algorithm", "CRC32C");
  request.headers.emplace_back(kChecksumTypeHeader, kFullObject);
  Result<BlobAnswer> answer = co_await context.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<std::string> id = parse_one(answer->content, "UploadId");
  if (!id.ok()) co_return forward_error(id);
  Upload upload{.to = std::move(to), .id = std::move(*id), .parts = {}};
  upload.is_full_object = answer->field(kChecksumTypeHeader) == kFullObject;
  co_return upload;
}

// Sends one part and checks what was stored of it. True: it was checked.
Task<Result<bool>> send_part(TransferContext context, Upload& upload, uint32_t number, BlobBody& body) {
  Result<std::string> crc32c = crc32c_of(body);
  if (!crc32c.ok()) co_return forward_error(crc32c);
  BlobRequest request = upload_request(upload, "PUT");
  request.query.insert(request.query.begin(), {"partNumber", std::to_string(number)});
  request.headers.emplace_back(kCrc32cHeader, *crc32c);
  Result<BlobAnswer> answer = co_await context.service.call(std::move(request), &body, &context.meter);
  if (!answer.ok()) co_return forward_error(answer);
  const std::string place = upload.to.text() + ", part " + std::to_string(number);
  Result<bool> checked = check_stored(*answer, *crc32c, body, place);
  if (!checked.ok()) co_return checked;
  if (upload.parts.size() < number) upload.parts.resize(number);
  upload.parts[number - 1] = {.number = number,
                              .size_bytes = body.size(),
                              .etag = std::string(unquoted(answer->field("etag"))),
                              .crc32c = std::string(answer->field(kCrc32cHeader))};
  if (upload.parts[number - 1].etag.empty()) {
    co_return fail(BlobErrc::kServer, place + ": the server gives no ETag. Is that an S3 endpoint?");
  }
  co_return checked;
}

// Is the part that the server has the file's?
Result<bool> is_part_of(const RemotePart& part, BlobBody& body) {
  if (part.crc32c.empty() && !is_md5_etag(part.etag)) return false;
  Result<std::string> digest = part.crc32c.empty() ? md5_of(body) : crc32c_of(body);
  if (!digest.ok()) return forward_error(digest);
  return *digest == (part.crc32c.empty() ? part.etag : part.crc32c);
}

Task<Result<PartPage>> list_parts(TransferContext context, BlobUrl to, std::string id) {
  PartPage all;
  do {
    BlobRequest request{.bucket = to.bucket, .key = to.key, .query = {{"uploadId", id}}};
    if (!all.next_marker.empty()) request.query.emplace_back("part-number-marker", all.next_marker);
    Result<BlobAnswer> answer = co_await context.service.call(std::move(request));
    if (!answer.ok()) co_return forward_error(answer);
    Result<PartPage> page = parse_part_page(answer->content);
    if (!page.ok()) co_return page;
    page->parts.insert(page->parts.begin(), all.parts.begin(), all.parts.end());
    all = std::move(*page);
  } while (all.is_truncated && all.parts.size() <= kPartsMax);
  co_return all;
}

struct Resumed {
  Upload upload;
  uint64_t part_bytes = 0;
};

// The newest upload of this key whose parts are all the file's. What the server refuses here is no error: the upload
// then begins anew.
Task<std::optional<Resumed>> find_upload(TransferContext context, env::File& file, uint64_t size, std::string path,
                                         BlobUrl to) {
  std::optional<RemoteUpload> newest;
  UploadPages pages(context.service, to.bucket, to.key);
  while (true) {
    Result<std::optional<UploadPage>> page = co_await pages.next();
    if (!page.ok()) co_return std::nullopt;
    if (!*page) break;
    for (RemoteUpload& one : (*page)->uploads) {
      if (one.key == to.key && (!newest || one.initiated_ms >= newest->initiated_ms)) newest = std::move(one);
    }
  }
  if (!newest) co_return std::nullopt;
  Result<PartPage> page = co_await list_parts(context, to, newest->id);
  if (!page.ok()) co_return std::nullopt;
  std::optional<ResumePlan> plan = plan_resume(*page, size);
  if (!plan) co_return std::nullopt;
  Resumed resumed{.upload = {.to = std::move(to), .id = newest->id, .parts = {}}, .part_bytes = plan->part_bytes};
  resumed.upload.is_full_object = page->type == kFullObject;
  const std::vector<PartRange> ranges = cut_into_parts(size, plan->part_bytes);
  resumed.upload.parts.resize(ranges.size());
  for (RemotePart& part : plan->parts) {
    const PartRange& range = ranges[part.number - 1];
    FileBody body(file, path, range.offset, range.size_bytes);
    const Result<bool> is_same = is_part_of(part, body);
    if (!is_same.ok() || !*is_same) co_return std::nullopt;
    resumed.upload.parts[part.number - 1] = std::move(part);
    co_await env::sleep_for(context.reactor(), 0);  // others have their turn
  }
  co_return resumed;
}

class FileParts final : public PartWork {
 public:
  FileParts(TransferContext context, Upload& upload, env::File& file, std::string path)
      : context_(context), upload_(upload), file_(file), path_(std::move(path)) {}

  Task<Status> part(PartRange range) override {
    FileBody body(file_, path_, range.offset, range.size_bytes);
    Result<bool> checked = co_await send_part(context_, upload_, range.number, body);
    if (!checked.ok()) co_return forward_error(checked);
    all_checked_ = all_checked_ && *checked;
    co_return Status();
  }
  [[nodiscard]] bool all_checked() const { return all_checked_; }

 private:
  TransferContext context_;
  Upload& upload_;
  env::File& file_;
  const std::string path_;
  bool all_checked_ = true;
};

// True: it is there, and stays.
Task<Result<bool>> stays(TransferContext context, BlobUrl to) {
  if (!context.options.no_clobber) co_return false;
  Result<BlobAnswer> head = co_await context.service.call({.method = "HEAD", .bucket = to.bucket, .key = to.key});
  if (head.ok()) co_return true;
  if (head.error().code() == BlobErrc::kNotFound) co_return false;
  co_return forward_error(head);
}

Task<Result<TransferOutcome>> put_whole(TransferContext context, BlobBody& body, BlobUrl to) {
  Result<std::string> crc32c = crc32c_of(body);
  if (!crc32c.ok()) co_return forward_error(crc32c);
  BlobRequest request{.method = "PUT", .bucket = to.bucket, .key = to.key};
  request.headers = object_headers(context.options, to.key);
  request.headers.emplace_back(kCrc32cHeader, *crc32c);
  if (context.options.no_clobber) request.headers.emplace_back("if-none-match", "*");
  Result<BlobAnswer> answer = co_await context.service.call(std::move(request), &body, &context.meter);
  if (!answer.ok()) {
    if (context.options.no_clobber && answer.error().code() == BlobErrc::kPrecondition) {
      co_return TransferOutcome{.is_skipped = true};
    }
    co_return forward_error(answer);
  }
  Result<bool> checked = check_stored(*answer, *crc32c, body, to.text());
  if (!checked.ok()) co_return forward_error(checked);
  co_return TransferOutcome{.size_bytes = body.size(), .is_checked = *checked};
}

Task<Result<TransferOutcome>> put_in_parts(TransferContext context, env::File& file, uint64_t size, std::string path,
                                           BlobUrl to) {
  uint64_t part_bytes = part_size_for(size, context.options.part_bytes);
  TransferOutcome outcome{.size_bytes = size};
  Upload upload;
  std::optional<Resumed> resumed;
  // What a resumed upload was told of its object when it began cannot be changed, nor seen.
  if (context.options.resume && !context.options.has_metadata()) {
    resumed = co_await find_upload(context, file, size, path, to);
  }
  if (resumed) {
    upload = std::move(resumed->upload);
    part_bytes = resumed->part_bytes;
  } else {
    Result<Upload> begun = co_await begin_upload(context, to);
    if (!begun.ok()) co_return forward_error(begun);
    upload = std::move(*begun);
  }
  std::vector<PartRange> ranges = cut_into_parts(size, part_bytes);
  upload.parts.resize(ranges.size());
  std::erase_if(ranges, [&](const PartRange& range) {
    const bool is_there = upload.parts[range.number - 1].number != 0;
    if (is_there) outcome.resumed_bytes += range.size_bytes;
    return is_there;
  });
  context.meter.moved_bytes += outcome.resumed_bytes;
  FileParts work(context, upload, file, path);
  Status sent = co_await for_each_part(context.reactor(), context.parts, context.parallel(), ranges, work);
  if (sent.ok()) sent = co_await complete_upload(context.service, upload, context.options.no_clobber);
  if (!sent.ok()) {
    context.meter.moved_bytes -= outcome.resumed_bytes;
    co_return forward_error(sent);
  }
  outcome.is_checked = work.all_checked();
  co_return outcome;
}

// Reads until `buffer` is full or the stream ends.
Task<Status> fill(BlobInput& from, std::string& buffer, uint64_t bytes) {
  constexpr size_t kStepBytes = size_t{1} << 20;  // so that a short stream takes little
  buffer.clear();
  while (buffer.size() < bytes) {
    const size_t before = buffer.size();
    buffer.resize(before + std::min<uint64_t>(kStepBytes, bytes - before));
    Result<size_t> count = co_await from.read(std::span<char>(buffer).subspan(before));
    if (!count.ok()) co_return forward_error(count);
    buffer.resize(before + *count);
    if (*count == 0) break;
  }
  co_return Status();
}

// What the parts of a stream have in common.
struct Flow {
  TransferContext context;
  Upload upload;
  Turns slots;  // parts in memory
  bool all_checked = true;
  Status first_error = {};
};

Task<void> send_buffer(Flow& flow, uint32_t number, std::string bytes) {
  TextBody body(bytes);
  Result<bool> checked = co_await send_part(flow.context, flow.upload, number, body);
  if (!checked.ok()) {
    if (flow.first_error.ok()) flow.first_error = forward_error(checked);
  } else {
    flow.all_checked = flow.all_checked && *checked;
  }
  flow.slots.give_back();
}

// Parts from `buffer` on, until the stream ends.
Task<Status> send_flow(Flow& flow, BlobInput& from, std::string buffer, uint64_t& size) {
  env::TaskScope scope(flow.context.reactor());
  Status read;
  for (uint32_t number = 1; !buffer.empty() && flow.first_error.ok(); ++number) {
    if (number > kPartsMax) {
      read = fail(BlobErrc::kUsage, "the stream is longer than 10,000 parts hold: give a larger --part-size");
      break;
    }
    co_await flow.slots.take();
    size += buffer.size();
    scope.spawn(send_buffer(flow, number, std::exchange(buffer, {})));
    read = co_await fill(from, buffer, stream_part_size(number + 1, flow.context.options.part_bytes));
    if (!read.ok()) break;
  }
  co_await scope.join();
  co_return flow.first_error.ok() ? std::move(read) : std::move(flow.first_error);
}

}  // namespace

Task<Result<TransferOutcome>> upload_file(TransferContext context, std::string path, BlobUrl to) {
  Result<std::unique_ptr<env::File>> file = context.env.disk().open(path, env::OpenMode::kRead);
  if (!file.ok()) co_return forward_error(file);
  const Result<uint64_t> size = (*file)->size();
  if (!size.ok()) co_return std::unexpected<Error>(size.error());
  if (*size > kObjectBytesMax) co_return fail(BlobErrc::kUsage, path + " is larger than 5 TiB, an object's most");
  Result<bool> is_there = co_await stays(context, to);
  if (!is_there.ok()) co_return forward_error(is_there);
  if (*is_there) co_return TransferOutcome{.is_skipped = true};
  if (*size > context.options.part_bytes) {
    co_return co_await put_in_parts(context, **file, *size, std::move(path), std::move(to));
  }
  FileBody body(**file, path, 0, *size);
  co_return co_await put_whole(context, body, std::move(to));
}

Task<Result<TransferOutcome>> upload_stream(TransferContext context, BlobInput& from, BlobUrl to) {
  Result<bool> is_there = co_await stays(context, to);
  if (!is_there.ok()) co_return forward_error(is_there);
  if (*is_there) co_return TransferOutcome{.is_skipped = true};
  std::string buffer;
  if (Status read = co_await fill(from, buffer, context.options.part_bytes); !read.ok()) co_return forward_error(read);
  if (buffer.size() < context.options.part_bytes) {
    TextBody body(buffer);
    co_return co_await put_whole(context, body, std::move(to));
  }
  Result<Upload> begun = co_await begin_upload(context, to);
  if (!begun.ok()) co_return forward_error(begun);
  Flow flow{.context = context, .upload = std::move(*begun), .slots = Turns(context.reactor(), context.parallel())};
  TransferOutcome outcome;
  Status sent = co_await send_flow(flow, from, std::move(buffer), outcome.size_bytes);
  if (sent.ok()) sent = co_await complete_upload(context.service, flow.upload, context.options.no_clobber);
  if (!sent.ok()) {
    // Nobody can go on with it. If it cannot be removed either, the first error is the one to tell.
    (void)co_await abort_upload(context.service, to.bucket, to.key, flow.upload.id);
    co_return forward_error(sent);
  }
  outcome.is_checked = flow.all_checked;
  co_return outcome;
}

}  // namespace keelson::cli
