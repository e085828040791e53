#include "server/settings.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/numbers.h"

namespace keelson::server {

namespace {

class SettingCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "setting"; }
  std::string message(int code) const override {
    switch (static_cast<SettingErrc>(code)) {
      case SettingErrc::kOk:
        return "ok";
      case SettingErrc::kBadValue:
        return "a setting has a bad value";
      case SettingErrc::kBadFile:
        return "the configuration file cannot be used";
      case SettingErrc::kUnavailable:
        return "settings cannot be reached";
    }
    return "unknown";
  }
};

std::unexpected<Error> bad(std::string why) { return fail(SettingErrc::kBadValue, std::move(why)); }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Unit {
  std::string_view suffix;
  int64_t factor;
};

constexpr Unit kByteUnits[] = {{"", 1},
                               {"b", 1},
                               {"k", 1000},
                               {"kb", 1024},
                               {"m", 1'000'000},
                               {"mb", 1 << 20},
                               {"g", 1'000'000'000},
                               {"gb", 1 << 30},
                               {"t", 1'000'000'000'000},
                               {"tb", int64_t{1} << 40}};
constexpr Unit kDurationUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

// Digits, then one of the units, in any case.
std::optional<int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<int64_t> count = parse_int64(text.substr(0, digits));
  if (!count) return std::nullopt;
  std::string suffix(trim(text.substr(digits)));
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const Unit& unit : units) {
    int64_t product = 0;
    if (suffix == unit.suffix && !__builtin_mul_overflow(*count, unit.factor, &product)) return product;
  }
  return std::nullopt;
}

// The largest unit that divides it, so that 67108864 reads "64mb".
std::string with_unit(int64_t value, std::span<const Unit> units, int64_t base) {
  const Unit* best = nullptr;
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0 && (base == 0 || unit.factor % base == 0 || unit.factor == 1) &&
        (best == nullptr || unit.factor > best->factor)) {
      best = &unit;
    }
  }
  if (best == nullptr) return std::to_string(value);
  return std::to_string(value / best->factor) + std::string(best->suffix);
}

Result<SettingValue> in_range(const SettingSpec& spec, int64_t number, std::string text) {
  if (number < spec.least || number > spec.most) {
    const auto show = [&](int64_t limit) {
      if (spec.type == SettingType::kBytes) return with_unit(limit, kByteUnits, 1024);
      if (spec.type == SettingType::kDuration) return with_unit(limit, kDurationUnits, 0);
      return std::to_string(limit);
    };
    return bad(quoted(text) + " is out of range: it can be from " + show(spec.least) + " to " + show(spec.most));
  }
  return SettingValue{.text = std::move(text), .number = number};
}

Result<SettingValue> parse_bool(std::string_view text) {
  for (std::string_view yes : {"yes", "true", "on", "1"}) {
    if (text == yes) return SettingValue{.text = "yes", .number = 1};
  }
  for (std::string_view no : {"no", "false", "off", "0"}) {
    if (text == no) return SettingValue{.text = "no", .number = 0};
  }
  return bad(quoted(text) + " is neither yes nor no");
}

Result<SettingValue> parse_choice(const SettingSpec& spec, std::string_view text) {
  std::string list;
  std::string_view rest = spec.choices;
  while (true) {
    const size_t end = rest.find('|');
    const std::string_view one = rest.substr(0, end);
    if (one == text) return SettingValue{.text = std::string(text)};
    list.append(list.empty() ? "" : ", ").append(one);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return bad(quoted(text) + " is not one of " + list);
}

Result<SettingValue> parse_addresses(std::string_view text) {
  SettingValue value;
  std::string_view rest = trim(text);
  while (!rest.empty()) {
    const size_t end = rest.find(',');
    Result<env::Address> address = env::Address::parse(trim(rest.substr(0, end)));
    if (!address.ok()) {
      return bad(address.error().message() + " (such as 127.0.0.1:6379, [::1]:6379, :6379 or unix:/path)");
    }
    value.text.append(value.text.empty() ? "" : ",").append(trim(rest.substr(0, end)));
    value.addresses.push_back(std::move(*address));
    if (end == std::string_view::npos) break;
    rest = trim(rest.substr(end + 1));
  }
  return value;
}

std::string_view unit_hint(const SettingSpec& spec) {
  return spec.unit.empty() ? std::string_view("a number") : spec.unit;
}

// How far apart two names are: changed, missing and extra letters (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::error_code make_error_code(SettingErrc code) {
  static const SettingCategory category;
  return {static_cast<int>(code), category};
}

