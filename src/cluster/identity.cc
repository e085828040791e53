#include "cluster/identity.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.h"
#include "cluster/errors.h"
#include "cluster/fields.h"

namespace keelson::cluster {

namespace {

constexpr std::string_view kNodePrefix = "node-";
constexpr std::string_view kCrcName = "crc=";
// A line of some 60 bytes for each node.
constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr uint64_t kFileVersion = 1;

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex.push_back(kDigits[static_cast<uint8_t>(byte) >> 4]);
    hex.push_back(kDigits[static_cast<uint8_t>(byte) & 15]);
  }
  return hex;
}

std::string crc_text(std::string_view text) {
  const uint32_t crc = crc32c(0, text);
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(crc >> shift));
  return to_hex(bytes);
}

bool read_book(std::string_view text, std::vector<BookEntry>& book) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.starts_with(kNodePrefix)) continue;
    const size_t equals = line.find('=');
    const size_t space = line.find(' ');
    if (equals == std::string_view::npos || space == std::string_view::npos || space < equals) return false;
    const auto node = parse_ids(line.substr(kNodePrefix.size(), equals - kNodePrefix.size()));
    const auto revision = parse_ids(line.substr(equals + 1, space - equals - 1));
    if (!node || node->size() != 1 || !revision || revision->size() != 1) return false;
    book.push_back({node->front(), revision->front(), std::string(line.substr(space + 1))});
  }
  return true;
}

}  // namespace

std::string write_cluster_file(const ClusterFile& file) {
  Fields fields;
  fields.set("keelson-cluster", kFileVersion);
  fields.set("cluster", file.cluster);
  fields.set("node", file.node);
  fields.set("boots", file.boots);
  fields.set("founding", uint64_t{file.is_founding});
  for (const BookEntry& entry : file.book) {
    fields.set(std::string(kNodePrefix) + std::to_string(entry.node),
               std::to_string(entry.revision) + " " + entry.address);
  }
  std::string text = fields.format();
  return text + std::string(kCrcName) + crc_text(text) + "\n";
}

Result<ClusterFile> read_cluster_file(std::string_view text, const std::string& path) {
  const auto damaged = [&](std::string_view why) {
    return fail(ClusterErrc::kDamaged, path + " is damaged: " + std::string(why));
  };
  const size_t crc = text.rfind(kCrcName);
  if (crc == std::string_view::npos || text.substr(crc + kCrcName.size()) != crc_text(text.substr(0, crc)) + "\n") {
    return damaged("its CRC is wrong");
  }
  const std::optional<Fields> fields = Fields::parse(text.substr(0, crc));
  if (!fields) return damaged("a line is no field");
  if (fields->number("keelson-cluster") != kFileVersion) {
    return fail(ClusterErrc::kDamaged, path + " is of another version of Keelson than this one");
  }
  ClusterFile file;
  file.cluster = fields->text("cluster");
  const auto node = fields->number("node");
  const auto boots = fields->number("boots");
  if (file.cluster.empty() || !node || *node == 0 || !boots) return damaged("a field is missing");
  file.node = *node;
  file.boots = *boots;
  file.is_founding = fields->number("founding") == uint64_t{1};
  if (!read_book(text.substr(0, crc), file.book)) return damaged("an address is not understood");
  return file;
}

Result<std::optional<ClusterFile>> load_cluster_file(env::Disk& disk, const std::string& folder) {
  const std::string path = folder + "/" + std::string(kIdentityName);
  Result<std::string> text = env::read_file(disk, path, kFileBytesMax);
  if (!text.ok()) {
    if (text.error().code() == env::DiskErrc::kNotFound) return std::optional<ClusterFile>();
    return forward_error(text);
  }
  Result<ClusterFile> file = read_cluster_file(*text, path);
  if (!file.ok()) return forward_error(file);
  return std::optional(std::move(*file));
}

Task<Status> save_cluster_file(env::Disk& disk, env::Reactor& on, std::string folder, ClusterFile file) {
  if (Status made = disk.make_folder(folder); !made.ok()) co_return forward_error(made);
  co_return co_await env::replace_file(disk, on, std::move(folder), std::string(kIdentityName),
                                       write_cluster_file(file));
}

std::string new_cluster_id(env::Random& random) {
  std::array<char, 16> bytes{};
  random.fill_secret(bytes);
  return to_hex({bytes.data(), bytes.size()});
}

}  // namespace keelson::cluster
