// What the blob verbs decide without a server: places, filters, parts, resumption, and how things are written.
#include "cli/blob_plan.h"

#include <gtest/gtest.h>

#include "cli/blob_check.h"
#include "cli/blob_download_state.h"
#include "cli/blob_errors.h"
#include "cli/blob_request.h"
#include "cli/blob_settings.h"
#include "cli/blob_text.h"
#include "cli/blob_url.h"
#include "protocol/s3/signature_v4.h"

namespace keelson::cli {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(BlobUrl, TakesKeysAsTheyStand) {
  const Result<BlobUrl> url = parse_blob_url("s3://b/a//%20/../x y");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->bucket, "b");
  EXPECT_EQ(url->key, "a//%20/../x y");
  EXPECT_EQ(url->text(), "s3://b/a//%20/../x y");
  EXPECT_EQ(parse_blob_url("s3://b")->key, "");
  EXPECT_EQ(parse_blob_url("s3://b/")->key, "");
  EXPECT_EQ(parse_blob_url("s3://")->bucket, "");
  EXPECT_EQ(parse_blob_url("s3://b/dir")->folder_key(), "dir/");
  EXPECT_EQ(parse_blob_url("s3://b/dir/")->folder_key(), "dir/");
  EXPECT_EQ(parse_blob_url("s3://b")->folder_key(), "");
  for (const std::string_view bad : {"b/k", "s3:/b/k", "s3:///k", "s3://b?x/k", "s3://../k", "S3://b/k"}) {
    EXPECT_EQ(parse_blob_url(bad).error().code(), BlobErrc::kUsage) << bad;
  }
  EXPECT_TRUE(parse_blob_url("s3://b/" + std::string(1024, 'k')).ok());
  EXPECT_FALSE(parse_blob_url("s3://b/" + std::string(1025, 'k')).ok());
}

TEST(Endpoint, IsSchemeHostAndPort) {
  const auto text = [](std::string_view from) {
    const Result<Endpoint> endpoint = parse_endpoint(from);
    return endpoint.ok() ? endpoint->text() + " " + std::to_string(endpoint->port) : "bad";
  };
  EXPECT_EQ(text("http://127.0.0.1:9000"), "http://127.0.0.1:9000 9000");
  EXPECT_EQ(text("127.0.0.1:9000"), "http://127.0.0.1:9000 9000");
  EXPECT_EQ(text("https://s3.example.com/"), "https://s3.example.com 443");
  EXPECT_EQ(text("http://s3.example.com:80"), "http://s3.example.com 80");
  EXPECT_EQ(text("http://[::1]:9000"), "http://[::1]:9000 9000");
  EXPECT_EQ(text("https://[::1]"), "https://[::1] 443");
  for (const std::string_view bad : {"", "http://", "ftp://h", "http://h/bucket", "http://h:0", "http://h:65536",
                                     "http://u@h", "http://:9000", "http://h?x", "http://[::1"}) {
    EXPECT_EQ(text(bad), "bad") << bad;
  }
}