Result<SettingValue> parse_setting(const SettingSpec& spec, std::string_view text) {
  if (text.find_first_of(std::string_view("\0\n\r", 3)) != std::string_view::npos) {
    return bad("the value holds a line end or a NUL");
  }
  switch (spec.type) {
    case SettingType::kText:
    case SettingType::kSecret:
    case SettingType::kPath:
      return SettingValue{.text = std::string(text)};
    case SettingType::kBool:
      return parse_bool(text);
    case SettingType::kChoice:
      return parse_choice(spec, text);
    case SettingType::kAddresses:
      return parse_addresses(text);
    case SettingType::kInteger: {
      const std::optional<int64_t> number = parse_int64(text);
      if (!number) return bad(quoted(text) + " is not a whole number (" + std::string(unit_hint(spec)) + ")");
      return in_range(spec, *number, std::string(text));
    }
    case SettingType::kBytes: {
      const std::optional<int64_t> number = parse_with_unit(text, kByteUnits);
      if (!number) return bad(quoted(text) + " is not a size such as 1048576, 512kb, 64mb or 2gb");
      return in_range(spec, *number, std::string(text));
    }
    case SettingType::kDuration: {
      const std::optional<int64_t> number =
          text == "0" ? std::optional<int64_t>(0) : parse_with_unit(text, kDurationUnits);
      if (!number) return bad(quoted(text) + " is not a time such as 500ms, 1s, 5m or 1h");
      return in_range(spec, *number, std::string(text));
    }
  }
  return bad("the setting has no known type");
}

std::string variable_of(const SettingSpec& spec) {
  std::string name = "KEELSON_";
  for (char c : spec.key) {
    name.push_back(c == '.' || c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c));
  }
  return name;
}

std::string Origin::text() const {
  switch (kind) {
    case Kind::kDefault:
      return "default";
    case Kind::kFile:
      return line == 0 ? name : name + ":" + std::to_string(line);
    case Kind::kVariable:
    case Kind::kFlag:
      return name;
  }
  return name;
}

std::string SettingError::text() const {
  std::string whole = origin.text();
  if (!key.empty() && origin.kind != Origin::Kind::kFlag) whole.append(": ").append(key);
  return whole.append(": ").append(why);
}

Settings::Settings() {
  for (const SettingSpec& spec : setting_table()) {
    Result<SettingValue> value = parse_setting(spec, spec.default_text);
    KEELSON_CHECK(value.ok(), "every default in the table is valid");
    values_.push_back(std::move(*value));
  }
}

const SettingValue& Settings::value(std::string_view key) const {
  const SettingSpec* spec = find_setting(key);
  KEELSON_CHECK(spec != nullptr, "the setting stands in the table");
  return values_[static_cast<size_t>(spec - setting_table().data())];
}

const std::string& Settings::text(std::string_view key) const { return value(key).text; }
int64_t Settings::number(std::string_view key) const { return value(key).number; }
const std::vector<env::Address>& Settings::addresses(std::string_view key) const { return value(key).addresses; }

void Settings::set(const SettingSpec& spec, SettingValue value) {
  values_[static_cast<size_t>(&spec - setting_table().data())] = std::move(value);
}

std::string unknown_setting(std::string_view key) {
  const SettingSpec* nearest = nullptr;
  size_t nearest_distance = std::max<size_t>(3, key.size() / 3) + 1;
  if (key.size() <= 100) {
    for (const SettingSpec& spec : setting_table()) {
      size_t apart = distance(key, spec.key);
      // "listen" for "kv.listen", "kv.maxmem" for "kv.maxmemory"
      if ((spec.key.ends_with(key) || spec.key.starts_with(key)) && key.size() > 2) apart = 1;
      if (apart < nearest_distance) nearest = &spec, nearest_distance = apart;
    }
  }
  if (nearest == nullptr) return "there is no such setting (`keelson config default` shows all)";
  return "there is no such setting; did you mean " + std::string(nearest->key) + "?";
}

namespace {

void take(const SettingSpec& spec, std::string_view text, Origin origin, LoadedSettings& loaded) {
  Result<SettingValue> value = parse_setting(spec, text);
  if (!value.ok()) {
    std::string why = value.error().message();
    if (spec.type == SettingType::kSecret) why = "the value cannot be used";
    loaded.errors.push_back({std::move(origin), std::string(spec.key), std::move(why)});
    return;
  }
  value->origin = std::move(origin);
  loaded.settings.set(spec, std::move(*value));
}

void read_variables(const Pairs& variables, LoadedSettings& loaded) {
  for (const auto& [name, value] : variables) {
    if (!name.starts_with("KEELSON_") || name == kConfigVariable || name == kPasswordVariable) continue;
    const Origin origin{Origin::Kind::kVariable, name};
    const auto table = setting_table();
    const auto found =
        std::find_if(table.begin(), table.end(), [&](const SettingSpec& spec) { return variable_of(spec) == name; });
    if (found != table.end()) {
      take(*found, value, origin, loaded);
    } else {
      loaded.warnings.push_back({origin, "", "there is no such setting; the variable is passed over"});
    }
  }
}

}  // namespace

