// `keelson blob ls`, `du` and `stat`: what is there.
#include <map>
#include <utility>

#include "cli/blob_errors.h"
#include "cli/blob_text.h"
#include "cli/blob_verbs.h"
#include "cli/blob_walk.h"
#include "protocol/s3/dates.h"

namespace keelson::cli {

namespace {

std::string object_json(const RemoteObject& object, bool with_version) {
  JsonLine line;
  line.text("key", object.key).number("size", object.size_bytes);
  line.text("modified", s3::format_iso8601(object.modified_ms)).text("etag", object.etag);
  if (!object.storage_class.empty()) line.text("storage_class", object.storage_class);
  if (with_version) {
    line.text("version_id", object.version_id).flag("is_latest", object.is_latest);
    line.flag("is_delete_marker", object.is_delete_marker);
  }
  return line.take();
}

Task<Status> list_buckets(BlobStage& stage) {
  Result<BlobAnswer> answer = co_await stage.service.call(BlobRequest());
  if (!answer.ok()) co_return forward_error(answer);
  Result<std::vector<RemoteBucket>> buckets = parse_bucket_list(answer->content);
  if (!buckets.ok()) co_return forward_error(buckets);
  for (const RemoteBucket& bucket : *buckets) {
    if (stage.options.json) {
      stage.console.line(
          JsonLine().text("bucket", bucket.name).text("created", s3::format_iso8601(bucket.created_ms)).take());
    } else {
      stage.console.line(shown_time(bucket.created_ms) + "  " + shown(bucket.name));
    }
  }
  co_return Status();
}

void show_page(BlobStage& stage, const ListPage& page) {
  const BlobOptions& options = stage.options;
  // Both lists are sorted; shown as one.
  size_t next_prefix = 0;
  const auto show_prefix = [&] {
    const std::string& prefix = page.prefixes[next_prefix++];
    stage.console.line(options.json ? JsonLine().text("prefix", prefix).take() : prefix_line(prefix));
  };
  for (const RemoteObject& object : page.objects) {
    while (next_prefix < page.prefixes.size() && page.prefixes[next_prefix] < object.key) show_prefix();
    stage.console.line(options.json ? object_json(object, options.versions)
                                    : object_line(object, options.exact_bytes, options.versions));
  }
  while (next_prefix < page.prefixes.size()) show_prefix();
}

template <class Pages>
Task<Status> list_objects(BlobStage& stage, BlobUrl url, Pages& pages) {
  bool found = false;
  while (true) {
    Result<std::optional<ListPage>> page = co_await pages.next();
    if (!page.ok()) co_return forward_error(page);
    if (!*page) break;
    found = found || !(*page)->objects.empty() || !(*page)->prefixes.empty();
    show_page(stage, **page);
  }
  if (found || url.key.empty()) co_return Status();
  co_return fail(BlobErrc::kNotFound, url.text() + ": no key begins so");
}

Task<Status> list_uploads(BlobStage& stage, BlobUrl url) {
  UploadPages pages(stage.service, url.bucket, url.key);
  while (true) {
    Result<std::optional<UploadPage>> page = co_await pages.next();
    if (!page.ok()) co_return forward_error(page);
    if (!*page) co_return Status();
    for (const RemoteUpload& upload : (*page)->uploads) {
      if (stage.options.json) {
        stage.console.line(JsonLine()
                               .text("key", upload.key)
                               .text("upload_id", upload.id)
                               .text("initiated", s3::format_iso8601(upload.initiated_ms))
                               .take());
      } else {
        stage.console.line(shown_time(upload.initiated_ms) + "  " + shown(upload.key) + "  " + upload.id);
      }
    }
  }
}

struct Sum {
  uint64_t objects = 0;
  uint64_t bytes = 0;
};

void show_sum(BlobStage& stage, const std::string& name, const Sum& sum) {
  if (stage.options.json) {
    stage.console.line(JsonLine().text("name", name).number("objects", sum.objects).number("bytes", sum.bytes).take());
    return;
  }
  std::string size = shown_size(sum.bytes, stage.options.exact_bytes);
  if (size.size() < 12) size.insert(0, 12 - size.size(), ' ');
  stage.console.line(size + "  " + std::to_string(sum.objects) + (sum.objects == 1 ? " object   " : " objects  ") +
                     shown(name));
}

// What the connection and the clock add to an answer is not the object's.
bool is_of_object(std::string_view name) {
  for (const std::string_view other : {"connection", "date", "keep-alive", "server", "transfer-encoding", "x-amz-id-2",
                                       "x-amz-request-id", "strict-transport-security", "vary"}) {
    if (net::http::equal_ignoring_case(name, other)) return false;
  }
  return true;
}

void show_fields(BlobStage& stage, const std::string& place, const Pairs& fields) {
  if (stage.options.json) {
    JsonLine line;
    line.text("place", place);
    for (const auto& [name, value] : fields) line.text(name, value);
    stage.console.line(line.take());
    return;
  }
  stage.console.line(shown(place));
  for (const auto& [name, value] : fields) stage.console.line("  " + name + ": " + shown(value));
}

void add_fields(Pairs& fields, const BlobAnswer& answer) {
  for (const net::http::Field& field : answer.fields) {
    if (!is_of_object(field.name)) continue;
    std::string name(field.name);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    fields.emplace_back(std::move(name), field.value);
  }
}

Task<Status> stat_bucket(BlobStage& stage, BlobUrl url) {
  BlobRequest look{.method = "HEAD", .bucket = url.bucket};
  Result<BlobAnswer> head = co_await stage.service.call(std::move(look));
  if (!head.ok()) co_return forward_error(head);
  Pairs fields;
  add_fields(fields, *head);
  BlobRequest ask{.bucket = url.bucket, .query = {{"versioning", ""}}};
  Result<BlobAnswer> versioning = co_await stage.service.call(std::move(ask));
  if (versioning.ok()) {
    Result<std::string> status = parse_versioning_status(versioning->content);
    if (!status.ok()) co_return forward_error(status);
    fields.emplace_back("versioning", status->empty() ? "Off" : *status);
  } else {
    fields.emplace_back("versioning", "not told: " + versioning.error().message());
  }
  show_fields(stage, BlobUrl{.bucket = url.bucket}.text(), fields);
  co_return Status();
}

}  // namespace

Result<BlobUrl> only_url(const BlobOptions& options, UrlNeeds needs) {
  if (options.places.size() != 1) return fail(BlobErrc::kUsage, "name one place: s3://bucket/key");
  Result<BlobUrl> url = parse_blob_url(options.places.front());
  if (!url.ok()) return url;
  if (needs != UrlNeeds::kNothing && url->bucket.empty()) {
    return fail(BlobErrc::kUsage, options.places.front() + ": name a bucket: s3://bucket");
  }
  if (needs == UrlNeeds::kKey && url->key.empty()) {
    return fail(BlobErrc::kUsage, options.places.front() + ": name a key: s3://bucket/key");
  }
  return url;
}

Task<Status> blob_ls(BlobStage& stage) {
  if (stage.options.places.empty()) co_return co_await list_buckets(stage);
  Result<BlobUrl> url = only_url(stage.options, UrlNeeds::kNothing);
  if (!url.ok()) co_return forward_error(url);
  if (url->bucket.empty()) co_return co_await list_buckets(stage);
  if (stage.options.uploads) co_return co_await list_uploads(stage, *url);
  const std::string delimiter = stage.options.recursive ? "" : "/";
  if (stage.options.versions) {
    VersionPages pages(stage.service, url->bucket, url->key, delimiter);
    co_return co_await list_objects(stage, *url, pages);
  }
  ObjectPages pages(stage.service, url->bucket, url->key, delimiter);
  co_return co_await list_objects(stage, *url, pages);
}

Task<Status> blob_du(BlobStage& stage) {
  Result<BlobUrl> url = only_url(stage.options, UrlNeeds::kBucket);
  if (!url.ok()) co_return forward_error(url);
  ObjectPages pages(stage.service, url->bucket, url->folder_key());
  const size_t skip = url->folder_key().size();
  Sum total;
  Sum folder;
  std::string name;  // of the folder below the place that is being summed up; keys come in order
  const auto end_folder = [&] {
    if (folder.objects != 0 && !name.empty() && !stage.options.summarize) show_sum(stage, name, folder);
    folder = {};
  };
  while (true) {
    Result<std::optional<ListPage>> page = co_await pages.next();
    if (!page.ok()) co_return forward_error(page);
    if (!*page) break;
    for (const RemoteObject& object : (*page)->objects) {
      const size_t slash = object.key.find('/', skip);
      const std::string below =
          slash == std::string::npos ? "" : BlobUrl{url->bucket, object.key.substr(0, slash + 1)}.text();
      if (below != name) {
        end_folder();
        name = below;
      }
      for (Sum* sum : {&total, &folder}) {
        ++sum->objects;
        sum->bytes += object.size_bytes;
      }
    }
  }
  end_folder();
  show_sum(stage, url->text(), total);
  co_return Status();
}

Task<Status> blob_stat(BlobStage& stage) {
  Result<BlobUrl> url = only_url(stage.options, UrlNeeds::kBucket);
  if (!url.ok()) co_return forward_error(url);
  if (url->key.empty()) co_return co_await stat_bucket(stage, *url);
  BlobRequest request{.method = "HEAD", .bucket = url->bucket, .key = url->key};
  const std::string& version = stage.options.transfer.version_id;
  if (!version.empty()) request.query.emplace_back("versionId", version);
  request.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  Result<BlobAnswer> head = co_await stage.service.call(std::move(request));
  if (!head.ok()) co_return forward_error(head);
  Pairs fields;
  add_fields(fields, *head);
  const std::string_view tags = head->field("x-amz-tagging-count");
  if (!tags.empty() && tags != "0") {
    BlobRequest ask{.bucket = url->bucket, .key = url->key, .query = {{"tagging", ""}}};
    if (!version.empty()) ask.query.emplace_back("versionId", version);
    Result<BlobAnswer> answer = co_await stage.service.call(std::move(ask));
    if (!answer.ok()) co_return forward_error(answer);
    Result<Pairs> parsed = parse_tags(answer->content);
    if (!parsed.ok()) co_return forward_error(parsed);
    for (auto& [name, value] : *parsed) fields.emplace_back("tag " + name, std::move(value));
  }
  show_fields(stage, url->text(), fields);
  co_return Status();
}

}  // namespace keelson::cli
