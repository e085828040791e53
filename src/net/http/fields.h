// Field lines of an HTTP message: headers and trailers (RFC 9110 §5).
//
// Names keep their case and are compared without it (§5.1). Fields is a view; FieldList owns its bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace keelson::net::http {

struct Field {
  std::string_view name;
  std::string_view value;  // without the blanks around it
};

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
// Blanks and tabs at both ends.
[[nodiscard]] std::string_view trim_blanks(std::string_view text);

// Lines in the order in which they came, in somebody else's memory: cheap to copy, valid as long as that memory.
class Fields {
 public:
  Fields() = default;
  explicit Fields(std::span<const Field> lines) : lines_(lines) {}

  // The value of the first line with this name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] size_t count(std::string_view name) const;
  // Does a comma-separated list (Connection, Accept) hold this token, in any line of the name, any case?
  [[nodiscard]] bool lists(std::string_view name, std::string_view token) const;

  [[nodiscard]] auto begin() const { return lines_.begin(); }
  [[nodiscard]] auto end() const { return lines_.end(); }
  [[nodiscard]] size_t size() const { return lines_.size(); }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] const Field& operator[](size_t index) const { return lines_[index]; }

 private:
  std::span<const Field> lines_;
};

// Lines with their bytes, all in one allocation that grows. Views into it hold until the next add().
class FieldList {
 public:
  FieldList() = default;
  FieldList(const FieldList& other);
  FieldList& operator=(const FieldList& other);
  FieldList(FieldList&&) noexcept = default;
  FieldList& operator=(FieldList&&) noexcept = default;

  void add(std::string_view name, std::string_view value);
  void clear();
  [[nodiscard]] Fields view() const { return Fields(lines_); }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] size_t size() const { return lines_.size(); }
  // Bytes of all names and values.
  [[nodiscard]] size_t bytes() const { return used_; }

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const { return view().find(name); }
  [[nodiscard]] size_t count(std::string_view name) const { return view().count(name); }
  [[nodiscard]] bool lists(std::string_view name, std::string_view token) const { return view().lists(name, token); }
  [[nodiscard]] auto begin() const { return lines_.begin(); }
  [[nodiscard]] auto end() const { return lines_.end(); }

 private:
  void reserve(size_t extra);
  std::string_view keep(std::string_view text);

  std::unique_ptr<char[]> bytes_;
  size_t used_ = 0;
  size_t capacity_ = 0;
  std::vector<Field> lines_;
};

}  // namespace keelson::net::http
