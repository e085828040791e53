#include "protocol/s3/form_data.h"

#include <algorithm>

#include "protocol/s3/request.h"

namespace keelson::s3 {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedPOSTRequest); }

// A parameter of a field like `form-data; name="key"; filename="a;b"`. Browsers escape '"' as %22 (HTML, "multipart
// form data"), others with a backslash.
std::optional<std::string> parameter(std::string_view field, std::string_view wanted) {
  size_t at = field.find(';');
  while (at != std::string_view::npos && at < field.size()) {
    ++at;
    while (at < field.size() && (field[at] == ' ' || field[at] == '\t')) ++at;
    const size_t equals = field.find('=', at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = trim(field.substr(at, equals - at));
    std::string value;
    at = equals + 1;
    if (at < field.size() && field[at] == '"') {
      for (++at; at < field.size() && field[at] != '"'; ++at) {
        if (field[at] == '\\' && at + 1 < field.size() && (field[at + 1] == '"' || field[at + 1] == '\\')) ++at;
        value += field[at];
      }
      if (at == field.size()) return std::nullopt;
      at = field.find(';', at);
    } else {
      const size_t end = std::min(field.find(';', at), field.size());
      value = trim(field.substr(at, end - at));
      at = end;
    }
    if (is_header(name, wanted)) return value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> form_data_boundary(std::string_view content_type) {
  constexpr size_t kBoundaryBytesMax = 70;
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (!is_header(type, "multipart/form-data")) return std::nullopt;
  auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax) return std::nullopt;
  for (const char c : *boundary) {
    if (static_cast<uint8_t>(c) < 0x20 || static_cast<uint8_t>(c) > 0x7e) return std::nullopt;
  }
  return boundary;
}

// The first delimiter stands at the very beginning, without its CRLF.
FormDataParser::FormDataParser(std::string_view boundary) : delimiter_("\r\n--") {
  delimiter_.append(boundary);
  in_.append("\r\n");
}

const std::string* FormDataParser::find(std::string_view lower_name) const {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const auto& field) { return field.first == lower_name; });
  return found == fields_.end() ? nullptr : &found->second;
}

S3Result<FormDataParser::Event> FormDataParser::next() {
  in_.consume(consumed_);
  consumed_ = 0;
  piece_ = {};
  while (state_ != State::kDone) {
    auto event = step();
    if (!event) return std::unexpected(std::move(event.error()));
    if (*event) return **event;
  }
  in_.consume(in_.size());
  return Event::kMore;
}

// One step: an event, or nothing yet.
S3Result<std::optional<FormDataParser::Event>> FormDataParser::step() {
  switch (state_) {
    case State::kDelimiterEnd:
      return after_delimiter();
    case State::kHead:
      return take_head();
    case State::kPreamble:
    case State::kField:
    case State::kFile:
    case State::kIgnored:
    case State::kDone:
      break;
  }
  return take_content();
}

S3Result<std::optional<FormDataParser::Event>> FormDataParser::after_delimiter() {
  const std::string_view bytes = in_.view();
  if (bytes.size() < 2) return Event::kMore;
  if (bytes.starts_with("--")) {
    if (!has_file_) {
      return invalid_argument("POST requires exactly one file upload per request.", "file", "0");
    }
    state_ = State::kDone;
    return std::nullopt;
  }
  if (!bytes.starts_with("\r\n")) return malformed();
  in_.consume(2);
  state_ = State::kHead;
  return std::nullopt;
}

S3Result<std::optional<FormDataParser::Event>> FormDataParser::take_head() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t end = in_.view().substr(0, kPartHeadBytesMax).find(kEnd);
  if (end == std::string_view::npos) {
    if (in_.size() >= kPartHeadBytesMax) return malformed();
    return Event::kMore;
  }
  const std::string head(in_.view().substr(0, end));
  in_.consume(end + kEnd.size());
  auto is_file = begin_part(head);
  if (!is_file) return std::unexpected(std::move(is_file.error()));
  if (*is_file) return Event::kFile;
  return std::nullopt;
}

// True if it is the file.
S3Result<bool> FormDataParser::begin_part(std::string_view head) {
  std::optional<std::string> name;
  std::optional<std::string> file_name;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return malformed();
    const std::string_view field = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (is_header(field, "content-disposition")) {
      name = parameter(value, "name");
      file_name = parameter(value, "filename");
    }
  }
  if (!name || name->empty()) return malformed();
  name_ = lower(*name);
  value_.clear();
  if (name_ == "file") {
    if (has_file_) return invalid_argument("POST requires exactly one file upload per request.", "file", "2");
    has_file_ = true;
    file_name_ = file_name.value_or(std::string());
    const size_t slash = file_name_.find_last_of("/\\");
    if (slash != std::string::npos) file_name_.erase(0, slash + 1);
    state_ = State::kFile;
    return true;
  }
  state_ = has_file_ ? State::kIgnored : State::kField;
  return false;
}

// Bytes up to the next delimiter: a field's value, the file's, or what nobody needs.
S3Result<std::optional<FormDataParser::Event>> FormDataParser::take_content() {
  const std::string_view bytes = in_.view();
  const size_t end = bytes.find(delimiter_);
  const bool is_whole = end != std::string_view::npos;
  // Without a delimiter in sight its beginning may stand at the end.
  const size_t sure = is_whole ? end : bytes.size() - std::min(bytes.size(), delimiter_.size() - 1);
  const std::string_view content = bytes.substr(0, sure);
  if (state_ == State::kFile && !content.empty()) {
    piece_ = content;
    consumed_ = content.size();
    return Event::kFileData;
  }
  if (state_ == State::kField) {
    field_bytes_ += content.size() + name_.size();
    if (field_bytes_ > kFieldBytesMax || fields_.size() == kFieldsMax) {
      return s3_fail(ErrorCode::kMaxPostPreDataLengthExceededError);
    }
    value_.append(content);
  }
  in_.consume(sure);
  if (!is_whole) return Event::kMore;
  in_.consume(delimiter_.size());
  const State before = state_;
  state_ = State::kDelimiterEnd;
  if (before == State::kField) fields_.emplace_back(std::move(name_), std::move(value_));
  if (before == State::kFile) return Event::kFileEnd;
  return std::nullopt;
}

}  // namespace keelson::s3
