// Redis's own compact forms, as they stand in RDB payloads: listpack (written and read), intset (both), and the older
// ziplist and zipmap (read only). They are only passed through: in memory there is packed.h.
//
// Readers take bytes that nobody has checked, append the elements in order, and answer false if the bytes are not well
// formed. Sources: the listpack specification (github.com/antirez/listpack); Redis 7.0's documented formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::kv {

using Elements = std::vector<std::string>;

class ListpackWriter {
 public:
  ListpackWriter();
  // Integers are written as such.
  void add(std::string_view element);
  // Bytes so far.
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] size_t count() const { return count_; }
  // The whole listpack; the writer begins anew.
  [[nodiscard]] std::string finish();

 private:
  void add_integer(int64_t value);
  void add_back_length(size_t bytes);

  std::string bytes_;
  size_t count_ = 0;
};

[[nodiscard]] bool read_listpack(std::string_view bytes, Elements& elements);
[[nodiscard]] bool read_ziplist(std::string_view bytes, Elements& elements);
// Keys and values in turn.
[[nodiscard]] bool read_zipmap(std::string_view bytes, Elements& elements);
[[nodiscard]] bool read_intset(std::string_view bytes, Elements& elements);
// `sorted` ascending.
[[nodiscard]] std::string write_intset(const std::vector<int64_t>& sorted);

}  // namespace keelson::kv
