// Users, roles and what they may do: etcd's rules (server/auth/store.go), permission for permission.
//
// Every change that is not refused adds one to the revision, so that a token's holder is looked at anew after any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/coord/commands.h"
#include "engine/coord/errors.h"
#include "engine/coord/range_set.h"
#include "engine/coord/types.h"

namespace keelson::coord {

inline constexpr std::string_view kRoot = "root";  // the user and the role

class Auth {
 public:
  struct User {
    std::string password_hash;
    bool no_password = false;
    std::set<std::string, std::less<>> roles;
  };
  struct Grant {
    Access access = Access::kRead;
    std::string key;
    std::string range_end;
    [[nodiscard]] Permission view() const { return {.access = access, .key = key, .range_end = range_end}; }
  };
  // By key, and those of one key in the order in which they came.
  using Role = std::vector<Grant>;
  using Users = std::map<std::string, User, std::less<>>;
  using Roles = std::map<std::string, Role, std::less<>>;

  [[nodiscard]] bool is_enabled() const { return is_enabled_; }
  [[nodiscard]] uint64_t revision() const { return revision_; }
  [[nodiscard]] const Users& users() const { return users_; }
  [[nodiscard]] const Roles& roles() const { return roles_; }
  [[nodiscard]] const User* find_user(std::string_view name) const;
  [[nodiscard]] const Role* find_role(std::string_view name) const;

  // May the caller (read, write) the range? While auth is off, everybody may do everything.
  [[nodiscard]] CoordErrc check_range(const Caller& caller, std::string_view key, std::string_view range_end,
                                      Access access) const;
  // Has the caller the role "root"?
  [[nodiscard]] CoordErrc check_root(const Caller& caller) const;
  [[nodiscard]] bool has_role(std::string_view user, std::string_view role) const;

  // The commands, without the caller's right to them.
  [[nodiscard]] CoordErrc apply(const AuthEnable& command);
  [[nodiscard]] CoordErrc apply(const AuthDisable& command);
  [[nodiscard]] CoordErrc apply(const UserAdd& command);
  [[nodiscard]] CoordErrc apply(const UserDelete& command);
  [[nodiscard]] CoordErrc apply(const UserChangePassword& command);
  [[nodiscard]] CoordErrc apply(const UserGrantRole& command);
  [[nodiscard]] CoordErrc apply(const UserRevokeRole& command);
  [[nodiscard]] CoordErrc apply(const RoleAdd& command);
  [[nodiscard]] CoordErrc apply(const RoleDelete& command);
  [[nodiscard]] CoordErrc apply(const RoleGrantPermission& command);
  [[nodiscard]] CoordErrc apply(const RoleRevokePermission& command);

  // All of it as bytes: u8 on or off, varint revision, users, roles (base/coding.h), each after their count.
  void write(std::string& out) const;
  [[nodiscard]] Status load(std::string_view from);
  void clear();

 private:
  // What a user's roles permit, together.
  struct Allowed {
    RangeSet reads;
    RangeSet writes;
  };

  [[nodiscard]] const Allowed& allowed_of(const std::string& name, const User& user) const;
  CoordErrc changed();

  bool is_enabled_ = false;
  uint64_t revision_ = 1;
  Users users_;
  Roles roles_;
  // Made when asked for, dropped with every change.
  mutable std::map<std::string, Allowed, std::less<>> allowed_;
};

}  // namespace keelson::coord