TEST(PathBelow, NeverLeavesTheFolder) {
  EXPECT_EQ(path_below("d", "a/b").value_or("?"), "d/a/b");
  EXPECT_EQ(path_below("d/", "a").value_or("?"), "d/a");
  EXPECT_EQ(path_below("/", "a").value_or("?"), "/a");
  EXPECT_EQ(path_below("d", "...").value_or("?"), "d/...");
  for (const std::string_view bad : {"", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a"}) {
    EXPECT_FALSE(path_below("d", bad)) << bad;
  }
  EXPECT_FALSE(path_below("d", std::string_view("a\0b", 3)));
}

NameFilter filter(std::initializer_list<std::pair<bool, const char*>> rules) {
  NameFilter made;
  for (const auto& [is_include, pattern] : rules) made.add(is_include, pattern);
  return made;
}

TEST(NameFilter, LetsTheLastMatchDecide) {
  EXPECT_TRUE(filter({}).takes("a"));
  const NameFilter images_alone = filter({{false, "*"}, {true, "*.jpg"}});
  EXPECT_TRUE(images_alone.takes("x/y.jpg"));
  EXPECT_FALSE(images_alone.takes("x/y.txt"));
  const NameFilter images_too = filter({{true, "*.jpg"}});
  EXPECT_TRUE(images_too.takes("y.jpg"));
  EXPECT_FALSE(images_too.takes("y.txt"));
  const NameFilter not_temporary = filter({{true, "*.jpg"}, {false, "tmp/*"}});
  EXPECT_TRUE(not_temporary.takes("a/y.jpg"));
  EXPECT_FALSE(not_temporary.takes("tmp/y.jpg"));
  EXPECT_TRUE(filter({{false, "*.o"}}).takes("main.cc"));
  EXPECT_FALSE(filter({{false, "*.o"}}).takes("x/main.o"));
  EXPECT_FALSE(filter({{false, "*"}}).takes(""));
}

TEST(SyncStep, CopiesWhatDiffers) {
  const Entry old{.name = "n", .size_bytes = 5, .modified_ms = 1000};
  const Entry newer{.name = "n", .size_bytes = 5, .modified_ms = 1001};
  const Entry larger{.name = "n", .size_bytes = 6, .modified_ms = 500};
  const SyncRule plain;
  EXPECT_EQ(sync_step(&old, nullptr, plain), SyncStep::kTransfer);
  EXPECT_EQ(sync_step(&old, &old, plain), SyncStep::kKeep);
  EXPECT_EQ(sync_step(&old, &newer, plain), SyncStep::kKeep);
  EXPECT_EQ(sync_step(&newer, &old, plain), SyncStep::kTransfer);
  EXPECT_EQ(sync_step(&larger, &old, plain), SyncStep::kTransfer);
  EXPECT_EQ(sync_step(nullptr, &old, plain), SyncStep::kIgnore);
  EXPECT_EQ(sync_step(nullptr, &old, {.deletes = true}), SyncStep::kDelete);
  EXPECT_EQ(sync_step(&newer, &old, {.by_content = true}), SyncStep::kCompare);
  EXPECT_EQ(sync_step(&larger, &old, {.by_content = true}), SyncStep::kTransfer);
  EXPECT_EQ(sync_step(&newer, &old, {.size_only = true}), SyncStep::kKeep);
}

TEST(Parts, CoverTheWholeWithinTheLimits) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, 8 * kMiB, 8 * kMiB + 1, 100 * kMiB, kObjectBytesMax}) {
    const uint64_t part_bytes = part_size_for(size, kPartBytesDefault);
    const std::vector<PartRange> parts = cut_into_parts(size, part_bytes);
    EXPECT_LE(parts.size(), kPartsMax) << size;
    EXPECT_LE(part_bytes, kPartBytesMax);
    uint64_t at = 0;
    for (const PartRange& part : parts) {
      EXPECT_EQ(part.offset, at);
      at += part.size_bytes;
      if (&part != &parts.back()) EXPECT_EQ(part.size_bytes, part_bytes);
    }
    EXPECT_EQ(at, size);
  }
  EXPECT_EQ(part_size_for(10 * kMiB, 16 * kMiB), 16 * kMiB);
}

