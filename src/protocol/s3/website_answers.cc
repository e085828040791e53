// Static websites: GET and HEAD on <bucket>.<website domain>, for everybody, with HTML errors.
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/read_object.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
}

Task<void> answer_html(Call& call, const S3Error& error) {
  std::string page = "<!DOCTYPE html>\n<html><head><title>";
  const std::string title = std::to_string(error.spec().status) + " " + std::string(error.spec().code);
  append_html(page, title);
  page += "</title></head><body><h1>";
  append_html(page, title);
  page += "</h1><p>";
  append_html(page, error.text());
  page += "</p></body></html>\n";
  call.notes.error_code = error.spec().code;
  (void)co_await call.respond(error.spec().status, kHtml, page);
}

Task<void> answer_redirect(Call& call, const WebsiteRedirect& redirect, std::string_view rule_prefix) {
  const net::http::Request& sent = call.exchange.request();
  call.exchange.add_field("Location", redirect_location(redirect, call.place.key, rule_prefix, sent.authority(),
                                                        sent.is_tls() ? "https" : "http"));
  (void)co_await call.respond_empty(redirect.status);
}

// Opens the object if everybody may read it.
Task<S3Result<blobstore::Opened>> open_page(Call& call, std::string key) {
  if (auto allowed = co_await authorize_object(call, "s3:GetObject", call.bucket, key, {}); !allowed) {
    co_return std::unexpected(std::move(allowed.error()));
  }
  blobstore::Opened opened =
      co_await call.store().open_object(call.reactor, blob::HeadObject{call.bucket->id(), key, {}, false});
  if (auto good = check_outcome(opened.outcome, opened.answer); !good)
    co_return std::unexpected(std::move(good.error()));
  if (auto good = unlock(call, opened, call.bucket->id(), key, KeyOf::kObject); !good) {
    co_return std::unexpected(std::move(good.error()));
  }
  co_return opened;
}

Task<void> send_page(Call& call, blobstore::Opened opened, uint16_t status) {
  const blob::ObjectInfo& object = opened.answer.object;
  for (const auto& [name, value] : object.meta.headers) {
    if (name != "x-amz-website-redirect-location" || !is_field_value(value)) continue;
    call.exchange.add_field("Location", value);
    (void)co_await call.respond_empty(301);
    co_return;
  }
  const auto verdict = check_preconditions(precondition_fields(call.request), true, object);
  if (status == 200 && verdict == net::http::Precondition::kNotModified) {
    call.exchange.add_field("ETag", quoted(object.meta.etag));
    (void)co_await call.respond_empty(304);
    co_return;
  }
  add_object_fields(call, object);
  const uint64_t size_bytes = object.meta.payload.size_bytes;
  call.notes.object_bytes = size_bytes;
  if (call.request.method == "HEAD") {
    call.is_answered = true;
    call.status = status;
    if (co_await call.exchange.begin(status, "", size_bytes)) (void)co_await call.exchange.end();
    co_return;
  }
  const S3Result<> sent = co_await send_object(call, *opened.reader, {0, size_bytes}, status);
  if (!sent) co_await answer_html(call, sent.error());
}

Task<void> answer_missing(Call& call, S3Error error) {
  const WebsiteConfiguration& website = *call.bucket->website;
  if (const WebsiteRule* rule = website.find_rule(call.place.key, error.spec().status)) {
    co_await answer_redirect(call, rule->redirect, rule->key_prefix);
    co_return;
  }
  if (!website.error_key.empty() && error.spec().status < 500) {
    auto page = co_await open_page(call, website.error_key);
    if (page) {
      co_await send_page(call, std::move(*page), error.spec().status);
      co_return;
    }
  }
  co_await answer_html(call, error);
}

}  // namespace

Task<void> answer_website(Call& call) {
  if (call.request.method != "GET" && call.request.method != "HEAD") {
    co_await answer_html(call, {.code = ErrorCode::kMethodNotAllowed});
    co_return;
  }
  if (!call.bucket) {
    co_await answer_html(call, {.code = ErrorCode::kNoSuchBucket});
    co_return;
  }
  if (!call.bucket->website) {
    co_await answer_html(call, {.code = ErrorCode::kNoSuchWebsiteConfiguration});
    co_return;
  }
  const WebsiteConfiguration& website = *call.bucket->website;
  if (website.redirect_all) {
    co_await answer_redirect(call, *website.redirect_all, {});
    co_return;
  }
  if (const WebsiteRule* rule = website.find_rule(call.place.key, std::nullopt)) {
    co_await answer_redirect(call, rule->redirect, rule->key_prefix);
    co_return;
  }
  auto page = co_await open_page(call, website.index_key(call.place.key));
  if (page) {
    co_await send_page(call, std::move(*page), 200);
    co_return;
  }
  S3Error error = std::move(page.error());
  // "docs" without its slash, where "docs/index.html" is.
  if (error.spec().status == 404 && !call.place.key.empty() && !call.place.key.ends_with('/')) {
    const auto index = co_await open_page(call, website.index_key(call.place.key + "/"));
    if (index) {
      std::string location = "/";
      append_uri_encoded(location, call.place.key, Slash::kKeep);
      call.exchange.add_field("Location", location + "/");
      (void)co_await call.respond_empty(302);
      co_return;
    }
  }
  co_await answer_missing(call, std::move(error));
}

}  // namespace keelson::s3
