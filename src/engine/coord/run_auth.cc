// Users, roles, alarms.
#include <vector>

#include "engine/coord/state.h"

namespace keelson::coord {

namespace {

// A command on users and roles: root's alone while auth is on.
template <class Body>
void change(const Call& call, const Body& body) {
  Auth& auth = call.state.auth;
  if (!call.pass(auth.check_root(body.caller))) return;
  const uint64_t revision = auth.revision();
  const bool was_enabled = auth.is_enabled();
  if (!call.pass(auth.apply(body))) return;
  if (call.listener != nullptr && (auth.revision() != revision || auth.is_enabled() != was_enabled)) {
    call.listener->auth_changed();
  }
  call.done();
}

}  // namespace

void run(const Call& call, const AuthEnable& body) { change(call, body); }
void run(const Call& call, const AuthDisable& body) { change(call, body); }
void run(const Call& call, const UserAdd& body) { change(call, body); }
void run(const Call& call, const UserDelete& body) { change(call, body); }
void run(const Call& call, const UserChangePassword& body) { change(call, body); }
void run(const Call& call, const UserGrantRole& body) { change(call, body); }
void run(const Call& call, const UserRevokeRole& body) { change(call, body); }
void run(const Call& call, const RoleAdd& body) { change(call, body); }
void run(const Call& call, const RoleDelete& body) { change(call, body); }
void run(const Call& call, const RoleGrantPermission& body) { change(call, body); }
void run(const Call& call, const RoleRevokePermission& body) { change(call, body); }

void run(const Call& call, const AuthStatus&) {
  const Auth& auth = call.state.auth;
  call.sink.auth_status(
      {.revision = call.state.store.revision(), .is_enabled = auth.is_enabled(), .auth_revision = auth.revision()});
}

void run(const Call& call, const UserGet& which) {
  const Auth& auth = call.state.auth;
  const CoordErrc errc = auth.check_root(which.caller);
  if (errc != CoordErrc::kOk && which.name != which.caller.user) return call.fail(errc);
  const Auth::User* const user = auth.find_user(which.name);
  if (user == nullptr) return call.fail(CoordErrc::kUserNotFound);
  const std::vector<std::string_view> roles(user->roles.begin(), user->roles.end());
  call.sink.user(call.state.store.revision(), roles);
}

void run(const Call& call, const UserList& which) {
  if (!call.pass(call.state.auth.check_root(which.caller))) return;
  for (const auto& [name, user] : call.state.auth.users()) call.sink.name(name);
  call.done();
}

void run(const Call& call, const RoleGet& which) {
  const Auth& auth = call.state.auth;
  const CoordErrc errc = auth.check_root(which.caller);
  if (errc != CoordErrc::kOk && !auth.has_role(which.caller.user, which.name)) return call.fail(errc);
  const Auth::Role* const role = auth.find_role(which.name);
  if (role == nullptr) return call.fail(CoordErrc::kRoleNotFound);
  for (const Auth::Grant& grant : *role) call.sink.permission(grant.view());
  call.done();
}

void run(const Call& call, const RoleList& which) {
  if (!call.pass(call.state.auth.check_root(which.caller))) return;
  for (const auto& [name, role] : call.state.auth.roles()) call.sink.name(name);
  call.done();
}

void run(const Call& call, const UserSecret& which) {
  const Auth& auth = call.state.auth;
  if (!auth.is_enabled()) return call.fail(CoordErrc::kAuthNotEnabled);
  const Auth::User* const user = auth.find_user(which.name);
  if (user == nullptr) return call.fail(CoordErrc::kUserNotFound);
  call.sink.secret({.revision = call.state.store.revision(),
                    .auth_revision = auth.revision(),
                    .password_hash = user->password_hash,
                    .no_password = user->no_password});
}

void run(const Call& call, const CheckAccess& which) {
  const Auth& auth = call.state.auth;
  if (!call.pass(which.needs_root ? auth.check_root(which.caller)
                                  : auth.check_range(which.caller, which.key, which.range_end, which.access))) {
    return;
  }
  call.done();
}

void run(const Call& call, const SetAlarm& which) {
  std::set<Alarm>& alarms = call.state.alarms;
  const Alarm& alarm = which.alarm;
  if (which.is_on) {
    if (alarm.type == AlarmType::kNone) return call.fail(CoordErrc::kInvalid);
    if (alarms.insert(alarm).second) call.sink.alarm(alarm);
    return call.done();
  }
  if (alarms.erase(alarm) != 0) call.sink.alarm(alarm);
  call.done();
}

void run(const Call& call, const ListAlarms& which) {
  for (const Alarm& alarm : call.state.alarms) {
    if ((which.alarm.member == 0 || alarm.member == which.alarm.member) &&
        (which.alarm.type == AlarmType::kNone || alarm.type == which.alarm.type)) {
      call.sink.alarm(alarm);
    }
  }
  call.done();
}

}  // namespace keelson::coord
