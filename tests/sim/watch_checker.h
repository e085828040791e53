// What etcd promises its watchers (https://etcd.io/docs/v3.5/learning/api_guarantees/, "Watch APIs"), checked over what
// each was told against what really happened:
//   ordered       events come in the order of revisions
//   unique        no event twice
//   atomic        the events of a revision come together, in one response unless that was asked to be in fragments
//   reliable      no event is left out between the first and the last that came
//   resumable     from any revision that is not compacted, all that happened since
//   bookmarkable  a progress notice of a revision means that everything up to it has come
// and besides: the previous value, that a key was made or changed, filters, and the answer about a compacted revision.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keelson::sim_test {

struct WatchedEvent {
  bool is_delete = false;
  std::string key;
  std::string value;            // of a put
  int64_t create_revision = 0;  // of a put; a deletion has its mod_revision alone
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  bool operator==(const WatchedEvent&) const = default;
};

// Everything that happened, in order of revisions, by key within one.
class TrueHistory {
 public:
  void add(WatchedEvent event);
  [[nodiscard]] const std::map<int64_t, std::map<std::string, WatchedEvent>>& revisions() const { return revisions_; }
  // The put that the event replaced or deleted; null if the key was not there.
  [[nodiscard]] const WatchedEvent* previous(const WatchedEvent& event) const;
  [[nodiscard]] const WatchedEvent* find(int64_t revision, const std::string& key) const;

 private:
  std::map<int64_t, std::map<std::string, WatchedEvent>> revisions_;
};

struct WatchResponse {
  enum class Kind : uint8_t {
    kCreated,
    kEvents,
    kProgress,  // a response without events
    kCanceled,
  };
  Kind kind = Kind::kEvents;
  int64_t revision = 0;  // of the header
  int64_t compact_revision = 0;
  bool has_more = false;  // a fragment; the next response belongs to it
  struct Item {
    WatchedEvent event;
    std::optional<WatchedEvent> previous;
  };
  std::vector<Item> events;
};

// One watch from its creation to its end. One that is resumed is another record.
struct WatchRecord {
  std::string by;  // for the reader
  std::string key;
  std::string end;             // behind the last key; empty: the key alone
  int64_t start_revision = 0;  // 0: from now on
  bool wants_previous = false;
  bool no_puts = false;
  bool no_deletes = false;
  bool allows_fragments = false;
  std::vector<WatchResponse> responses;
  // It stood to the end of the test, after which nothing happened any more: everything must have come.
  bool must_be_complete = false;
};

// The first promise that was broken, or empty. `compacted`: the highest revision that was ever compacted.
std::string check_watch(const TrueHistory& history, const WatchRecord& watch, int64_t compacted = 0);

}  // namespace keelson::sim_test
