#include "cluster/join.h"

#include <utility>

#include "base/coding.h"
#include "cluster/calls.h"
#include "cluster/errors.h"

namespace keelson::cluster {

namespace {

constexpr int64_t kJoinTimeoutMs = 10'000;
constexpr std::string_view kRequestNames[] = {"name", "zone", "peer", "token"};

}  // namespace

std::string encode(const JoinRequest& request) {
  Fields fields;
  const std::string* const values[] = {&request.name, &request.zone, &request.peer, &request.token};
  for (size_t i = 0; i < std::size(kRequestNames); ++i) fields.set(kRequestNames[i], *values[i]);
  return fields.format();
}

bool decode(std::string_view from, JoinRequest& request) {
  const std::optional<Fields> fields = Fields::parse(from);
  if (!fields) return false;
  std::string* const values[] = {&request.name, &request.zone, &request.peer, &request.token};
  for (size_t i = 0; i < std::size(kRequestNames); ++i) {
    *values[i] = fields->text(kRequestNames[i]);
    if (!is_line(*values[i], peer::kAddressBytesMax)) return false;
  }
  return !request.peer.empty() && !request.token.empty() && request.name.size() <= kNameBytesMax &&
         request.zone.size() <= kNameBytesMax;
}

std::string encode(const Joined& joined) {
  std::string out;
  append_string(out, joined.cluster);
  append_varint(out, joined.node);
  append_string(out, format_settings(joined.settings));
  append_u64(out, joined.hash_secret);
  append_varint(out, joined.book.size());
  for (const BookEntry& entry : joined.book) {
    append_varint(out, entry.node);
    append_varint(out, entry.revision);
    append_string(out, entry.address);
  }
  return out;
}

bool decode(std::string_view from, Joined& joined) {
  std::string_view cluster;
  std::string_view settings;
  uint64_t count = 0;
  if (!read_string(from, cluster) || cluster.empty() || !read_varint(from, joined.node) || joined.node == 0 ||
      !read_string(from, settings) || !read_u64(from, joined.hash_secret) || !read_varint(from, count) ||
      count > kNodesMax) {
    return false;
  }
  joined.cluster = cluster;
  const auto parsed = parse_settings(settings);
  if (!parsed) return false;
  joined.settings = *parsed;
  for (uint64_t i = 0; i < count; ++i) {
    BookEntry& entry = joined.book.emplace_back();
    std::string_view address;
    if (!read_varint(from, entry.node) || !read_varint(from, entry.revision) || !read_string(from, address)) {
      return false;
    }
    entry.address = address;
  }
  return true;
}

Task<Result<Joined>> ask_to_join(peer::Mesh& mesh, std::vector<env::Address> addresses, JoinRequest request) {
  std::string why = "no address to ask is given";
  for (const env::Address& at : addresses) {
    const Result<std::string> answer = co_await mesh.hub(0).call_address(at, static_cast<uint32_t>(CallMethod::kJoin),
                                                                         encode(request), kJoinTimeoutMs);
    if (!answer.ok()) {
      why = at.text() + ": " + answer.error().message();
      continue;
    }
    Joined joined;
    if (decode(*answer, joined)) co_return joined;
    why = at.text() + ": its answer is not understood";
  }
  co_return fail(ClusterErrc::kFailed, std::move(why));
}

}  // namespace keelson::cluster
