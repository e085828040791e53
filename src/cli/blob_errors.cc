#include "cli/blob_errors.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "net/http/message.h"
#include "protocol/s3/xml.h"

namespace keelson::cli {

namespace {

class BlobCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "blob"; }
  std::string message(int code) const override {
    switch (static_cast<BlobErrc>(code)) {
      case BlobErrc::kOk:
        return "ok";
      case BlobErrc::kUsage:
        return "an argument is wrong";
      case BlobErrc::kNotFound:
        return "it is not there";
      case BlobErrc::kNoSuchUpload:
        return "there is no such upload";
      case BlobErrc::kDenied:
        return "access is denied";
      case BlobErrc::kPrecondition:
        return "a condition does not hold";
      case BlobErrc::kConflict:
        return "it conflicts with what is there";
      case BlobErrc::kRefused:
        return "the server refuses the request";
      case BlobErrc::kServer:
        return "the server failed";
      case BlobErrc::kDamaged:
        return "the content is damaged";
      case BlobErrc::kChanged:
        return "the content changed meanwhile";
      case BlobErrc::kFailed:
        return "something failed";
    }
    return "unknown error";
  }
};

struct Advice {
  std::string_view code;
  std::string_view text;
};

// What to do, where the server's words leave it open.
constexpr Advice kAdvice[] = {
    {"AccessDenied", "Check which keys are used (KEELSON_S3_ACCESS_KEY_ID) and what their policy allows"},
    {"AuthorizationHeaderMalformed", "Give the server's region with --region"},
    {"BucketAlreadyExists", "Choose another name"},
    {"BucketNotEmpty", "See what is left with `keelson blob ls --versions`; `keelson blob rb --force` removes it too"},
    {"EntityTooSmall", "Give a larger --part-size"},
    {"ExpiredToken", "Get a new session token (AWS_SESSION_TOKEN)"},
    {"Forbidden", "Check which keys are used (KEELSON_S3_ACCESS_KEY_ID) and what their policy allows"},
    {"IllegalLocationConstraintException", "Give the server's region with --region"},
    {"InvalidAccessKeyId", "Check KEELSON_S3_ACCESS_KEY_ID or --access-key-id"},
    {"NoSuchBucket", "See `keelson blob ls` for the buckets, or make it with `keelson blob mb`"},
    {"NoSuchKey", "See `keelson blob ls` for the keys; with --recursive a key names everything below it"},
    {"NotFound", "See `keelson blob ls` for what is there"},
    {"PermanentRedirect", "The bucket lies elsewhere: give its --endpoint and --region"},
    {"MovedPermanently", "The bucket lies elsewhere: give its --endpoint and --region"},
    {"RequestTimeTooSkewed", "Set the clock of this machine or of the server"},
    {"ServiceUnavailable", "Try again later, or with a smaller --parallel"},
    {"SignatureDoesNotMatch", "Check KEELSON_S3_SECRET_ACCESS_KEY or --secret-access-key-file"},
    {"SlowDown", "Try again later, or with a smaller --parallel"},
};

std::string_view advice_for(std::string_view code) {
  const auto* const found =
      std::find_if(std::begin(kAdvice), std::end(kAdvice), [&](const Advice& one) { return one.code == code; });
  return found == std::end(kAdvice) ? std::string_view() : found->text;
}

BlobErrc code_of(const ServerWords& words) {
  if (words.code == "NoSuchUpload") return BlobErrc::kNoSuchUpload;
  switch (words.status) {
    case 401:
    case 403:
      return BlobErrc::kDenied;
    case 404:
      return BlobErrc::kNotFound;
    case 409:
      return BlobErrc::kConflict;
    case 412:
      return BlobErrc::kPrecondition;
    default:
      return words.status >= 500 || words.status < 300 ? BlobErrc::kServer : BlobErrc::kRefused;
  }
}

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > ' ') out += c;
  }
  return out;
}

}  // namespace

std::error_code make_error_code(BlobErrc code) {
  static const BlobCategory category;
  return {static_cast<int>(code), category};
}

ServerWords read_server_words(uint16_t status, std::string_view body) {
  ServerWords words{.status = status, .code = {}, .message = {}};
  while (!body.empty() && static_cast<unsigned char>(body.front()) <= ' ') body.remove_prefix(1);
  if (const auto root = s3::parse_xml(body); root && root->name == "Error") {
    words.code = root->child_text("Code").value_or("");
    words.message = root->child_text("Message").value_or("");
  }
  if (words.code.empty()) words.code = without_blanks(net::http::reason_of(status));
  return words;
}

bool is_worth_retrying(const ServerWords& words) {
  switch (words.status) {
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return words.code == "RequestTimeout" || words.code == "InternalError" || words.code == "SlowDown" ||
             words.code == "ServiceUnavailable" || words.code == "ConditionalRequestConflict" ||
             words.code == "OperationAborted";
  }
}

Error server_error(const ServerWords& words, std::string_view place) {
  std::string sentence(place);
  sentence.append(": the server says ").append(words.code);
  if (!words.message.empty()) {
    sentence.append(": ").append(words.message);
    while (sentence.ends_with('.') || sentence.ends_with(' ')) sentence.pop_back();
  } else {
    sentence.append(" (").append(std::to_string(words.status)).append(")");
  }
  if (const std::string_view advice = advice_for(words.code); !advice.empty()) sentence.append(". ").append(advice);
  return {make_error_code(code_of(words)), std::move(sentence)};
}

}  // namespace keelson::cli