TEST(Parts, OfAStreamGrow) {
  EXPECT_EQ(stream_part_size(1, 8 * kMiB), 8 * kMiB);
  EXPECT_EQ(stream_part_size(2000, 8 * kMiB), 8 * kMiB);
  EXPECT_EQ(stream_part_size(2001, 8 * kMiB), 16 * kMiB);
  EXPECT_EQ(stream_part_size(10'000, 8 * kMiB), 128 * kMiB);
  EXPECT_EQ(stream_part_size(10'000, kPartBytesMax), kPartBytesMax);
}

PartPage page_of(std::vector<std::pair<uint32_t, uint64_t>> parts, std::string algorithm = "CRC32C") {
  PartPage page;
  page.algorithm = std::move(algorithm);
  for (const auto& [number, size] : parts) page.parts.push_back({.number = number, .size_bytes = size, .etag = "e"});
  return page;
}

TEST(Resume, TakesPartsThatCanBeTheFiles) {
  const uint64_t size = 21 * kMiB;
  const auto plan = plan_resume(page_of({{1, 10 * kMiB}, {3, kMiB}}), size);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->part_bytes, 10 * kMiB);
  EXPECT_EQ(plan->parts.size(), 2U);
  EXPECT_TRUE(plan_resume(page_of({{2, 10 * kMiB}}, ""), size));
  // Nothing there; the last part alone; a part past the end; unequal parts; parts too small; out of order.
  EXPECT_FALSE(plan_resume(page_of({}), size));
  EXPECT_FALSE(plan_resume(page_of({{3, kMiB}}), size));
  EXPECT_FALSE(plan_resume(page_of({{1, 10 * kMiB}, {4, 10 * kMiB}}), size));
  EXPECT_FALSE(plan_resume(page_of({{1, 10 * kMiB}, {2, 9 * kMiB}}), size));
  EXPECT_FALSE(plan_resume(page_of({{1, 4 * kMiB}}), size));
  EXPECT_FALSE(plan_resume(page_of({{2, 10 * kMiB}, {1, 10 * kMiB}}), size));
  EXPECT_FALSE(plan_resume(page_of({{3, 2 * kMiB}, {1, 10 * kMiB}}), size));
  // Parts of this file must have a checksum that this program sends; a whole file is no part.
  EXPECT_FALSE(plan_resume(page_of({{1, 10 * kMiB}}, "CRC64NVME"), size));
  EXPECT_FALSE(plan_resume(page_of({{1, 21 * kMiB}}), size));
  PartPage truncated = page_of({{1, 10 * kMiB}});
  truncated.is_truncated = true;
  EXPECT_FALSE(plan_resume(truncated, size));
}

TEST(ETags, AreTold) {
  EXPECT_TRUE(is_md5_etag("d41d8cd98f00b204e9800998ecf8427e"));
  EXPECT_FALSE(is_md5_etag("d41d8cd98f00b204e9800998ecf8427e-2"));
  EXPECT_FALSE(is_md5_etag("d41d8cd98f00b204e9800998ecf8427g"));
  EXPECT_EQ(part_count_of("d41d8cd98f00b204e9800998ecf8427e-12"), 12U);
  EXPECT_EQ(part_count_of("d41d8cd98f00b204e9800998ecf8427e"), 0U);
  EXPECT_EQ(part_count_of("d41d8cd98f00b204e9800998ecf8427e-"), 0U);
  EXPECT_EQ(part_count_of("d41d8cd98f00b204e9800998ecf8427e-10001"), 0U);
}

TEST(Units, AreRead) {
  EXPECT_EQ(parse_size("8MiB"), 8 * kMiB);
  EXPECT_EQ(parse_size("8M"), 8 * kMiB);
  EXPECT_EQ(parse_size("1G"), 1024 * kMiB);
  EXPECT_EQ(parse_size("5242880"), 5 * kMiB);
  for (const std::string_view bad : {"", "M", "8 MiB", "8MB!", "-1", "99999999999999999999", "18446744073709551615G"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
  EXPECT_EQ(parse_seconds("90"), 90);
  EXPECT_EQ(parse_seconds("15m"), 900);
  EXPECT_EQ(parse_seconds("7d"), 604'800);
  EXPECT_FALSE(parse_seconds("1w"));
}

TEST(ContentType, FollowsTheEnding) {
  EXPECT_EQ(content_type_of("a/b.PNG"), "image/png");
  EXPECT_EQ(content_type_of("index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(content_type_of("a.png/b"), "");
  EXPECT_EQ(content_type_of("README"), "");
}

TEST(DownloadState, ReadsBackAndForgetsTornLines) {
  const DownloadState state{.etag = "abc-2", .size_bytes = 25 * kMiB, .part_bytes = 8 * kMiB};
  const std::string text = download_state_head(state) + download_state_line(2, 0xdeadbeef) + download_state_line(4, 7);
  const auto read = parse_download_state(text);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->is_of("abc-2", 25 * kMiB));
  EXPECT_FALSE(read->is_of("abc-3", 25 * kMiB));
  EXPECT_EQ(read->crc32c_by_part, (std::map<uint32_t, uint32_t>{{2, 0xdeadbeef}, {4, 7}}));
  // However it is cut: never a part that was not written down, and never another head.
  for (size_t cut = 0; cut < text.size(); ++cut) {
    const auto torn = parse_download_state(std::string_view(text).substr(0, cut));
    if (!torn) continue;
    EXPECT_TRUE(torn->is_of("abc-2", 25 * kMiB)) << cut;
    for (const auto& [number, crc] : torn->crc32c_by_part) EXPECT_EQ(read->crc32c_by_part.at(number), crc) << cut;
  }
  EXPECT_FALSE(parse_download_state("keelson-download 2\nabc\n5\n5\n"));
  EXPECT_FALSE(parse_download_state("keelson-download 1\nabc\n5\n0\n"));
  EXPECT_TRUE(parse_download_state(text + download_state_line(5, 1))->crc32c_by_part.size() == 2);
}

TEST(Signature, IsTheOneThatTheServerExpects) {
  const BlobKeys keys{.access_key_id = "AKID", .secret_access_key = "secret", .session_token = "token"};
  const BlobRequest request{.method = "PUT",
                            .bucket = "b",
                            .key = "a b//%2F\xc3\xa4+",
                            .query = {{"uploadId", "x/y="}, {"partNumber", "1"}, {"uploads", ""}},
                            .headers = {{"x-amz-meta-z", "  two  blanks "}, {"content-type", "text/plain"}}};
  const int64_t now_ms = 1'700'000'000'000;
  const Pairs headers = signed_headers(request, "h:9000", keys, "us-east-1", "UNSIGNED-PAYLOAD", now_ms);
  std::vector<s3::HeaderView> views(headers.begin(), headers.end());
  views.emplace_back("Host", "h:9000");
  const std::string target = request_target(request);
  EXPECT_EQ(target, "/b/a%20b//%252F%C3%A4%2B?uploadId=x%2Fy%3D&partNumber=1&uploads");
  const size_t question = target.find('?');
  s3::RequestView view{.method = "PUT",
                       .raw_path = std::string_view(target).substr(0, question),
                       .raw_query = std::string_view(target).substr(question + 1),
                       .headers = views};
  const auto credentials = s3::parse_v4(view);
  ASSERT_TRUE(credentials.has_value());
  EXPECT_TRUE(s3::verify_v4(view, *credentials, "secret", "us-east-1", now_ms).has_value());
  EXPECT_FALSE(s3::verify_v4(view, *credentials, "other", "us-east-1", now_ms).has_value());
  view.method = "GET";
  EXPECT_FALSE(s3::verify_v4(view, *credentials, "secret", "us-east-1", now_ms).has_value());
}

TEST(PresignedUrl, IsGoodUntilItExpires) {
  const BlobKeys keys{.access_key_id = "AK/ID", .secret_access_key = "secret"};
  const Endpoint endpoint{.tls = true, .host = "s3.example.com", .port = 443};
  const int64_t now_ms = 1'700'000'000'000;
  const Result<std::string> url = presigned_url({.bucket = "b", .key = "k k"}, endpoint, keys, "eu-1", now_ms, 60);
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->starts_with("https://s3.example.com/b/k%20k?X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
  const size_t question = url->find('?');
  const std::vector<s3::HeaderView> headers = {{"host", "s3.example.com"}};
  const s3::RequestView view{.method = "GET",
                             .raw_path = "/b/k%20k",
                             .raw_query = std::string_view(*url).substr(question + 1),
                             .headers = headers};
  const auto credentials = s3::parse_v4(view);
  ASSERT_TRUE(credentials.has_value());
  EXPECT_EQ(credentials->access_key_id, "AK/ID");
  EXPECT_TRUE(s3::verify_v4(view, *credentials, "secret", "eu-1", now_ms + 59'000).has_value());
  EXPECT_FALSE(s3::verify_v4(view, *credentials, "secret", "eu-1", now_ms + 61'000).has_value());
  EXPECT_EQ(presigned_url({.bucket = "b"}, endpoint, {}, "eu-1", now_ms, 60).error().code(), BlobErrc::kUsage);
  EXPECT_FALSE(presigned_url({.bucket = "b"}, endpoint, keys, "eu-1", now_ms, 604'801).ok());
}

TEST(Settings, ComeFromFlagsThenOneFamilyOfVariables) {
  std::map<std::string, std::string> variables;
  const Environment environment = [&](const char* name) { return variables[name]; };
  EXPECT_EQ(blob_target_of({}, environment, "").error().code(), BlobErrc::kUsage);
  EXPECT_TRUE(blob_target_of({.anonymous = true}, environment, "")->keys.access_key_id.empty());
  variables = {{"AWS_ACCESS_KEY_ID", "a"},
               {"AWS_SECRET_ACCESS_KEY", "as"},
               {"AWS_SESSION_TOKEN", "at"},
               {"AWS_DEFAULT_REGION", "ar"},
               {"AWS_ENDPOINT_URL", "https://aws.example"}};
  Result<BlobTarget> target = blob_target_of({}, environment, "");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->keys.secret_access_key, "as");
  EXPECT_EQ(target->keys.session_token, "at");
  EXPECT_EQ(target->region, "ar");
  EXPECT_EQ(target->endpoint.text(), "https://aws.example");
  // The other family wins as a whole: no token of the first goes with its keys.
  variables["KEELSON_S3_ACCESS_KEY_ID"] = "k";
  variables["KEELSON_S3_SECRET_ACCESS_KEY"] = "ks";
  variables["KEELSON_S3_ENDPOINT"] = "http://127.0.0.1:9001";
  target = blob_target_of({}, environment, "");
  EXPECT_EQ(target->keys.access_key_id, "k");
  EXPECT_EQ(target->keys.secret_access_key, "ks");
  EXPECT_EQ(target->keys.session_token, "");
  EXPECT_EQ(target->endpoint.port, 9001);
  target =
      blob_target_of({.region = "r", .access_key_id = "f", .secret_access_key_file = "x"}, environment, "fs\nrest");
  EXPECT_EQ(target->keys.access_key_id, "f");
  EXPECT_EQ(target->keys.secret_access_key, "fs");
  EXPECT_EQ(target->region, "r");
  EXPECT_FALSE(blob_target_of({.parallel = 0}, environment, "").ok());
  EXPECT_FALSE(blob_target_of({.parallel = 65}, environment, "").ok());
}

TEST(ServerWords, TellWhatToDo) {
  const ServerWords words = read_server_words(
      404, "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>It is not there.</Message></Error>");
  const Error error = server_error(words, "s3://b/k");
  EXPECT_EQ(error.code(), BlobErrc::kNotFound);
  EXPECT_EQ(
      error.message(),
      "s3://b/k: the server says NoSuchBucket: It is not there. See `keelson blob ls` for the buckets, or make it "
      "with `keelson blob mb`");
  EXPECT_EQ(read_server_words(403, "").code, "Forbidden");
  EXPECT_EQ(server_error(read_server_words(404, "<html>"), "p").code(), BlobErrc::kNotFound);
  EXPECT_EQ(server_error(read_server_words(418, ""), "p").code(), BlobErrc::kRefused);
  EXPECT_TRUE(is_worth_retrying(read_server_words(503, "")));
  EXPECT_TRUE(is_worth_retrying(read_server_words(400, "<Error><Code>RequestTimeout</Code></Error>")));
  EXPECT_FALSE(is_worth_retrying(words));
}

TEST(Documents, AreReadAsServersWriteThem) {
  const Result<ListPage> page = parse_list_page(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t+1</"
      "NextContinuationToken>"
      "<Contents><Key>a+b%2Bc/%0A</Key><LastModified>2024-05-01T12:30:00.250Z</LastModified>"
      "<ETag>&quot;abc&quot;</ETag><Size>7</Size></Contents>"
      "<CommonPrefixes><Prefix>d%20/</Prefix></CommonPrefixes></ListBucketResult>");
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->objects.size(), 1U);
  EXPECT_EQ(page->objects[0].key, "a b+c/\n");
  EXPECT_EQ(page->objects[0].etag, "abc");
  EXPECT_EQ(page->objects[0].size_bytes, 7U);
  EXPECT_EQ(page->objects[0].modified_ms, 1'714'566'600'250);
  EXPECT_EQ(page->prefixes, std::vector<std::string>{"d /"});
  EXPECT_EQ(page->next_token, "t+1");
  // Truncated without a place to go on at: a listing that would never end, or end too early.
  EXPECT_FALSE(parse_list_page("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>").ok());
  EXPECT_EQ(parse_list_page("<html/>").error().code(), BlobErrc::kServer);
  EXPECT_EQ(parse_part_page("").error().code(), BlobErrc::kServer);
  EXPECT_EQ(*parse_one("  <R><UploadId>u</UploadId></R>", "UploadId"), "u");
  EXPECT_EQ(create_bucket_document("us-east-1"), "");
  EXPECT_NE(create_bucket_document("eu-1").find("<LocationConstraint>eu-1</LocationConstraint>"), std::string::npos);
}

BlobAnswer head(std::initializer_list<std::pair<const char*, const char*>> fields) {
  BlobAnswer answer{.status = 200};
  for (const auto& [name, value] : fields) answer.fields.add(name, value);
  return answer;
}

std::optional<bool> checked(ContentCheck check, std::string_view content) {
  for (const char c : content) check.update(std::string_view(&c, 1));
  return check.finish();
}

TEST(ContentCheck, TakesTheBestThatThereIs) {
  // RFC 3720 B.4's CRC32C of "123456789" is e3069283; its MD5 is md5sum's.
  const char* md5 = "\"25f9e794323b453885f5181f1b624d0b\"";
  const BlobAnswer crc = head({{"ETag", "\"x\""}, {"x-amz-checksum-crc32c", "4waSgw=="}});
  EXPECT_EQ(checked(ContentCheck(crc), "123456789"), true);
  EXPECT_EQ(checked(ContentCheck(crc), "123456780"), false);
  EXPECT_EQ(ContentCheck(crc).expected_crc32c(), std::string("\xe3\x06\x92\x83"));
  EXPECT_EQ(checked(ContentCheck(head({{"ETag", md5}})), "123456789"), true);
  EXPECT_EQ(checked(ContentCheck(head({{"ETag", md5}})), "12345678"), false);
  // A checksum of checksums is none of the content; a server's own keys make the entity tag something else.
  EXPECT_EQ(checked(ContentCheck(head(
                        {{"ETag", md5}, {"x-amz-checksum-crc32c", "AAAAAA=="}, {"x-amz-checksum-type", "COMPOSITE"}})),
                    "123456789"),
            true);
  EXPECT_EQ(checked(ContentCheck(head({{"ETag", md5}, {"x-amz-server-side-encryption", "aws:kms"}})), "123456789"),
            std::nullopt);
  // md5(md5("12345678") + md5("9")), by Python's hashlib.
  const BlobAnswer parts = head({{"ETag", "\"c51709bf2fba9d6c1463234c8a459153-2\""}});
  EXPECT_TRUE(ContentCheck(parts).wants_part_bytes());
  EXPECT_EQ(checked(ContentCheck(parts), "123456789"), std::nullopt);
  EXPECT_EQ(checked(ContentCheck(parts, 8), "123456789"), true);
  EXPECT_EQ(checked(ContentCheck(parts, 4), "123456789"), std::nullopt);
}

TEST(Texts, AreForPeopleAndPrograms) {
  EXPECT_EQ(shown("a\n\x1b[31m"), "a\\x0a\\x1b[31m");
  EXPECT_EQ(shown_time(1'714'566'600'000), "2024-05-01 12:30:00");
  EXPECT_EQ(JsonLine().text("k", "a\"\\\n\xff\xc3\xa4").number("n", 5).flag("f", true).take(),
            "{\"k\":\"a\\\"\\\\\\u000a\\ufffd\xc3\xa4\",\"n\":5,\"f\":true}");
  EXPECT_EQ(progress_text({.done_bytes = 5 * kMiB, .total_bytes = 10 * kMiB}),
            "[##########----------]  50 %  5.0 MiB of 10.0 MiB");
  EXPECT_EQ(progress_text({.done_bytes = 5 * kMiB, .total_bytes = 10 * kMiB, .took_ns = 5'000'000'000}),
            "[##########----------]  50 %  5.0 MiB of 10.0 MiB, 1.0 MiB/s, 5 s left");
  EXPECT_EQ(progress_text({.done_bytes = 5 * kMiB, .objects = 3}), "3 objects, 5.0 MiB");
  EXPECT_EQ(progress_text({.done_bytes = 11 * kMiB, .total_bytes = 10 * kMiB}),
            "[####################] 100 %  10.0 MiB of 10.0 MiB");
}

}  // namespace
}  // namespace keelson::cli
