// Names of Pub/Sub's resources ("Resource names" of its reference), and how topics of Pub/Sub and of Kafka are one.
// Pure.
//
// The directory of topics knows one kind of name: Kafka's, 1 to 249 of [A-Za-z0-9._-]. The topic projects/P/topics/T
// stands there as
//
//   P.T         if T has none but these characters;
//   P..T'       otherwise: T' is T in which every byte outside of [A-Za-z0-9.-], the "_" as well, is written _XX, two
//               hexadecimal digits in upper case.
//
// In P every byte outside of [A-Za-z0-9-] is written _XX. An id begins with a letter, so the two forms differ.
//
// The other way round: a name of the directory that is exactly what one of these forms makes of some P and T is that
// topic's. Every other name N, which a client of Kafka has chosen, is projects/_/topics/N. So every topic has one name
// here, and each of these names means one topic: "_" is no project's id, and projects/_/topics/N is nothing when N is
// the name of another project's topic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::pubsub {

// The project of topics whose names are not of the form that Pub/Sub's have.
inline constexpr std::string_view kForeignProject = "_";
inline constexpr std::string_view kDeletedTopic = "_deleted-topic_";

enum class ResourceKind : uint8_t { kTopic, kSubscription, kSnapshot, kSchema };
// "topics", as in names.
[[nodiscard]] std::string_view collection_of(ResourceKind kind);

struct ResourceName {
  std::string project;
  std::string id;
};

// "projects/P/topics/T". Ids have 3 to 255 of [A-Za-z0-9-._~%+], begin with a letter, and not with "goog"; topics of
// the foreign project have Kafka's names. A project's is what stands between the slashes, 1 to 128 bytes that can be
// seen: Google's rule is narrower, but people test with what they like.
[[nodiscard]] std::optional<ResourceName> parse_name(ResourceKind kind, std::string_view text);
[[nodiscard]] std::string format_name(ResourceKind kind, std::string_view project, std::string_view id);
// "projects/P"; its P.
[[nodiscard]] std::optional<std::string> parse_project(std::string_view text);

// None: longer than the directory allows, or not the one name of that topic.
[[nodiscard]] std::optional<std::string> directory_name(const ResourceName& topic);
[[nodiscard]] ResourceName topic_of_directory(std::string_view name);
// What the directory's names of a project's topics begin with; empty for the foreign one.
[[nodiscard]] std::string directory_prefix(std::string_view project);

}  // namespace keelson::pubsub