LoadedSettings load_settings(const SettingSources& sources) {
  LoadedSettings loaded;
  if (!sources.file_name.empty()) read_toml(sources.file_name, sources.file_text, loaded.settings, loaded.errors);
  read_variables(sources.variables, loaded);
  for (const auto& [key, value] : sources.flags) {
    const Origin origin{Origin::Kind::kFlag, "--" + key};
    const SettingSpec* spec = find_setting(key);
    if (spec != nullptr) {
      take(*spec, value, origin, loaded);
    } else {
      loaded.errors.push_back({origin, key, unknown_setting(key)});
    }
  }
  return loaded;
}

namespace {

void check_listener(const Settings& settings, std::string_view key, bool has_password, std::string_view password_key,
                    std::vector<SettingError>& errors) {
  for (const env::Address& address : settings.addresses(key)) {
    if (has_password || address.is_loopback() || !address.unix_path.empty()) continue;
    const std::string password(password_key);
    errors.push_back({settings.origin(key), std::string(key),
                      address.text() + " can be reached from other machines, and no password is set. Set " + password +
                          "-file (or " + password + "), or listen on 127.0.0.1 or a Unix socket"});
  }
}

void check_pair(const Settings& settings, std::string_view one, std::string_view other,
                std::vector<SettingError>& errors) {
  if (settings.text(one).empty() || !settings.text(other).empty()) return;
  errors.push_back({settings.origin(one), std::string(one), "this needs " + std::string(other) + " as well"});
}

void check_either(const Settings& settings, std::string_view one, std::string_view other,
                  std::vector<SettingError>& errors) {
  if (settings.text(one).empty() || settings.text(other).empty()) return;
  errors.push_back(
      {settings.origin(other), std::string(other), "set either this or " + std::string(one) + ", not both"});
}

}  // namespace

std::vector<SettingError> check_settings(const Settings& settings, const Passwords& passwords) {
  std::vector<SettingError> errors;
  check_either(settings, "kv.password", "kv.password-file", errors);
  check_either(settings, "http.password", "http.password-file", errors);
  check_listener(settings, "kv.listen", passwords.has_kv, "kv.password", errors);
  check_listener(settings, "kv.tls.listen", passwords.has_kv, "kv.password", errors);
  check_listener(settings, "http.listen", passwords.has_http || passwords.has_kv, "http.password", errors);
  check_pair(settings, "kv.tls.listen", "kv.tls.cert", errors);
  check_pair(settings, "kv.tls.listen", "kv.tls.key", errors);
  check_pair(settings, "kv.tls.cert", "kv.tls.key", errors);
  check_pair(settings, "kv.tls.key", "kv.tls.cert", errors);
  check_either(settings, "s3.secret-access-key", "s3.secret-access-key-file", errors);
  check_either(settings, "cluster.secret", "cluster.secret-file", errors);
  check_either(settings, "s3.master-keys", "s3.master-keys-file", errors);
  check_pair(settings, "s3.tls.listen", "s3.tls.cert", errors);
  check_pair(settings, "s3.tls.listen", "s3.tls.key", errors);
  check_pair(settings, "s3.tls.cert", "s3.tls.key", errors);
  check_pair(settings, "s3.tls.key", "s3.tls.cert", errors);
  check_pair(settings, "http.tls.cert", "http.tls.key", errors);
  check_pair(settings, "http.tls.key", "http.tls.cert", errors);
  if (settings.text("kv.tls.auth-clients") != "no") check_pair(settings, "kv.tls.auth-clients", "kv.tls.ca", errors);
  if (settings.text("data-dir").empty()) {
    errors.push_back({settings.origin("data-dir"), "data-dir", "the folder for the data must have a name"});
  }
  if (settings.addresses("kv.listen").empty() && settings.addresses("kv.tls.listen").empty()) {
    errors.push_back({settings.origin("kv.listen"), "kv.listen", "neither this nor kv.tls.listen names an address"});
  }
  return errors;
}

}  // namespace keelson::server
