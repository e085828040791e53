#include "raft/group.h"

#include "base/check.h"

namespace keelson::raft {

Group::Group(const KrOptions& options, const KrInitial& initial) {
  KrCode code = KR_OK;
  group_.reset(kr_group_new(&options, &initial, &code));
  KEELSON_CHECK(group_ != nullptr, "the options of a Raft group contradict each other");
}

KrMembers Group::apply_change(std::string_view data) {
  KrMembers members;
  const KrCode code = kr_apply_change(group_.get(), to_raft(data), &members);
  KEELSON_CHECK(code == KR_OK, "a committed change of members cannot be applied");
  return members;
}

std::optional<KrFetch> Group::next_fetch() {
  KrFetch fetch;
  if (!kr_next_fetch(group_.get(), &fetch)) return std::nullopt;
  return fetch;
}

KrStatus Group::status() const {
  KrStatus status;
  kr_status(group_.get(), &status);
  return status;
}

std::optional<KrProgress> Group::progress(MemberId id) const {
  KrProgress progress;
  if (!kr_progress(group_.get(), id, &progress)) return std::nullopt;
  return progress;
}

}  // namespace keelson::raft
