#include "engine/coord/auth.h"

#include <algorithm>

#include "base/coding.h"

namespace keelson::coord {

namespace {

// Of a range as it is asked for and granted: a key alone has no end, "\0" is behind every key.
std::string_view end_of_range(std::string_view range_end) { return range_end == kFromKeyOn ? "" : range_end; }

void add_grant(const Auth::Grant& grant, RangeSet& to) {
  if (grant.range_end.empty()) {
    to.add_key(grant.key);
  } else {
    to.add(grant.key, end_of_range(grant.range_end));
  }
}

bool covers(const RangeSet& set, std::string_view key, std::string_view range_end) {
  return range_end.empty() ? set.has_key(key) : set.covers(key, end_of_range(range_end));
}

}  // namespace

const Auth::User* Auth::find_user(std::string_view name) const {
  const auto at = users_.find(name);
  return at == users_.end() ? nullptr : &at->second;
}

const Auth::Role* Auth::find_role(std::string_view name) const {
  const auto at = roles_.find(name);
  return at == roles_.end() ? nullptr : &at->second;
}

bool Auth::has_role(std::string_view user, std::string_view role) const {
  const User* const found = find_user(user);
  return found != nullptr && found->roles.contains(role);
}

const Auth::Allowed& Auth::allowed_of(const std::string& name, const User& user) const {
  const auto [at, is_new] = allowed_.try_emplace(name);
  if (!is_new) return at->second;
  for (const std::string& role_name : user.roles) {
    const Role* const role = find_role(role_name);
    if (role == nullptr) continue;
    for (const Grant& grant : *role) {
      if (grant.access != Access::kWrite) add_grant(grant, at->second.reads);
      if (grant.access != Access::kRead) add_grant(grant, at->second.writes);
    }
  }
  return at->second;
}

CoordErrc Auth::check_range(const Caller& caller, std::string_view key, std::string_view range_end,
                            Access access) const {
  if (!is_enabled_ || caller.is_internal) return CoordErrc::kOk;
  if (caller.auth_revision == 0) return CoordErrc::kUserEmpty;
  if (caller.auth_revision < revision_) return CoordErrc::kAuthOldRevision;
  const auto user = users_.find(caller.user);
  if (user == users_.end()) return CoordErrc::kPermissionDenied;
  if (user->second.roles.contains(kRoot)) return CoordErrc::kOk;
  const Allowed& allowed = allowed_of(user->first, user->second);
  if (access != Access::kWrite && !covers(allowed.reads, key, range_end)) return CoordErrc::kPermissionDenied;
  if (access != Access::kRead && !covers(allowed.writes, key, range_end)) return CoordErrc::kPermissionDenied;
  return CoordErrc::kOk;
}

CoordErrc Auth::check_root(const Caller& caller) const {
  if (!is_enabled_ || caller.is_internal) return CoordErrc::kOk;
  if (caller.user.empty()) return CoordErrc::kUserEmpty;
  const User* const user = find_user(caller.user);
  if (user == nullptr) return CoordErrc::kUserNotFound;
  return user->roles.contains(kRoot) ? CoordErrc::kOk : CoordErrc::kPermissionDenied;
}

CoordErrc Auth::changed() {
  ++revision_;
  allowed_.clear();
  return CoordErrc::kOk;
}

CoordErrc Auth::apply(const AuthEnable&) {
  if (is_enabled_) return CoordErrc::kOk;
  const User* const root = find_user(kRoot);
  if (root == nullptr) return CoordErrc::kRootUserNotExist;
  if (!root->roles.contains(kRoot)) return CoordErrc::kRootRoleNotExist;
  is_enabled_ = true;
  return CoordErrc::kOk;
}

CoordErrc Auth::apply(const AuthDisable&) {
  if (!is_enabled_) return CoordErrc::kOk;
  is_enabled_ = false;
  return changed();
}

CoordErrc Auth::apply(const UserAdd& command) {
  if (command.name.empty()) return CoordErrc::kUserEmpty;
  const auto [at, is_new] = users_.try_emplace(std::string(command.name));
  if (!is_new) return CoordErrc::kUserExists;
  at->second.password_hash = command.password_hash;
  at->second.no_password = command.no_password;
  return changed();
}

CoordErrc Auth::apply(const UserDelete& command) {
  if (is_enabled_ && command.name == kRoot) return CoordErrc::kInvalidAuthManagement;
  const auto at = users_.find(command.name);
  if (at == users_.end()) return CoordErrc::kUserNotFound;
  users_.erase(at);
  return changed();
}

CoordErrc Auth::apply(const UserChangePassword& command) {
  const auto at = users_.find(command.name);
  if (at == users_.end()) return CoordErrc::kUserNotFound;
  at->second.password_hash = command.password_hash;
  return changed();
}

CoordErrc Auth::apply(const UserGrantRole& command) {
  const auto at = users_.find(command.name);
  if (at == users_.end()) return CoordErrc::kUserNotFound;
  if (command.role != kRoot && find_role(command.role) == nullptr) return CoordErrc::kRoleNotFound;
  if (!at->second.roles.emplace(command.role).second) return CoordErrc::kOk;
  return changed();
}

CoordErrc Auth::apply(const UserRevokeRole& command) {
  if (is_enabled_ && command.name == kRoot && command.role == kRoot) return CoordErrc::kInvalidAuthManagement;
  const auto at = users_.find(command.name);
  if (at == users_.end()) return CoordErrc::kUserNotFound;
  const auto role = at->second.roles.find(command.role);
  if (role == at->second.roles.end()) return CoordErrc::kRoleNotGranted;
  at->second.roles.erase(role);
  return changed();
}

CoordErrc Auth::apply(const RoleAdd& command) {
  if (command.name.empty()) return CoordErrc::kRoleEmpty;
  if (!roles_.try_emplace(std::string(command.name)).second) return CoordErrc::kRoleExists;
  return changed();
}

CoordErrc Auth::apply(const RoleDelete& command) {
  if (is_enabled_ && command.name == kRoot) return CoordErrc::kInvalidAuthManagement;
  const auto at = roles_.find(command.name);
  if (at == roles_.end()) return CoordErrc::kRoleNotFound;
  roles_.erase(at);
  for (auto& [name, user] : users_) {
    if (const auto role = user.roles.find(command.name); role != user.roles.end()) user.roles.erase(role);
  }
  return changed();
}

CoordErrc Auth::apply(const RoleGrantPermission& command) {
  const auto at = roles_.find(command.name);
  if (at == roles_.end()) return CoordErrc::kRoleNotFound;
  Role& role = at->second;
  const Permission& wanted = command.permission;
  const auto same = std::ranges::find_if(
      role, [&wanted](const Grant& grant) { return grant.key == wanted.key && grant.range_end == wanted.range_end; });
  if (same != role.end()) {
    same->access = wanted.access;
  } else {
    const auto behind = std::ranges::upper_bound(role, wanted.key, {}, &Grant::key);
    role.insert(behind, Grant{wanted.access, std::string(wanted.key), std::string(wanted.range_end)});
  }
  return changed();
}

CoordErrc Auth::apply(const RoleRevokePermission& command) {
  const auto at = roles_.find(command.name);
  if (at == roles_.end()) return CoordErrc::kRoleNotFound;
  const size_t removed = std::erase_if(at->second, [&command](const Grant& grant) {
    return grant.key == command.key && grant.range_end == command.range_end;
  });
  if (removed == 0) return CoordErrc::kPermissionNotGranted;
  return changed();
}

void Auth::write(std::string& out) const {
  append_u8(out, is_enabled_ ? 1 : 0);
  append_varint(out, revision_);
  append_varint(out, users_.size());
  for (const auto& [name, user] : users_) {
    append_string(out, name);
    append_string(out, user.password_hash);
    append_u8(out, user.no_password ? 1 : 0);
    append_varint(out, user.roles.size());
    for (const std::string& role : user.roles) append_string(out, role);
  }
  append_varint(out, roles_.size());
  for (const auto& [name, role] : roles_) {
    append_string(out, name);
    append_varint(out, role.size());
    for (const Grant& grant : role) {
      append_u8(out, static_cast<uint8_t>(grant.access));
      append_string(out, grant.key);
      append_string(out, grant.range_end);
    }
  }
}

namespace {

Status bad(std::string_view what) {
  return fail(std::make_error_code(std::errc::bad_message), "coord: bad checkpoint: " + std::string(what));
}

bool read_user(std::string_view& from, std::string_view& name, Auth::User& user) {
  std::string_view hash;
  uint8_t no_password = 0;
  uint64_t roles = 0;
  if (!read_string(from, name) || !read_string(from, hash) || !read_u8(from, no_password) || no_password > 1 ||
      !read_varint(from, roles)) {
    return false;
  }
  user.password_hash = hash;
  user.no_password = no_password != 0;
  for (uint64_t i = 0; i < roles; ++i) {
    std::string_view role;
    if (!read_string(from, role) || !user.roles.emplace(role).second) return false;
  }
  return true;
}

bool read_role(std::string_view& from, std::string_view& name, Auth::Role& role) {
  uint64_t grants = 0;
  if (!read_string(from, name) || !read_varint(from, grants)) return false;
  for (uint64_t i = 0; i < grants; ++i) {
    uint8_t access = 0;
    std::string_view key;
    std::string_view range_end;
    if (!read_u8(from, access) || access > static_cast<uint8_t>(Access::kReadWrite) || !read_string(from, key) ||
        !read_string(from, range_end)) {
      return false;
    }
    role.push_back({static_cast<Access>(access), std::string(key), std::string(range_end)});
  }
  return std::ranges::is_sorted(role, {}, &Auth::Grant::key);
}

}  // namespace

Status Auth::load(std::string_view from) {
  clear();
  uint8_t is_enabled = 0;
  uint64_t users = 0;
  uint64_t roles = 0;
  if (!read_u8(from, is_enabled) || is_enabled > 1 || !read_varint(from, revision_) || !read_varint(from, users)) {
    return bad("users");
  }
  is_enabled_ = is_enabled != 0;
  for (uint64_t i = 0; i < users; ++i) {
    std::string_view name;
    User user;
    if (!read_user(from, name, user) || !users_.emplace(name, std::move(user)).second) return bad("a user");
  }
  if (!read_varint(from, roles)) return bad("roles");
  for (uint64_t i = 0; i < roles; ++i) {
    std::string_view name;
    Role role;
    if (!read_role(from, name, role) || !roles_.emplace(name, std::move(role)).second) return bad("a role");
  }
  return from.empty() ? Status() : bad("bytes behind the roles");
}

void Auth::clear() {
  is_enabled_ = false;
  revision_ = 1;
  users_.clear();
  roles_.clear();
  allowed_.clear();
}

}  // namespace keelson::coord
