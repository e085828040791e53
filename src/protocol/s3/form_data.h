// multipart/form-data (RFC 7578) as browsers post files to S3: fields, then one file, which is streamed.
//
//   FormDataParser form(boundary);
//   form.feed(bytes);                        // as they come
//   while (...) switch (form.next()) ...     // until kMore
//
// Everything in front of the file is limited (S3: 20 KB); what stands behind it is read and left out, as S3 does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

// The boundary of a Content-Type field: 1 to 70 characters (RFC 2046, section 5.1.1); nullopt if it is another type.
[[nodiscard]] std::optional<std::string> form_data_boundary(std::string_view content_type);

class FormDataParser {
 public:
  // S3: "The form fields and boundaries, excluding the file, cannot exceed 20 KB." Twice that, for long policies.
  static constexpr size_t kFieldBytesMax = 40 << 10;
  static constexpr size_t kFieldsMax = 100;
  static constexpr size_t kPartHeadBytesMax = 4 << 10;

  enum class Event : uint8_t {
    kMore,      // feed() more, or the end has been read (is_done)
    kFile,      // the file begins; fields() are all there
    kFileData,  // piece() holds the next bytes of the file, until the next call
    kFileEnd,   // the file is whole
  };

  explicit FormDataParser(std::string_view boundary);

  void feed(std::string_view bytes) { in_.append(bytes); }
  // kMalformedPOSTRequest, kMaxPostPreDataLengthExceededError, kInvalidArgument (two files).
  S3Result<Event> next();

  [[nodiscard]] std::string_view piece() const { return piece_; }
  // The closing boundary has been read. What follows does not matter (RFC 2046: the epilogue).
  [[nodiscard]] bool is_done() const { return state_ == State::kDone; }
  // In the order sent; names in lower case, as S3 does not tell their case apart.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }
  [[nodiscard]] const std::string* find(std::string_view lower_name) const;
  // What the browser calls the file; behind the last slash or backslash.
  [[nodiscard]] const std::string& file_name() const { return file_name_; }

 private:
  enum class State : uint8_t { kPreamble, kDelimiterEnd, kHead, kField, kFile, kIgnored, kDone };

  S3Result<bool> begin_part(std::string_view head);
  S3Result<std::optional<Event>> step();
  S3Result<std::optional<Event>> after_delimiter();
  S3Result<std::optional<Event>> take_head();
  S3Result<std::optional<Event>> take_content();

  Buffer in_;
  size_t consumed_ = 0;    // of in_, at the next call: piece_ lies there
  std::string delimiter_;  // CRLF "--" boundary
  State state_ = State::kPreamble;
  bool has_file_ = false;
  size_t field_bytes_ = 0;
  std::string name_;
  std::string value_;
  std::string file_name_;
  std::string_view piece_;
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace keelson::s3
