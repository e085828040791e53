// Strings: reading, setting and counting. Ranges are in cmd_string_range.cc.
#include <cmath>
#include <string>

#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

// The options that SET and GETEX share.
struct StringOptions {
  bool if_missing = false;  // NX
  bool if_present = false;  // XX
  bool get = false;
  bool keep_expiry = false;  // KEEPTTL
  bool persist = false;
  // EX, PX, EXAT or PXAT, and where its amount stands; 0: none of them.
  size_t amount_at = 0;
  bool is_seconds = false;
  bool is_relative = false;
};

enum class OptionsOf : uint8_t { kSet, kGetEx };

bool take_expiry_option(std::string_view option, size_t amount_at, StringOptions& options) {
  bool is_seconds = false;
  bool is_relative = false;
  if (is_option(option, "EX")) {
    is_seconds = is_relative = true;
  } else if (is_option(option, "PX")) {
    is_relative = true;
  } else if (is_option(option, "EXAT")) {
    is_seconds = true;
  } else if (!is_option(option, "PXAT")) {
    return false;
  }
  // The same one may be given again, another may not (as in Redis).
  const bool is_other =
      options.amount_at != 0 && (options.is_seconds != is_seconds || options.is_relative != is_relative);
  if (is_other || options.keep_expiry || options.persist) return false;
  options.amount_at = amount_at;
  options.is_seconds = is_seconds;
  options.is_relative = is_relative;
  return true;
}

// False: a syntax error.
bool take_options(const CommandContext& context, size_t first, OptionsOf command, StringOptions& options) {
  for (size_t i = first; i < context.argc(); ++i) {
    const std::string_view option = context.arg(i);
    const bool is_set = command == OptionsOf::kSet;
    if (is_set && is_option(option, "NX") && !options.if_present) {
      options.if_missing = true;
    } else if (is_set && is_option(option, "XX") && !options.if_missing) {
      options.if_present = true;
    } else if (is_set && is_option(option, "GET")) {
      options.get = true;
    } else if (is_set && is_option(option, "KEEPTTL") && options.amount_at == 0) {
      options.keep_expiry = true;
    } else if (!is_set && is_option(option, "PERSIST") && options.amount_at == 0) {
      options.persist = true;
    } else if (i + 1 < context.argc() && take_expiry_option(option, i + 1, options)) {
      ++i;
    } else {
      return false;
    }
  }
  return true;
}

// Answers and returns false if the amount is no positive time.
bool take_expiry(CommandContext& context, size_t amount_at, bool is_seconds, bool is_relative,
                 std::string_view lower_case_command, int64_t& expires_at_ms) {
  int64_t amount = 0;
  if (!int_arg(context, amount_at, amount)) return false;
  if (amount <= 0 || !absolute_expiry(amount, is_seconds, is_relative, context.now_ms, expires_at_ms)) {
    reply_invalid_expire(context, lower_case_command);
    return false;
  }
  return true;
}

// Sets a string and tells the events; `expires_at_ms` may be kNoExpiry.
void set_and_tell(CommandContext& context, std::string_view key, std::string_view value, const SetOptions& options) {
  Keyspace& keyspace = context.at(key);
  keyspace.tick(context.now_ms);
  keyspace.set_string(context.database, key, value, options);
  keyspace.changed(context.database, key, EventClass::kString, "set");
  if (options.expires_at_ms != kNoExpiry && !options.keep_expiry) {
    keyspace.notify(context.database, key, EventClass::kGeneric, "expire");
  }
}

// Answers with the string under the key, or null. False if there is a value of another type: that is answered, too.
bool reply_old(CommandContext& context, Found<StringValue>& found) {
  if (found.wrong_type()) {
    context.out.error(kErrWrongType);
    return false;
  }
  if (found.missing()) {
    context.out.null();
  } else {
    context.out.bulk(found->bytes());
  }
  return true;
}

void set_with_expiry(CommandContext& context, bool is_seconds, std::string_view lower_case_command) {
  SetOptions options;
  if (!take_expiry(context, 2, is_seconds, true, lower_case_command, options.expires_at_ms)) return;
  set_and_tell(context, context.arg(1), context.arg(3), options);
  context.out.status(kReplyOk);
}

void add_to_integer(CommandContext& context, int64_t increment) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Found<StringValue> found = keyspace.write<StringValue>(context.database, key, context.now_ms);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  int64_t value = 0;
  if (!found.missing()) {
    const std::optional<int64_t> old = found->as_integer();
    if (!old) return context.out.error(kErrNotInteger);
    value = *old;
  }
  if (__builtin_add_overflow(value, increment, &value)) return context.out.error(kErrOverflow);
  if (found.missing()) {
    keyspace.set_integer(context.database, key, value);
  } else {
    found->set_integer(value);
  }
  keyspace.changed(context.database, key, EventClass::kString, "incrby");
  context.out.integer(value);
}

}  // namespace

void cmd_get(CommandContext& context) {
  Found<StringValue> found =
      context.at(context.arg(1)).read<StringValue>(context.database, context.arg(1), context.now_ms);
  static_cast<void>(reply_old(context, found));
}

void cmd_set(CommandContext& context) {
  const std::string_view key = context.arg(1);
  const std::string_view value = context.arg(2);
  StringOptions options;
  if (context.argc() > 3 && !take_options(context, 3, OptionsOf::kSet, options)) return context.out.error(kErrSyntax);
  SetOptions set_options;
  set_options.keep_expiry = options.keep_expiry;
  if (options.amount_at != 0 && !take_expiry(context, options.amount_at, options.is_seconds, options.is_relative, "set",
                                             set_options.expires_at_ms)) {
    return;
  }
  if (options.if_missing || options.if_present || options.get) {
    Found<StringValue> old = find_as<StringValue>(context, key);
    if (options.get && !reply_old(context, old)) return;
    if ((options.if_missing && !old.missing()) || (options.if_present && old.missing())) {
      if (!options.get) context.out.null();
      return;
    }
  }
  set_and_tell(context, key, value, set_options);
  if (!options.get) context.out.status(kReplyOk);
}

void cmd_setnx(CommandContext& context) {
  if (find(context, context.arg(1))) return context.out.integer(0);
  set_and_tell(context, context.arg(1), context.arg(2), {});
  context.out.integer(1);
}

void cmd_setex(CommandContext& context) { set_with_expiry(context, true, "setex"); }

void cmd_psetex(CommandContext& context) { set_with_expiry(context, false, "psetex"); }

void cmd_getset(CommandContext& context) {
  Found<StringValue> old = find_as<StringValue>(context, context.arg(1));
  if (!reply_old(context, old)) return;
  set_and_tell(context, context.arg(1), context.arg(2), {});
}

void cmd_getdel(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<StringValue> old = find_as<StringValue>(context, key);
  if (!reply_old(context, old) || old.missing()) return;
  Keyspace& keyspace = context.at(key);
  keyspace.erase(*old);
  keyspace.changed(context.database, key, EventClass::kGeneric, "del");
}

void cmd_getex(CommandContext& context) {
  const std::string_view key = context.arg(1);
  StringOptions options;
  if (!take_options(context, 2, OptionsOf::kGetEx, options)) return context.out.error(kErrSyntax);
  Found<StringValue> found = find_as<StringValue>(context, key);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  if (found.missing()) return context.out.null();
  int64_t expires_at_ms = kNoExpiry;
  if (options.amount_at != 0 &&
      !take_expiry(context, options.amount_at, options.is_seconds, options.is_relative, "getex", expires_at_ms)) {
    return;
  }
  context.out.bulk(found->bytes());
  Keyspace& keyspace = context.at(key);
  if (options.amount_at != 0 && expires_at_ms <= context.now_ms) {
    keyspace.erase(*found);
    keyspace.changed(context.database, key, EventClass::kGeneric, "del");
  } else if (options.amount_at != 0) {
    keyspace.set_expiry(*found, expires_at_ms);
    keyspace.changed(context.database, key, EventClass::kGeneric, "expire");
  } else if (options.persist && found->expires_at_ms() != kNoExpiry) {
    keyspace.set_expiry(*found, kNoExpiry);
    keyspace.changed(context.database, key, EventClass::kGeneric, "persist");
  }
}

void cmd_mget(CommandContext& context) {
  context.out.array(context.argc() - 1);
  for (const std::string_view key : context.args.subspan(1)) {
    Found<StringValue> found = find_across_as<StringValue>(context, key);
    if (found) {
      context.out.bulk(found->bytes());
    } else {
      context.out.null();
    }
  }
}

namespace {

void set_all(CommandContext& context) {
  static const uint16_t kSet = code_of("SET");
  for (size_t i = 1; i < context.argc(); i += 2) {
    const std::string_view key = context.arg(i);
    const std::string_view value = context.arg(i + 1);
    set_and_tell(context, key, value, {});
    context.log_effect(key, kSet, {"SET", key, value});
  }
}

}  // namespace

void cmd_mset(CommandContext& context) {
  if (context.argc() % 2 == 0) return context.out.error("ERR wrong number of arguments for 'mset' command");
  set_all(context);
  context.out.status(kReplyOk);
}

void cmd_msetnx(CommandContext& context) {
  if (context.argc() % 2 == 0) return context.out.error("ERR wrong number of arguments for 'msetnx' command");
  for (size_t i = 1; i < context.argc(); i += 2) {
    if (find_across(context, context.arg(i))) return context.out.integer(0);
  }
  set_all(context);
  context.out.integer(1);
}

void cmd_incr(CommandContext& context) { add_to_integer(context, 1); }

void cmd_decr(CommandContext& context) { add_to_integer(context, -1); }

void cmd_incrby(CommandContext& context) {
  int64_t increment = 0;
  if (int_arg(context, 2, increment)) add_to_integer(context, increment);
}

void cmd_decrby(CommandContext& context) {
  int64_t decrement = 0;
  if (!int_arg(context, 2, decrement)) return;
  if (decrement == INT64_MIN) return context.out.error("ERR decrement would overflow");
  add_to_integer(context, -decrement);
}

void cmd_incrbyfloat(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<StringValue> found = find_as<StringValue>(context, key);
  if (found.wrong_type()) return context.out.error(kErrWrongType);
  long double value = 0;
  if (!found.missing()) {
    const std::optional<long double> old = parse_long_double(found->bytes());
    if (!old) return context.out.error(kErrNotFloat);
    value = *old;
  }
  long double increment = 0;
  if (!long_double_arg(context, 2, increment)) return;
  value += increment;
  if (std::isnan(value) || std::isinf(value)) return context.out.error(kErrNanOrInfinity);
  const std::string text = format_long_double(value);
  Keyspace& keyspace = context.at(key);
  if (found.missing()) {
    keyspace.set_string(context.database, key, text);
  } else {
    found->set_bytes(text);
  }
  keyspace.changed(context.database, key, EventClass::kString, "incrbyfloat");
  context.out.bulk(text);
}

}  // namespace keelson::kv
